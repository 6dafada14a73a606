/* SPDX-License-Identifier: MIT */
/* Searching: the place of the largest or smallest element, the k largest, and the boxes that survive non-maximum suppression. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "graph/op_tools.h"

/* A number of any type that compares as itself: NaN above everything. */
struct key { double f; int64_t i; uint8_t kind; };
enum { KEY_FLOAT, KEY_SIGNED, KEY_UNSIGNED };

static struct key key_of(const struct fm_tensor *t, int64_t index)
{
    if (op_is_float(t->dtype))
        return (struct key){.f = op_get_f(t, index), .kind = KEY_FLOAT};
    return (struct key){.i = op_get_i(t, index), .kind = t->dtype == FM_U64 ? KEY_UNSIGNED : KEY_SIGNED};
}

static bool key_less(struct key a, struct key b)
{
    if (a.kind == KEY_FLOAT)
        return a.f < b.f || (isnan(b.f) && !isnan(a.f));
    return a.kind == KEY_UNSIGNED ? (uint64_t) a.i < (uint64_t) b.i : a.i < b.i;
}

/* --- ArgMax, ArgMin -------------------------------------------------------------------------------------------------------- */

int op_arg_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    int axis = 0;
    int err = op_begin(node, in, out, 1, FM_I64, error);
    if (!err)
        err = op_axis_checked(node->p.reduce.axis, x->rank, &axis, error);
    if (err)
        return err;
    if (x->dim[axis] == 0)
        return core_fail(error, FM_ERR_SHAPE, "axis %d is empty", axis);
    int64_t dim[FM_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (i != axis || node->p.reduce.keep_dims)
            dim[rank++] = i == axis ? 1 : x->dim[i];
    return op_output(&out[0], FM_I64, rank, dim, error);
}

int op_arg_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    (void) error;
    const struct fm_tensor *x = &in[0];
    if (fm_tensor_count(&out[0]) == 0)
        return FM_OK;
    const int axis = op_axis(node->p.reduce.axis, x->rank);
    const int64_t outer = op_span(x, 0, axis), size = x->dim[axis], inner = op_span(x, axis + 1, x->rank);
    for (int64_t o = 0; o < outer * inner; o++) {
        const int64_t base = o / inner * size * inner + o % inner;
        struct key best = key_of(x, base);
        int64_t place = 0;
        for (int64_t k = 1; k < size; k++) {
            const struct key v = key_of(x, base + k * inner);
            const bool better = node->op == OP_ARG_MAX ? key_less(best, v) : key_less(v, best);
            const bool equal = !key_less(best, v) && !key_less(v, best);
            if (better || (equal && node->p.reduce.select_last)) {
                best = v;
                place = k;
            }
        }
        op_set_i(&out[0], o, place);
    }
    return FM_OK;
}

/* --- sorting --------------------------------------------------------------------------------------------------------------- */

struct entry { struct key key; int64_t place; };

/* Stable merge sort, bottom up; `spare` is as long as `e`. (qsort may allocate, and is not stable.) */
static void sort_entries(struct entry *e, struct entry *spare, int64_t n, bool descending)
{
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t start = 0; start < n; start += 2 * width) {
            const int64_t middle = start + width < n ? start + width : n, end = start + 2 * width < n ? start + 2 * width : n;
            int64_t a = start, b = middle;
            for (int64_t to = start; to < end; to++) {
                const bool take_b = a == middle || (b < end && (descending ? key_less(e[a].key, e[b].key)
                                                                           : key_less(e[b].key, e[a].key)));
                spare[to] = take_b ? e[b++] : e[a++];
            }
        }
        memcpy(e, spare, (size_t) n * sizeof(*e));
    }
}

/* --- TopK ------------------------------------------------------------------------------------------------------------------ */

int op_top_k_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    int axis = 0;
    int64_t k = 0;
    int err = op_begin(node, in, out, 2, x->dtype, error);
    if (node->n_out > 1)
        out[1].dtype = FM_I64;
    if (!err)
        err = op_need_type(x->dtype != FM_BOOL, x, error);
    if (!err)
        err = op_axis_checked(node->p.reduce.axis, x->rank, &axis, error);
    if (!err && !op_is_known(&in[1]))
        err = FM_ERR_AGAIN;
    if (!err)
        err = op_int(&in[1], "k", &k, error);
    if (err)
        return err;
    if (k < 0 || k > x->dim[axis])
        return core_fail(error, FM_ERR_SHAPE, "k is %lld, axis %d has %lld elements", (long long) k, axis,
                         (long long) x->dim[axis]);
    struct fm_tensor y = *x;
    y.dim[axis] = k;
    err = op_output(&out[0], x->dtype, x->rank, y.dim, error);
    return err || node->n_out < 2 ? err : op_output(&out[1], FM_I64, x->rank, y.dim, error);
}

int op_top_k_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_tensor *x = &in[0];
    if (fm_tensor_count(&out[0]) == 0)
        return FM_OK;
    const int axis = op_axis(node->p.reduce.axis, x->rank);
    const int64_t outer = op_span(x, 0, axis), size = x->dim[axis], inner = op_span(x, axis + 1, x->rank), k = out[0].dim[axis];
    struct entry *e = op_scratch(size, 2 * sizeof(*e), error);
    if (!e)
        return FM_ERR_NOMEM;
    for (int64_t o = 0; o < outer * inner; o++) {
        const int64_t base = o / inner * size * inner + o % inner, to = o / inner * k * inner + o % inner;
        for (int64_t i = 0; i < size; i++)
            e[i] = (struct entry){key_of(x, base + i * inner), i};
        sort_entries(e, e + size, size, node->p.reduce.largest);
        for (int64_t i = 0; i < k; i++) {
            if (out[0].data && e[i].key.kind == KEY_FLOAT)
                op_set_f(&out[0], to + i * inner, e[i].key.f);
            else if (out[0].data)
                op_set_i(&out[0], to + i * inner, e[i].key.i);
            if (node->n_out > 1 && out[1].data)
                op_set_i(&out[1], to + i * inner, e[i].place);
        }
    }
    core_free(e);
    return FM_OK;
}

/* --- NonMaxSuppression ----------------------------------------------------------------------------------------------------- */

enum { IN_BOXES, IN_SCORES, IN_LIMIT, IN_IOU, IN_SCORE };

struct box { float y0, x0, y1, x1; };

/* Corners in any order, or centre and size; float as the boxes are, so that a decision at a threshold falls as elsewhere. */
static struct box read_box(const struct fm_tensor *boxes, int64_t index, bool center)
{
    float v[4];
    for (int i = 0; i < 4; i++)
        v[i] = (float) op_get_f(boxes, index * 4 + i);
    if (center)
        return (struct box){v[1] - v[3] / 2, v[0] - v[2] / 2, v[1] + v[3] / 2, v[0] + v[2] / 2};
    return (struct box){fminf(v[0], v[2]), fminf(v[1], v[3]), fmaxf(v[0], v[2]), fmaxf(v[1], v[3])};
}

static bool overlaps(struct box a, struct box b, float threshold)
{
    const float width = fminf(a.x1, b.x1) - fmaxf(a.x0, b.x0), height = fminf(a.y1, b.y1) - fmaxf(a.y0, b.y0);
    if (!(width > 0) || !(height > 0))
        return false;
    const float both = width * height;
    const float area_a = (a.x1 - a.x0) * (a.y1 - a.y0), area_b = (b.x1 - b.x0) * (b.y1 - b.y0);
    const float either = area_a + area_b - both;
    return area_a > 0 && area_b > 0 && either > 0 && both / either > threshold;
}

static int check_nms(const struct graph_node *node, const struct fm_tensor *in, struct fm_error *error)
{
    const struct fm_tensor *boxes = &in[IN_BOXES], *scores = &in[IN_SCORES];
    char a[OP_SHAPE_TEXT], b[OP_SHAPE_TEXT];
    int err = op_need_type(op_is_float(boxes->dtype), boxes, error);
    if (!err)
        err = op_need_type(op_is_float(scores->dtype), scores, error);
    if (err)
        return err;
    if (boxes->rank != 3 || scores->rank != 3 || boxes->dim[2] != 4 || boxes->dim[0] != scores->dim[0] ||
        boxes->dim[1] != scores->dim[2])
        return core_fail(error, FM_ERR_SHAPE, "boxes %s and scores %s do not fit each other", op_shape_text(boxes, a),
                         op_shape_text(scores, b));
    for (int k = IN_LIMIT; k <= IN_SCORE; k++)
        if (op_input(node, in, k) && (fm_tensor_count(&in[k]) != 1 || op_is_float(in[k].dtype) != (k != IN_LIMIT)))
            return core_fail(error, FM_ERR_SHAPE, "input %d must be one %s", k, k == IN_LIMIT ? "integer" : "number");
    return FM_OK;
}

/* Room for one class of one batch. */
struct nms {
    struct entry *entry; /* [2 * boxes] */
    struct box *kept;    /* [boxes] */
    int64_t limit;
    float iou, score;
    bool has_score, center;
};

/* Greedy: the best box that is left suppresses all that overlap it. The kept boxes' places end in entry[0 .. result). */
static int64_t suppress(struct nms *s, const struct fm_tensor *in, int64_t batch, int64_t class)
{
    const struct fm_tensor *scores = &in[IN_SCORES];
    const int64_t boxes = scores->dim[2], base = (batch * scores->dim[1] + class) * boxes;
    int64_t n = 0, kept = 0;
    for (int64_t i = 0; i < boxes; i++) {
        const struct key key = key_of(scores, base + i);
        if (!s->has_score || (float) key.f > s->score)
            s->entry[n++] = (struct entry){key, i};
    }
    sort_entries(s->entry, s->entry + boxes, n, true);
    for (int64_t i = 0; i < n && kept < s->limit; i++) {
        const struct box b = read_box(&in[IN_BOXES], batch * boxes + s->entry[i].place, s->center);
        bool survives = true;
        for (int64_t k = 0; k < kept && survives; k++)
            survives = !overlaps(b, s->kept[k], s->iou);
        if (!survives)
            continue;
        s->kept[kept] = b;
        s->entry[kept++] = s->entry[i];
    }
    return kept;
}

/* Counts what is selected and, where y is given, writes [batch, class, box] rows. */
static int select_boxes(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *y, int64_t *count,
                        struct fm_error *error)
{
    const struct fm_tensor *scores = &in[IN_SCORES];
    struct nms s = {.limit = op_input(node, in, IN_LIMIT) ? op_get_i(&in[IN_LIMIT], 0) : 0, .center = node->p.axis.flag};
    *count = 0;
    if (s.limit <= 0 || fm_tensor_count(scores) == 0)
        return FM_OK;
    s.iou = op_input(node, in, IN_IOU) ? (float) op_get_f(&in[IN_IOU], 0) : 0.0f;
    s.has_score = op_input(node, in, IN_SCORE);
    s.score = s.has_score ? (float) op_get_f(&in[IN_SCORE], 0) : 0.0f;
    s.entry = op_scratch(scores->dim[2], 2 * sizeof(*s.entry), error);
    s.kept = s.entry ? op_scratch(scores->dim[2], sizeof(*s.kept), error) : NULL;
    for (int64_t bc = 0; s.kept && bc < scores->dim[0] * scores->dim[1]; bc++) {
        const int64_t batch = bc / scores->dim[1], class = bc % scores->dim[1], n = suppress(&s, in, batch, class);
        for (int64_t k = 0; k < n; k++, ++*count) {
            if (!y || *count >= y->dim[0])
                continue;
            op_set_i(y, *count * 3, batch);
            op_set_i(y, *count * 3 + 1, class);
            op_set_i(y, *count * 3 + 2, s.entry[k].place);
        }
    }
    const int err = s.kept ? FM_OK : FM_ERR_NOMEM;
    core_free(s.kept);
    core_free(s.entry);
    return err;
}

int op_nms_shape(struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t dim[2] = {0, 3};
    int err = op_begin(node, in, out, 2, FM_I64, error);
    if (!err)
        err = check_nms(node, in, error);
    for (int k = 0; k < node->n_in && !err; k++)
        if (op_input(node, in, k) && !op_is_known(&in[k]))
            err = FM_ERR_AGAIN;
    if (!err)
        err = select_boxes(node, in, NULL, &dim[0], error);
    return err ? err : op_output(&out[0], FM_I64, 2, dim, error);
}

int op_nms_run(const struct graph_node *node, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    int64_t count;
    return select_boxes(node, in, &out[0], &count, error);
}
