/* SPDX-License-Identifier: MIT */
/* The inside of a video source: what its files share. A source reads packets (video_open.c, video_pictures.c; after a break
 * video_live.c), decodes them (video_source.c), deinterlaces frames (video_filter.c) and finds places (video_seek.c). */
#ifndef FM_MEDIA_VIDEO_PARTS_H
#define FM_MEDIA_VIDEO_PARTS_H

#include "core/arena.h"
#include "media/av_frame.h"
#include "media/av_load.h"
#include "media/video_source.h"

/* Waiting that can be cut short: FFmpeg asks while it waits for a network. */
struct video_wait {
    const atomic_bool *cancel;
    uint64_t limit_ns, until_ns; /* limit 0: never runs out */
    bool expired;
};
bool video_wait_cancelled(const struct video_wait *wait);
void video_wait_begin(struct video_wait *wait);
/* Sleeps in short pieces; false when cancelled. */
bool video_wait_sleep(const struct video_wait *wait, uint64_t ns);

enum video_place { VIDEO_PLACE_FILE, VIDEO_PLACE_PICTURES, VIDEO_PLACE_PIPE, VIDEO_PLACE_URL, VIDEO_PLACE_DEVICE };

/* A container that is open. */
struct video_input {
    const struct av *av;
    AVFormatContext *container;
    AVIOContext *pipe; /* ours, for standard input */
    int pipe_fd;
    struct video_pictures *pictures;
    enum video_place place;
    AVDictionary *rest;     /* options that the container did not know */
    int64_t packets_end;    /* where the last packet ended in the file */
    struct video_wait wait; /* FFmpeg holds its address: the struct stays where it is */
};

/* Opens `url` and finds its streams. `name` is for messages (video_open_name). The input must be zeroed. */
int video_open_input(const struct av *av, const char *url, const char *name, const struct video_source_params *params,
    struct video_input *input, struct fm_error *error);
void video_open_close(struct video_input *input); /* leaves it zeroed */
/* `url` without a password, for messages. */
void video_open_name(const char *url, char *name, size_t size);
bool video_open_is_live(const struct video_input *input, const char *url, enum video_live live);
/* The next packet, as av_read_frame gives it: 0, AVERROR_EOF or another AVERROR. */
int video_open_read(struct video_input *input, AVPacket *packet);
/* After the end: was there half a packet? */
bool video_open_breaks_off(const struct video_input *input);
/* The n-th video stream that is no cover; -1. */
int video_open_stream(const struct video_input *input, int n);
/* "timed out", or what FFmpeg says. */
void video_open_reason(const struct video_input *input, int code, char *text, size_t size);

/* Pictures as a video: packets are files. */
struct video_pictures;
bool video_pictures_is_pattern(const char *path);
/* Lists the pictures of a folder, or of a pattern. */
int video_pictures_open(const char *path, const char *name, struct video_pictures **out, struct fm_error *error);
void video_pictures_close(struct video_pictures **pictures);
const char *video_pictures_path(const struct video_pictures *pictures, int64_t index); /* NULL past the end */
int64_t video_pictures_count(const struct video_pictures *pictures);
void video_pictures_seek(struct video_pictures *pictures, int64_t index);
/* 0, AVERROR_EOF or another AVERROR. pts counts pictures. */
int video_pictures_read(struct video_pictures *pictures, const struct av *av, AVPacket *packet);

/* Every stream of a container; NULL when memory is out. */
struct media_stream *video_info_streams(const struct av *av, AVFormatContext *container, struct arena *arena);
void video_info_rotation(const int32_t matrix[9], int *rotation, bool *flipped);
/* Adds what a frame's side data says. */
void video_info_hdr_of_frame(const struct av *av, const AVFrame *frame, struct media_hdr *hdr);
void video_info_text(const char *from, char *to, size_t size); /* without control characters */
int64_t video_info_time(int64_t av_time);                      /* AV_NOPTS_VALUE is INT64_MIN already; says so in one place */

/* One frame for a frame, made from its fields and the neighbours'. */
struct video_filter;
int video_filter_open(
    const struct av *av, const AVFrame *like, AVRational time_base, struct video_filter **out, struct fm_error *error);
void video_filter_close(struct video_filter **filter);
int video_filter_put(struct video_filter *filter, AVFrame *frame, struct fm_error *error); /* NULL: the end. Takes the frame */
/* FM_OK, FM_ERR_AGAIN (wants more), FM_ERR_EOS. */
int video_filter_get(struct video_filter *filter, AVFrame *frame, struct fm_error *error);

/* Where timestamps of a live source go on after it broke off. */
struct video_break {
    bool broken, clean;       /* packets ended; by an end, not by an error */
    int code;                 /* AVERROR of the break */
    bool shifting;            /* the first packet of a new connection sets `shift_us` */
    int64_t shift_us, end_us; /* added to the new connection's times; where the times handed out end */
    uint64_t heard_ns;        /* when the last packet came */
    uint64_t gap_ns;          /* how long nothing came before the new connection */
    int failures;             /* connections tried since the last frame */
};

struct video_queue {
    struct video_item *items;
    int first, n, capacity;
    int64_t bytes; /* of packets */
};

struct video_source {
    const struct av *av;
    struct arena *arena; /* strings and streams */
    const char *url, *name;
    struct video_source_params params; /* strings in the arena */
    struct video_input input;
    AVStream *stream;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *decoded;
    struct avconvert *convert;
    struct avframe_pool *pool;
    struct video_filter *filter;
    AVFrame *before;  /* the frame before, while there is no filter: the first one it gets */
    int filter_drops; /* frames that come out of the filter a second time */
    struct video_queue queue;
    struct video_info info;
    struct video_source_stats stats;
    struct video_break live;
    enum AVPixelFormat target; /* of the frames handed out; NONE until the first */
    int64_t guess;             /* when a frame has no time of its own */
    int64_t next_index;
    int64_t skip_until;  /* frames up to this time are left out, this one included; INT64_MIN: none */
    int64_t skip_frames; /* so many frames are left out */
    void (*tick)(void *user); /* called with each that is; NULL: nobody wants to know */
    void *tick_user;
    int64_t skipped_pts; /* of the last one left out so */
    int64_t first_pts;   /* of the first frame decoded since the last jump; INT64_MIN: none yet */
    int64_t trouble;     /* frames damaged and packets refused since then */
    bool jumped;         /* the next packet of the video is the first since then */
    bool key_certain;    /* that packet: nothing after it needs anything before it */
    bool draining, decoder_done, filter_done, past_end;
    int refusals;           /* of the decoder, one after the other */
    struct fm_error failed; /* what every further call repeats; code FM_OK: nothing */
};

/* Opens container and decoder and goes to the start, by a jump if allowed; no frame need be decoded yet. */
int video_source_start(struct video_source *source, bool jump, struct fm_error *error);
void video_source_stop(struct video_source *source);
/* Does a piece of work: some item may have come into the queue. FM_ERR_EOS at the end. */
int video_source_step(struct video_source *source, struct fm_error *error);
/* Works until a frame is in the queue. */
int video_source_peek(struct video_source *source, struct fm_error *error);
/* Forgets everything read ahead: before a jump. */
void video_source_flush(struct video_source *source);
/* The decoder of the video stream as the container describes it now, in place of the one before. */
int video_source_open_decoder(struct video_source *source, struct fm_error *error);

/* Goes to the key frame before params.start_s, so that no frame from there on is missed. */
int video_seek_start(struct video_source *source, struct fm_error *error);

/* Can decoding begin at this packet, so that all frames from its own on are what they are in an uninterrupted run? */
bool video_seek_is_certain(const struct video_source *source, const AVPacket *packet);

/* After packets of a live source ended: connects again. */
int video_live_again(struct video_source *source, struct fm_error *error);
/* Every packet of a live source passes here. */
void video_live_packet(struct video_source *source, AVPacket *packet);

/* Queue of items, in order. */
int video_queue_put(struct video_queue *queue, const struct video_item *item, struct fm_error *error);
bool video_queue_get(struct video_queue *queue, struct video_item *item);
void video_item_release(struct video_item *item);
void video_queue_clear(struct video_queue *queue);

#endif
