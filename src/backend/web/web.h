/* SPDX-License-Identifier: MIT */
/* The web backend: a network as shaders. Unlike the others it runs nothing here: it lowers a graph to a web plan (docs/web-plan.md),
 * which a page uploads and dispatches. Sizes stay symbols: the graph is specialised at a nominal size only to fix its shapes.
 * A plan is immutable once made; any thread may read it. */
#ifndef FM_BACKEND_WEB_WEB_H
#define FM_BACKEND_WEB_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "graph/graph.h"

enum web_form { WEB_F32, WEB_F16, WEB_FORMS };

/* What the graph does not say: how pictures become its input. */
struct web_network {
    const char *name;
    int scale; /* 1 when enlarged_first */
    bool enlarged_first;
    bool luma; /* else three channels */
    bool bgr;
    float gain, offset; /* the network's value = gain * sample in 0 .. 1 + offset */
};

enum web_binding_kind { WEB_FRAME, WEB_SOURCE, WEB_WEIGHTS, WEB_BUFFER, WEB_TARGET };

struct web_binding {
    int binding;
    enum web_binding_kind kind;
    int64_t offset, count; /* of weights, in numbers */
    int buffer;            /* index into the form's buffers */
    bool write;
    bool uniform; /* weights: a uniform buffer, else storage */
};

#define WEB_BINDINGS_MAX 8

struct web_dispatch {
    const char *entry;
    int threads;        /* of a workgroup, in one dimension */
    int tile_w, tile_h; /* pixels of the grid that a workgroup makes */
    int first, count;   /* the layers */
    struct web_binding binding[WEB_BINDINGS_MAX];
    int n_bindings;
};

struct web_buffer {
    char name[8];
    int bytes_per_pixel;
};

struct web_form_plan {
    const char *text; /* WGSL */
    struct web_dispatch *dispatch;
    int n_dispatches;
    struct web_buffer *buffer;
    int n_buffers;
    int workgroup_bytes, threads, storage_buffers; /* the most that a dispatch needs */
    double bytes_in, bytes_out;                    /* moved for each pixel of the source and of the output */
};

struct web_plan {
    struct arena *arena;
    int n_layers;
    const char **layer; /* their names */
    int64_t macs;       /* for each pixel that the network works on */
    int reach;          /* how many of those pixels away from one of them its result may depend on: the halo of tiles */
    uint16_t *weights;  /* halves, both forms' */
    int64_t n_weights;
    double weights_error; /* the most a weight changed when it became a half, as a share of itself; tiny ones excepted */
    struct web_form_plan form[WEB_FORMS];
};

/* Lowers a specialised and rewritten graph. FM_ERR_UNSUPPORTED names the node that has no shader. */
int web_plan_create(const struct graph *graph, const struct web_network *network, struct web_plan **out, struct fm_error *error);
void web_plan_destroy(struct web_plan **plan); /* accepts NULL contents, sets NULL */

#endif
