/* SPDX-License-Identifier: MIT */
#include "backend/web/weights.h"

#include <math.h>

#include "core/error.h"
#include "core/half.h"

int web_layer_vectors(const struct web_layer *l)
{
    const int out = web_vectors(l->out), columns = web_vector(l->out) == 1 ? 1 : web_vector(l->in);
    return web_even(out) * (l->slope ? 2 : 1) + l->kernel * web_vectors(l->in) * web_even(l->kernel * out * columns);
}

int web_beside_vectors(const struct web_layer *l)
{
    return (1 + l->kernel * l->kernel) * web_even(web_vectors(l->out));
}

struct packer {
    struct web_plan *plan;
    int64_t at;
    bool overflows;
};

/* A share of itself is asked only of weights that are not near a half's least steps: those below change by less than 2^-25. */
static void put(struct packer *p, float value)
{
    const uint16_t h = half_from_f32(value);
    const double difference = fabs((double) half_to_f32(h) - (double) value);
    if (isinf(half_to_f32(h))) p->overflows = true;
    if (fabsf(value) >= 0x1p-14f && difference / fabs((double) value) > p->plan->weights_error)
        p->plan->weights_error = difference / fabs((double) value);
    p->plan->weights[p->at++] = h;
}

static void put_vector(struct packer *p, const float *from, int count)
{
    for (int i = 0; i < 4; i++) put(p, i < count ? from[i] : 0);
}

static void fill_up(struct packer *p, int vectors)
{
    if (vectors % 2) p->at += 4;
}

/* One number a channel. */
static void put_channels(struct packer *p, const float *from, int channels)
{
    const int v = web_vector(channels);
    for (int o = 0; o < channels; o += v) put_vector(p, from + o, channels - o < v ? channels - o : v);
    fill_up(p, web_vectors(channels));
}

static float weight(const struct web_layer *l, int out, int in, int tap)
{
    return out < l->out && in < l->in ? l->weights[((int64_t) out * l->in + in) * l->kernel * l->kernel + tap] : 0;
}

static void put_layer(struct packer *p, const struct web_layer *l)
{
    const int vi = web_vector(l->in), vo = web_vector(l->out), in = web_vectors(l->in), out = web_vectors(l->out);
    const int columns = vo == 1 ? 1 : vi;
    put_channels(p, l->bias, l->out);
    if (l->slope) put_channels(p, l->slope, l->out);
    for (int c = 0; c < in; c++)
        for (int tap = 0; tap < l->kernel * l->kernel; tap++) {
            for (int o = 0; o < out; o++)
                for (int lane = 0; lane < columns; lane++) {
                    float four[4];
                    for (int i = 0; i < 4; i++)
                        four[i] = vo == 1 ? (i < vi ? weight(l, o, c * vi + i, tap) : 0)
                                          : (i < vo ? weight(l, o * vo + i, c * vi + lane, tap) : 0);
                    put_vector(p, four, 4);
                }
            if (tap % l->kernel == l->kernel - 1) fill_up(p, l->kernel * out * columns);
        }
}

static void put_beside(struct packer *p, const struct web_layer *l)
{
    const int v = web_vector(l->out);
    put_channels(p, l->bias, l->out);
    for (int tap = 0; tap < l->kernel * l->kernel; tap++) {
        for (int o = 0; o < web_vectors(l->out); o++) {
            float four[4];
            for (int i = 0; i < 4; i++) four[i] = i < v ? weight(l, o * v + i, 0, tap) : 0;
            put_vector(p, four, 4);
        }
        fill_up(p, web_vectors(l->out));
    }
}

int web_weights_place(struct web_plan *plan, const struct web_layers *layers, const struct web_groups *groups, int64_t *slice,
    int64_t *count, struct fm_error *error)
{
    int64_t total = 0;
    for (int i = 0; i < groups->n; i++) {
        const struct web_group *g = &groups->group[i];
        slice[i] = total;
        count[i] = 0;
        for (int k = 0; k < g->count; k++) count[i] += 4 * (int64_t) web_layer_vectors(g->stage[k].layer);
        if (i == groups->n - 1 && layers->beside) count[i] += 4 * (int64_t) web_beside_vectors(layers->beside);
        total += (count[i] + WEB_ALIGN - 1) / WEB_ALIGN * WEB_ALIGN;
    }
    plan->n_weights = total;
    plan->weights = arena_array(plan->arena, (size_t) total, sizeof *plan->weights);
    if (!plan->weights) return core_fail_nomem(error, (size_t) total * 2);
    struct packer p = {.plan = plan};
    for (int i = 0; i < groups->n; i++) {
        const struct web_group *g = &groups->group[i];
        p.at = slice[i];
        for (int k = 0; k < g->count; k++) {
            put_layer(&p, g->stage[k].layer);
            if (p.overflows)
                return core_fail(
                    error, FM_ERR_UNSUPPORTED, "node '%s': no shader: a weight is too large for a half", g->stage[k].layer->name);
        }
        if (i == groups->n - 1 && layers->beside) put_beside(&p, layers->beside);
    }
    return FM_OK;
}
