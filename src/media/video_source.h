/* SPDX-License-Identifier: MIT */
/* Video from files, folders of pictures, pipes, devices and networks, frame by frame, by FFmpeg, which is loaded when the first
 * video is opened.
 *
 * Frames come as the decoder gives them (struct video_frame, read in place, unturned), in display order with their own times in the
 * stream's time base: exactly the frames and times that a player would show, edit lists applied. Formats outside of
 * struct video_format's are converted without loss of depth.
 *
 * What can be opened:
 *   a file                        anything FFmpeg reads
 *   a folder                      its pictures in natural order as one video
 *   a pattern                     shot%05d.png: pictures by number, as far as they are there without a gap
 *   -                             standard input: Y4M, or anything FFmpeg can tell from a pipe
 *   rtsp:// rtmp:// srt:// http:// ...
 *   v4l2:/dev/video0, /dev/video0, x11grab::0   a capture device, by FFmpeg's name for its kind
 *   lavfi:testsrc=...             FFmpeg's made-up pictures
 *
 * A source belongs to one thread at a time. Its frames and packets may be released on any thread, also after the source is closed. */
#ifndef FM_MEDIA_VIDEO_SOURCE_H
#define FM_MEDIA_VIDEO_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "framemill/error.h"
#include "media/video_info.h"

struct video_source;
struct AVFormatContext;
struct AVCodecContext;

enum video_interlace { VIDEO_DEINTERLACE, VIDEO_INTERLACE_REFUSE, VIDEO_INTERLACE_PASS };
enum video_live { VIDEO_LIVE_AUTO, VIDEO_LIVE_NO, VIDEO_LIVE_YES };

/* Zero means the default everywhere. Strings need to live during the call only. */
struct video_source_params {
    const char *format;         /* FFmpeg's name of the container; NULL: found out */
    const char *const *options; /* "key=value" for container, protocol or decoder, in this order of preference */
    int n_options;
    struct media_ratio picture_rate; /* of pictures as a video; {0, 0}: 25/1 */
    double start_s, duration_s;      /* the piece wanted, seconds from the video's start; duration 0: to the end */
    int video_stream;                /* the n-th video stream, from 0; covers are not counted */
    int threads;                     /* for decoding; 0: FFmpeg's choice */
    enum video_interlace interlace;
    enum video_live live;      /* AUTO: devices, rtsp, rtmp, srt, udp, rtp and HTTP streams without an end */
    int reconnects;            /* tries in a row after a live source broke off; 0: 8; -1: none */
    int timeout_ms;            /* a network or device that says nothing for so long has failed; 0: 15000; -1: never */
    bool want_packets;         /* packets of the other streams are handed out too */
    const atomic_bool *cancel; /* looked at while waiting; NULL: none. Lives as long as the source */
};

/* What happened so far. */
struct video_source_stats {
    int64_t frames;        /* handed out */
    int64_t damaged;       /* of these, frames where the decoder missed something */
    int64_t decode_errors; /* packets that the decoder refused */
    int64_t faults; /* places where the container is damaged, and something may be missing: `fault` says how, the first time */
    char fault[160];
    int64_t resized; /* frames of another size or format than the first: brought to it */
    int64_t reconnects;
    int64_t gap_ms;     /* nothing came for so long before the last reconnection */
    uint64_t waited_ns; /* core_now_ns when a live source last had nothing ready and was waited for; 0: not yet */
    bool ended_early;   /* the file breaks off, or reading failed: `end` says how */
    char end[160];
    int64_t bytes; /* packets read, compressed */
};

enum video_item_kind { VIDEO_ITEM_FRAME, VIDEO_ITEM_PACKET };

struct video_item {
    enum video_item_kind kind;
    struct video_frame frame;   /* the receiver's: video_frame_release */
    int64_t index;              /* of the frame, from 0 */
    struct media_packet packet; /* the receiver's: media_packet_release */
};

/* Opens the video and decodes its first frame, so that the info is what frames will be. FM_ERR_IO: not there, not readable, no
 * connection; FM_ERR_FORMAT: damaged or no video in it; FM_ERR_UNSUPPORTED: no decoder, interlaced and not wanted so, FFmpeg not
 * installed; FM_ERR_ARGUMENT: an option that nobody knows, a start behind the end; FM_ERR_CANCELLED. Messages name the source. */
int video_source_open(const char *url, const struct video_source_params *params, struct video_source **out, struct fm_error *error);
void video_source_close(struct video_source **source); /* accepts NULL contents, sets NULL */

/* Valid as long as the source. */
const struct video_info *video_source_info(const struct video_source *source);
void video_source_get_stats(const struct video_source *source, struct video_source_stats *stats);

/* The next frame or packet, in the order of the container. FM_ERR_EOS: no more; stats say whether the end came early.
 * FM_ERR_CANCELLED; FM_ERR_NOMEM; FM_ERR_IO: a live source that could not be reached again; FM_ERR_UNSUPPORTED: an interlaced frame
 * under VIDEO_INTERLACE_REFUSE. After an error, every further call gives an error. */
int video_source_next(struct video_source *source, struct video_item *item, struct fm_error *error);

/* For resuming: goes on after the first `frames` frames, the last of which had `last_pts`. Called right after opening, with the same
 * params as the run before; frames that follow are bit for bit those of an uninterrupted run, and packets of other streams begin near
 * there. Jumps to a key frame where the codec and container make that certain, else decodes from the start. FM_ERR_FORMAT: the source
 * is not the one it was; FM_ERR_UNSUPPORTED: a live source. `tick`, unless NULL, is called with every frame that is left out. */
int video_source_skip_to(
    struct video_source *source, int64_t frames, int64_t last_pts, void (*tick)(void *user), void *user, struct fm_error *error);

/* For the rest of src/media: streams, chapters and metadata to copy; what the decoder knows. Of the connection that is open: another
 * after a reconnection. */
struct AVFormatContext *video_source_container(const struct video_source *source);
struct AVCodecContext *video_source_decoder(const struct video_source *source);

#endif
