/* SPDX-License-Identifier: MIT */
#include "tasks/video/work.h"

#include <string.h>

#include "core/error.h"

int work_open(struct work *w, const struct video *v, int threads, struct fm_error *error)
{
    *w = (struct work){.video = v};
    int code = video_maker_create(v, threads, &w->maker, error);
    if (code == FM_OK && v->reuses) code = reuse_make(&w->reuse, v, error);
    return code;
}

void work_close(struct work *w)
{
    video_maker_destroy(&w->maker);
    reuse_release(&w->reuse);
}

static int make_all(struct work *w, struct video_unit *unit, const struct video_frame *in, struct video_frame *out)
{
    return video_make(w->maker, unit->level, in, out, NULL, 0, &unit->cost, &unit->error);
}

static int make_changed(struct work *w, struct video_unit *unit, const struct video_frame *in, const struct video_frame *before,
    struct video_frame *out)
{
    static const struct rect nothing = {0, 0, 0, 0};
    struct reuse *reuse = &w->reuse;
    const uint64_t start = core_now_ns();
    struct bitmap made = video_made_in(w->video, unit);
    const int code = reuse_find(reuse, w->video, w->maker, unit->level, before, in, &made, &unit->error);
    if (code < 0) return code;
    unit->cost.convert_ns += core_now_ns() - start;
    unit->tiles = reuse->n_tiles;
    unit->reused = reuse->n_same;
    unit->all_same = reuse->all_same;
    unit->chosen = reuse->chosen;
    unit->n_todo = reuse->n_todo;
    memcpy(unit->todo, reuse->todo, (size_t) reuse->n_todo * sizeof *reuse->todo);
    if (reuse->chosen) return video_make_chosen(w->maker, unit->level, in, out, &made, &unit->cost, &unit->error);
    if (!reuse->all_same && !reuse->n_todo) return make_all(w, unit, in, out);
    /* Chroma is made whole in any case; an empty rectangle makes that and nothing else. */
    const struct rect *todo = reuse->all_same ? &nothing : reuse->todo;
    return video_make(w->maker, unit->level, in, out, todo, reuse->all_same ? 1 : reuse->n_todo, &unit->cost, &unit->error);
}

int work_frame(struct work *w, struct video_unit *unit, const struct video_frame *in, const struct video_frame *before)
{
    const struct video *v = w->video;
    struct video_frame out;
    video_frame_in(v, unit, &out);
    unit->cost = (struct video_cost){0};
    unit->tiles = unit->reused = 0;
    unit->all_same = unit->chosen = false;
    unit->n_todo = 0;
    int code = before ? make_changed(w, unit, in, before, &out) : make_all(w, unit, in, &out);
    if (code == FM_OK && v->params.compare) code = video_make_comparison(w->maker, in, &out, &unit->error);
    if (code == FM_OK && unit->cost.not_numbers)
        code = core_fail(&unit->error, FM_ERR_DEVICE, "frame %lld: the network gave %llu values that are no numbers",
            (long long) unit->index, (unsigned long long) unit->cost.not_numbers);
    return code;
}
