/* SPDX-License-Identifier: MIT */
/* Both ends: the picture comes in as texture, enlarged where the network wants it so, and goes out with its colours.
 *
 * A network of luma gives brightness; colour is resampled beside it as the engine does for R, G, B (tasks/upscale): by Lanczos where the
 * network enlarges, bilinear where the picture was. What is resampled is R and B less brightness: the sum of resampling is linear, so
 * that equals resampling R, G, B and exchanging their brightness. G follows from the shares. */
#include <math.h>
#include <stdio.h>

#include "backend/web/shader.h"
#include "backend/web/weights.h"

#define LOBES WEB_EXIT_REACH
#define COLUMNS (2 * LOBES + 1)
#define PI 3.14159265358979323846

/* ---- in ---- */

/* p = a * value + b as WGSL text would say it, with nothing where there is nothing to do */
static void scaled(const struct shader *s, const char *value)
{
    const struct web_network *n = s->network;
    if (n->gain == 1 && n->offset == 0)
        text_add(s->text, "%s", value);
    else
        text_add(s->text, "(%.9g * %s + %.9g)", (double) n->gain, value, (double) n->offset);
}

/* The source's pixels below a rectangle of the enlarged picture, first; then brightness at each of its pixels, by way of registers. */
static void load_enlarged(const struct shader *s)
{
    const struct web_group *g = s->group;
    const bool edges = g->stage[0].layer->edges;
    const int w = web_below(g->w), h = web_below(g->h), slots = (g->w * g->h + g->threads - 1) / g->threads;
    struct text *t = s->text;
    text_add(t, "  let low = vec2<i32>(floor((vec2<f32>(corner - %d) + 0.5) * frame.ratio - 0.5));\n", g->halo);
    text_add(t,
        "  for (var i = t; i < %du; i += %du) {\n    %s_tile[i] = fetch_unit(low + vec2<i32>(vec2<u32>(i %% %du, i / %du)));\n  "
        "}\n",
        w * h, g->threads, s->entry, w, w);
    text_add(t, "  workgroupBarrier();\n");
    for (int k = 0; k < slots; k++) {
        text_add(t, "  var e%d = 0.0;\n  { let i = t + %du; let p = corner + vec2<i32>(vec2<u32>(i %% %du, i / %du)) - %d;\n", k,
            k * g->threads, g->w, g->w, g->halo);
        text_add(t, "    if (i < %du%s) { let u = %s_between(low, %s, %du); e%d = ", g->w * g->h,
            edges ? "" : " && all(vec2<u32>(p) < size)", s->entry, edges ? "clamp(p, vec2<i32>(0), vec2<i32>(size) - 1)" : "p", w,
            k);
        scaled(s, "u.x");
        text_add(t, "; } }\n");
    }
    text_add(t, "  workgroupBarrier();\n");
    for (int k = 0; k < slots; k++)
        text_add(t, "  { let i = t + %du; if (i < %du) { %s_tile[i].x = bitcast<u32>(e%d); } }\n", k * g->threads, g->w * g->h,
            s->entry, k);
    text_add(t, "  workgroupBarrier();\n");
}

void shader_load_picture(const struct shader *s)
{
    const struct web_group *g = s->group;
    const bool edges = g->stage[0].layer->edges;
    struct text *t = s->text;
    if (s->network->enlarged_first) {
        load_enlarged(s);
        return;
    }
    text_add(t, "  for (var i = t; i < %du; i += %du) {\n", g->w * g->h, g->threads);
    text_add(t, "    let p = corner + vec2<i32>(vec2<u32>(i %% %du, i / %du)) - %d;\n", g->w, g->w, g->halo);
    if (edges)
        text_add(t, "    var q = vec2<u32>(0); {\n");
    else
        text_add(t, "    var q = vec2<u32>(0);\n    if (all(vec2<u32>(p) < size)) {\n");
    if (s->network->luma) {
        text_add(t, "      let y = dot(fetch(p), frame.luma.rgb);\n      q.x = bitcast<u32>(");
        scaled(s, "y");
        text_add(t, ");\n");
    } else {
        text_add(t, "      let c = fetch(p)%s;\n      q = pack(h4(vec4<f32>(", s->network->bgr ? ".bgr" : "");
        scaled(s, "c");
        text_add(t, ", 0)));\n");
    }
    text_add(t, "    }\n    %s_tile[i] = q;\n  }\n  workgroupBarrier();\n", s->entry);
}

/* ---- out ---- */

/* Brightness and colour of an enlarged picture at p, from units that begin at source pixel `low`. */
static void between_function(const struct shader *s)
{
    text_add(s->text,
        "fn %s_between(low: vec2<i32>, p: vec2<i32>, width: u32) -> vec3<f32> {\n"
        "  let at = (vec2<f32>(p) + 0.5) * frame.ratio - 0.5;\n"
        "  let first = floor(at);\n  let f = at - first;\n"
        "  let d = vec2<u32>(vec2<i32>(first) - low);\n  let i = d.y * width + d.x;\n",
        s->entry);
    text_add(s->text,
        "  return mix(mix(%s_see(i), %s_see(i + 1u), f.x), mix(%s_see(i + width), %s_see(i + width + 1u), f.x), f.y);\n}\n",
        s->entry, s->entry, s->entry, s->entry);
}

static double sinc(double x)
{
    return x == 0 ? 1 : sin(PI * x) / (PI * x);
}

/* What each of seven pixels, the own one in the middle, gives to pixel i of the `scale` that it becomes. */
static void lanczos(int scale, int i, double weight[COLUMNS])
{
    const double at = (i + 0.5) / scale - 0.5;
    double sum = 0;
    for (int k = 0; k < COLUMNS; k++) {
        const double x = at - (k - LOBES);
        weight[k] = fabs(x) < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
        if (x != 0 && x == rint(x)) weight[k] = 0;
        sum += weight[k];
    }
    for (int k = 0; k < COLUMNS; k++) weight[k] /= sum;
}

/* c0, c1, ... : colour of the pixels that the one at unit `at` becomes; first each column up and down, then across. */
static void resample_colour(const struct shader *s, int pitch)
{
    const int scale = s->network->scale;
    struct text *t = s->text;
    double weight[16][COLUMNS];
    for (int i = 0; i < scale; i++) lanczos(scale, i, weight[i]);
    for (int i = 0; i < scale * scale; i++) text_add(t, "  var c%d = vec2<f32>(0);\n", i);
    for (int column = 0; column < COLUMNS; column++) {
        text_add(t, "  {\n");
        for (int row = 0; row < COLUMNS; row++)
            text_add(t, "    let d%d = unpack2x16float(%s_tile[at + %du].y);\n", row, s->entry, row * pitch + column);
        for (int y = 0; y < scale; y++) {
            text_add(t, "    let v%d = ", y);
            bool more = false;
            for (int row = 0; row < COLUMNS; row++) {
                if (weight[y][row] == 0) continue;
                text_add(t, "%s%.9g * d%d", more ? " + " : "", weight[y][row], row);
                more = true;
            }
            text_add(t, ";\n");
            for (int x = 0; x < scale; x++)
                if (weight[x][column] != 0) text_add(t, "    c%d += %.9g * v%d;\n", y * scale + x, weight[x][column], y);
        }
        text_add(t, "  }\n");
    }
}

/* The layer beside the chain: sums of brightness around the pixel, repeated edges and all. */
static void add_beside(const struct shader *s, int weights, int pitch)
{
    const struct web_layer *l = s->layers->beside;
    const int scale = s->network->scale, out = web_vectors(l->out), v = web_vector(l->out), middle = LOBES - l->pad;
    static const char *const lane[] = {"x", "y", "z", "w"};
    struct text *t = s->text;
    const int step = s->form == WEB_F16 ? web_even(out) / 2 : web_even(out); /* elements */
    for (int o = 0; o < out; o++) {
        text_add(t, "  var s%d = vec4<f32>(", o);
        shader_weight(s, "", weights + o);
        text_add(t, ");\n");
    }
    text_add(t, "  for (var k = 0u; k < %du + frame.zero.x; k++) {\n    let from_ = k * %du;\n", l->kernel * l->kernel, step);
    text_add(t, "    let y = bitcast<f32>(%s_tile[at + (k / %du + %du) * %du + k %% %du + %du].x);\n    let b = ", s->entry,
        l->kernel, middle, pitch, l->kernel, middle);
    scaled(s, "y");
    text_add(t, ";\n");
    for (int o = 0; o < out; o++) {
        text_add(t, "    s%d += b * vec4<f32>(", o);
        shader_weight(s, "from_", weights + web_even(out) + o);
        text_add(t, ");\n");
    }
    text_add(t, "  }\n");
    for (int i = 0; i < scale * scale; i++) text_add(t, "  b%d += s%d.%s;\n", i, i / v, lane[i % v]);
}

/* A pixel's result, brightness less the network's scale, put with its colour. */
static void put_function(const struct shader *s)
{
    const struct web_network *n = s->network;
    text_add(s->text, "fn %s_put(p: vec2<i32>, value: f32, d: vec2<f32>) {\n", s->entry);
    if (n->gain == 1 && n->offset == 0)
        text_add(s->text, "  let y = value;\n");
    else
        text_add(s->text, "  let y = value * %.9g + %.9g;\n", 1 / (double) n->gain, -(double) n->offset / (double) n->gain);
    text_add(s->text, "  let g = -dot(d, frame.luma.rb) / frame.luma.g;\n"
                      "  textureStore(result, p, vec4<f32>(vec3<f32>(d.x, g, d.y) + y, 1));\n}\n");
}

/* Luma: ENTRY_exit makes all pixels that one pixel becomes. */
void shader_exit_functions(const struct shader *s, int weights)
{
    const struct web_network *n = s->network;
    const struct web_group *g = s->group;
    struct text *t = s->text;
    const int count = n->scale * n->scale, pitch = g->tile_w + 2 * LOBES;
    if (!n->luma) return;
    put_function(s);
    if (n->enlarged_first) return;
    text_add(t, "fn %s_exit(at: u32, p: vec2<i32>", s->entry);
    for (int i = 0; i < count; i++) text_add(t, ", n%d: f32", i);
    text_add(t, ") {\n");
    for (int i = 0; i < count; i++) text_add(t, "  var b%d = n%d;\n", i, i);
    if (s->layers->beside) add_beside(s, weights, pitch);
    resample_colour(s, pitch);
    for (int i = 0; i < count; i++)
        text_add(t, "  %s_put(p * %d + vec2<i32>(%d, %d), b%d, c%d);\n", s->entry, n->scale, i % n->scale, i / n->scale, i, i);
    text_add(t, "}\n");
}

/* ENTRY_see and ENTRY_between read units of the source. The entry and the exit of enlarged pictures have them. */
void shader_between_functions(const struct shader *s)
{
    text_add(s->text,
        "fn %s_see(i: u32) -> vec3<f32> {\n  let q = %s_tile[i];\n  return vec3<f32>(bitcast<f32>(q.x), "
        "unpack2x16float(q.y));\n}\n",
        s->entry, s->entry);
    between_function(s);
}

/* Sum P's channel, as text. */
static void sum_name(char to[24], const struct web_layer *l, int p, int channel)
{
    static const char *const lane[] = {".x", ".y", ".z", ".w"};
    const int v = web_vector(l->out);
    snprintf(to, 24, "a%d_%d%s", p, channel / v, v == 1 ? "" : lane[channel % v]);
}

/* The channel of colour c, row y and column x of the pixels that one becomes. */
static int shuffled(const struct web_layer *l, int c, int y, int x)
{
    const int s = l->shuffle, colours = l->out / (s * s);
    return l->crd ? (c * s + y) * s + x : (y * s + x) * colours + c;
}

static void put_colours(const struct shader *s, const struct web_stage *stage)
{
    const struct web_network *n = s->network;
    for (int p = 0; p < stage->run; p++) {
        text_add(
            s->text, "      { let p = corner + vec2<i32>(vec2<u32>(x + %du, y));\n        if (all(vec2<u32>(p) < size)) {\n", p);
        for (int i = 0; i < n->scale * n->scale; i++) {
            char name[3][24];
            for (int c = 0; c < 3; c++)
                sum_name(name[c], stage->layer, p, shuffled(stage->layer, n->bgr ? 2 - c : c, i / n->scale, i % n->scale));
            text_add(s->text,
                "          textureStore(result, p * %d + vec2<i32>(%d, %d), vec4<f32>((vec3<f32>(%s, %s, %s) - %.9g) * %.9g, "
                "1));\n",
                n->scale, i % n->scale, i / n->scale, name[0], name[1], name[2], (double) n->offset, 1 / (double) n->gain);
        }
        text_add(s->text, "        }\n      }\n");
    }
}

/* The run's pixels are gone through by a loop that chooses among the sums, so that the exit's long text is compiled once. */
static void choose_sum(const struct shader *s, const struct web_stage *stage, int channel, int number)
{
    char name[24];
    sum_name(name, stage->layer, 0, channel);
    text_add(s->text, "        var n%d = %s;", number, name);
    for (int p = 1; p < stage->run; p++) {
        sum_name(name, stage->layer, p, channel);
        text_add(s->text, " n%d = select(n%d, %s, k == %du);", number, number, name, p);
    }
    text_add(s->text, "\n");
}

static void put_luma(const struct shader *s, const struct web_stage *stage)
{
    const struct web_network *n = s->network;
    const struct web_group *g = s->group;
    const int count = n->scale * n->scale;
    text_add(
        s->text, "      for (var k = 0u; k < %du; k++) {\n        let p = corner + vec2<i32>(vec2<u32>(x + k, y));\n", stage->run);
    text_add(s->text, "        if (any(vec2<u32>(p) >= size)) { continue; }\n");
    for (int i = 0; i < count; i++) choose_sum(s, stage, shuffled(stage->layer, 0, i / n->scale, i % n->scale), i);
    if (n->enlarged_first) {
        text_add(
            s->text, "        let u = %s_between(under, p, %du);\n        %s_put(p, n0", s->entry, web_below(g->tile_w), s->entry);
        if (stage->layer->plus == WEB_PICTURE) {
            text_add(s->text, " + ");
            scaled(s, "u.x");
        }
        text_add(s->text, ", u.yz);\n");
    } else {
        text_add(s->text, "        %s_exit(y * %du + x + k, p", s->entry, g->tile_w + 2 * LOBES);
        for (int i = 0; i < count; i++) text_add(s->text, ", n%d", i);
        text_add(s->text, ");\n");
    }
    text_add(s->text, "      }\n");
}

/* The tile's memory is free once all sums are made: it takes the picture. */
void shader_exit_statements(const struct shader *s, const struct web_stage *stage)
{
    const struct web_network *n = s->network;
    const struct web_group *g = s->group;
    struct text *t = s->text;
    if (n->luma) {
        const int w = n->enlarged_first ? web_below(g->tile_w) : g->tile_w + 2 * LOBES;
        const int h = n->enlarged_first ? web_below(g->tile_h) : g->tile_h + 2 * LOBES;
        if (n->enlarged_first)
            text_add(t, "    let under = vec2<i32>(floor((vec2<f32>(corner) + 0.5) * frame.ratio - 0.5));\n");
        else
            text_add(t, "    let under = corner - %d;\n", LOBES);
        text_add(t, "    workgroupBarrier();\n    for (var i = t; i < %du; i += %du) {\n", w * h, g->threads);
        text_add(t,
            "      %s_tile[i] = fetch_unit(under + vec2<i32>(vec2<u32>(i %% %du, i / %du)));\n    }\n    workgroupBarrier();\n",
            s->entry, w, w);
    }
    text_add(t, "    if (on) {\n");
    if (n->luma)
        put_luma(s, stage);
    else
        put_colours(s, stage);
    text_add(t, "    }\n");
}
