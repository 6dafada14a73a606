/* SPDX-License-Identifier: MIT */
#include "plan/spread.h"

#include <string.h>

#include "core/alloc.h"

#define BESIDE 1 /* words of zeros on either side of a row that is smeared */

static int64_t floor_div(int64_t a, int64_t b)
{
    if (b == 1) return a; /* nearly always, and for each run of each row */
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* ---- marks ---- */

static void shape_mark(struct plan_mark *m, const struct plan_value *v, const struct plan_step *maker)
{
    *m = (struct plan_mark){.width = v->width, .height = v->height, .words = BITMAP_WORDS(v->width), .cell_h = 1, .cell_w = 1};
    if (maker && !maker->any_row) m->cell_h = maker->grid_y, m->lead_y = maker->lead_y;
    if (maker) m->cell_w = maker->grid_x, m->lead_x = maker->lead_x;
    m->cells = (m->height + m->lead_y - 1) / m->cell_h + 1;
}

int plan_spread_make(
    struct plan_spread *s, const struct plan_value *values, int n_values, const struct plan_step *steps, int n_steps, int input)
{
    *s = (struct plan_spread){0};
    struct plan_mark *mark = core_calloc((size_t) n_values + 1, sizeof *mark);
    if (!mark) return FM_ERR_NOMEM;
    size_t words = 0, longest = 0;
    shape_mark(&mark[input], &values[input], NULL);
    for (int k = -1; k < n_steps; k++) {
        const int out = k < 0 ? input : steps[k].out[0];
        bool varies = k < 0;
        for (int i = 0; k >= 0 && i < steps[k].n_in; i++) varies = varies || mark[steps[k].in[i].value].cells;
        if (!varies) continue;
        if (k >= 0) shape_mark(&mark[out], &values[out], &steps[k]);
        words += (size_t) mark[out].words * (size_t) mark[out].cells;
        if ((size_t) mark[out].words > longest) longest = (size_t) mark[out].words;
    }
    uint64_t *bits = core_calloc(words + 2 * (longest + 2 * BESIDE), sizeof *bits);
    if (!bits) {
        core_free(mark);
        return FM_ERR_NOMEM;
    }
    *s = (struct plan_spread){.n_values = n_values, .n_steps = n_steps, .step = steps, .mark = mark, .memory = bits};
    for (int v = 0; v < n_values; v++) {
        if (!mark[v].cells) continue;
        mark[v].bits = bits;
        bits += (size_t) mark[v].words * (size_t) mark[v].cells;
    }
    s->line = bits + BESIDE;
    s->other = s->line + longest + 2 * BESIDE;
    return FM_OK;
}

void plan_spread_release(struct plan_spread *s)
{
    core_free(s->mark);
    core_free(s->memory);
    *s = (struct plan_spread){0};
}

static uint64_t *cell_row(const struct plan_mark *m, int cell)
{
    return m->bits + (size_t) cell * (size_t) m->words;
}

static int cell_of(const struct plan_mark *m, int y)
{
    return (y + m->lead_y) / m->cell_h;
}

static void cell_rows(const struct plan_mark *m, int cell, int *y0, int *y1)
{
    const int first = cell * m->cell_h - m->lead_y, end = first + m->cell_h;
    *y0 = first < 0 ? 0 : first;
    *y1 = end > m->height ? m->height : end;
}

/* Into `line` or `other`, which have room for zeros beside the row. */
static bool read_cells(const struct plan_mark *m, int first, int last, uint64_t *row)
{
    memcpy(row, cell_row(m, first), (size_t) m->words * sizeof *row);
    for (int c = first + 1; c <= last; c++) bits_or(row, cell_row(m, c), m->words);
    memset(row + m->words, 0, BESIDE * sizeof *row);
    return bits_any(row, m->words);
}

/* Columns [x0, x1), widened to whole cells. */
static void mark_cells(const struct plan_mark *m, uint64_t *row, int64_t x0, int64_t x1)
{
    if (x0 < 0) x0 = 0;
    if (x1 > m->width) x1 = m->width;
    if (x1 <= x0) return;
    if (m->cell_w > 1) {
        x0 = (x0 + m->lead_x) / m->cell_w * m->cell_w - m->lead_x;
        x1 = (x1 + m->lead_x + m->cell_w - 1) / m->cell_w * m->cell_w - m->lead_x;
    }
    bits_set(row, x0 < 0 ? 0 : (int) x0, x1 > m->width ? m->width : (int) x1);
}

/* The input's rows or columns for the output's; a window that lies outside belongs to the nearest edge (plan_find_regions). */
static void range_of(const struct plan_map *map, int o0, int o1, int limit, int *i0, int *i1)
{
    plan_map_range(map, o0, o1, limit, i0, i1);
    if (*i1 > *i0) return;
    if (*i0 >= limit) *i0 = limit - 1;
    *i1 = *i0 + 1;
}

static void copy_in(struct plan_mark *m, const struct bitmap *from)
{
    for (int c = 0; c < m->cells; c++) {
        int y0, y1;
        cell_rows(m, c, &y0, &y1);
        uint64_t *row = cell_row(m, c);
        memcpy(row, bitmap_row(from, y0), (size_t) m->words * sizeof *row);
        for (int y = y0 + 1; y < y1; y++) bits_or(row, bitmap_row(from, y), m->words);
    }
}

/* ---- columns ---- */

#define SMEAR 16 /* with wider windows, runs are faster */

/* Sets bit x + d of `to` for each bit x of `from` and each d in [low, high], whose size is less than a word; what falls outside is lost.
 * Words beside `from` are zeros. With constants the whole is one pass that compilers make vectors of. */
static inline __attribute__((always_inline)) void smear_by(
    const int low, const int high, const uint64_t *from, int words, uint64_t *to)
{
    for (int i = 0; i < words; i++) {
        uint64_t word = low <= 0 && high >= 0 ? from[i] : 0;
        for (int d = low > 1 ? low : 1; d <= high; d++) word |= from[i] << d | from[i - 1] >> (64 - d);
        for (int d = high < -1 ? -high : 1; d <= -low; d++) word |= from[i] >> d | from[i + 1] << (64 - d);
        to[i] |= word;
    }
}

/* from_words: of `from`, where the last may stand for columns beyond `to`'s. */
static void smear(const uint64_t *from, int from_words, int low, int high, uint64_t *to, int to_words)
{
    const int words = from_words < to_words ? from_words : to_words;
    if (low == 0 && high == 0)
        bits_or(to, from, words);
    else if (low == -1 && high == 1)
        smear_by(-1, 1, from, words, to);
    else if (low == -2 && high == 2)
        smear_by(-2, 2, from, words, to);
    else
        smear_by(low, high, from, words, to);
    if (high > 0 && words < to_words) /* a row that is wider by a few columns */
        for (int d = low > 1 ? low : 1; d <= high; d++) to[words] |= from[words - 1] >> (64 - d);
}

static void clear_behind(uint64_t *row, int words, int width)
{
    if (width % 64) row[words - 1] &= ~(uint64_t) 0 >> (64 - width % 64);
}

static bool is_set(const uint64_t *row, int x)
{
    return row[x / 64] >> (x % 64) & 1;
}

static bool is_window(const struct plan_map *map)
{
    return map->num == 1 && map->den == 1 && map->lo > -SMEAR && map->hi < SMEAR;
}

/* `from`: with zeros beside it. The columns of the output that read these columns of the input: those o for which
 * [o * num / den + lo, o * num / den + hi] meets them. The outermost columns may stand for what lies outside. */
static void columns_forward(
    const struct plan_map *map, int in_width, const struct plan_mark *out, const uint64_t *from, int words, uint64_t *to)
{
    if (is_window(map) && out->cell_w == 1) {
        smear(from, words, -map->hi, -map->lo, to, out->words);
        if (map->hi < 0 && is_set(from, 0)) bits_set(to, 0, -map->hi < out->width ? -map->hi : out->width);
        if (in_width - map->lo < out->width && is_set(from, in_width - 1)) bits_set(to, in_width - map->lo, out->width);
        clear_behind(to, out->words, out->width);
        return;
    }
    for (int a, b = 0; bits_run(from, words, b, &a, &b);) {
        int64_t o0 = -floor_div(-((int64_t) a - map->hi) * map->den, map->num);
        int64_t o1 = floor_div(((int64_t) b - map->lo) * map->den - 1, map->num) + 1;
        if (a == 0) o0 = 0;
        if (b >= in_width) o1 = out->width;
        mark_cells(out, to, o0, o1);
    }
}

/* The columns of the input that these columns of the output read. `from`: with zeros beside it. */
static void columns_back(
    const struct plan_map *map, const struct plan_mark *in, const struct plan_mark *out, const uint64_t *from, uint64_t *to)
{
    if (is_window(map) && map->lo <= 0 && map->hi >= 0 && in->width == out->width) { /* every window meets the picture */
        smear(from, out->words, map->lo, map->hi, to, in->words);
        clear_behind(to, in->words, in->width);
        return;
    }
    for (int a, b = 0; bits_run(from, out->words, b, &a, &b);) {
        int x0, x1;
        range_of(map, a, b, in->width, &x0, &x1);
        bits_set(to, x0, x1);
    }
}

/* ---- forward ---- */

static void step_forward(struct plan_spread *s, const struct plan_step *step)
{
    struct plan_mark *out = &s->mark[step->out[0]];
    for (int i = 0, done = 0; i < step->n_in; i++) {
        const struct plan_mark *in = &s->mark[step->in[i].value];
        if (!in->bits) continue;
        /* Rows that read the same columns as the one before are a copy of it: changes are often taller than a row. */
        const uint64_t *before = NULL;
        for (int c = 0; c < out->cells; c++) {
            int y0, y1, i0, i1;
            cell_rows(out, c, &y0, &y1);
            uint64_t *to = cell_row(out, c);
            if (!done) memset(to, 0, (size_t) out->words * sizeof *to);
            range_of(&step->in[i].y, y0, y1, in->height, &i0, &i1);
            if (!read_cells(in, cell_of(in, i0), cell_of(in, i1 - 1), s->line)) {
                before = NULL;
            } else if (before && !done && !memcmp(s->line, s->other, (size_t) in->words * sizeof *to)) {
                memcpy(to, before, (size_t) out->words * sizeof *to);
            } else {
                columns_forward(&step->in[i].x, in->width, out, s->line, in->words, to);
                uint64_t *const swap = s->line;
                s->line = s->other;
                s->other = swap;
                before = to;
            }
        }
        done++;
    }
}

void plan_spread_forward(struct plan_spread *s, int input, const struct bitmap *changed, int output, struct bitmap *may_differ)
{
    copy_in(&s->mark[input], changed);
    for (int k = 0; k < s->n_steps; k++)
        if (s->mark[s->step[k].out[0]].bits) step_forward(s, &s->step[k]);
    const struct plan_mark *out = &s->mark[output];
    for (int y = 0; y < out->height; y++)
        memcpy(bitmap_row(may_differ, y), cell_row(out, cell_of(out, y)), (size_t) out->words * sizeof(uint64_t));
}

/* ---- back ---- */

/* What one row of cells reads, for all rows that follow and are like it. */
static void cells_back(struct plan_spread *s, const struct plan_step *step, const struct plan_mark *out, int first, int end)
{
    uint64_t *row = cell_row(out, first);
    if (out->cell_w > 1)
        for (int a, b = 0; bits_run(row, out->words, b, &a, &b);) mark_cells(out, row, a, b);
    for (int c = first + 1; c < end; c++) memcpy(cell_row(out, c), row, (size_t) out->words * sizeof *row);
    read_cells(out, first, first, s->other);
    int y0, y1, ignored;
    cell_rows(out, first, &y0, &ignored);
    cell_rows(out, end - 1, &ignored, &y1);
    for (int i = 0; i < step->n_in; i++) {
        const struct plan_mark *in = &s->mark[step->in[i].value];
        if (!in->bits) continue;
        memset(s->line, 0, (size_t) in->words * sizeof *s->line);
        columns_back(&step->in[i].x, in, out, s->other, s->line);
        int i0, i1;
        range_of(&step->in[i].y, y0, y1, in->height, &i0, &i1);
        for (int k = cell_of(in, i0); k <= cell_of(in, i1 - 1); k++) bits_or(cell_row(in, k), s->line, in->words);
    }
}

static void step_back(struct plan_spread *s, const struct plan_step *step)
{
    const struct plan_mark *out = &s->mark[step->out[0]];
    for (int c = 0, end; c < out->cells; c = end) {
        const uint64_t *row = cell_row(out, c);
        end = c + 1;
        if (!bits_any(row, out->words)) continue;
        while (end < out->cells && !memcmp(row, cell_row(out, end), (size_t) out->words * sizeof *row)) end++;
        cells_back(s, step, out, c, end);
    }
}

void plan_spread_back(struct plan_spread *s, int output, const struct bitmap *wanted)
{
    for (int v = 0; v < s->n_values; v++) {
        const struct plan_mark *m = &s->mark[v];
        if (m->bits) memset(m->bits, 0, (size_t) m->words * (size_t) m->cells * sizeof *m->bits);
    }
    copy_in(&s->mark[output], wanted);
    for (int k = s->n_steps - 1; k >= 0; k--)
        if (s->mark[s->step[k].out[0]].bits) step_back(s, &s->step[k]);
}

/* Bits [x0, x1) of word i of rows first to last, together. */
static uint64_t word_of(const struct plan_mark *m, int first, int last, int i, int x0, int x1)
{
    const uint64_t *at = cell_row(m, first) + i;
    uint64_t word = 0;
    for (int c = first; c <= last; c++, at += m->words) word |= *at;
    if (x0 > i * 64) word &= ~(uint64_t) 0 << (x0 - i * 64);
    if (x1 < i * 64 + 64) word &= ~(uint64_t) 0 >> (i * 64 + 64 - x1);
    return word;
}

int plan_spread_runs(const struct plan_mark *m, int y0, int y1, int x0, int x1, int gap, struct span *run, int max)
{
    const int first = cell_of(m, y0), last = cell_of(m, y1 - 1);
    int n = 0;
    if (x1 > m->width) x1 = m->width;
    for (int i = x0 / 64; i * 64 < x1; i++) {
        uint64_t word = word_of(m, first, last, i, x0, x1);
        for (int at = i * 64; word;) {
            const int skip = __builtin_ctzll(word);
            word >>= skip;
            at += skip;
            const int ones = ~word ? __builtin_ctzll(~word) : 64;
            if (n && at - run[n - 1].x1 <= gap)
                run[n - 1].x1 = at + ones;
            else if (n == max)
                return n;
            else
                run[n++] = (struct span){at, at + ones};
            word = ones < 64 ? word >> ones : 0;
            at += ones;
        }
    }
    return n;
}
