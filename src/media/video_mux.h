/* SPDX-License-Identifier: MIT */
/* Video sinks: coded video and everything else the input has, into a container.
 *
 * File jobs: video_assemble joins a journal with the other streams of the job's input, packet for packet. Live ones and `-`: a mux is
 * opened and fed as packets come. */
#ifndef FM_MEDIA_VIDEO_MUX_H
#define FM_MEDIA_VIDEO_MUX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "framemill/error.h"
#include "media/coded.h"

struct AVFormatContext;

/* What happens to a stream that the container cannot hold as it is. Whatever is not a plain copy is named in the warnings. */
enum video_mux_policy {
    VIDEO_MUX_CONVERT, /* converted where there is a way (text subtitles, audio), dropped where there is none */
    VIDEO_MUX_KEEP,    /* converted where there is a way, refused where there is none */
    VIDEO_MUX_DROP,    /* dropped */
    VIDEO_MUX_REFUSE   /* refused */
};

/* "convert", "keep", "drop", "refuse"; FM_ERR_ARGUMENT otherwise. */
int video_mux_policy_parse(const char *text, enum video_mux_policy *policy, struct fm_error *error);

struct video_mux_params {
    const char *format;         /* muxer ("mp4", "matroska", "yuv4mpegpipe"); NULL: by the output's name */
    const char *const *options; /* the muxer's, "key=value", NULL-terminated; NULL: none */
    enum video_mux_policy policy;
    bool overwrite; /* a file that is there may be replaced */
    /* How the input is read again for its other streams: its container, where that was told, and options of it ("key=value", NULL at the
     * end; those it does not know are the decoder's). NULL: found out, none. */
    const char *input_format;
    const char *const *input_options;
    int64_t packets_max; /* of the journal's video, at most; 0: all */
    bool no_copy;        /* the video alone */
    bool bit_exact;      /* no version strings, no dates */
    int video_stream;    /* the input's stream that was worked on; -1: its best video */
    /* The piece of the input that was worked on, on the container's clock in microseconds (struct video_info's from_us and to_us): what
     * lies before or at and after is left out, and from_us becomes 0. */
    bool has_from, has_to;
    int64_t from_us, to_us;
    /* The picture was turned upright: the rotation of the input is not kept. */
    bool drop_rotation;
    /* Width of a pixel against its height when the input's no longer fits; 0/1: as the coded stream says. */
    struct media_ratio sample_aspect;
    int64_t interleave_us;        /* how far streams may lie apart before a packet is written without its neighbours; 0: 10 s */
    bool paced;                   /* the input comes faster than it happens: see video_mux_wait */
    int timeout_ms;               /* a network peer that takes nothing for so long has failed; 0: 15000; -1: never */
    bool (*cancelled)(void *arg); /* asked before each packet; NULL: never */
    void *cancelled_arg;
    void (*progress)(void *arg, int64_t packets); /* video packets written so far, now and then; NULL: none */
    void *progress_arg;
};

/* Which container `output` names: the muxer's name ("mp4"), FM_ERR_UNSUPPORTED when its extension or scheme is not known. */
int video_mux_format(const char *output, const char *format, char *name, size_t size, struct fm_error *error);
/* Does the container keep a rotation? Where it does not, pictures have to be turned upright. */
bool video_mux_holds_rotation(const char *output, const char *format);
/* Must the video's parameter sets be in the stream's header (rather than at each keyframe)? Encoders ask. */
bool video_mux_global_header(const char *output, const char *format);

/* Would the container take this codec and these streams? Asked before hours of work: the same decisions, the same warnings and
 * refusals as video_assemble. `codec`: the video's ("h264"). `input` may be NULL. */
int video_mux_check(const char *input, const char *output, const char *codec, const struct video_mux_params *params, char *warnings,
    size_t warnings_size, struct fm_error *error);

/* The same, and whether the result can be begun: with the stream that the journal will hold, everything is opened, the header is written,
 * and all of it is removed again. */
int video_mux_try(const char *input, const char *output, const struct coded_stream *stream, const struct video_mux_params *params,
    char *warnings, size_t warnings_size, struct fm_error *error);

/* Makes the result: `output` appears whole, or not at all. `input` NULL: the video alone. A journal that is not done is taken as
 * far as its last checkpoint, other streams as far as the video goes. A damaged input gives what could be read of it, and a warning. */
int video_assemble(const char *log, const char *input, const char *output, const struct video_mux_params *params, char *warnings,
    size_t warnings_size, struct fm_error *error);
/* What is in a journal that is not done, as a playable file of its own: "film.mp4" becomes "film.partial.mp4", replaced if it is
 * there. `name`: receives that name; every whole packet is taken, not only up to the checkpoint. */
int video_assemble_partial(const char *log, const char *input, const char *output, const struct video_mux_params *params,
    char *name, size_t name_size, char *warnings, size_t warnings_size, struct fm_error *error);

/* Direct: one thread at a time. */

struct video_mux;

/* `output`: a file, "-", a URL (rtmp, srt, rtsp, ...), a pattern ("out%05d.png"). `input`: the demuxer whose other packets will come
 * (video_source_container), or NULL; it is read during the call only. */
int video_mux_open(const char *output, const struct coded_stream *stream, const struct AVFormatContext *input,
    const struct video_mux_params *params, struct video_mux **out, char *warnings, size_t warnings_size, struct fm_error *error);
/* Does the mux want packets of this stream of the input? */
bool video_mux_wants(const struct video_mux *mux, int input_stream);
int video_mux_video(struct video_mux *mux, const struct coded_packet *packet, struct fm_error *error);
/* Peers that show what comes as it comes (RTMP, RTSP, SRT, UDP) get a paced video's packets no sooner than they happen: sleeps until
 * this one is due, or *cancel. For others, returns at once. To be called before video_mux_video, without the lock that guards the mux. */
void video_mux_wait(struct video_mux *mux, const struct coded_packet *packet, const atomic_bool *cancel);
bool video_mux_paces(const struct video_mux *mux); /* does it ever sleep? */
/* A packet of the input, in its stream's time base; packets that are not wanted are ignored. The packet stays the caller's. */
int video_mux_other(struct video_mux *mux, const struct media_packet *packet, struct fm_error *error);
/* Everything was given: writes what is held back and gives a file its name. FM_OK or why the result is not whole (then there is none).
 * The mux is to be closed in either case. */
int video_mux_finish(struct video_mux *mux, char *warnings, size_t warnings_size, struct fm_error *error);
/* Without a finish: a file's temporary is removed. */
void video_mux_close(struct video_mux **mux);
/* Bytes of the finished file; 0 for streams. */
uint64_t video_mux_bytes(const struct video_mux *mux);

#endif
