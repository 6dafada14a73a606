/* SPDX-License-Identifier: MIT */
/* The upscale task: networks found and understood, a chain for every picture size, and the run: source -> mill -> writers. */
#ifndef FM_TASKS_UPSCALE_UPSCALE_H
#define FM_TASKS_UPSCALE_UPSCALE_H

#include "core/threads.h"
#include "framemill/error.h"
#include "framemill/picture.h"
#include "framemill/upscale.h"
#include "tasks/upscale/chain.h"

#define UPSCALE_NETWORKS_MAX 16
#define UPSCALE_NOTES_MAX 32
#define UPSCALE_CHAINS_KEPT 4
#define UPSCALE_WORKERS_MAX 64

struct upscale {
    struct fm_upscale_params params; /* strings that outlive create are in `network` and `plugin` */
    struct pool *pool;               /* the engine's */
    struct pool *worker_pool[UPSCALE_WORKERS_MAX]; /* workers > 1: each its own */
    int workers, writers, threads;   /* threads of each worker; upscale_staff decides for a run */
    int slots;                       /* of the mill: pictures (or bands) in flight */
    bool lone;                       /* one picture has the whole budget */
    uint32_t cpu_flags;
    size_t budget;                   /* bytes for slots and workers together */
    struct network *network[UPSCALE_NETWORKS_MAX];
    int n_networks;
    struct plugin **plugin;
    int n_plugins;
    char *note[UPSCALE_NOTES_MAX];
    int n_notes;
    struct chain *kept[UPSCALE_CHAINS_KEPT]; /* of the last pictures, latest first; the source's */
    struct picture_work *picture; /* picture.c: what the last picture in memory left for the next */
    atomic_bool cancel;
};

int upscale_create(const struct fm_upscale_params *params, struct pool *pool, uint32_t cpu_flags, struct upscale **out, struct fm_error *error);
void upscale_destroy(struct upscale **upscale); /* accepts NULL contents, sets NULL */
int upscale_describe(struct upscale *u, const struct fm_upscale_file *file, fm_upscale_report_fn report, void *user, struct fm_error *error);
int upscale_run(struct upscale *u, const struct fm_upscale_file *files, int n_files, fm_upscale_report_fn report,
                fm_upscale_progress_fn progress, void *user, struct fm_error *error);

/* picture.c: fm_upscale_picture, its pictures checked. */
int upscale_picture(struct upscale *u, const struct fm_picture *in, struct fm_picture *out, fm_upscale_report_fn report, void *user,
                    struct fm_error *error);
void upscale_picture_forget(struct upscale *u);
/* The size of the result, the plain half of a comparison included; 0: it would be too large. */
void upscale_size(const struct upscale *u, int width, int height, int *out_width, int *out_height);

#endif
