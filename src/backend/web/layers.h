/* SPDX-License-Identifier: MIT */
/* The graph as shaders see it: a list of convolutions that keep the picture's size, each with all that is done to its result. */
#ifndef FM_BACKEND_WEB_LAYERS_H
#define FM_BACKEND_WEB_LAYERS_H

#include "backend/web/web.h"

enum { WEB_NONE = -1, WEB_PICTURE = -2 }; /* in place of a layer's index */

struct web_layer {
    const char *name;
    int from;        /* a layer before it, or WEB_PICTURE */
    int in, out;     /* channels */
    int kernel, pad; /* pad = kernel / 2 */
    bool edges;      /* beyond the picture its edge is repeated; else there are zeros */
    int activation;  /* enum op_activation */
    float a, b;
    int plus;        /* what is added: a layer before it, WEB_PICTURE or WEB_NONE */
    bool plus_first; /* before the activation */
    int shuffle;     /* 1: none */
    bool crd;
    bool kept;      /* somebody else than the next layer reads it */
    float *weights; /* [out][in][kernel][kernel] */
    float *bias;    /* [out] */
    float *slope;   /* [out], or NULL */
    int64_t at;     /* where its weights begin in the plan's, once placed */
};

/* Layers that are numbers of the picture alone and are added to the last one's result come into `beside` instead of the list. */
struct web_layers {
    struct web_layer *layer;
    int n;
    struct web_layer *beside; /* or NULL */
};

/* The list lives in `arena`. */
int web_layers_read(const struct graph *graph, const struct web_network *network, struct arena *arena, struct web_layers *out,
    struct fm_error *error);

/* Channels come in vectors: how wide, and how many. Nine channels are three vectors of three. */
int web_vector(int channels);
int web_vectors(int channels);

#endif
