/* SPDX-License-Identifier: MIT */
/* The .param text: lines of words, and numbers in them. Nothing here depends on the locale. */
#include <float.h>
#include <string.h>

#include "model/ncnn_reader.h"

#define MAGIC 7767517

struct word {
    const char *at;
    size_t n;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool next_word(const char **at, const char *end, struct word *word)
{
    const char *p = *at;
    while (p < end && is_space(*p)) p++;
    word->at = p;
    while (p < end && !is_space(*p)) p++;
    word->n = (size_t) (p - word->at);
    *at = p;
    return word->n > 0;
}

/* [sign] digits; false when there is anything else or it does not fit 31 bits. */
static bool word_int(struct word word, int *out)
{
    size_t i = word.n && (word.at[0] == '-' || word.at[0] == '+');
    int64_t v = 0;
    if (i == word.n) return false;
    for (; i < word.n; i++) {
        if (!is_digit(word.at[i])) return false;
        v = v * 10 + (word.at[i] - '0');
        if (v > INT32_MAX) return false;
    }
    *out = (int) (word.at[0] == '-' ? -v : v);
    return true;
}

static double scale_by_ten(double v, int exponent)
{
    static const double power[] = {1e1, 1e2, 1e4, 1e8, 1e16, 1e32, 1e64, 1e128, 1e256};
    const bool down = exponent < 0;
    int e = down ? -exponent : exponent;
    if (e > 400) e = 400;
    for (int i = 0; e && i < 9; i++, e >>= 1)
        if (e & 1) v = down ? v / power[i] : v * power[i];
    return v;
}

/* Decimal to double: up to 19 digits exactly in an integer, then one scaling. The error stays far below half a float's unit, which
 * is what the numbers become. Values beyond float's range are clamped to it. */
static bool word_number(struct word word, double *out)
{
    const char *p = word.at, *const end = word.at + word.n;
    const bool negative = p < end && *p == '-';
    uint64_t digits = 0;
    int exponent = 0, seen = 0;
    bool any = false, point = false;

    if (p < end && (*p == '-' || *p == '+')) p++;
    for (; p < end && (is_digit(*p) || (*p == '.' && !point)); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        any = true;
        if (seen < 19) {
            digits = digits * 10 + (uint64_t) (*p - '0');
            seen += digits > 0;
            exponent -= point;
        } else {
            exponent += !point;
        }
    }
    if (!any) return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        const bool down = ++p < end && *p == '-';
        int e = 0;
        if (p < end && (*p == '-' || *p == '+')) p++;
        if (p == end) return false;
        for (; p < end && is_digit(*p); p++)
            if (e < 100000) e = e * 10 + (*p - '0');
        exponent += down ? -e : e;
    }
    if (p != end) return false;
    double v = digits ? scale_by_ten((double) digits, exponent) : 0.0;
    if (v > (double) FLT_MAX) v = (double) FLT_MAX;
    *out = negative ? -v : v;
    return true;
}

static const char *word_name(struct ncnn_reader *r, struct word word)
{
    if (r->code) return "";
    if (word.n > NCNN_NAME_MAX) {
        ncnn_fail(r, FM_ERR_FORMAT, "a name has %zu bytes, more than %d", word.n, NCNN_NAME_MAX);
        return "";
    }
    if (memchr(word.at, 0, word.n)) {
        ncnn_fail(r, FM_ERR_FORMAT, "a name has a zero byte");
        return "";
    }
    char *name = arena_strndup(r->scratch, word.at, word.n);
    if (!name) ncnn_fail_nomem(r);
    return name ? name : "";
}

/* Lines are separated by \n; the last may lack it. Empty ones are passed over. */
struct lines {
    const char *at, *end;
    int number;
};

static bool next_line(struct lines *lines, const char **begin, const char **end)
{
    while (lines->at < lines->end) {
        const char *newline = memchr(lines->at, '\n', (size_t) (lines->end - lines->at));
        *begin = lines->at;
        *end = newline ? newline : lines->end;
        lines->at = newline ? newline + 1 : lines->end;
        lines->number++;
        struct word word;
        const char *p = *begin;
        if (next_word(&p, *end, &word)) return true;
    }
    return false;
}

static bool numbers_only(const char *begin, const char *end, int n, int *out)
{
    struct word word;
    for (int i = 0; i < n; i++)
        if (!next_word(&begin, end, &word) || !word_int(word, &out[i])) return false;
    return !next_word(&begin, end, &word);
}

static bool parse_head(struct ncnn_reader *r, struct lines *lines, const char *text, size_t size)
{
    static const uint8_t binary_magic[4] = {0xdd, 0x85, 0x76, 0x00};
    const char *begin, *end;
    int n[2];

    if (size >= 4 && !memcmp(text, binary_magic, 4)) {
        ncnn_fail(r, FM_ERR_UNSUPPORTED, "this is a binary .param.bin file; only the text form (.param) is read");
        return false;
    }
    if (!next_line(lines, &begin, &end) || !numbers_only(begin, end, 1, n) || n[0] != MAGIC) {
        ncnn_fail(r, FM_ERR_FORMAT, "the first line is not ncnn's magic number %d", MAGIC);
        return false;
    }
    if (!next_line(lines, &begin, &end) || !numbers_only(begin, end, 2, n)) {
        ncnn_fail(r, FM_ERR_FORMAT, "the second line does not give two numbers (layers and blobs)");
        return false;
    }
    /* A layer line has 8 bytes at least ("A b 0 0\n"), a blob's name 2. */
    if (n[0] <= 0 || (size_t) n[0] > size / 8 + 1) {
        ncnn_fail(r, FM_ERR_FORMAT, "the layer count %d does not fit a file of %zu bytes", n[0], size);
        return false;
    }
    if (n[1] <= 0 || (size_t) n[1] > size / 2) {
        ncnn_fail(r, FM_ERR_FORMAT, "the blob count %d does not fit a file of %zu bytes", n[1], size);
        return false;
    }
    r->n_layers = n[0];
    r->layer = ncnn_scratch(r, (size_t) n[0], sizeof *r->layer);
    r->blob = ncnn_scratch(r, (size_t) n[1], sizeof *r->blob);
    return !r->code;
}

/* Type, name, counts and blob names of one line; output blobs are added to r->blob. */
static void parse_layer(struct ncnn_reader *r, struct ncnn_layer *layer, const char *at, const char *end, int max_blobs)
{
    struct word word;
    if (!next_word(&at, end, &word)) return;
    layer->type = word_name(r, word);
    if (!next_word(&at, end, &word)) {
        ncnn_fail(r, FM_ERR_FORMAT, "the layer has no name");
        return;
    }
    layer->name = word_name(r, word);
    struct word count[2];
    if (!next_word(&at, end, &count[0]) || !next_word(&at, end, &count[1]) || !word_int(count[0], &layer->n_in) ||
        !word_int(count[1], &layer->n_out) || layer->n_in < 0 || layer->n_out < 0) {
        ncnn_fail(r, FM_ERR_FORMAT, "the counts of inputs and outputs are missing or no numbers");
        return;
    }
    const size_t room = (size_t) (end - at) / 2 + 1; /* each name has a blank before it */
    if ((size_t) layer->n_in + (size_t) layer->n_out > room) {
        ncnn_fail(r, FM_ERR_FORMAT, "%d inputs and %d outputs do not fit the line", layer->n_in, layer->n_out);
        return;
    }
    layer->in_name = ncnn_scratch(r, (size_t) layer->n_in, sizeof *layer->in_name);
    layer->out = ncnn_scratch(r, (size_t) layer->n_out, sizeof *layer->out);
    for (int i = 0; i < layer->n_in + layer->n_out && !r->code; i++) {
        if (!next_word(&at, end, &word)) {
            ncnn_fail(r, FM_ERR_FORMAT, "the line ends before the name of %s %d", i < layer->n_in ? "input" : "output",
                i < layer->n_in ? i : i - layer->n_in);
            return;
        }
        const char *name = word_name(r, word);
        if (r->code) return;
        if (i < layer->n_in) {
            layer->in_name[i] = name;
            continue;
        }
        if (r->n_blobs == max_blobs) {
            ncnn_fail(r, FM_ERR_FORMAT, "there are more blobs than the %d that line 2 promises", max_blobs);
            return;
        }
        r->blob[r->n_blobs] = (struct ncnn_blob){.name = name, .value = -1, .input = -1, .factor = 1};
        layer->out[i - layer->n_in] = r->n_blobs++;
    }
    layer->params = at;
    layer->end = end;
}

static int compare(const struct ncnn_reader *r, int a, int b)
{
    const int order = strcmp(r->blob[a].name, r->blob[b].name);
    return order ? order : a - b;
}

/* Heap sort: no recursion, no allocation, and no input makes it slow. */
static void sift(struct ncnn_reader *r, int root, int n)
{
    int *a = r->by_name;
    for (int child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && compare(r, a[child], a[child + 1]) < 0) child++;
        if (compare(r, a[root], a[child]) >= 0) return;
        const int t = a[root];
        a[root] = a[child];
        a[child] = t;
    }
}

static void sort_blobs(struct ncnn_reader *r)
{
    r->by_name = ncnn_scratch(r, (size_t) r->n_blobs, sizeof *r->by_name);
    if (!r->by_name) return;
    int *a = r->by_name;
    for (int i = 0; i < r->n_blobs; i++) a[i] = i;
    for (int i = r->n_blobs / 2 - 1; i >= 0; i--) sift(r, i, r->n_blobs);
    for (int n = r->n_blobs - 1; n > 0; n--) {
        const int t = a[0];
        a[0] = a[n];
        a[n] = t;
        sift(r, 0, n);
    }
    for (int i = 1; i < r->n_blobs; i++)
        if (!strcmp(r->blob[a[i - 1]].name, r->blob[a[i]].name)) {
            ncnn_fail(r, FM_ERR_FORMAT, "two layers make a blob named '%s'", r->blob[a[i]].name);
            return;
        }
}

int ncnn_find_blob(const struct ncnn_reader *r, const char *name)
{
    int low = 0, high = r->n_blobs;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        const int order = strcmp(r->blob[r->by_name[middle]].name, name);
        if (!order) return r->by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

void ncnn_parse(struct ncnn_reader *r, const char *text, size_t size)
{
    struct lines lines = {text, text + size, 0};
    const char *begin, *end;
    if (!parse_head(r, &lines, text, size)) return;
    struct lines head = {text, text + size, 0};
    int counts[2] = {0, 0};
    next_line(&head, &begin, &end);
    next_line(&head, &begin, &end);
    numbers_only(begin, end, 2, counts);

    int n = 0;
    while (!r->code && next_line(&lines, &begin, &end)) {
        if (n == r->n_layers) {
            r->now = NULL;
            ncnn_fail(
                r, FM_ERR_FORMAT, "line %d: there are more layers than the %d that line 2 promises", lines.number, r->n_layers);
            return;
        }
        struct ncnn_layer *layer = &r->layer[n++];
        layer->line = lines.number;
        layer->type = layer->name = "";
        r->now = layer;
        parse_layer(r, layer, begin, end, counts[1]);
    }
    if (r->code) return;
    r->now = NULL;
    if (n < r->n_layers) {
        ncnn_fail(r, FM_ERR_FORMAT, "line %d: the file ends after %d of %d layers", lines.number, n, r->n_layers);
        return;
    }
    sort_blobs(r);
}

/* One word "3=2.5", "-23303=2,1.0,2.0", "3=1.0,2.0" or "4=text". */
static void parse_param(struct ncnn_reader *r, struct word word)
{
    const char *equal = memchr(word.at, '=', word.n);
    int id;
    if (!equal || !word_int((struct word){word.at, (size_t) (equal - word.at)}, &id)) {
        ncnn_fail(r, FM_ERR_FORMAT, "'%.*s' is not of the form number=value", word.n > 40 ? 40 : (int) word.n, word.at);
        return;
    }
    const bool counted = id <= -23300;
    if (counted) id = -23300 - id;
    if (id < 0 || id >= NCNN_PARAM_COUNT) {
        ncnn_fail(r, FM_ERR_FORMAT, "parameter %d is outside 0..%d", id, NCNN_PARAM_COUNT - 1);
        return;
    }
    struct ncnn_param *param = &r->param[id];
    if (param->kind != NCNN_ABSENT) {
        ncnn_fail(r, FM_ERR_FORMAT, "parameter %d is given twice", id);
        return;
    }
    const char *at = equal + 1, *const end = word.at + word.n;
    if (!counted && !memchr(at, ',', (size_t) (end - at))) {
        struct word value = {at, (size_t) (end - at)};
        if (word_number(value, &param->number))
            param->kind = NCNN_NUMBER;
        else if (value.n && !is_digit(*at) && *at != '-' && *at != '+' && *at != '.')
            param->kind = NCNN_TEXT;
        else
            ncnn_fail(r, FM_ERR_FORMAT, "the value of parameter %d is not a number", id);
        return;
    }

    int n = 0, promised = -1;
    for (const char *p = at; p < end; p++) n += *p == ',';
    n += !counted; /* otherwise the first piece is the count */
    double *element = ncnn_scratch(r, (size_t) n, sizeof *element);
    if (!element) return;
    for (int i = counted ? -1 : 0; i < n; i++) {
        const char *comma = memchr(at, ',', (size_t) (end - at));
        const struct word value = {at, (size_t) ((comma ? comma : end) - at)};
        at = comma ? comma + 1 : end;
        if (i < 0 ? !word_int(value, &promised) : !word_number(value, &element[i])) {
            ncnn_fail(r, FM_ERR_FORMAT, "an element of array parameter %d is not a number", id);
            return;
        }
    }
    if (counted && promised != n) {
        ncnn_fail(r, FM_ERR_FORMAT, "array parameter %d promises %d elements and has %d", id, promised, n);
        return;
    }
    param->kind = NCNN_ARRAY;
    param->n = n;
    param->element = element;
}

void ncnn_parse_params(struct ncnn_reader *r)
{
    struct word word;
    const char *at = r->now->params;
    memset(r->param, 0, sizeof r->param);
    while (!r->code && next_word(&at, r->now->end, &word)) parse_param(r, word);
}
