/* SPDX-License-Identifier: MIT */
/* What frames are made with, once it is settled what they are: chains of networks, conversions, the places of samples in a slot. Done by
 * the job, and once more by each worker process. */
#include <stdio.h>

#include "core/error.h"
#include "graph/edit.h"
#include "tasks/upscale/shipped.h"
#include "tasks/video/unit.h"
#include "tasks/video/video.h"

/* ---- networks ---- */

static double macs_of(const struct chain *c)
{
    double sum = 1;
    for (int i = 0; i < c->n_stages; i++) {
        if (!c->stage[i].ready[0]) continue;
        const struct graph *g = c->stage[i].ready[0]->specialised;
        for (int k = 0; k < g->n_nodes; k++) {
            const int64_t macs = graph_node_macs(g, &g->node[k]);
            if (macs > 0) sum += (double) macs;
        }
    }
    return sum;
}

/* A chain for every frame, in the form the network wants. */
int video_add_level(struct video *v, const struct network *network, struct fm_error *error)
{
    struct upscale *u = v->upscale;
    struct video_level *l = &v->level[v->n_levels];
    *l = (struct video_level){.network = network, .cost = 1};
    snprintf(l->name, sizeof l->name, "%.60s", network ? network->name : SHIPPED_PLAIN);
    snprintf(l->how, sizeof l->how, "plain Lanczos");
    if (network || u->n_plugins) {
        const double across = (double) v->out_w / v->in_w, down = (double) v->out_h / v->in_h;
        l->rgb = v->in_format.layout == VIDEO_RGB || u->n_plugins || (network && network->colour != NETWORK_LUMA);
        const struct chain_params c = {.width = v->in_w,
            .height = v->in_h,
            .colours = l->rgb ? 3 : 1,
            .network = network,
            .scale = across > down ? across : down,
            .out_w = v->out_w,
            .out_h = v->out_h,
            .studio = !l->rgb,
            .plugins = u->plugin,
            .n_plugins = u->n_plugins,
            .ensemble = u->params.ensemble && network,
            .feather_tile = u->params.tile,
            .overlap = u->params.overlap < 0   ? 0
                       : u->params.overlap > 0 ? u->params.overlap
                                               : 10,
            .threads = v->threads,
            .cpu_flags = u->cpu_flags};
        const int code = chain_create(&c, &l->chain, error);
        if (code < 0) return code;
        snprintf(l->how, sizeof l->how, "%s", l->chain->how);
        l->cost = macs_of(l->chain);
    }
    v->n_levels++;
    return FM_OK;
}

/* ---- conversions ---- */

int video_settle_conversions(struct video *v, struct fm_error *error)
{
    bool luma = false, rgb = false;
    for (int i = 0; i < v->n_levels; i++) {
        luma |= v->level[i].chain && !v->level[i].rgb;
        rgb |= v->level[i].chain && v->level[i].rgb;
    }
    const struct planes_form one = {.channels = 1}, three = {.channels = 3};
    /* Both by the matrix of the whole input, whatever is cropped from it. */
    struct video_format in = v->in_format, out = v->out_format;
    if (rgb) in.matrix = out.matrix = planes_matrix(&v->in_format, v->whole_w, v->whole_h);
    int code =
        scale_create(RESAMPLE_LANCZOS, &v->in_format, v->in_w, v->in_h, &v->out_format, v->out_w, v->out_h, &v->plain, error);
    if (code == FM_OK && luma) code = planes_create(&v->in_format, v->in_w, v->in_h, one, &v->luma_in, error);
    if (code == FM_OK && luma) code = planes_create(&v->out_format, v->out_w, v->out_h, one, &v->luma_out, error);
    if (code == FM_OK && rgb) code = planes_create(&in, v->in_w, v->in_h, three, &v->rgb_in, error);
    if (code == FM_OK && rgb) code = planes_create(&out, v->out_w, v->out_h, three, &v->rgb_out, error);
    return code;
}

/* ---- slots ---- */

/* Planes one after the other; where the next may begin. */
static size_t lay_out(const struct video_format *format, int width, int height, size_t at, struct video_layout_at *place)
{
    for (int p = 0; p < video_planes(*format); p++) {
        const size_t bytes = (size_t) video_plane_width(*format, width, p) * (size_t) video_sample_bytes(*format);
        place->stride[p] = (bytes + 63) / 64 * 64;
        place->offset[p] = at;
        at += place->stride[p] * (size_t) video_plane_height(*format, height, p);
        at = (at + 63) / 64 * 64;
    }
    return (at + 64 + 4095) / 4096 * 4096;
}

/* What processes read must lie in the slot, too; threads read the source's frame where it is. */
void video_settle_bundle(struct video *v)
{
    v->result_bytes = lay_out(&v->out_format, v->frame_w, v->frame_h, VIDEO_UNIT_HEAD, &v->result_at);
    v->made_at = 0;
    if (v->reuses) {
        v->made_at = v->result_bytes;
        v->result_bytes += ((size_t) BITMAP_WORDS(v->out_w) * sizeof(uint64_t) * (size_t) v->out_h + 4095) / 4096 * 4096;
    }
    v->bundle_bytes = v->result_bytes;
    if (v->isolated) v->bundle_bytes = lay_out(&v->in_format, v->in_w, v->in_h, v->result_bytes, &v->input_at);
}

static void frame_at(const struct video_format *format, int width, int height, const struct video_layout_at *place, void *bundle,
    struct video_frame *frame)
{
    *frame = (struct video_frame){.format = *format, .width = width, .height = height, .pts = INT64_MIN};
    for (int p = 0; p < video_planes(*format); p++) {
        frame->plane[p] = (uint8_t *) bundle + place->offset[p];
        frame->stride[p] = (ptrdiff_t) place->stride[p];
    }
}

struct bitmap video_made_in(const struct video *v, void *bundle)
{
    return (struct bitmap){.width = v->out_w,
        .height = v->out_h,
        .words = BITMAP_WORDS(v->out_w),
        .bits = (uint64_t *) (void *) ((uint8_t *) bundle + v->made_at)};
}

void video_frame_in(const struct video *v, void *bundle, struct video_frame *frame)
{
    frame_at(&v->out_format, v->frame_w, v->frame_h, &v->result_at, bundle, frame);
}

void video_input_in(const struct video *v, void *bundle, struct video_frame *frame)
{
    frame_at(&v->in_format, v->in_w, v->in_h, &v->input_at, bundle, frame);
}
