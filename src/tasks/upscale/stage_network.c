/* SPDX-License-Identifier: MIT */
/* A pass of a network over a rectangle.
 *
 * The picture is turned (self-ensemble: eight ways), framed (edges repeated, for networks that shrink or want multiples), put into the
 * network's colours and range, run, and everything is undone on the way out. Three coordinate systems:
 *
 *     picture   the stage's input (or a feathered tile of it)
 *     turned    the picture after flips and a transposition; flips first
 *     frame     turned, plus `pad` pixels on the left and top, and what multiples want on the right and bottom
 *
 * Rectangles of turned pictures are exact too: the network runs on the turned whole, of which the rectangle is a part. */
#include <stdint.h>
#include <string.h>

#include "core/error.h"
#include "tasks/upscale/stage.h"

enum { FLIP_X = 1, FLIP_Y = 2, TRANSPOSE = 4, TURNS = 8 };

static const float luma_weight[3] = {0.299f, 0.587f, 0.114f};

static bool wants_studio(const struct network *n)
{
    return n->studio && n->colour == NETWORK_LUMA;
}

/* network's value = a * picture's value + b */
static void range_of(const struct stage *s, float *a, float *b)
{
    const struct network *n = s->network;
    static const float scale[] = {[NETWORK_0_1] = 1, [NETWORK_0_255] = 255, [NETWORK_1_1] = 2};
    static const float offset[] = {[NETWORK_0_1] = 0, [NETWORK_0_255] = 0, [NETWORK_1_1] = -1};
    *a = scale[n->range];
    *b = offset[n->range];
    if (wants_studio(n) && !s->studio) { /* full 0..1 to studio 16/255 .. 235/255, then the network's range */
        *b += *a * (16.0f / 255);
        *a *= 219.0f / 255;
    } else if (!wants_studio(n) && s->studio) {
        *b -= *a * (16.0f / 219);
        *a *= 255.0f / 219;
    }
}

/* A rectangle of a w x h picture, as it lies in the turned picture. */
static struct rect turn(struct rect r, int turns, int w, int h)
{
    if (turns & FLIP_X) r.x = w - r.x - r.w;
    if (turns & FLIP_Y) r.y = h - r.y - r.h;
    return turns & TRANSPOSE ? (struct rect){r.y, r.x, r.h, r.w} : r;
}

/* And back: the picture is w x h before turning. */
static struct rect turn_back(struct rect r, int turns, int w, int h)
{
    if (turns & TRANSPOSE) r = (struct rect){r.y, r.x, r.h, r.w};
    if (turns & FLIP_X) r.x = w - r.x - r.w;
    if (turns & FLIP_Y) r.y = h - r.y - r.h;
    return r;
}

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

/* The part of a w x h picture that a rectangle reads when edges repeat. */
static struct rect clip_repeat(struct rect r, int w, int h)
{
    const int x0 = clamp(r.x, 0, w - 1), y0 = clamp(r.y, 0, h - 1);
    const int x1 = clamp(r.x + r.w - 1, 0, w - 1), y1 = clamp(r.y + r.h - 1, 0, h - 1);
    return (struct rect){x0, y0, x1 - x0 + 1, y1 - y0 + 1};
}

static const struct prepared *ready_for(const struct stage *s, int turns)
{
    return turns & TRANSPOSE ? s->ready[1] : s->ready[0];
}

/* The frame's output rectangle for a rectangle of the picture's output (w x h: the picture). */
static struct rect frame_out(const struct stage *s, int turns, struct rect out, int w, int h)
{
    struct rect r = turn(out, turns, w * s->network->scale, h * s->network->scale);
    r.x += s->network->crop;
    r.y += s->network->crop;
    return r;
}

static struct rect frame_need(const struct stage *s, int turns, struct rect wanted)
{
    const struct graph *g = ready_for(s, turns)->specialised;
    const struct graph_value *in = &g->value[g->input[0]];
    if (!s->exact) return rect_whole((int) in->dim[3], (int) in->dim[2]);
    return session_region_need(ready_for(s, turns), wanted);
}

struct rect stage_network_need(const struct stage *s, int channels, struct rect out)
{
    if (!s->exact) return rect_whole(s->in_w, s->in_h);
    struct rect all = {0, 0, 0, 0};
    const int turned_w[2] = {s->in_w, s->in_h}, pad = s->network->pad;
    for (int t = 0; t < (s->ensemble ? TURNS : 1); t++) {
        struct rect r = frame_need(s, t, frame_out(s, t, out, s->in_w, s->in_h));
        if (rect_is_empty(r)) return rect_whole(s->in_w, s->in_h); /* no memory to find out: the whole is enough */
        r.x -= pad;
        r.y -= pad;
        const bool swap = t & TRANSPOSE;
        r = clip_repeat(r, turned_w[swap], turned_w[!swap]);
        all = rect_around(all, turn_back(r, t, s->in_w, s->in_h));
    }
    if (channels == 3 && s->colour) all = rect_around(all, resampler_need(s->colour, out));
    return all;
}

int stage_network_prepare(struct stage *s, const struct chain_params *params, struct fm_error *error)
{
    const struct network *n = s->network;
    const struct prepare_options options = {.threads = params->threads, .cpu_flags = params->cpu_flags, .regions = true};
    int w = s->in_w, h = s->in_h;
    const bool given = params->share[0] != 0 || params->share[1] != 0 || params->share[2] != 0;
    memcpy(s->share, given ? params->share : luma_weight, sizeof s->share);
    s->ensemble = params->ensemble;
    for (int turned = 0; turned < (s->ensemble ? 2 : 1); turned++) {
        const struct fm_tensor in = network_input(n, network_frame(n, turned ? h : w), network_frame(n, turned ? w : h));
        int code = session_prepare(n->graph, &in, &options, &s->ready[turned], error);
        if (code < 0) return code;
        if (turned) break;
        s->exact = session_can_region(s->ready[0]);
        if (s->exact || !params->feather_tile || (params->feather_tile >= w && params->feather_tile >= h)) continue;
        s->tile = params->feather_tile;
        s->overlap = params->overlap;
        w = feather_axis(s->in_w, s->tile, s->overlap).piece;
        h = feather_axis(s->in_h, s->tile, s->overlap).piece;
        session_prepared_destroy(&s->ready[0]);
        const struct fm_tensor piece = network_input(n, network_frame(n, w), network_frame(n, h));
        code = session_prepare(n->graph, &piece, &options, &s->ready[0], error);
        if (code < 0) return code;
    }
    if (n->colour == NETWORK_LUMA && params->colours == 3)
        return resampler_create(s->in_w, s->in_h, s->out_w, s->out_h, &s->colour, error);
    return FM_OK;
}

static size_t plane_bytes(struct rect r, int channels)
{
    return (size_t) r.w * (size_t) r.h * (size_t) channels * sizeof(float);
}

size_t stage_network_bytes(const struct stage *s, int channels, struct rect in, struct rect out)
{
    const int own = network_channels(s->network);
    size_t bytes = plane_bytes(in, own) + plane_bytes(out, own);
    if (s->tile) {
        const struct feather_axis ax = feather_axis(s->in_w, s->tile, s->overlap), ay = feather_axis(s->in_h, s->tile, s->overlap);
        const int k = s->network->scale;
        in = rect_whole(ax.piece, ay.piece);
        out = rect_whole(ax.piece * k, ay.piece * k);
        bytes = plane_bytes(in, own) + 2 * plane_bytes(out, own);
    }
    for (int turned = 0; turned < 2; turned++) {
        if (!s->ready[turned]) continue;
        const size_t session = session_region_bytes(s->ready[turned], turned ? out.h : out.w, turned ? out.w : out.h);
        if (session == SIZE_MAX) return SIZE_MAX;
        bytes += session;
    }
    if (channels == 3 && s->colour)
        bytes += plane_bytes(in, 1) + plane_bytes(out, 1) + plane_bytes((struct rect){0, 0, out.w, in.h}, 3);
    return bytes;
}

/* Rows of the frame from the picture at `picture` within `in`: turned, edges repeated, in the network's range. */
static void fill_frame(const struct stage *s, int turns, const struct window *in, struct rect picture, struct window *frame)
{
    const struct network *n = s->network;
    const struct rect f = frame->at;
    const int w = turns & TRANSPOSE ? picture.h : picture.w, h = turns & TRANSPOSE ? picture.w : picture.h;
    const ptrdiff_t row = in->at.w;
    float a, b;
    range_of(s, &a, &b);
    for (int c = 0; c < frame->channels; c++) {
        const int channel = in->channels == 1 ? 0 : n->colour == NETWORK_BGR ? 2 - c : c;
        const float *origin =
            in->data + (size_t) channel * window_plane(in) + (picture.y - in->at.y) * row + (picture.x - in->at.x);
        for (int y = f.y; y < f.y + f.h; y++) {
            const int ty = clamp(y - n->pad, 0, h - 1); /* turned row */
            const float *base = origin;
            ptrdiff_t step;
            if (turns & TRANSPOSE) {
                base += turns & FLIP_X ? picture.w - 1 - ty : ty;
                step = turns & FLIP_Y ? -row : row;
                if (turns & FLIP_Y) base += (picture.h - 1) * row;
            } else {
                base += (turns & FLIP_Y ? picture.h - 1 - ty : ty) * row;
                step = turns & FLIP_X ? -1 : 1;
                if (turns & FLIP_X) base += picture.w - 1;
            }
            float *to = window_row(frame, c, y);
            const int t0 = f.x - n->pad; /* turned column of to[0] */
            const int left = clamp(-t0, 0, f.w), right = clamp(w - t0, left, f.w);
            for (int x = 0; x < left; x++) to[x] = a * base[0] + b;
            if (step == 1)
                for (int x = left; x < right; x++) to[x] = a * base[t0 + x] + b;
            else
                for (int x = left; x < right; x++) to[x] = a * base[(t0 + x) * step] + b;
            for (int x = right; x < f.w; x++) to[x] = a * base[(w - 1) * step] + b;
        }
    }
}

/* The network's result for the turned rectangle to->at, turned back and in [0, 1], times `share`, added to or put into `to`. */
static void take_result(const struct stage *s, int turns, const struct window *result, float share, bool add, struct window *to)
{
    const struct network *n = s->network;
    const struct rect o = to->at;
    const ptrdiff_t row = result->at.w;
    float a, b;
    range_of(s, &a, &b);
    const float gain = share / a, shift = -b / a * share;
    for (int c = 0; c < to->channels; c++) {
        for (int y = 0; y < o.h; y++) {
            const int fy = turns & FLIP_Y ? o.h - 1 - y : y, fx = turns & FLIP_X ? o.w - 1 : 0, dx = turns & FLIP_X ? -1 : 1;
            const ptrdiff_t first = turns & TRANSPOSE ? fx * row + fy : fy * row + fx, step = turns & TRANSPOSE ? dx * row : dx;
            float *out = to->data + (size_t) c * window_plane(to) + (size_t) y * (size_t) o.w;
            if (to->channels == 1 && result->channels == 3) { /* a grey picture through an RGB network: its brightness */
                const float *p[3];
                for (int k = 0; k < 3; k++) p[k] = result->data + (size_t) k * window_plane(result) + first;
                const float *weight = luma_weight;
                const int r = n->colour == NETWORK_BGR ? 2 : 0;
                for (int x = 0; x < o.w; x++) {
                    const ptrdiff_t i = x * step;
                    const float v = weight[0] * p[r][i] + weight[1] * p[1][i] + weight[2] * p[2 - r][i];
                    out[x] = (add ? out[x] : 0) + (v * gain + shift);
                }
            } else {
                const int channel = to->channels == 3 && n->colour == NETWORK_BGR ? 2 - c : c;
                const float *p = result->data + (size_t) channel * window_plane(result) + first;
                if (add)
                    for (int x = 0; x < o.w; x++) out[x] += p[x * step] * gain + shift;
                else
                    for (int x = 0; x < o.w; x++) out[x] = p[x * step] * gain + shift;
            }
        }
    }
}

/* The network over the picture at `picture` within `in`: the rectangle to->at of its output, which begins at `origin`. */
static int run_piece(const struct stage *s, struct stage_work *w, const struct window *in, struct rect picture, struct window *to,
    struct rect origin, atomic_bool *cancel, struct fm_error *error)
{
    const struct network *n = s->network;
    const int own = network_channels(n), turns = s->ensemble ? TURNS : 1;
    const bool plain = n->range == NETWORK_0_1 && wants_studio(n) == s->studio && n->colour != NETWORK_BGR && own == in->channels &&
                       own == to->channels;
    const struct rect wanted = {to->at.x - origin.x, to->at.y - origin.y, to->at.w, to->at.h};
    for (int t = 0; t < turns; t++) {
        const struct rect out = frame_out(s, t, wanted, picture.w, picture.h), need = frame_need(s, t, out);
        if (rect_is_empty(need)) return core_fail_nomem(error, 0);
        const struct rect as_is = {need.x - n->pad + picture.x, need.y - n->pad + picture.y, need.w, need.h};
        const bool direct_in = plain && t == 0 && !memcmp(&as_is, &in->at, sizeof as_is), direct_out = plain && turns == 1;
        if (!direct_in) {
            if (window_reserve(&w->frame, need, own) < 0) return core_fail_nomem(error, plane_bytes(need, own));
            fill_frame(s, t, in, picture, &w->frame);
        }
        /* An unbounded network gives its whole output; what lies beyond the picture's is left. */
        struct rect given = out;
        if (!s->exact) given = rect_whole(n->scale * need.w - n->shrink, n->scale * need.h - n->shrink);
        const bool partial = memcmp(&given, &out, sizeof given) != 0;
        if ((!direct_out || partial) && window_reserve(&w->result, given, own) < 0)
            return core_fail_nomem(error, plane_bytes(given, own));
        float *result = direct_out && !partial ? to->data : w->result.data;
        const uint64_t start = core_now_ns();
        const float *fed = direct_in ? in->data : w->frame.data;
        struct session_work *session = w->session[t & TRANSPOSE ? 1 : 0];
        const int code = w->only ? session_choice_run(session, w->only, fed, result, cancel, error)
                                 : session_region_run(session, given, need, fed, result, cancel, error);
        w->network_ns += core_now_ns() - start;
        if (code < 0) return code;
        if (direct_out && !partial) continue;
        if (partial) { /* move the wanted part together, in place: it only ever moves towards the front */
            for (int c = 0; c < own; c++)
                for (int y = 0; y < out.h; y++)
                    memmove(w->result.data + ((size_t) c * (size_t) out.h + (size_t) y) * (size_t) out.w,
                        w->result.data + ((size_t) c * (size_t) given.h + (size_t) (out.y + y)) * (size_t) given.w + out.x,
                        (size_t) out.w * sizeof(float));
            w->result.at = out;
        }
        take_result(s, t, &w->result, 1.0f / (float) turns, t > 0, to);
    }
    return FM_OK;
}

static int run_feathered(const struct stage *s, struct stage_work *w, const struct window *in, struct window *to,
    atomic_bool *cancel, struct fm_error *error)
{
    const int k = s->network->scale;
    const struct feather_axis ax = feather_axis(s->in_w, s->tile, s->overlap), ay = feather_axis(s->in_h, s->tile, s->overlap);
    memset(to->data, 0, plane_bytes(to->at, to->channels));
    for (int row = 0; row < ay.count; row++)
        for (int column = 0; column < ax.count; column++) {
            const struct rect at = {feather_origin(&ax, column), feather_origin(&ay, row), ax.piece, ay.piece};
            const struct rect out = {at.x * k, at.y * k, at.w * k, at.h * k};
            if (window_reserve(&w->tile, out, to->channels) < 0) return core_fail_nomem(error, plane_bytes(out, to->channels));
            const int code = run_piece(s, w, in, at, &w->tile, out, cancel, error);
            if (code < 0) return code;
            feather_add(&ax, &ay, column, row, k, &w->tile, to);
        }
    return FM_OK;
}

static void brightness(const struct window *rgb, const float share[3], float *luma)
{
    const size_t n = window_plane(rgb);
    const float *r = rgb->data, *g = r + n, *b = g + n, of_r = share[0], of_g = share[1], of_b = share[2];
    for (size_t i = 0; i < n; i++) luma[i] = of_r * r[i] + of_g * g[i] + of_b * b[i];
}

int stage_network_run(const struct stage *s, struct stage_work *w, struct pool *pool, uint32_t cpu_flags, const struct window *in,
    struct window *out, atomic_bool *cancel, struct fm_error *error)
{
    const bool only_luma = s->network->colour == NETWORK_LUMA && in->channels == 3;
    const struct window *from = in;
    struct window *to = out;
    if (only_luma) {
        if (window_reserve(&w->luma, in->at, 1) < 0 || window_reserve(&w->bright, out->at, 1) < 0)
            return core_fail_nomem(error, plane_bytes(out->at, 1));
        brightness(in, s->share, w->luma.data);
        from = &w->luma;
        to = &w->bright;
    }
    const struct rect origin = {0, 0, s->out_w, s->out_h};
    int code = s->tile ? run_feathered(s, w, from, to, cancel, error)
                       : run_piece(s, w, from, rect_whole(s->in_w, s->in_h), to, origin, cancel, error);
    if (code < 0 || !only_luma) return code;
    /* Colour is resampled; the network's brightness takes the place of its brightness: the same as resampling Cb and Cr. */
    code = resampler_run(s->colour, pool, cpu_flags, in, out, &w->scratch);
    if (code < 0) return core_fail_nomem(error, 0);
    const size_t n = window_plane(out);
    float *r = out->data, *g = r + n, *b = g + n;
    const float *bright = w->bright.data, of_r = s->share[0], of_g = s->share[1], of_b = s->share[2];
    for (size_t i = 0; i < n; i++) {
        const float more = bright[i] - (of_r * r[i] + of_g * g[i] + of_b * b[i]);
        r[i] += more;
        g[i] += more;
        b[i] += more;
    }
    return FM_OK;
}
