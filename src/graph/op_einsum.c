/* SPDX-License-Identifier: MIT */
/* Einsum: any product of tensors summed over the labels that the output lacks. The equation is read once into an axis number per
 * dimension; running it is two nested counters, over the output's axes and over the summed ones. */
#include <string.h>

#include "core/alloc.h"
#include "graph/op_tools.h"

/* Axis numbers: A..Z, a..z, then the dimensions that an ellipsis stands for, counted from its right end. */
#define LETTERS 52
#define AXES (LETTERS + FM_MAX_RANK)
#define TERMS_MAX 255

struct term { int n; int8_t axis[FM_MAX_RANK]; };

struct equation {
    int n_terms;
    struct term term[TERMS_MAX], output;
    int64_t size[AXES]; /* -1: not used */
};

static int letter_axis(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? 26 + c - 'a' : -1;
}

/* The labels of one term as written: letters before and after the ellipsis. */
struct labels { int n, ellipsis; int8_t axis[AXES]; }; /* ellipsis: letters before it, or -1 */

/* Reads labels up to ',', '-' or the end; `at` moves there. */
static int read_labels(const char **at, struct labels *labels, struct fm_error *error)
{
    labels->n = 0;
    labels->ellipsis = -1;
    for (const char *c = *at;; c++) {
        const int axis = letter_axis(*c);
        if (*c == ' ')
            continue;
        if (*c == '\0' || *c == ',' || *c == '-') {
            *at = c;
            return FM_OK;
        }
        if (axis >= 0 && labels->n < AXES) {
            labels->axis[labels->n++] = (int8_t) axis;
        } else if (strncmp(c, "...", 3) == 0 && labels->ellipsis < 0) {
            labels->ellipsis = labels->n;
            c += 2;
        } else {
            return core_fail(error, FM_ERR_FORMAT, "the equation cannot be read at '%.16s'", c);
        }
    }
}

/* Spreads labels over `hidden` dimensions of the ellipsis. */
static int make_term(const struct labels *labels, int hidden, struct term *term, struct fm_error *error)
{
    const int before = labels->ellipsis < 0 ? labels->n : labels->ellipsis;
    if (hidden < 0 || labels->n + hidden > FM_MAX_RANK)
        return core_fail(error, FM_ERR_UNSUPPORTED, "a term of the equation has %d dimensions, at most %d are supported",
                         labels->n + hidden, FM_MAX_RANK);
    term->n = 0;
    for (int i = 0; i < before; i++)
        term->axis[term->n++] = labels->axis[i];
    for (int i = 0; i < hidden && term->n < FM_MAX_RANK; i++) /* the bounds are those checked above, once more for the compiler */
        term->axis[term->n++] = (int8_t) (AXES - hidden + i);
    for (int i = before; i < labels->n && term->n < FM_MAX_RANK; i++)
        term->axis[term->n++] = labels->axis[i];
    return FM_OK;
}

/* Fits one input to its term: sizes of one axis agree, or are 1 in whole inputs. */
static int fit_input(struct equation *e, const struct fm_tensor *t, const struct term *term, struct fm_error *error)
{
    int64_t own[AXES];
    for (int i = 0; i < AXES; i++)
        own[i] = -1;
    for (int i = 0; i < term->n; i++) {
        const int axis = term->axis[i];
        const int64_t size = t->dim[i];
        if ((own[axis] >= 0 && own[axis] != size) || (e->size[axis] > 1 && size != 1 && size != e->size[axis]) ||
            (e->size[axis] == 0 && size > 1))
            return core_fail(error, FM_ERR_SHAPE, "dimension %d of an input is %lld, the same label has %lld elsewhere", i,
                             (long long) size, (long long) (own[axis] >= 0 ? own[axis] : e->size[axis]));
        own[axis] = size;
    }
    for (int i = 0; i < AXES; i++)
        if (own[i] >= 0 && (e->size[i] < 0 || e->size[i] == 1))
            e->size[i] = own[i];
    return FM_OK;
}

/* What follows the arrow: labels that the inputs have, each once. */
static int explicit_output(struct equation *e, const char *at, int hidden, struct fm_error *error)
{
    struct labels labels;
    unsigned char seen[AXES] = {0};
    int err = read_labels(&at, &labels, error);
    if (!err && *at)
        err = core_fail(error, FM_ERR_FORMAT, "the equation cannot be read at '%.16s'", at);
    if (!err)
        err = make_term(&labels, labels.ellipsis < 0 ? 0 : hidden, &e->output, error);
    for (int i = 0; i < e->output.n && !err; i++) {
        const int axis = e->output.axis[i];
        if (e->size[axis] < 0 || seen[axis]++)
            err = core_fail(error, FM_ERR_FORMAT, "the equation's output has a label %s",
                            seen[axis] ? "twice" : "that no input has");
    }
    return err;
}

/* Without an arrow: the ellipsis, then the letters that occur once, in order. */
static int implicit_output(struct equation *e, const int *uses, int hidden, struct fm_error *error)
{
    struct labels labels = {.n = 0, .ellipsis = 0};
    for (int i = 0; i < LETTERS; i++)
        if (uses[i] == 1)
            labels.axis[labels.n++] = (int8_t) i;
    return make_term(&labels, hidden, &e->output, error);
}

static int read_equation(const struct graph_node *node, const struct fm_tensor *in, struct equation *e, struct fm_error *error)
{
    const char *at = node->p.einsum.equation ? node->p.einsum.equation : "";
    int uses[LETTERS] = {0}, hidden_most = 0;
    if (node->n_in > TERMS_MAX)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%d inputs, at most %d are supported", node->n_in, TERMS_MAX);
    for (int i = 0; i < AXES; i++)
        e->size[i] = -1;
    e->output.n = 0;
    for (e->n_terms = 0; e->n_terms < node->n_in; e->n_terms++) {
        const struct fm_tensor *t = &in[e->n_terms];
        struct term *term = &e->term[e->n_terms];
        struct labels labels;
        int err = read_labels(&at, &labels, error);
        if (err)
            return err;
        const int hidden = labels.ellipsis < 0 ? 0 : t->rank - labels.n;
        if (hidden < 0 || labels.n + hidden != t->rank)
            return core_fail(error, FM_ERR_SHAPE, "input %d has %d dimensions, the equation gives it %d labels", e->n_terms,
                             t->rank, labels.n);
        err = make_term(&labels, hidden, term, error);
        if (!err)
            err = fit_input(e, t, term, error);
        if (err)
            return err;
        for (int i = 0; i < labels.n; i++)
            uses[labels.axis[i]]++;
        hidden_most = hidden > hidden_most ? hidden : hidden_most;
        const bool last = e->n_terms == node->n_in - 1;
        if ((*at == ',') == last)
            return core_fail(error, FM_ERR_FORMAT, "the equation '%.64s' does not fit %d inputs", node->p.einsum.equation,
                             node->n_in);
        at += !last;
    }
    if (*at == '\0')
        return implicit_output(e, uses, hidden_most, error);
    if (at[0] != '-' || at[1] != '>')
        return core_fail(error, FM_ERR_FORMAT, "the equation cannot be read at '%.16s'", at);
    return explicit_output(e, at + 2, hidden_most, error);
}

int op_einsum_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int err = op_begin(node, in, out, node->n_in, in[0].dtype, error);
    if (!err)
        err = op_need_type(in[0].dtype != FM_BOOL, &in[0], error);
    for (int k = 1; k < node->n_in && !err; k++)
        if (in[k].dtype != in[0].dtype)
            err = core_fail(error, FM_ERR_SHAPE, "%s cannot be multiplied with %s", fm_dtype_name(in[0].dtype),
                            fm_dtype_name(in[k].dtype));
    struct equation *e = err ? NULL : op_scratch(1, sizeof(*e), error);
    if (!e)
        return err ? err : FM_ERR_NOMEM;
    int64_t dim[FM_MAX_RANK];
    err = read_equation(node, in, e, error);
    for (int i = 0; i < e->output.n && !err; i++)
        dim[i] = e->size[e->output.axis[i]];
    if (!err)
        err = op_output(&out[0], in[0].dtype, e->output.n, dim, error);
    core_free(e);
    return err;
}

/* --- running --------------------------------------------------------------------------------------------------------------- */

/* The loops over `n` axes, outermost first; operand k moves by stride[k][i] elements on axis i. */
struct loops {
    int n;
    int64_t size[AXES], at[AXES];
    int64_t stride[TERMS_MAX][AXES];
};

struct einsum {
    struct equation e;
    struct loops outer, inner;
    bool floats;
    void *data[TERMS_MAX];       /* doubles or uint64_t */
    int64_t offset[TERMS_MAX];
};

static void add_loop(struct einsum *s, const struct fm_tensor *in, struct loops *loops, int axis)
{
    for (int k = 0; k < s->e.n_terms; k++) {
        const struct term *term = &s->e.term[k];
        int64_t stride[FM_MAX_RANK], sum = 0;
        op_strides(&in[k], stride);
        for (int i = 0; i < term->n; i++) /* a label that occurs twice walks the diagonal */
            if (term->axis[i] == axis && in[k].dim[i] != 1)
                sum += stride[i];
        loops->stride[k][loops->n] = sum;
    }
    loops->at[loops->n] = 0;
    loops->size[loops->n++] = s->e.size[axis];
}

static int prepare(struct einsum *s, const struct fm_tensor *in, struct fm_error *error)
{
    bool is_output[AXES] = {false};
    s->outer.n = s->inner.n = 0;
    for (int i = 0; i < s->e.output.n; i++) {
        is_output[s->e.output.axis[i]] = true;
        add_loop(s, in, &s->outer, s->e.output.axis[i]);
    }
    for (int i = 0; i < AXES; i++)
        if (!is_output[i] && s->e.size[i] >= 0)
            add_loop(s, in, &s->inner, i);
    for (int k = 0; k < s->e.n_terms; k++) {
        const int64_t count = fm_tensor_count(&in[k]);
        s->offset[k] = 0;
        s->data[k] = op_scratch(count, 8, error);
        if (!s->data[k])
            return FM_ERR_NOMEM;
        if (s->floats)
            op_load_f64(&in[k], 0, count, s->data[k]);
        for (int64_t i = 0; !s->floats && i < count; i++)
            ((uint64_t *) s->data[k])[i] = (uint64_t) op_get_i(&in[k], i);
    }
    return FM_OK;
}

/* One step of the first n axes; false (and all back at the start) after the last. */
static bool advance(struct einsum *s, struct loops *loops, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        const bool wraps = ++loops->at[i] == loops->size[i];
        const int64_t steps = wraps ? 1 - loops->size[i] : 1;
        for (int k = 0; k < s->e.n_terms; k++)
            s->offset[k] += steps * loops->stride[k][i];
        if (!wraps)
            return true;
        loops->at[i] = 0;
    }
    return false;
}

/* Adds the products along the innermost summed axis (or the one product where nothing is summed). */
static void add_products(const struct einsum *s, double *sum_f, uint64_t *sum_u)
{
    const int last = s->inner.n - 1;
    const int64_t n = last < 0 ? 1 : s->inner.size[last];
    for (int64_t i = 0; i < n; i++) {
        double f = 1.0;
        uint64_t u = 1;
        for (int k = 0; k < s->e.n_terms; k++) {
            const int64_t place = s->offset[k] + (last < 0 ? 0 : i * s->inner.stride[k][last]);
            if (s->floats)
                f *= ((const double *) s->data[k])[place];
            else
                u *= ((const uint64_t *) s->data[k])[place];
        }
        *sum_f += f;
        *sum_u += u;
    }
}

static void contract(struct einsum *s, struct fm_tensor *y)
{
    bool nothing = false;
    for (int i = 0; i < s->inner.n; i++)
        nothing = nothing || s->inner.size[i] == 0;
    const int64_t count = fm_tensor_count(y);
    for (int64_t o = 0; o < count; o++) {
        double f = 0.0;
        uint64_t u = 0;
        if (!nothing) {
            do
                add_products(s, &f, &u);
            while (advance(s, &s->inner, s->inner.n - 1));
        }
        if (s->floats)
            op_set_f(y, o, f);
        else
            op_set_i(y, o, (int64_t) u);
        advance(s, &s->outer, s->outer.n);
    }
}

int op_einsum_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    if (fm_tensor_count(&out[0]) == 0)
        return FM_OK;
    struct einsum *s = op_scratch(1, sizeof(*s), error);
    if (!s)
        return FM_ERR_NOMEM;
    memset(s->data, 0, sizeof(s->data));
    s->floats = op_is_float(in[0].dtype);
    int err = read_equation(node, in, &s->e, error);
    if (!err)
        err = prepare(s, in, error);
    if (!err)
        contract(s, &out[0]);
    for (int k = 0; k < TERMS_MAX; k++)
        core_free(s->data[k]);
    core_free(s);
    return err;
}
