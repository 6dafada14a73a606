/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* fstat */
#include "npy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC "\x93NUMPY"
#define MAGIC_SIZE 6
#define PREFIX_MAX 12            /* magic, version, length of the header */
#define HEADER_MAX (1 << 20)     /* longer ones are damage: ours are 128 bytes */
#define ALIGN 64                 /* of the first element in the file */
#define CHUNK ((size_t) 1 << 16) /* elements converted, bytes read at first */

static int fail(struct fm_error *error, enum fm_err code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The message may hold words from the file: control characters do not reach a terminal. */
static int fail(struct fm_error *error, enum fm_err code, const char *format, ...)
{
    va_list args;
    if (!error) return code;
    error->code = code;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    for (char *p = error->message; *p; p++)
        if ((unsigned char) *p < 0x20 || *p == 0x7f) *p = '?';
    return code;
}

/* ---- types ---- */

struct type {
    const char *code;
    enum fm_dtype dtype;
};

static const struct type types[] = {{"f4", FM_F32}, {"f2", FM_F16}, {"f8", FM_F64}, {"i1", FM_I8}, {"i2", FM_I16}, {"i4", FM_I32},
    {"i8", FM_I64}, {"u1", FM_U8}, {"u2", FM_U16}, {"u4", FM_U32}, {"u8", FM_U64}, {"b1", FM_BOOL}};

static bool is_little_endian(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

/* ---- the header: a Python dictionary ---- */

struct header {
    struct fm_tensor tensor; /* without data */
    bool fortran, swapped;
    bool has_descr, has_order, has_shape;
};

struct text {
    const char *at, *end;
    const char *name;
    struct fm_error *error;
};

static int damaged(const struct text *t, const char *what)
{
    return fail(t->error, FM_ERR_FORMAT, "%s: the header is damaged: %s", t->name, what);
}

static void skip_blanks(struct text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t' || *t->at == '\r')) t->at++;
}

static bool take(struct text *t, char c)
{
    skip_blanks(t);
    if (t->at == t->end || *t->at != c) return false;
    t->at++;
    return true;
}

static bool take_word(struct text *t, const char *word)
{
    const size_t n = strlen(word);
    skip_blanks(t);
    if ((size_t) (t->end - t->at) < n || memcmp(t->at, word, n)) return false;
    t->at += n;
    return true;
}

/* 'text' or "text" without escapes */
static bool take_string(struct text *t, const char **string, size_t *n)
{
    skip_blanks(t);
    if (t->at == t->end || (*t->at != '\'' && *t->at != '"')) return false;
    const char *close = memchr(t->at + 1, *t->at, (size_t) (t->end - t->at - 1));
    if (!close) return false;
    *string = t->at + 1;
    *n = (size_t) (close - *string);
    t->at = close + 1;
    return true;
}

static int read_descr(struct text *t, struct header *h)
{
    const char *s;
    size_t n;
    skip_blanks(t);
    if (t->at < t->end && (*t->at == '[' || *t->at == '('))
        return fail(t->error, FM_ERR_UNSUPPORTED, "%s: records are not supported", t->name);
    if (!take_string(t, &s, &n)) return damaged(t, "no element type");
    const bool has_order = n && (*s == '<' || *s == '>' || *s == '=' || *s == '|');
    for (size_t i = 0; n - has_order == 2 && i < sizeof types / sizeof *types; i++) {
        if (memcmp(types[i].code, s + has_order, 2)) continue;
        h->tensor.dtype = types[i].dtype;
        h->swapped = has_order && fm_dtype_size(types[i].dtype) > 1 && *s == (is_little_endian() ? '>' : '<');
        return FM_OK;
    }
    return fail(t->error, FM_ERR_UNSUPPORTED, "%s: elements of type '%.*s' are not supported", t->name, n > 32 ? 32 : (int) n, s);
}

static int read_shape(struct text *t, struct header *h)
{
    if (!take(t, '(')) return damaged(t, "the shape is no tuple");
    while (!take(t, ')')) {
        int64_t v = 0;
        const char *first = t->at;
        for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
            if (v > (INT64_MAX - 9) / 10) return damaged(t, "a dimension is too large");
            v = v * 10 + (*t->at - '0');
        }
        if (t->at == first) return damaged(t, "a dimension is no number");
        if (t->at < t->end && *t->at == 'L') t->at++; /* Python 2 */
        if (h->tensor.rank == FM_MAX_RANK)
            return fail(
                t->error, FM_ERR_UNSUPPORTED, "%s: arrays of more than %d dimensions are not supported", t->name, FM_MAX_RANK);
        h->tensor.dim[h->tensor.rank++] = v;
        if (take(t, ',')) continue;
        if (!take(t, ')')) return damaged(t, "the shape does not end");
        break;
    }
    return FM_OK;
}

static int read_entry(struct text *t, struct header *h)
{
    const char *key;
    size_t n;
    if (!take_string(t, &key, &n) || !take(t, ':')) return damaged(t, "a key is missing");
    if (n == 5 && !memcmp(key, "descr", n) && !h->has_descr) {
        h->has_descr = true;
        return read_descr(t, h);
    }
    if (n == 5 && !memcmp(key, "shape", n) && !h->has_shape) {
        h->has_shape = true;
        return read_shape(t, h);
    }
    if (n == 13 && !memcmp(key, "fortran_order", n) && !h->has_order) {
        h->has_order = true;
        h->fortran = take_word(t, "True");
        return h->fortran || take_word(t, "False") ? FM_OK : damaged(t, "fortran_order is neither True nor False");
    }
    return damaged(t, "a key is unknown or there twice");
}

static int read_header(const char *text, size_t size, const char *name, struct header *h, struct fm_error *error)
{
    struct text t = {text, text + size, name, error};
    memset(h, 0, sizeof *h);
    if (!take(&t, '{')) return damaged(&t, "it is no dictionary");
    while (!take(&t, '}')) {
        const int rc = read_entry(&t, h);
        if (rc) return rc;
        if (take(&t, ',')) continue;
        if (!take(&t, '}')) return damaged(&t, "the dictionary does not end");
        break;
    }
    skip_blanks(&t);
    if (t.at != t.end) return damaged(&t, "something follows the dictionary");
    if (!h->has_descr || !h->has_order || !h->has_shape) return damaged(&t, "descr, fortran_order or shape is missing");
    return FM_OK;
}

/* Length of the header behind the prefix; *prefix: bytes before it. */
static int read_prefix(const uint8_t *p, size_t size, const char *name, size_t *prefix, size_t *length, struct fm_error *error)
{
    if (size < MAGIC_SIZE + 4 || memcmp(p, MAGIC, MAGIC_SIZE)) return fail(error, FM_ERR_FORMAT, "%s: this is no .npy file", name);
    const int version = p[MAGIC_SIZE];
    if (version < 1 || version > 3) return fail(error, FM_ERR_UNSUPPORTED, "%s: format version %d is not supported", name, version);
    *prefix = version == 1 ? MAGIC_SIZE + 4 : PREFIX_MAX;
    if (size < *prefix) return fail(error, FM_ERR_FORMAT, "%s: the file ends in its first %zu bytes", name, *prefix);
    *length = (size_t) p[8] | (size_t) p[9] << 8;
    if (version > 1) *length |= (size_t) p[10] << 16 | (size_t) p[11] << 24;
    if (*length > HEADER_MAX) return fail(error, FM_ERR_FORMAT, "%s: the header would have %zu bytes", name, *length);
    return FM_OK;
}

static int byte_count(const struct header *h, const char *name, size_t *bytes, struct fm_error *error)
{
    const int64_t n = fm_tensor_count(&h->tensor);
    const size_t size = fm_dtype_size(h->tensor.dtype);
    if (n < 0 || (uint64_t) n > (uint64_t) PTRDIFF_MAX / size)
        return fail(error, FM_ERR_FORMAT, "%s: the shape has too many elements", name);
    *bytes = (size_t) n * size;
    return FM_OK;
}

/* ---- elements ---- */

static void swap_bytes(uint8_t *p, size_t bytes, size_t size)
{
    for (uint8_t *element = p; element < p + bytes; element += size)
        for (size_t i = 0; i < size / 2; i++) {
            const uint8_t t = element[i];
            element[i] = element[size - 1 - i];
            element[size - 1 - i] = t;
        }
}

/* Column-major to row-major, counting up the row-major index like an odometer. */
static void reorder(const struct fm_tensor *t, const uint8_t *from, uint8_t *to, size_t size)
{
    const int64_t n = fm_tensor_count(t);
    int64_t index[FM_MAX_RANK] = {0}, stride[FM_MAX_RANK], at = 0;
    for (int i = 0; i < t->rank; i++) stride[i] = i ? stride[i - 1] * t->dim[i - 1] : 1;
    for (int64_t k = 0; k < n; k++) {
        memcpy(to + (size_t) k * size, from + (size_t) at * size, size);
        for (int i = t->rank - 1; i >= 0; i--) {
            at += stride[i];
            if (++index[i] < t->dim[i]) break;
            at -= stride[i] * index[i];
            index[i] = 0;
        }
    }
}

/* Takes `data` over: it becomes the tensor's or is freed. */
static int finish(
    const struct header *h, uint8_t *data, size_t bytes, struct fm_tensor *out, const char *name, struct fm_error *error)
{
    const size_t size = fm_dtype_size(h->tensor.dtype);
    if (h->swapped) swap_bytes(data, bytes, size);
    if (h->tensor.dtype == FM_BOOL)
        for (size_t i = 0; i < bytes; i++) data[i] = data[i] != 0;
    if (h->fortran && h->tensor.rank > 1 && bytes) {
        uint8_t *ordered = malloc(bytes);
        if (!ordered) {
            free(data);
            return fail(error, FM_ERR_NOMEM, "%s: no memory for %zu bytes", name, bytes);
        }
        reorder(&h->tensor, data, ordered, size);
        free(data);
        data = ordered;
    }
    *out = h->tensor;
    out->data = data;
    return FM_OK;
}

int npy_parse(const void *data, size_t size, const char *name, struct fm_tensor *out, struct fm_error *error)
{
    const uint8_t *p = data;
    struct header h;
    size_t prefix = 0, length = 0, bytes = 0;
    memset(out, 0, sizeof *out);
    int rc = read_prefix(p, size, name, &prefix, &length, error);
    if (!rc && length > size - prefix) rc = fail(error, FM_ERR_FORMAT, "%s: the file ends in its header", name);
    if (!rc) rc = read_header((const char *) p + prefix, length, name, &h, error);
    if (!rc) rc = byte_count(&h, name, &bytes, error);
    if (rc) return rc;
    if (bytes != size - prefix - length)
        return fail(
            error, FM_ERR_FORMAT, "%s: %zu bytes of elements where the shape needs %zu", name, size - prefix - length, bytes);
    uint8_t *copy = malloc(bytes + !bytes);
    if (!copy) return fail(error, FM_ERR_NOMEM, "%s: no memory for %zu bytes", name, bytes);
    if (bytes) memcpy(copy, p + prefix + length, bytes);
    return finish(&h, copy, bytes, out, name, error);
}

/* ---- files ---- */

/* Exactly `bytes` from the stream. What a header promises is not asked of the system at once: the buffer grows with what comes,
 * unless the file's size (`known`) already says that all is there. */
static int read_elements(FILE *stream, const char *path, size_t bytes, bool known, uint8_t **out, struct fm_error *error)
{
    size_t room = known || bytes < CHUNK ? bytes : CHUNK, got = 0;
    uint8_t *data = malloc(room + !room);
    while (data && got < bytes) {
        if (got == room) {
            room = room > bytes / 2 ? bytes : 2 * room;
            uint8_t *larger = realloc(data, room);
            if (!larger) break;
            data = larger;
        }
        const size_t n = fread(data + got, 1, room - got, stream);
        if (!n) break;
        got += n;
    }
    int rc = FM_OK;
    if (!data || (got == room && got < bytes))
        rc = fail(error, FM_ERR_NOMEM, "%s: no memory for %zu bytes", path, bytes);
    else if (ferror(stream))
        rc = fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    else if (got < bytes)
        rc = fail(error, FM_ERR_FORMAT, "%s: %zu bytes of elements where the shape needs %zu", path, got, bytes);
    else if (fgetc(stream) != EOF)
        rc = fail(error, FM_ERR_FORMAT, "%s: more than the %zu bytes of elements that the shape needs", path, bytes);
    if (rc)
        free(data);
    else
        *out = data;
    return rc;
}

static int read_stream(FILE *stream, const char *path, struct fm_tensor *out, struct fm_error *error)
{
    uint8_t first[PREFIX_MAX];
    struct stat st;
    struct header h;
    size_t prefix = 0, length = 0, bytes = 0;
    size_t got = fread(first, 1, MAGIC_SIZE + 4, stream);
    if (got == MAGIC_SIZE + 4 && first[MAGIC_SIZE] > 1) got += fread(first + got, 1, PREFIX_MAX - got, stream);
    if (ferror(stream)) return fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    int rc = read_prefix(first, got, path, &prefix, &length, error);
    if (rc) return rc;
    char *text = malloc(length + 1);
    if (!text) return fail(error, FM_ERR_NOMEM, "%s: no memory for %zu bytes", path, length);
    if (fread(text, 1, length, stream) != length) rc = fail(error, FM_ERR_FORMAT, "%s: the file ends in its header", path);
    if (!rc) rc = read_header(text, length, path, &h, error);
    free(text);
    if (!rc) rc = byte_count(&h, path, &bytes, error);
    if (rc) return rc;

    const bool known = fstat(fileno(stream), &st) == 0 && S_ISREG(st.st_mode);
    const uint64_t there = known && (uint64_t) st.st_size > prefix + length ? (uint64_t) st.st_size - prefix - length : 0;
    if (known && there < bytes)
        return fail(
            error, FM_ERR_FORMAT, "%s: %llu bytes of elements where the shape needs %zu", path, (unsigned long long) there, bytes);
    uint8_t *data = NULL;
    rc = read_elements(stream, path, bytes, known, &data, error);
    return rc ? rc : finish(&h, data, bytes, out, path, error);
}

int npy_read(const char *path, struct fm_tensor *out, struct fm_error *error)
{
    memset(out, 0, sizeof *out);
    FILE *stream = fopen(path, "rb");
    if (!stream) return fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    const int rc = read_stream(stream, path, out, error);
    fclose(stream);
    return rc;
}

/* ---- writing ---- */

static bool write_header(FILE *stream, const struct fm_tensor *t, const char *code)
{
    char text[512];
    const char order = fm_dtype_size(t->dtype) == 1 ? '|' : is_little_endian() ? '<' : '>';
    int n = snprintf(text, sizeof text, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", order, code);
    for (int i = 0; i < t->rank; i++)
        n += snprintf(text + n, sizeof text - (size_t) n,
            i + 1 < t->rank ? "%lld, "
            : t->rank == 1  ? "%lld,"
                            : "%lld",
            (long long) t->dim[i]);
    n += snprintf(text + n, sizeof text - (size_t) n, "), }");
    while ((MAGIC_SIZE + 4 + n + 1) % ALIGN) text[n++] = ' '; /* at most 8 * 21 + 60 bytes before: it fits */
    text[n++] = '\n';
    const uint8_t rest[4] = {1, 0, (uint8_t) (n & 255), (uint8_t) (n >> 8)};
    return fwrite(MAGIC, 1, MAGIC_SIZE, stream) == MAGIC_SIZE && fwrite(rest, 1, 4, stream) == 4 &&
           fwrite(text, 1, (size_t) n, stream) == (size_t) n;
}

/* bfloat16 is the upper half of a float32. */
static bool write_bf16(FILE *stream, const uint8_t *data, size_t n)
{
    uint32_t *wide = malloc(CHUNK * sizeof *wide);
    bool good = wide != NULL;
    for (size_t done = 0, now; good && done < n; done += now) {
        now = n - done < CHUNK ? n - done : CHUNK;
        for (size_t i = 0; i < now; i++) {
            uint16_t half;
            memcpy(&half, data + (done + i) * sizeof half, sizeof half);
            wide[i] = (uint32_t) half << 16;
        }
        good = fwrite(wide, sizeof *wide, now, stream) == now;
    }
    free(wide);
    return good;
}

static bool write_stream(FILE *stream, const struct fm_tensor *tensor, const char *code)
{
    const int64_t n = fm_tensor_count(tensor);
    struct fm_tensor as = *tensor;
    if (as.dtype == FM_BF16) as.dtype = FM_F32;
    if (!write_header(stream, &as, code)) return false;
    if (tensor->dtype == FM_BF16) return write_bf16(stream, tensor->data, (size_t) n);
    return !n || fwrite(tensor->data, fm_dtype_size(tensor->dtype), (size_t) n, stream) == (size_t) n;
}

int npy_write(const char *path, const struct fm_tensor *tensor, struct fm_error *error)
{
    static const char suffix[] = ".part";
    const enum fm_dtype dtype = tensor->dtype == FM_BF16 ? FM_F32 : tensor->dtype;
    const char *code = NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == dtype) code = types[i].code;
    if (!code || tensor->rank < 0 || tensor->rank > FM_MAX_RANK || fm_tensor_count(tensor) < 0)
        return fail(error, FM_ERR_ARGUMENT, "%s: this is no array that can be written", path);

    char *part = malloc(strlen(path) + sizeof suffix);
    if (!part) return fail(error, FM_ERR_NOMEM, "%s: no memory for its name", path);
    memcpy(part, path, strlen(path));
    memcpy(part + strlen(path), suffix, sizeof suffix);
    int rc = FM_OK;
    FILE *stream = fopen(part, "wb");
    if (!stream) {
        rc = fail(error, FM_ERR_IO, "%s: %s", part, strerror(errno));
    } else {
        bool good = write_stream(stream, tensor, code);
        good = fclose(stream) == 0 && good; /* the last bytes are written here */
        if (!good || rename(part, path) != 0) {
            rc = fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
            remove(part);
        }
    }
    free(part);
    return rc;
}

void npy_free(struct fm_tensor *tensor)
{
    free(tensor->data);
    memset(tensor, 0, sizeof *tensor);
}
