/* SPDX-License-Identifier: MIT */
/* A video encoder: frames in, packets out, in the time base it was given. One thread at a time; frames may be released on another
 * one (the encoder's own threads hold them for a while). */
#ifndef FM_MEDIA_VIDEO_ENCODER_H
#define FM_MEDIA_VIDEO_ENCODER_H

#include "framemill/error.h"
#include "frame/video.h"
#include "media/coded.h"

struct video_encoder;

#define VIDEO_ENCODER_TEXT 1024

struct video_encoder_params {
    const char *name;           /* "libx264"; NULL: the container's default */
    const char *container;      /* muxer's name or name of the file: chooses the encoder and where parameter sets go; NULL: "mp4" */
    const char *const *options; /* "key=value", NULL-terminated; NULL: none. They override the defaults. */
    const char *preset;         /* shorthand for preset=...; NULL: the encoder's own */
    int width, height;          /* of the frames that will be sent */
    struct video_format format; /* likewise */
    struct media_ratio time_base, frame_rate, sample_aspect; /* frame_rate a hint, 0/1 unknown; sample_aspect 0/1 unknown */
    int gop;                         /* forced keyframe every so many frames at most; 0: about two seconds, 250 at most */
    int threads;                     /* 0: as many as the machine has */
    bool bit_exact;                  /* no version strings, deterministic where the encoder can */
    bool journal;                    /* keyframes sent with force_key must be points to go on from: closed groups only */
    const struct video_frame *first; /* HDR metadata is taken from this frame's owner; may be NULL */
};

/* FM_ERR_UNSUPPORTED: no such encoder, or it takes no such pictures; FM_ERR_ARGUMENT: an option it does not know or a value it does
 * not take (named). `warnings`: text added to (terminated, never NULL'd), a line each: pixel formats converted, encoder replaced;
 * may be NULL. */
int video_encoder_open(const struct video_encoder_params *params, struct video_encoder **out, char *warnings, size_t warnings_size,
    struct fm_error *error);
/* Does this container want parameter sets in its header, rather than at each keyframe? */
bool video_encoder_wants_header(const char *container);
/* What a muxer or journal needs; the encoder's, valid until it is closed. */
const struct coded_stream *video_encoder_stream(const struct video_encoder *encoder);
const char *video_encoder_name(const struct video_encoder *encoder); /* "libx264" */

/* Takes the frame, on success and on failure: it is released when the encoder needs it no more, perhaps later, perhaps on another
 * thread, video_encoder_close at the latest. No pixel is copied where the encoder takes the frame's format. Its pts must be greater
 * than that of the frame before. `source`: the decoded frame that the picture was made from, whose captions and HDR side data go along
 * (looked at during the call; NULL: the frame itself is one). FM_ERR_AGAIN is never returned: what the encoder has ready is kept for
 * video_encoder_receive. FM_ERR_DEVICE: the encoder failed. */
int video_encoder_send(struct video_encoder *encoder, struct video_frame *frame, const struct video_frame *source, bool force_key,
    struct fm_error *error);
/* No more frames. */
int video_encoder_flush(struct video_encoder *encoder, struct fm_error *error);
/* The next packet; the caller's, coded_packet_release. FM_ERR_AGAIN: send more; FM_ERR_EOS: all were given (after a flush). */
int video_encoder_receive(struct video_encoder *encoder, struct coded_packet *packet, struct fm_error *error);
void video_encoder_close(struct video_encoder **encoder); /* accepts NULL contents, sets NULL; what was not received is dropped */

#endif
