/* SPDX-License-Identifier: MIT */
/* A worker that is a process of its own: reads and writes the slots of the job that started it. */
#define _GNU_SOURCE /* clock_gettime */
#include "tasks/video/brief.h"
#include "tasks/video/work.h"

#include <time.h>

#include "core/error.h"
#include "mill/child.h"

struct post {
    struct video *video;
    struct work work;
    ptrdiff_t stride; /* from slot to slot */
};

static int start(void *user, int worker, const struct mill_site *site, struct fm_error *error)
{
    struct post *p = user;
    int code = brief_follow(site->brief, site->brief_bytes, worker, site->stopping, &p->video, error);
    if (code == FM_OK && p->video->bundle_bytes != site->bundle_bytes)
        code = core_fail(error, FM_ERR_FORMAT, "the job's slots are of another size");
    if (code == FM_OK) code = work_open(&p->work, p->video, p->video->threads, error);
    p->stride = (ptrdiff_t) site->stride;
    return code;
}

static uint64_t processor_ns(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) ? 0 : (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static int process(void *user, int worker, void *bundle)
{
    struct post *p = user;
    struct video_unit *unit = bundle;
    struct video_frame in, before;
    const uint64_t start = processor_ns();
    (void) worker;
    video_input_in(p->video, bundle, &in);
    if (unit->before >= 0) video_input_in(p->video, (uint8_t *) bundle + (unit->before - unit->slot) * p->stride, &before);
    const int code = work_frame(&p->work, unit, &in, unit->before >= 0 ? &before : NULL);
    unit->cost.process_ns = processor_ns() - start;
    return code;
}

int video_worker(int descriptor, int worker, struct fm_error *error)
{
    struct post p = {0};
    const struct mill_child child = {.user = &p, .worker_start = start, .process = process};
    const int code = mill_child_run(descriptor, worker, &child, error);
    work_close(&p.work);
    video_destroy(&p.video);
    return code;
}
