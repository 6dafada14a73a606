/* SPDX-License-Identifier: MIT */
/* A layer over the tile. Loops run over input vectors and rows of the window; the columns of the window, the run of pixels and the
 * output vectors are written out, so that sums stay in registers and each weight that is loaded serves a whole run. The loops' ends have
 * a zero added that compilers cannot see: some would write out all there is, and take minutes for it.
 *
 * Half precision adds in halves while the sums are short; where they are long, halves add up one input vector at a time and floats the
 * rest. The exit adds in floats. */
#include <math.h>
#include <stdio.h>

#include "backend/web/shader.h"
#include "backend/web/weights.h"

#define LONG_SUM 160 /* products */

struct stage_text {
    const struct shader *s;
    const struct web_stage *stage;
    const struct web_layer *l;
    struct text *t;
    int index, weights; /* of the stage; its place in the slice */
    int in_w, in_h;     /* of what it reads in the tile */
    int vi, vo, share;  /* widths of vectors; output vectors of a thread */
    const char *base;   /* of its share in the weights: nothing where there is one share, for an address that is a constant */
    const char *own;    /* the share's first output vector, as the beginning of a sum */
    bool last, exit, brightness; /* brightness: it reads the picture's units */
    bool in_floats, long_sum;
    char sum[16], part[16], weight[16]; /* types of the sums, of those of an input vector, and of weights */
};

static void type_name(char to[16], bool floats, int width)
{
    if (width == 1)
        snprintf(to, 16, "%s", floats ? "f32" : "h");
    else if (floats)
        snprintf(to, 16, "vec%d<f32>", width);
    else
        snprintf(to, 16, "h%d", width);
}

/* ---- the sums ---- */

/* Sums begin with the biases; these and the slopes are loaded once for all pixels of the run. */
static void declare_sums(const struct stage_text *x)
{
    for (int o = 0; o < x->share; o++) {
        text_add(x->t, "    let bias%d = %s(", o, x->sum);
        shader_weight(x->s, x->base, x->weights + o);
        text_add(x->t, "%s);\n", shader_lanes(x->vo));
        for (int p = 0; p < x->stage->run; p++) text_add(x->t, "    var a%d_%d = bias%d;\n", p, o, o);
    }
}

static void load_slopes(const struct stage_text *x)
{
    if (x->l->activation != ACT_PRELU) return;
    for (int o = 0; o < x->share; o++) {
        text_add(x->t, "    let slope%d = %s(", o, x->sum);
        shader_weight(x->s, x->base, x->weights + web_even(web_vectors(x->l->out)) + o);
        text_add(x->t, "%s);\n", shader_lanes(x->vo));
    }
}

/* The pixels of a row that the run's windows touch. */
static void load_row(const struct stage_text *x)
{
    for (int i = 0; i < x->stage->run + x->l->kernel - 1; i++) {
        char part[16];
        type_name(part, x->in_floats, x->vi);
        if (x->brightness)
            text_add(x->t, "          let x%d = %s(bitcast<f32>(%s_tile[at + %du].x));\n", i, part, x->s->entry, i);
        else
            text_add(x->t, "          let x%d = %s(%s_tile[at + %du])%s;\n", i, x->in_floats ? "unpack_f" : "unpack", x->s->entry,
                i, shader_lanes(x->vi));
    }
}

static void add_products(const struct stage_text *x, int kx)
{
    static const char lane[] = "xyzw";
    const char sum = x->long_sum ? 'b' : 'a';
    const int columns = x->vo == 1 ? 1 : x->vi;
    for (int o = 0; o < x->share; o++)
        for (int c = 0; c < columns; c++) {
            const int at = kx * web_vectors(x->l->out) * columns + o * columns + c;
            text_add(x->t, "          { let w = %s(", x->weight);
            shader_weight(x->s, "k", at);
            text_add(x->t, "%s);", shader_lanes(x->vo == 1 ? x->vi : x->vo));
            for (int p = 0; p < x->stage->run; p++) {
                if (x->vo == 1)
                    text_add(x->t, x->vi == 1 ? " %c%d_%d += w * x%d;" : " %c%d_%d += dot(w, x%d);", sum, p, o, p + kx);
                else if (x->vi == 1)
                    text_add(x->t, " %c%d_%d += w * x%d;", sum, p, o, p + kx);
                else
                    text_add(x->t, " %c%d_%d += w * x%d.%c;", sum, p, o, p + kx, lane[c]);
            }
            text_add(x->t, " }\n");
        }
}

static void add_up(const struct stage_text *x, const char *round)
{
    const struct web_group *g = x->s->group;
    const struct web_layer *l = x->l;
    const int out = web_vectors(l->out), columns = x->vo == 1 ? 1 : x->vi, first = x->weights + web_even(out) * (l->slope ? 2 : 1);
    const int half = x->s->form == WEB_F16 ? 2 : 1; /* vectors in an element of the weights */
    const int planes = x->index ? web_vectors(l->in) : g->planes;
    text_add(x->t, "    if (on) {\n      for (var c = 0u; c < %du + frame.zero.x; c++) {\n", planes);
    if (x->long_sum)
        for (int p = 0; p < x->stage->run; p++)
            for (int o = 0; o < x->share; o++) text_add(x->t, "        var b%d_%d = %s(0);\n", p, o, x->part);
    text_add(x->t, "        for (var ky = 0u; ky < %du + frame.zero.x; ky++) {\n", l->kernel);
    text_add(x->t, "          let at = c * %du + (y + ky) * %du + x;\n", x->in_w * x->in_h, x->in_w);
    text_add(x->t, "          let k = %du + ((%s%sc) * %du + ky) * %du", first / half, round, round[0] ? " + " : "", l->kernel,
        web_even(l->kernel * out * columns) / half);
    if (x->stage->split > 1) text_add(x->t, " + ow * %du", columns);
    text_add(x->t, ";\n");
    load_row(x);
    for (int kx = 0; kx < l->kernel; kx++) add_products(x, kx);
    text_add(x->t, "        }\n");
    if (x->long_sum)
        for (int p = 0; p < x->stage->run; p++)
            for (int o = 0; o < x->share; o++) text_add(x->t, "        a%d_%d += %s(b%d_%d);\n", p, o, x->sum, p, o);
    text_add(x->t, "      }\n    }\n");
}

/* ---- what follows them ---- */

static void activate(const struct stage_text *x, const char *a, int o)
{
    const struct web_layer *l = x->l;
    struct text *t = x->t;
    const char *type = x->sum;
    char f[16];
    type_name(f, true, x->vo);
    switch (l->activation) {
    case ACT_RELU: text_add(t, "%s = max(%s, %s(0));", a, a, type); break;
    case ACT_LEAKY_RELU: text_add(t, "%s = max(%s, %s(0)) + %.9g * min(%s, %s(0));", a, a, type, (double) l->a, a, type); break;
    case ACT_PRELU: text_add(t, "%s = max(%s, %s(0)) + slope%d * min(%s, %s(0));", a, a, type, o, a, type); break;
    case ACT_CLIP:
        if (!isinf(l->a)) text_add(t, "%s = max(%s, %s(%.9g));", a, a, type, (double) l->a);
        if (!isinf(l->b)) text_add(t, "%s = min(%s, %s(%.9g));", a, a, type, (double) l->b);
        break;
    case ACT_SILU: text_add(t, "{ let v = %s(%s); %s = %s(v / (1.0 + exp(-v))); }", f, a, a, type); break;
    case ACT_SIGMOID: text_add(t, "%s = %s(1.0 / (1.0 + exp(-%s(%s))));", a, type, f, a); break;
    case ACT_TANH: text_add(t, "%s = %s(tanh(clamp(%s(%s), %s(-10), %s(10))));", a, type, f, a, f, f); break;
    case ACT_HARD_SWISH:
        text_add(t, "%s = %s * clamp(%.9g * %s + %.9g, %s(0), %s(1));", a, a, (double) l->a, a, (double) l->b, type, type);
        break;
    case ACT_HARD_SIGMOID:
        text_add(t, "%s = clamp(%.9g * %s + %.9g, %s(0), %s(1));", a, (double) l->a, a, (double) l->b, type, type);
        break;
    case ACT_MISH: /* tanh(log(1 + e^x)) = n / (n + 2) where n = e^x (e^x + 2) */
        text_add(t, "{ let v = %s(%s); let e = exp(min(v, %s(20))); let n = e * (e + 2.0); %s = %s(v * n / (n + 2.0)); }", f, a, f,
            a, type);
        break;
    case ACT_GELU: /* the form with tanh */
        text_add(t,
            "{ let v = %s(%s); %s = %s(0.5 * v * (1.0 + tanh(clamp(0.7978845608 * (v + 0.044715 * v * v * v), %s(-10), %s(10))))); "
            "}",
            f, a, a, type, f, f);
        break;
    case ACT_ELU:
        text_add(t, "{ let v = %s(%s); %s = %s(select(v, %.9g * (exp(v) - 1.0), v < %s(0))); }", f, a, a, type, (double) l->a, f);
        break;
    default: return;
    }
}

/* Sum and activation in their order, for pixel p of the run. */
static void finish_pixel(const struct stage_text *x, int p)
{
    const struct web_layer *l = x->l;
    text_add(x->t, "      { let q = corner + vec2<i32>(vec2<u32>(x + %du, y)) - %d; let inside = all(vec2<u32>(q) < size);\n", p,
        x->stage->halo);
    const bool buffer = x->l->plus >= 0;
    if (buffer || (x->last && !x->exit)) text_add(x->t, "        let place = u32(q.y) * size.x + u32(q.x);\n");
    for (int step = 0; step < 2; step++) {
        const bool sum = (step == 0) == l->plus_first;
        for (int o = 0; o < x->share; o++) {
            char a[32];
            snprintf(a, sizeof a, "a%d_%d", p, o);
            if (sum && buffer)
                text_add(x->t, "        if (inside) { %s += %s(%s(plus[(%s%du) * size.x * size.y + place])%s); }\n", a, x->sum,
                    x->in_floats || x->long_sum ? "unpack_f" : "unpack", x->own, o, shader_lanes(x->vo));
            if (!sum) {
                text_add(x->t, "        ");
                activate(x, a, o);
                text_add(x->t, "\n");
            }
        }
    }
}

static void put_pixel(const struct stage_text *x, int p)
{
    static const char *const filled[] = {"", ", 0, 0, 0", ", 0, 0", ", 0", ""};
    const struct web_stage *stage = x->stage;
    const char *wide = x->in_floats || x->long_sum ? "vec4<f32>" : "h4";
    for (int o = 0; o < x->share; o++) {
        if (x->last)
            text_add(x->t, "        if (inside) { after[(%s%du) * size.x * size.y + place] = pack(h4(%s(a%d_%d%s))); }\n", x->own,
                o, wide, p, o, filled[x->vo]);
        else
            text_add(x->t,
                "        %s_tile[(%s%du) * %du + y * %du + x + %du] = select(vec2<u32>(0), pack(h4(%s(a%d_%d%s))), inside);\n",
                x->s->entry, x->own, o, stage->w * stage->h, stage->w, p, wide, p, o, filled[x->vo]);
    }
    text_add(x->t, "      }\n");
}

/* Zeros, not results, lie outside the picture: that is what the next layer is to find there. */
static void finish(const struct stage_text *x)
{
    if (!x->last) text_add(x->t, "    workgroupBarrier();\n");
    load_slopes(x);
    if (x->exit) {
        text_add(x->t, "    if (on) {\n");
        for (int p = 0; p < x->stage->run; p++) {
            finish_pixel(x, p);
            text_add(x->t, "      }\n");
        }
        text_add(x->t, "    }\n");
        shader_exit_statements(x->s, x->stage);
        return;
    }
    text_add(x->t, "    if (on) {\n");
    for (int p = 0; p < x->stage->run; p++) {
        finish_pixel(x, p);
        put_pixel(x, p);
    }
    text_add(x->t, "    }\n");
    if (!x->last) text_add(x->t, "    workgroupBarrier();\n");
}

void shader_stage(const struct shader *s, int index, int weights)
{
    const struct web_group *g = s->group;
    const struct web_stage *stage = &g->stage[index];
    const struct web_layer *l = stage->layer;
    struct stage_text x = {.s = s, .stage = stage, .l = l, .t = s->text, .index = index, .weights = weights};
    x.in_w = index ? stage[-1].w : g->w;
    x.in_h = index ? stage[-1].h : g->h;
    x.vi = web_vector(l->in);
    x.vo = web_vector(l->out);
    x.share = web_vectors(l->out) / stage->split;
    x.base = stage->split > 1 ? "ow" : "";
    x.own = stage->split > 1 ? "o + " : "";
    x.last = index == g->count - 1;
    x.exit = x.last && shader_is_exit(s);
    x.brightness = !index && shader_is_entry(s) && s->network->luma;
    x.in_floats = x.exit || s->form == WEB_F32;
    x.long_sum = !x.in_floats && l->in * l->kernel * l->kernel > LONG_SUM;
    type_name(x.sum, x.in_floats || x.long_sum, x.vo);
    type_name(x.part, x.in_floats, x.vo);
    type_name(x.weight, x.in_floats, x.vo == 1 ? x.vi : x.vo);
    const int runs = stage->runs_x * stage->h;
    text_add(x.t, "  { // %d -> %d, %dx%d\n", l->in, l->out, l->kernel, l->kernel);
    text_add(x.t, "    let on = t < %du; let r = t %% %du;\n", stage->active, runs);
    if (stage->split > 1)
        text_add(x.t, "    let o = (t / %du) * %du; let ow = o / %du;\n", runs, x.share, s->form == WEB_F16 ? 2 : 1);
    text_add(x.t, "    let y = r / %du; let x = min((r %% %du) * %du, %du);\n", stage->runs_x, stage->runs_x, stage->run,
        stage->w - stage->run);
    declare_sums(&x);
    if (index || g->rounds == 1) {
        add_up(&x, "");
    } else {
        char round[32];
        snprintf(round, sizeof round, "round * %du", g->planes);
        text_add(x.t, "    for (var round = 0u; round < %du; round++) {\n", g->rounds);
        shader_load_buffer(s, round);
        add_up(&x, round);
        text_add(x.t, "    workgroupBarrier();\n    }\n");
    }
    finish(&x);
    text_add(x.t, "  }\n");
}
