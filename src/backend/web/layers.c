/* SPDX-License-Identifier: MIT */
#include "backend/web/layers.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "graph/op.h"

#define LAYERS_MAX 256
#define CHANNELS_MAX 256
#define KERNEL_MAX 7

int web_vector(int channels)
{
    return channels % 4 == 0 ? 4 : channels % 3 == 0 ? 3 : channels <= 2 ? channels : 4;
}

int web_vectors(int channels)
{
    const int v = web_vector(channels);
    return (channels + v - 1) / v;
}

/* What a value of the graph is to the shaders. */
struct seen {
    enum { SEEN_NOTHING, SEEN_LAYER, SEEN_PICTURE, SEEN_EDGES } what;
    int number; /* of the layer; pixels around the picture */
};

struct reader {
    const struct graph *graph;
    const struct web_network *network;
    struct arena *arena;
    struct seen *seen; /* [n_values] */
    struct web_layers *out;
    struct fm_error *error;
};

static int refuse(const struct reader *r, const struct graph_node *node, const char *why)
{
    const char *out = node->n_out > 0 && node->out[0] >= 0 ? r->graph->value[node->out[0]].name : "";
    return core_fail(r->error, FM_ERR_UNSUPPORTED, "%s: node '%s' (%s): no shader: %s", r->graph->source,
        node->name[0] ? node->name : out, node->type, why);
}

static const float *floats(const struct reader *r, int value, int64_t count)
{
    const struct graph_value *v = &r->graph->value[value];
    const struct fm_tensor t = {.rank = v->rank};
    struct fm_tensor shape = t;
    memcpy(shape.dim, v->dim, sizeof shape.dim);
    if (!v->data || v->rank < 0 || fm_tensor_count(&shape) != count || v->dtype != FM_F32) return NULL;
    float *to = arena_array(r->arena, (size_t) count, sizeof *to);
    if (to) op_read_f32(to, FM_F32, v->data, 0, count);
    return to;
}

/* ---- a convolution ---- */

/* Groups become zeros between channels that do not know each other. */
static int read_weights(struct reader *r, const struct graph_node *node, struct web_layer *l)
{
    const int64_t group = node->p.conv.group, in = l->in / group, out = l->out / group, area = (int64_t) l->kernel * l->kernel;
    const float *from = floats(r, node->in[1], l->out * in * area);
    l->weights = arena_array(r->arena, (size_t) l->out * (size_t) l->in, (size_t) area * sizeof(float));
    if (!from || !l->weights) return core_fail_nomem(r->error, 0);
    for (int64_t o = 0; o < l->out; o++)
        memcpy(l->weights + (o * l->in + o / out * in) * area, from + o * in * area, (size_t) (in * area) * sizeof(float));
    l->bias = arena_array(r->arena, (size_t) l->out, sizeof(float));
    if (!l->bias) return core_fail_nomem(r->error, 0);
    if (node->n_in > 2 && node->in[2] >= 0) {
        const float *bias = floats(r, node->in[2], l->out);
        if (!bias) return refuse(r, node, "its bias is no constant of floats");
        memcpy(l->bias, bias, (size_t) l->out * sizeof(float));
    }
    if (l->activation == ACT_PRELU) {
        const float *slope = node->n_in > 3 && node->in[3] >= 0 ? floats(r, node->in[3], l->out) : NULL;
        if (!slope) return refuse(r, node, "its slopes are no constant of floats");
        l->slope = (float *) slope;
    }
    return FM_OK;
}

static int read_window(struct reader *r, const struct graph_node *node, const struct seen *from, struct web_layer *l)
{
    const struct op_window *w = &node->p.conv.window;
    if (w->n != 2) return refuse(r, node, "it is no convolution over pictures");
    if (w->kernel[0] != w->kernel[1] || w->kernel[0] % 2 == 0 || w->kernel[0] > KERNEL_MAX)
        return refuse(r, node, "its window is not square, odd and at most 7 pixels wide");
    for (int i = 0; i < 2; i++) {
        const int64_t pad = w->kernel[i] / 2, begin = from->what == SEEN_EDGES ? from->number : w->pad_begin[i];
        const int64_t end = from->what == SEEN_EDGES ? from->number : w->pad_end[i];
        if (w->stride[i] != 1 || w->dilation[i] != 1) return refuse(r, node, "it has strides or gaps");
        if (begin != pad || end != pad || (from->what == SEEN_EDGES && (w->pad_begin[i] || w->pad_end[i])))
            return refuse(r, node, "its result has not the size of its input");
    }
    l->kernel = (int) w->kernel[0];
    l->pad = l->kernel / 2;
    l->edges = from->what == SEEN_EDGES;
    return FM_OK;
}

static int read_plus(struct reader *r, const struct graph_node *node, struct web_layer *l)
{
    l->plus = WEB_NONE;
    if (node->n_in < 5 || node->in[4] < 0) return FM_OK;
    const struct seen *s = &r->seen[node->in[4]];
    l->plus_first = node->p.conv.epilogue.residual_before_act;
    if (s->what == SEEN_LAYER && r->out->layer[s->number].shuffle == 1)
        l->plus = s->number;
    else if (s->what == SEEN_PICTURE)
        l->plus = WEB_PICTURE;
    else
        return refuse(r, node, "what is added to it is neither the picture nor a layer");
    return FM_OK;
}

static int read_conv(struct reader *r, const struct graph_node *node)
{
    const struct seen from = r->seen[node->in[0]];
    struct web_layers *out = r->out;
    if (from.what == SEEN_NOTHING || (from.what == SEEN_LAYER && out->layer[from.number].shuffle > 1))
        return refuse(r, node, "it reads neither the picture nor a layer of its size");
    if (out->n == LAYERS_MAX) return refuse(r, node, "there are too many layers");
    struct web_layer *l = &out->layer[out->n];
    const struct graph_value *w = &r->graph->value[node->in[1]];
    const struct op_epilogue *e = &node->p.conv.epilogue;
    const int64_t group = node->p.conv.group;
    if (w->rank != 4 || !w->data || w->dtype != FM_F32) return refuse(r, node, "its weights are no constant of floats");
    if (w->dim[0] > CHANNELS_MAX || w->dim[1] * group > CHANNELS_MAX) return refuse(r, node, "it has more than 256 channels");
    *l = (struct web_layer){.name = node->name[0] ? node->name : r->graph->value[node->out[0]].name,
        .from = from.what == SEEN_LAYER ? from.number : WEB_PICTURE,
        .in = (int) (w->dim[1] * group),
        .out = (int) w->dim[0],
        .activation = e->act,
        .a = e->a,
        .b = e->b,
        .shuffle = e->shuffle > 1 ? e->shuffle : 1,
        .crd = e->shuffle_crd};
    int code = FM_OK;
    if (l->activation == ACT_GELU && l->a != 1) code = refuse(r, node, "GELU without tanh");
    if (code == FM_OK) code = read_window(r, node, &from, l);
    if (code == FM_OK) code = read_plus(r, node, l);
    if (code == FM_OK) code = read_weights(r, node, l);
    if (code < 0) return code;
    r->seen[node->out[0]] = (struct seen){SEEN_LAYER, out->n};
    out->n++;
    return FM_OK;
}

/* Only the picture can be given an edge that repeats: it is the one that is read at clamped places. */
static int read_pad(struct reader *r, const struct graph_node *node)
{
    const struct graph_value *v = node->n_in > 1 && node->in[1] >= 0 ? &r->graph->value[node->in[1]] : NULL;
    if (node->p.pad.mode != PAD_EDGE || r->seen[node->in[0]].what != SEEN_PICTURE || !v || !v->data || v->dtype != FM_I64 ||
        v->rank != 1 || (node->n_in > 3 && node->in[3] >= 0) || v->dim[0] != 8)
        return refuse(r, node, "only the picture itself can be padded, by repeating its edge");
    int64_t pad[8];
    memcpy(pad, v->data, sizeof pad);
    if (pad[0] || pad[1] || pad[4] || pad[5] || pad[2] != pad[3] || pad[2] != pad[6] || pad[2] != pad[7] || pad[2] < 0 ||
        pad[2] > KERNEL_MAX / 2)
        return refuse(r, node, "its sides are not alike, or wider than 3 pixels");
    r->seen[node->out[0]] = (struct seen){SEEN_EDGES, (int) pad[2]};
    return FM_OK;
}

/* What no convolution could take in still may join its layer: grouped ones leave their shuffle outside, and a limit behind it. */
static struct web_layer *joined(const struct reader *r, const struct graph_node *node)
{
    const struct seen *s = &r->seen[node->in[0]];
    if (s->what != SEEN_LAYER || s->number != r->out->n - 1) return NULL;
    for (int i = 0; i < r->graph->n_nodes; i++) /* nobody else may read what was before it */
        for (int k = 0; k < r->graph->node[i].n_in; k++)
            if (r->graph->node[i].in[k] == node->in[0] && &r->graph->node[i] != node) return NULL;
    return &r->out->layer[s->number];
}

static int read_shuffle(struct reader *r, const struct graph_node *node)
{
    struct web_layer *l = joined(r, node);
    const int64_t size = node->p.block.size;
    if (!l || l->shuffle > 1 || size < 2 || size > 16)
        return refuse(r, node, "it is not the pixel shuffle of the last convolution");
    l->shuffle = (int) size;
    l->crd = node->p.block.crd;
    r->seen[node->out[0]] = r->seen[node->in[0]];
    return FM_OK;
}

static int read_clip(struct reader *r, const struct graph_node *node)
{
    struct web_layer *l = joined(r, node);
    float limit[2] = {-INFINITY, INFINITY};
    if (!l || l->activation != ACT_NONE) return refuse(r, node, "it does not follow a convolution without activation");
    for (int i = 0; i < 2; i++) {
        if (node->n_in <= i + 1 || node->in[i + 1] < 0) continue;
        const float *number = floats(r, node->in[i + 1], 1);
        if (!number) return refuse(r, node, "its limits are no constants");
        limit[i] = *number;
    }
    l->activation = ACT_CLIP;
    l->a = limit[0], l->b = limit[1];
    l->plus_first = true;
    r->seen[node->out[0]] = r->seen[node->in[0]];
    return FM_OK;
}

/* ---- the whole ---- */

/* A layer of the picture that only the last one reads, as its sum, is no part of the chain. */
static int take_beside(struct reader *r, struct web_layer *last)
{
    struct web_layers *out = r->out;
    const int at = last->plus;
    if (at < 0 || last->plus_first || out->layer[at].from != WEB_PICTURE || out->layer[at].plus != WEB_NONE ||
        out->layer[at].activation != ACT_NONE || out->layer[at].pad > 3)
        return FM_OK;
    for (int i = 0; i < out->n; i++)
        if (out->layer[i].from == at || (out->layer[i].plus == at && &out->layer[i] != last)) return FM_OK;
    struct web_layer *beside = arena_alloc(r->arena, sizeof *beside);
    if (!beside) return core_fail_nomem(r->error, 0);
    *beside = out->layer[at];
    out->beside = beside;
    last->plus = WEB_NONE;
    memmove(out->layer + at, out->layer + at + 1, (size_t) (out->n - at - 1) * sizeof *out->layer);
    out->n--;
    for (int i = 0; i < out->n; i++) {
        if (out->layer[i].from > at) out->layer[i].from--;
        if (out->layer[i].plus > at) out->layer[i].plus--;
    }
    return FM_OK;
}

static int check_end(struct reader *r)
{
    const struct graph *g = r->graph;
    const struct web_network *n = r->network;
    struct web_layers *out = r->out;
    const char *source = g->source;
    if (g->n_inputs != 1 || g->n_outputs != 1)
        return core_fail(r->error, FM_ERR_UNSUPPORTED, "%s: no shader: not one picture in and one out", source);
    const struct seen *end = &r->seen[g->output[0]];
    if (end->what != SEEN_LAYER || end->number != out->n - 1)
        return core_fail(r->error, FM_ERR_UNSUPPORTED, "%s: no shader: its output '%s' is not what its last convolution gives",
            source, g->value[g->output[0]].name);
    struct web_layer *last = &out->layer[out->n - 1];
    const int colours = n->luma ? 1 : 3;
    if (last->shuffle != n->scale || last->out != colours * n->scale * n->scale)
        return core_fail(r->error, FM_ERR_UNSUPPORTED, "%s: node '%s': no shader: it does not enlarge by %d in one pixel shuffle",
            source, last->name, n->scale);
    if (!n->luma && n->enlarged_first)
        return core_fail(r->error, FM_ERR_UNSUPPORTED, "%s: no shader: networks of R, G, B on enlarged pictures", source);
    for (int i = 0; i < out->n - 1; i++)
        if (out->layer[i].shuffle != 1 || out->layer[i].plus == WEB_PICTURE)
            return core_fail(r->error, FM_ERR_UNSUPPORTED,
                "%s: node '%s': no shader: only the last layer can be shuffled or take the picture into its sum", source,
                out->layer[i].name);
    if (last->plus == WEB_PICTURE && (!n->luma || n->scale != 1))
        return core_fail(r->error, FM_ERR_UNSUPPORTED,
            "%s: node '%s': no shader: the picture is of another size or colour than its result", source, last->name);
    return take_beside(r, last);
}

int web_layers_read(const struct graph *graph, const struct web_network *network, struct arena *arena, struct web_layers *out,
    struct fm_error *error)
{
    struct reader r = {.graph = graph, .network = network, .arena = arena, .out = out, .error = error};
    *out = (struct web_layers){.layer = arena_array(arena, LAYERS_MAX, sizeof *out->layer)};
    r.seen = arena_array(arena, (size_t) graph->n_values + 1, sizeof *r.seen);
    if (!r.seen || !out->layer) return core_fail_nomem(error, 0);
    if (graph->n_inputs > 0) r.seen[graph->input[0]].what = SEEN_PICTURE;
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct graph_node *node = &graph->node[i];
        if (!node->n_out) continue; /* taken out by a rewrite */
        int code;
        if (node->op == OP_CONV)
            code = read_conv(&r, node);
        else if (node->op == OP_PAD)
            code = read_pad(&r, node);
        else if (node->op == OP_DEPTH_TO_SPACE)
            code = read_shuffle(&r, node);
        else if (node->op == OP_CLIP)
            code = read_clip(&r, node);
        else
            code = refuse(&r, node, "operators of its kind run on the processor only");
        if (code < 0) return code;
    }
    if (!out->n) return core_fail(error, FM_ERR_UNSUPPORTED, "%s: no shader: there is no convolution in it", graph->source);
    const int code = check_end(&r);
    if (code < 0) return code;
    for (int i = 0; i < out->n; i++) {
        struct web_layer *l = &out->layer[i];
        if (l->plus >= 0) out->layer[l->plus].kept = true;
        if (l->from >= 0 && l->from != i - 1) out->layer[l->from].kept = true;
    }
    return FM_OK;
}
