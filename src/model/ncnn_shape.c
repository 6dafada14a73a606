/* SPDX-License-Identifier: MIT */
/* Layers that reorder and reshape blobs. */
#include "core/alloc.h"
#include "model/ncnn_reader.h"

#include <string.h>

/* ---- reorder ---- */

static void read_permute(struct ncnn_reader *r, int arg)
{
    /* axes of the input in the order of the output, innermost first */
    static const char *const order3[] = {"whc", "hwc", "wch", "cwh", "hcw", "chw"};
    static const char *const order4[] = {"whdc", "hwdc", "wdhc", "dwhc", "hdwc", "dhwc", "whcd", "hwcd", "wchd", "cwhd", "hcwd",
        "chwd", "wdch", "dwch", "wcdh", "cwdh", "dcwh", "cdwh", "hdcw", "dhcw", "hcdw", "chdw", "dchw", "cdhw"};
    static const char *const axes[] = {"w", "hw", "chw", "cdhw"}; /* outermost first */
    static const int count[] = {1, 2, 6, 24};
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const int64_t type = ncnn_int(r, 0, 0);
    if (r->code) return;
    if (type < 0 || type >= count[x->rank - 1]) {
        ncnn_fail(r, FM_ERR_FORMAT, "order %lld is none of %d dimensions", (long long) type, x->rank);
        return;
    }
    const char *order = x->rank == 4 ? order4[type] : x->rank == 3 ? order3[type] : x->rank == 1 ? "w" : type ? "hw" : "wh";
    int perm[NCNN_RANK_MAX + 1] = {0};
    for (int i = 0; i < x->rank; i++) perm[x->rank - i] = (int) (strchr(axes[x->rank - 1], order[i]) - axes[x->rank - 1]) + 1;
    struct ncnn_blob *out = ncnn_set_like(r, 0, type ? ncnn_transpose(r, x->value, x->rank + 1, perm) : x->value, x);
    for (int i = 0; i < x->rank && !r->code; i++) out->dim[i] = x->dim[perm[i + 1] - 1];
    if (perm[1] != 1) out->input = -1;
}

/* [1][a * b][h][w] -> [1][b * a][h][w], where one of a and b may be -1 (the rest). The channels are set apart by a dimension of 1
 * in front, so that Reshape can copy the open sizes behind them. */
static int exchange(struct ncnn_reader *r, int value, int64_t a, int64_t b)
{
    static const int perm[] = {0, 2, 1, 3, 4};
    value = ncnn_unsqueeze(r, value, 1, &(int64_t){1});
    value = ncnn_reshape(r, value, 5, (const int64_t[]){0, a, b, 0, 0});
    value = ncnn_transpose(r, value, 5, perm);
    value = ncnn_reshape(r, value, 5, (const int64_t[]){0, 1, -1, 0, 0});
    return ncnn_squeeze(r, value, 1, &(int64_t){1});
}

static void read_shuffle_channel(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const int64_t group = ncnn_int(r, 0, 1), reverse = ncnn_int(r, 1, 0);
    if (group <= 0 || (x->dim[0] > 0 && x->dim[0] % group))
        ncnn_fail(r, FM_ERR_FORMAT, "%lld groups do not divide %lld channels", (long long) group, (long long) x->dim[0]);
    if (!ncnn_expect_rank(r, x, 3, 3)) return;
    int y = x->value;
    if (group > 1) y = reverse ? exchange(r, y, -1, group) : exchange(r, y, group, -1);
    ncnn_set_like(r, 0, y, x);
}

static void set_blocks(struct ncnn_reader *r, int value, const struct ncnn_blob *x, int64_t block, bool to_depth)
{
    int64_t area = block * block, c = x->dim[0], factor = x->factor;
    struct ncnn_blob *out = ncnn_set(r, 0, value, 3);
    if (r->code) return;
    if (!to_depth) {
        out->dim[0] = c > 0 && c % area == 0 ? c / area : -1;
        return;
    }
    out->dim[0] = c > 0 && core_mul_i64(c, area, &c) ? c : -1;
    if (x->input >= 0 && core_mul_i64(factor, area, &factor)) {
        out->input = x->input;
        out->factor = factor;
    }
}

static int64_t read_block(struct ncnn_reader *r, const char *what)
{
    const int64_t block = ncnn_int(r, 0, 1);
    if (block < 1 || block > 4096) ncnn_fail(r, FM_ERR_FORMAT, "its %s is %lld", what, (long long) block);
    ncnn_expect_rank(r, r->in[0], 3, 3);
    return r->code ? 1 : block;
}

static void read_pixel_shuffle(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const int64_t block = read_block(r, "factor"), mode = ncnn_int(r, 1, 0);
    const union op_params p = {.block = {.size = block, .crd = mode == 0}};
    if (mode != 0 && mode != 1) ncnn_fail(r, FM_ERR_UNSUPPORTED, "mode %lld is not supported", (long long) mode);
    if (x->dim[0] > 0 && x->dim[0] % (block * block))
        ncnn_fail(r, FM_ERR_SHAPE, "%lld channels are no multiple of %lld", (long long) x->dim[0], (long long) (block * block));
    set_blocks(r, NCNN_EMIT(r, OP_DEPTH_TO_SPACE, &p, x->value), x, block, false);
}

/* Mode 1 has the place in the block outside the channel, as SpaceToDepth; mode 0 the channel outside. */
static void read_reorg(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    const int64_t block = read_block(r, "stride"), mode = ncnn_int(r, 1, 0);
    if (mode != 0 && mode != 1) ncnn_fail(r, FM_ERR_UNSUPPORTED, "mode %lld is not supported", (long long) mode);
    int y = NCNN_EMIT(r, OP_SPACE_TO_DEPTH, &(union op_params){.block.size = block}, x->value);
    if (mode == 0 && block > 1) y = exchange(r, y, block * block, -1);
    set_blocks(r, y, x, block, true);
}

/* Every second pixel four times: rows and columns from 0 and 0, 1 and 0, 0 and 1, 1 and 1, one behind the other. */
static void read_focus(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    int part[4];
    if (!ncnn_expect_rank(r, x, 3, 3)) return;
    const int axes = ncnn_i64s(r, 2, (const int64_t[]){2, 3}), steps = ncnn_i64s(r, 2, (const int64_t[]){2, 2});
    const int end = ncnn_i64s(r, 2, (const int64_t[]){INT64_MAX, INT64_MAX});
    for (int i = 0; i < 4; i++) {
        const int start = ncnn_i64s(r, 2, (const int64_t[]){i & 1, i >> 1});
        part[i] = NCNN_EMIT(r, OP_SLICE, NULL, x->value, start, end, axes, steps);
    }
    set_blocks(r, ncnn_emit(r, OP_CONCAT, &(union op_params){.axis.axis = 1}, 4, part), x, 2, true);
}

/* ---- reshape ---- */

/* A target with a 0 (the size of the same-named dimension of the input) that ONNX's 0 (the size at the same place) cannot say:
 * the shape is put together from pieces. */
static int dynamic_shape(struct ncnn_reader *r, const struct ncnn_blob *x, int rank, const int64_t *dim, const int *source)
{
    int piece[NCNN_RANK_MAX + 1] = {ncnn_i64(r, 1)};
    for (int i = 0; i < rank; i++) piece[i + 1] = dim[i] ? ncnn_i64(r, dim[i]) : ncnn_dim(r, x->value, source[i] + 1);
    return ncnn_emit(r, OP_CONCAT, &(union op_params){.axis.axis = 0}, rank + 1, piece);
}

static void read_reshape(struct ncnn_reader *r, int arg)
{
    static const int id[NCNN_RANK_MAX][NCNN_RANK_MAX] = {{0}, {1, 0}, {2, 1, 0}, {2, 11, 1, 0}}; /* w, h, c, d by axis */
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    if (r->param[6].kind == NCNN_TEXT) ncnn_fail(r, FM_ERR_UNSUPPORTED, "a shape expression is not supported");
    if (ncnn_int(r, 3, 0)) ncnn_fail(r, FM_ERR_UNSUPPORTED, "the old permuting reshape is not supported");
    const int64_t w = ncnn_int(r, 0, NCNN_OPEN), h = ncnn_int(r, 1, NCNN_OPEN), c = ncnn_int(r, 2, NCNN_OPEN),
                  d = ncnn_int(r, 11, NCNN_OPEN);
    const int rank = w == NCNN_OPEN ? 0 : h == NCNN_OPEN ? 1 : c == NCNN_OPEN ? 2 : d == NCNN_OPEN ? 3 : 4;
    if (!rank) ncnn_fail(r, FM_ERR_FORMAT, "it has no target size");
    if (r->code) return;

    int64_t dim[NCNN_RANK_MAX + 1] = {1};
    int source[NCNN_RANK_MAX], rest = 0;
    bool dynamic = false;
    for (int i = 0; i < rank && !r->code; i++) {
        dim[i + 1] = ncnn_int(r, id[rank - 1][i], 0);
        rest += dim[i + 1] == -1;
        if (dim[i + 1] < -1) ncnn_fail(r, FM_ERR_FORMAT, "a target size is %lld", (long long) dim[i + 1]);
        if (dim[i + 1]) continue;
        source[i] = -1; /* the same-named dimension of the input */
        for (int k = 0; k < x->rank; k++)
            if (id[x->rank - 1][k] == id[rank - 1][i]) source[i] = k;
        if (source[i] < 0)
            dim[i + 1] = 1; /* ncnn: 1 where the input has no such dimension */
        else if (x->dim[source[i]] > 0)
            dim[i + 1] = x->dim[source[i]];
        else
            dynamic |= source[i] != i;
    }
    if (rest > 1) ncnn_fail(r, FM_ERR_FORMAT, "two target sizes are -1");
    if (r->code) return;
    const int shape = dynamic ? dynamic_shape(r, x, rank, dim + 1, source) : ncnn_i64s(r, rank + 1, dim);
    struct ncnn_blob *out = ncnn_set(r, 0, NCNN_EMIT(r, OP_RESHAPE, NULL, x->value, shape), rank);
    for (int i = 0; i < rank && !r->code; i++) out->dim[i] = dim[i + 1] > 0 ? dim[i + 1] : dim[i + 1] == 0 ? x->dim[source[i]] : -1;
}

static void read_flatten(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    int64_t n = 1;
    for (int i = 0; i < x->rank; i++)
        if (x->dim[i] < 0 || n < 0 || !core_mul_i64(n, x->dim[i], &n)) n = -1;
    struct ncnn_blob *out = ncnn_set(r, 0, x->rank == 1 ? x->value : ncnn_flat(r, x->value), 1);
    if (!r->code) out->dim[0] = n;
}

/* Axes of ExpandDims and Squeeze: an array, or one flag per name. `rank` is that of the blob with the dimensions in it. */
static int named_axes(struct ncnn_reader *r, int rank, int64_t *axis)
{
    static const int id[NCNN_RANK_MAX][NCNN_RANK_MAX] = {{0}, {1, 0}, {2, 1, 0}, {2, 11, 1, 0}};
    bool set[NCNN_RANK_MAX] = {false};
    int64_t given[NCNN_VALUE_MAX];
    int n = ncnn_ints(r, 3, given, NCNN_VALUE_MAX), n_axes = 0;
    if (rank > NCNN_RANK_MAX) {
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "blobs of %d dimensions are not supported", rank);
        return 0;
    }
    for (int i = 0; i < n; i++) set[ncnn_axis(r, given[i], rank)] = true;
    for (int i = 0; i < rank; i++) {
        const bool flag = ncnn_int(r, id[rank - 1][i], 0) != 0;
        if (n ? set[i] : flag) axis[n_axes++] = i;
    }
    return r->code ? 0 : n_axes;
}

static void read_expand_dims(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    int64_t axis[NCNN_RANK_MAX];
    const int n = named_axes(r, x->rank + 1, axis);
    if (n != 1) ncnn_fail(r, FM_ERR_UNSUPPORTED, "it adds %d dimensions; only 1 is supported", n);
    if (r->code) return;
    struct ncnn_blob *out = ncnn_set(r, 0, ncnn_unsqueeze(r, x->value, 1, &(int64_t){axis[0] + 1}), x->rank + 1);
    for (int i = 0; i < x->rank + 1 && !r->code; i++) out->dim[i] = i == axis[0] ? 1 : x->dim[i - (i > axis[0])];
}

static void read_squeeze(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    int64_t axis[NCNN_RANK_MAX], one[NCNN_RANK_MAX];
    const int named = named_axes(r, x->rank, axis);
    bool gone[NCNN_RANK_MAX] = {false};
    int n = 0;
    for (int i = 0; i < named; i++) { /* ncnn leaves dimensions other than 1 alone, and keeps one */
        if (x->dim[axis[i]] > 1 || n == x->rank - 1) continue;
        gone[axis[i]] = true;
        one[n++] = axis[i] + 1;
    }
    struct ncnn_blob *out = ncnn_set(r, 0, n ? ncnn_squeeze(r, x->value, n, one) : x->value, x->rank - n);
    if (r->code) return;
    for (int i = 0, k = 0; i < x->rank; i++)
        if (!gone[i]) out->dim[k++] = x->dim[i];
    if (!gone[0]) {
        out->input = x->input;
        out->factor = x->factor;
    }
}

static void read_tile(struct ncnn_reader *r, int arg)
{
    (void) arg;
    const struct ncnn_blob *x = r->in[0];
    int64_t repeats[NCNN_RANK_MAX], all[NCNN_RANK_MAX + 1] = {1, 1, 1, 1, 1};
    const int axis = ncnn_axis(r, ncnn_int(r, 0, 0), x->rank), n = ncnn_ints(r, 2, repeats, NCNN_RANK_MAX);
    const int64_t tiles = ncnn_int(r, 1, 1);
    if (n > x->rank) ncnn_fail(r, FM_ERR_UNSUPPORTED, "more repeats than dimensions are not supported");
    if (r->code) return;
    if (!n) all[axis + 1] = tiles;
    for (int i = 0; i < n; i++) all[x->rank - n + i + 1] = repeats[i]; /* the last belong to the innermost */
    for (int i = 0; i <= x->rank; i++)
        if (all[i] <= 0) ncnn_fail(r, FM_ERR_FORMAT, "it repeats %lld times", (long long) all[i]);
    struct ncnn_blob *out = ncnn_set_like(r, 0, NCNN_EMIT(r, OP_TILE, NULL, x->value, ncnn_i64s(r, x->rank + 1, all)), x);
    for (int i = 0; i < x->rank && !r->code; i++)
        if (out->dim[i] >= 0 && !core_mul_i64(out->dim[i], all[i + 1], &out->dim[i])) out->dim[i] = -1;
    if (all[1] != 1) out->input = -1;
}

const struct ncnn_type ncnn_types_shape[] = {
    {"Permute", read_permute, 0, 1, 1, 1, 1},
    {"ShuffleChannel", read_shuffle_channel, 0, 1, 1, 1, 1},
    {"PixelShuffle", read_pixel_shuffle, 0, 1, 1, 1, 1},
    {"Reorg", read_reorg, 0, 1, 1, 1, 1},
    {"YoloV5Focus", read_focus, 0, 1, 1, 1, 1},
    {"Reshape", read_reshape, 0, 1, 1, 1, 1},
    {"Flatten", read_flatten, 0, 1, 1, 1, 1},
    {"ExpandDims", read_expand_dims, 0, 1, 1, 1, 1},
    {"Squeeze", read_squeeze, 0, 1, 1, 1, 1},
    {"Tile", read_tile, 0, 1, 1, 1, 1},
    {0},
};
