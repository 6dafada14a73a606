/* SPDX-License-Identifier: MIT */
/* WGSL for one group of layers: an entry point. Names of the parts:
 *
 *     t        a thread's number in its workgroup            corner   the tile's first pixel
 *     tile     workgroup memory, a vec2<u32> is a unit       size     of the picture that the layers work on
 *     aP_O     the sum for pixel P of a run, vector O of the thread's share
 *
 * A unit holds four halves of a layer's result, or of the picture: brightness as a float, and R and B less brightness as halves. */
#ifndef FM_BACKEND_WEB_SHADER_H
#define FM_BACKEND_WEB_SHADER_H

#include "backend/web/groups.h"
#include "backend/web/text.h"

struct shader {
    struct text *text;
    const struct web_network *network;
    const struct web_layers *layers;
    const struct web_group *group;
    enum web_form form;
    const char *entry; /* the entry point's name, a prefix of all that is its own */
    int n_layers;
};

/* What all entry points of a module share. */
void shader_head(struct text *text, enum web_form form, const struct web_network *network);
/* One entry point and its workgroup memory. */
void shader_group(const struct shader *s);

/* ---- the parts ---- */

/* The tile's input, from the picture or from a buffer (planes of round `round`, a WGSL expression, of it). */
void shader_load_picture(const struct shader *s);
void shader_load_buffer(const struct shader *s, const char *round);
/* Vector `n` of the slice behind place `base` (a WGSL expression in elements of the weights, or ""): h4, or vec4<f32> in single precision. n is
 * even where base is not "". */
void shader_weight(const struct shader *s, const char *base, int n);
/* A layer: block and all. weights: where the stage's begin in the slice, in vectors. */
void shader_stage(const struct shader *s, int stage, int weights);
/* The exit's functions, and the statements of its stage that follow its sums. */
void shader_exit_functions(const struct shader *s, int weights);
void shader_exit_statements(const struct shader *s, const struct web_stage *stage);
void shader_between_functions(const struct shader *s);

static inline bool shader_is_entry(const struct shader *s)
{
    return s->group->stage[0].layer->from == WEB_PICTURE;
}
static inline bool shader_is_exit(const struct shader *s)
{
    return s->group->first + s->group->count == s->layers->n;
}
/* "", ".x", ".xy", ".xyz", "" */
const char *shader_lanes(int width);

#endif
