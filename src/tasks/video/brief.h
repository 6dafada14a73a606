/* SPDX-License-Identifier: MIT */
/* What a worker process must know to make the frames that a thread would make: sizes, formats, networks and plug-ins by their files. Lies
 * in the memory that the mill shares, without pointers. */
#ifndef FM_TASKS_VIDEO_BRIEF_H
#define FM_TASKS_VIDEO_BRIEF_H

#include "tasks/video/video.h"

/* A network's file, as it was when the job opened it. */
struct brief_level {
    bool is_plain; /* there is none */
    int64_t bytes, seconds, nanoseconds;
};

struct brief {
    uint64_t magic, bytes; /* bytes: all of it, texts included */
    struct video_format in_format, out_format;
    int whole_w, whole_h, in_w, in_h, out_w, out_h, frame_w, frame_h, tile_w, tile_h;
    size_t bundle_bytes;
    int compare, ensemble, tile, overlap;
    uint32_t cpu_flags;
    bool reuses;
    int workers, threads[VIDEO_WORKERS_MAX];
    int n_levels, n_plugins;
    struct brief_level level[VIDEO_LEVELS_MAX];
    char text[]; /* a network's file for each level ("": plain), then the plug-ins, each with its end */
};

/* The caller frees it with core_free. FM_ERR_IO: a network's file is gone. */
int brief_make(const struct video *v, struct brief **out, size_t *bytes, struct fm_error *error);
/* What is needed to make frames, and nothing of source or output. `memory`: a brief of this build, of so many bytes. Frames are given up
 * once *stopping. FM_ERR_FORMAT: it is no brief; FM_ERR_IO: a network's file is no longer what it was; what opening networks says. */
int brief_follow(const void *memory, size_t bytes, int worker, atomic_bool *stopping, struct video **out, struct fm_error *error);

#endif
