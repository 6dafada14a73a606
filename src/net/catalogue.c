/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strncasecmp */
#include "net/catalogue.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/error.h"
#include "net/url.h"

#define LINES_MAX 100000
#define NUMBER_MAX ((uint64_t) 1 << 53)

enum { COLUMN_NAME, COLUMN_FILE, COLUMN_URL, COLUMN_SHA256, COLUMN_BYTES, COLUMN_LICENCE, COLUMN_NOTE, N_COLUMNS };

struct reader {
    struct net_catalogue *catalogue;
    int room, line;
    const char *source;
    struct fm_error *error;
};

static int damaged(const struct reader *r, const char *what)
{
    return core_fail(r->error, FM_ERR_FORMAT, "%s:%d: %s", r->source, r->line, what);
}

/* The network's own file is called as the network is, or it would not be found by its name. */
static bool is_file_of(const char *name, const char *file)
{
    const size_t length = strlen(name), file_length = strlen(file);
    for (const char *const *ending = (const char *const[]){".onnx", ".param", NULL}; *ending; ending++) {
        const size_t k = strlen(*ending);
        if (file_length > k && !strcasecmp(file + file_length - k, *ending))
            return file_length == length + k && !strncmp(file, name, length);
    }
    return true;
}

static bool read_bytes(const char *text, uint64_t *bytes)
{
    *bytes = 0;
    if (!strcmp(text, "-")) return true;
    if (!*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        *bytes = *bytes * 10 + (uint64_t) (*text - '0');
        if (*bytes > NUMBER_MAX) return false;
    }
    return true;
}

/* column: the line's fields, terminated. */
static int read_entry(struct reader *r, char *const column[N_COLUMNS], struct net_entry *entry)
{
    const struct net_catalogue *c = r->catalogue;
    struct fm_error error;
    *entry = (struct net_entry){
        column[COLUMN_NAME], column[COLUMN_FILE], column[COLUMN_URL], column[COLUMN_LICENCE], column[COLUMN_NOTE], {0}, 0};
    if (!net_file_is_safe(entry->name)) return damaged(r, "column 1 is no name");
    if (!net_file_is_safe(entry->file)) return damaged(r, "column 2 is no plain file name");
    if (!is_file_of(entry->name, entry->file))
        return damaged(r, "the network's file must be named as the network is, NAME.onnx or NAME.param");
    if (net_url_check(entry->url, &error) < 0) return damaged(r, error.message);
    if (!sha256_parse(column[COLUMN_SHA256], strlen(column[COLUMN_SHA256]), entry->sha256))
        return damaged(r, "column 4 is no SHA-256 (64 hexadecimal digits)");
    if (!read_bytes(column[COLUMN_BYTES], &entry->bytes)) return damaged(r, "column 5 is no number of bytes");
    for (int i = 0; i < c->n; i++)
        if (!strcmp(c->entry[i].name, entry->name) && !strcmp(c->entry[i].file, entry->file))
            return damaged(r, "that network has a file of this name already");
    return FM_OK;
}

static int add_entry(struct reader *r, const struct net_entry *entry)
{
    struct net_catalogue *c = r->catalogue;
    if (c->n == r->room) {
        const int room = r->room ? 2 * r->room : 16;
        struct net_entry *more = arena_array(c->arena, (size_t) room, sizeof *more);
        if (!more) return core_fail_nomem(r->error, 0);
        if (c->n) memcpy(more, c->entry, (size_t) c->n * sizeof *more);
        c->entry = more;
        r->room = room;
    }
    c->entry[c->n++] = *entry;
    return FM_OK;
}

static int read_line(struct reader *r, const char *line, size_t length)
{
    struct net_entry entry;
    static char nothing[1];
    char *column[N_COLUMNS];
    int n = 0;
    if (length && line[length - 1] == '\r') length--;
    if (!length || line[0] == '#') return FM_OK;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char) line[i] < 0x20 && line[i] != '\t') return damaged(r, "a control character");
    char *copy = arena_strndup(r->catalogue->arena, line, length);
    if (!copy) return core_fail_nomem(r->error, length);
    for (char *at = copy; at;) {
        if (n == N_COLUMNS) return damaged(r, "more than 7 columns");
        column[n++] = at;
        at = strchr(at, '\t');
        if (at) *at++ = 0;
    }
    if (n < COLUMN_NOTE) return damaged(r, "fewer than 6 columns (name, file, url, sha256, bytes, licence; tabs between them)");
    if (n == COLUMN_NOTE) column[COLUMN_NOTE] = nothing;
    const int code = read_entry(r, column, &entry);
    return code < 0 ? code : add_entry(r, &entry);
}

int net_catalogue_parse(const char *text, size_t size, const char *source, struct net_catalogue **out, struct fm_error *error)
{
    struct net_catalogue *c = core_calloc(1, sizeof *c);
    struct reader r = {.catalogue = c, .source = source, .error = error};
    int code = FM_OK;
    *out = NULL;
    if (c) c->arena = arena_create();
    if (!c || !c->arena) {
        core_free(c);
        return core_fail_nomem(error, 0);
    }
    for (size_t at = 0; at < size && code == FM_OK;) {
        const char *end = memchr(text + at, '\n', size - at);
        const size_t length = end ? (size_t) (end - text) - at : size - at;
        r.line++;
        code = r.line > LINES_MAX ? damaged(&r, "too many lines") : read_line(&r, text + at, length);
        at += length + 1;
    }
    if (code < 0)
        net_catalogue_destroy(&c);
    else
        *out = c;
    return code;
}

void net_catalogue_destroy(struct net_catalogue **catalogue)
{
    if (*catalogue) arena_destroy(&(*catalogue)->arena);
    core_free(*catalogue);
    *catalogue = NULL;
}

int net_sidecar_parse(const char *text, size_t size, const char *source, uint8_t sha256[SHA256_SIZE], struct fm_error *error)
{
    size_t begin = 0, end;
    while (begin < size && (text[begin] == ' ' || text[begin] == '\n' || text[begin] == '\r')) begin++;
    for (end = begin; end < size && text[end] != ' ' && text[end] != '\t' && text[end] != '\n' && text[end] != '\r';) end++;
    if (sha256_parse(text + begin, end - begin, sha256)) return FM_OK;
    return core_fail(error, FM_ERR_FORMAT, "%s: does not begin with a SHA-256 (64 hexadecimal digits)", source);
}
