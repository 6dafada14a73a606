/* SPDX-License-Identifier: MIT */
/* ncnn_import: layers one by one, weights in file order, graph inputs and outputs. */
#include "core/alloc.h"
#include "model/model.h"
#include "model/ncnn_reader.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TAG_F16 0x01306B47u
#define TAG_BF16 0x01348B83u
#define TAG_I8 0x000D4B38u
#define TAG_F32_SCALED 0x0002C056u /* plain float32; the scales are elsewhere */
#define CODEBOOK 256

/* ---- failure ---- */

void ncnn_fail(struct ncnn_reader *r, enum fm_err code, const char *format, ...)
{
    char reason[FM_ERROR_MESSAGE_MAX];
    va_list args;
    if (r->code) return;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    if (r->now)
        r->code = core_fail(
            r->error, code, "%.200s:%d: %.60s '%.80s': %s", r->param_source, r->now->line, r->now->type, r->now->name, reason);
    else
        r->code = core_fail(r->error, code, "%.200s: %s", r->param_source, reason);
}

void ncnn_fail_nomem(struct ncnn_reader *r)
{
    if (!r->code) r->code = core_fail_nomem(r->error, 0);
}

void *ncnn_scratch(struct ncnn_reader *r, size_t count, size_t size)
{
    if (r->code) return NULL;
    void *memory = arena_array(r->scratch, count, size);
    if (!memory) ncnn_fail_nomem(r);
    return memory;
}

/* ---- parameters ---- */

static double number(struct ncnn_reader *r, int id, double otherwise)
{
    struct ncnn_param *param = &r->param[id];
    param->read = true;
    if (param->kind == NCNN_ABSENT || r->code) return otherwise;
    if (param->kind == NCNN_NUMBER) return param->number;
    if (param->kind == NCNN_ARRAY)
        ncnn_fail(r, FM_ERR_FORMAT, "parameter %d is an array where one number belongs", id);
    else
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "parameter %d is a text or an expression", id);
    return otherwise;
}

static int64_t whole(struct ncnn_reader *r, int id, double v)
{
    if (v >= -2147483648.0 && v <= 2147483647.0 && floor(v) == v) return (int64_t) v;
    ncnn_fail(r, FM_ERR_FORMAT, "parameter %d is %g where a whole number belongs", id, v);
    return 0;
}

int64_t ncnn_int(struct ncnn_reader *r, int id, int64_t otherwise)
{
    return whole(r, id, number(r, id, (double) otherwise));
}

float ncnn_float(struct ncnn_reader *r, int id, float otherwise)
{
    return (float) number(r, id, (double) otherwise); /* the parser keeps it within float's range */
}

int ncnn_array(struct ncnn_reader *r, int id, const double **element)
{
    struct ncnn_param *param = &r->param[id];
    param->read = true;
    *element = NULL;
    if (r->code || param->kind == NCNN_ABSENT) return 0;
    if (param->kind == NCNN_TEXT) {
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "parameter %d is a text or an expression", id);
        return 0;
    }
    if (param->kind == NCNN_NUMBER) { /* the newer form of an array with one element */
        *element = &param->number;
        return 1;
    }
    *element = param->element;
    return param->n;
}

int ncnn_ints(struct ncnn_reader *r, int id, int64_t *element, int max)
{
    const double *from;
    const int n = ncnn_array(r, id, &from);
    if (n > max) {
        ncnn_fail(r, FM_ERR_FORMAT, "array parameter %d has %d elements, more than %d", id, n, max);
        return 0;
    }
    for (int i = 0; i < n; i++) element[i] = whole(r, id, from[i]);
    return r->code ? 0 : n;
}

void ncnn_ignore(struct ncnn_reader *r, int id)
{
    r->param[id].read = true;
}

/* A parameter that no reader knows may change the result: it is refused unless it says 0. 30 and 31 are shape hints and a mask of
 * features to turn off. */
static void check_unread(struct ncnn_reader *r)
{
    for (int id = 0; id < 30 && !r->code; id++) {
        const struct ncnn_param *p = &r->param[id];
        if (p->read || p->kind == NCNN_ABSENT || (p->kind == NCNN_NUMBER && p->number == 0.0) || (p->kind == NCNN_ARRAY && !p->n))
            continue;
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "parameter %d is not known for this layer", id);
    }
}

/* ---- weights ---- */

static const uint8_t *take(struct ncnn_reader *r, size_t bytes, const char *what)
{
    if (r->code) return NULL;
    if (bytes > r->bin_size - r->bin_at) {
        ncnn_fail(r, FM_ERR_FORMAT, "%s needs %zu bytes at byte %zu of %.200s, which has %zu", what, bytes, r->bin_at,
            r->bin_source, r->bin_size);
        return NULL;
    }
    const uint8_t *data = r->bin + r->bin_at;
    r->bin_at += bytes;
    return data;
}

/* Indices into a table of 256 floats, 8 bits each: spelled out, since the graph has no such type. */
static const uint8_t *take_codebook(struct ncnn_reader *r, size_t count, size_t padded, const char *what)
{
    const uint8_t *table = take(r, CODEBOOK * sizeof(float), what);
    const uint8_t *index = take(r, padded, what);
    if (r->code) return NULL;
    uint8_t *out = arena_array(r->graph->arena, count, sizeof(float));
    if (!out) {
        ncnn_fail_nomem(r);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) memcpy(out + i * sizeof(float), table + index[i] * sizeof(float), sizeof(float));
    return out;
}

bool ncnn_weights(struct ncnn_reader *r, int64_t count, bool tagged, const char *what, struct ncnn_weights *out)
{
    size_t floats = 0, padded = 0, halves = 0;
    uint8_t flag[4] = {0};
    *out = (struct ncnn_weights){FM_F32, NULL};
    if (r->code) return false;
    if (count <= 0 || (uint64_t) count > SIZE_MAX || !core_mul_size((size_t) count, sizeof(float), &floats)) {
        ncnn_fail(r, FM_ERR_FORMAT, "%s would have %lld elements", what, (long long) count);
        return false;
    }
    halves = ((size_t) count * 2 + 3) & ~(size_t) 3; /* below `floats`, which did not overflow, or equal */
    padded = ((size_t) count + 3) & ~(size_t) 3;
    if (tagged) {
        const uint8_t *at = take(r, 4, what);
        if (at) memcpy(flag, at, 4);
    }
    const uint32_t tag = (uint32_t) flag[0] | (uint32_t) flag[1] << 8 | (uint32_t) flag[2] << 16 | (uint32_t) flag[3] << 24;
    if (tag == 0 || tag == TAG_F32_SCALED) {
        out->data = take(r, floats, what);
    } else if (tag == TAG_F16 || tag == TAG_BF16) {
        out->dtype = tag == TAG_F16 ? FM_F16 : FM_BF16;
        out->data = take(r, halves, what);
    } else if (tag == TAG_I8) {
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "%s is stored as int8, which is not supported", what);
    } else if (tag <= CODEBOOK) {
        out->data = take_codebook(r, (size_t) count, padded, what);
    } else {
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "%s has the unknown storage flag 0x%08X at byte %zu of %.200s", what, (unsigned) tag,
            r->bin_at - 4, r->bin_source);
    }
    return !r->code;
}

int ncnn_wrap(struct ncnn_reader *r, const char *what, const struct ncnn_weights *w, int rank, const int64_t *dim)
{
    char name[NCNN_NAME_MAX + 32];
    if (r->code) return 0;
    snprintf(name, sizeof name, "%s.%s", r->now->name, what);
    const int value = graph_add_constant(r->graph, name, w->dtype, rank, dim, w->data);
    if (value < 0) {
        ncnn_fail_nomem(r);
        return 0;
    }
    return value;
}

int ncnn_constant(struct ncnn_reader *r, const char *what, bool tagged, int rank, const int64_t *dim)
{
    struct ncnn_weights w;
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        if (dim[i] <= 0 || !core_mul_i64(count, dim[i], &count)) count = -1;
    if (!ncnn_weights(r, count, tagged, what, &w)) return 0;
    return ncnn_wrap(r, what, &w, rank, dim);
}

/* ---- layers ---- */

static const struct ncnn_type *find_type(const char *name)
{
    const struct ncnn_type *const tables[] = {
        ncnn_types_elementwise, ncnn_types_conv, ncnn_types_cut, ncnn_types_shape, ncnn_types_resize, ncnn_types_norm};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct ncnn_type *type = tables[i]; type->name; type++)
            if (!strcmp(type->name, name)) return type;
    return NULL;
}

/* [c][h][w] unless the layer gives fewer sizes; 2=c is kept, the rest stays open: networks run at any size. */
static void read_input(struct ncnn_reader *r)
{
    static const char *const name[NCNN_RANK_MAX][NCNN_RANK_MAX] = {
        {"width"}, {"height", "width"}, {"channels", "height", "width"}, {"channels", "depth", "height", "width"}};
    const int64_t w = ncnn_int(r, 0, 0), h = ncnn_int(r, 1, 0), c = ncnn_int(r, 2, 0), d = ncnn_int(r, 11, 0);
    const int rank = d > 0 ? 4 : c > 0 || w <= 0 ? 3 : h > 0 ? 2 : 1;
    if (r->code) return;
    const int value = graph_add_value(r->graph, r->blob[r->now->out[0]].name);
    if (value < 0) {
        ncnn_fail_nomem(r);
        return;
    }
    struct graph_value *v = &r->graph->value[value];
    struct ncnn_blob *blob = &r->blob[r->now->out[0]];
    v->dtype = FM_F32;
    v->rank = rank + 1;
    v->dim[0] = 1;
    v->producer = -1;
    for (int i = 0; i < rank; i++) {
        blob->dim[i] = v->dim[i + 1] = -1;
        v->dim_name[i + 1] = name[rank - 1][i];
    }
    const int64_t known = rank >= 3 ? c : rank == 1 ? w : 0;
    if (known > 0) {
        blob->dim[0] = v->dim[1] = known;
        v->dim_name[1] = NULL;
    }
    blob->value = value;
    blob->rank = rank;
    blob->input = value;
    r->graph->input[r->graph->n_inputs++] = value;
}

static void resolve_inputs(struct ncnn_reader *r)
{
    r->in = ncnn_scratch(r, (size_t) r->now->n_in, sizeof *r->in);
    for (int i = 0; i < r->now->n_in && !r->code; i++) {
        const int blob = ncnn_find_blob(r, r->now->in_name[i]);
        if (blob < 0) {
            ncnn_fail(r, FM_ERR_FORMAT, "no layer makes its input '%s'", r->now->in_name[i]);
        } else if (r->blob[blob].value < 0) {
            ncnn_fail(r, FM_ERR_FORMAT, "its input '%s' is made by a later layer or by itself", r->now->in_name[i]);
        } else {
            r->in[i] = &r->blob[blob];
            r->in[i]->used = true;
        }
    }
}

static void check_count(struct ncnn_reader *r, int n, int low, int high, const char *what)
{
    if (n < low || n > high)
        ncnn_fail(r, FM_ERR_FORMAT, low == high ? "it has %d %s where %d belong" : "it has %d %s where %d to %d belong", n, what,
            low, high);
}

static void read_layer(struct ncnn_reader *r, const struct ncnn_layer *layer)
{
    r->now = layer;
    ncnn_parse_params(r);
    resolve_inputs(r);
    if (r->code) return;
    if (!strcmp(layer->type, "Input")) {
        check_count(r, layer->n_in, 0, 0, "inputs");
        check_count(r, layer->n_out, 1, 1, "outputs");
        if (!r->code) read_input(r);
    } else {
        const struct ncnn_type *type = find_type(layer->type);
        if (!type) {
            ncnn_fail(r, FM_ERR_UNSUPPORTED, "layers of this type are not supported");
            return;
        }
        check_count(r, layer->n_in, type->min_in, type->max_in, "inputs");
        check_count(r, layer->n_out, type->min_out, type->max_out, "outputs");
        if (!r->code) type->read(r, type->arg);
    }
    check_unread(r);
    for (int i = 0; i < layer->n_out && !r->code; i++)
        if (r->blob[layer->out[i]].value < 0)
            ncnn_fail(r, FM_ERR_FORMAT, "its output '%s' has no meaning", r->blob[layer->out[i]].name);
}

/* ---- the whole ---- */

/* Blobs that no layer uses are the outputs, in file order. One that is only another name of a value gets a node of its own, so that
 * it can be found under its name. */
static void collect_outputs(struct ncnn_reader *r)
{
    struct graph *g = r->graph;
    int n = 0;
    for (int i = 0; i < r->n_blobs; i++) n += !r->blob[i].used;
    if (!n) ncnn_fail(r, FM_ERR_FORMAT, "every blob is used by a layer: the network has no output");
    if (r->code) return;
    g->output = arena_array(g->arena, (size_t) n, sizeof *g->output);
    if (!g->output) {
        ncnn_fail_nomem(r);
        return;
    }
    for (int i = 0; i < r->n_blobs && !r->code; i++) {
        const struct ncnn_blob *blob = &r->blob[i];
        if (blob->used) continue;
        int value = blob->value;
        if (g->value[value].producer < 0 || strcmp(g->value[value].name, blob->name)) {
            value = NCNN_EMIT(r, OP_IDENTITY, NULL, value);
            if (r->code) return;
            g->value[value].name = arena_strdup(g->arena, blob->name);
            if (!g->value[value].name) {
                ncnn_fail_nomem(r);
                return;
            }
        }
        g->output[g->n_outputs++] = value;
    }
}

static void import(struct ncnn_reader *r, const char *text, size_t size)
{
    struct graph *g = r->graph;
    ncnn_parse(r, text, size);
    if (r->code) return;
    int inputs = 0;
    for (int i = 0; i < r->n_layers; i++) inputs += !strcmp(r->layer[i].type, "Input");
    g->input = arena_array(g->arena, (size_t) inputs, sizeof *g->input);
    g->source = arena_strdup(g->arena, r->param_source);
    if (!g->input || !g->source) {
        ncnn_fail_nomem(r);
        return;
    }
    g->format = "ncnn";
    for (int i = 0; i < r->n_layers && !r->code; i++) read_layer(r, &r->layer[i]);
    if (r->code) return;
    const struct ncnn_layer end = {.type = "Output", .name = "", .line = r->layer[r->n_layers - 1].line};
    r->now = &end; /* names the nodes made for outputs */
    collect_outputs(r);
    r->now = NULL;
    if (!r->code && !g->n_inputs) ncnn_fail(r, FM_ERR_FORMAT, "the network has no Input layer");
    if (!r->code && r->bin_at != r->bin_size)
        ncnn_fail(r, FM_ERR_FORMAT, "the layers use %zu of the %zu bytes of %.200s: the files do not belong together", r->bin_at,
            r->bin_size, r->bin_source);
    if (!r->code) r->code = graph_check(g, r->error);
}

int ncnn_import(const char *param, size_t param_size, const char *param_source, const void *bin, size_t bin_size,
    const char *bin_source, struct graph **out, struct fm_error *error)
{
    struct ncnn_reader r = {.error = error,
        .bin = bin,
        .bin_size = bin_size,
        .param_source = param_source ? param_source : "(param)",
        .bin_source = bin_source ? bin_source : "(bin)"};
    *out = NULL;
    r.graph = graph_create();
    r.scratch = arena_create();
    if (!r.graph || !r.scratch)
        ncnn_fail_nomem(&r);
    else
        import(&r, param, param_size);
    arena_destroy(&r.scratch);
    if (r.code) graph_destroy(&r.graph);
    *out = r.graph;
    return r.code;
}
