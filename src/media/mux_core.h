/* SPDX-License-Identifier: MIT */
/* The mux as video_mux.c and video_assemble.c share it. */
#ifndef FM_MEDIA_MUX_CORE_H
#define FM_MEDIA_MUX_CORE_H

#include "media/mux_plan.h"
#include "media/still_file.h"

struct video_mux {
    const struct av *av;
    struct mux_container container;
    struct video_mux_params params; /* its pointers are used during opening only, but for `cancelled` */
    AVFormatContext *out;
    char *path; /* of an ordinary file */
    struct still_file file;
    bool has_file, has_header, is_ordered, is_failed;
    AVStream *video;
    AVRational video_base;
    int64_t video_dts; /* of the last packet, in the output's time base */
    struct mux_track *tracks;
    int count, main; /* streams of the input; the one that was worked on */
    AVRational origin_base;
    int64_t origin; /* what becomes 0 */
    AVPacket *scratch;
    uint64_t bytes;
    uint64_t until_ns; /* a network: what waits longer has failed; 0: for ever */
    bool is_expired;   /* it did */
    uint64_t clock_ns; /* paced: when a packet of time ... */
    int64_t clock_us;  /* ... this is due; clock_ns 0: no packet yet */
};

/* `is_ordered`: packets of all streams will come in the order in which they are to be written, none is held back. */
int mux_core_open(const char *output, const struct coded_stream *stream, const AVFormatContext *input,
    const struct video_mux_params *params, bool is_ordered, struct video_mux **out, struct warn warn, struct fm_error *error);
/* A packet of the input, left as it is; those that are not wanted are ignored. */
int mux_core_packet(struct video_mux *mux, const AVPacket *packet, struct fm_error *error);
/* Is nothing more to be expected of any stream whose packets come regularly? */
bool mux_core_is_past(const struct video_mux *mux);
/* FM_ERR_ARGUMENT: the output is there and may not be replaced. */
int mux_core_check_place(const struct av *av, const char *output, const struct mux_container *c,
    const struct video_mux_params *params, struct fm_error *error);

/* mux_open.c: for video_mux.c. */
int mux_open_output(
    struct video_mux *mux, const char *output, const AVFormatContext *input, struct warn warn, struct fm_error *error);

/* mux_live.c. FFmpeg asks while it waits for a network. */
int mux_live_interrupted(void *mux);
void mux_live_begin(struct video_mux *mux); /* before what may wait */
double mux_live_patience_s(const struct video_mux *mux);

#endif
