/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/tiff_tree.h"

#include <string.h>
#include <unistd.h>

enum {
    TAG_EXIF = 0x8769,
    TAG_GPS = 0x8825,
    TAG_INTEROP = 0xa005,
    TYPE_LONG = 4,
    TYPE_LONG8 = 16,
    MOST_ENTRIES = 4096,
    MOST_BYTES = 16 << 20, /* of values, in all: what no camera writes */
};

static const uint16_t pointers[TIFF_DIRECTORIES] = {0, TAG_EXIF, TAG_GPS, TAG_INTEROP};

struct input {
    int fd;
    const uint8_t *data;
    uint64_t size;
    bool big;    /* the most significant byte first */
    bool wide;   /* 64-bit offsets */
    size_t left; /* of MOST_BYTES */
    struct arena *arena;
};

static size_t type_bytes(uint16_t type)
{
    static const uint8_t bytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8};
    return type < sizeof bytes ? bytes[type] : 0;
}

/* The piece that changes places when the byte order does: rationals are two. */
static size_t type_unit(uint16_t type)
{
    return type == 5 || type == 10 ? 4 : type_bytes(type);
}

static bool get(const struct input *in, uint64_t at, void *to, size_t size)
{
    if (at > in->size || in->size - at < size) return false;
    if (in->data) memcpy(to, in->data + at, size);
    return in->data || pread(in->fd, to, size, (off_t) at) == (ssize_t) size;
}

static uint64_t number(const struct input *in, const uint8_t *p, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | p[in->big ? i : bytes - 1 - i];
    return value;
}

static void to_little(uint8_t *value, size_t bytes, size_t unit)
{
    for (size_t at = 0; unit > 1 && at + unit <= bytes; at += unit)
        for (size_t i = 0; i < unit / 2; i++) {
            const uint8_t other = value[at + i];
            value[at + i] = value[at + unit - 1 - i];
            value[at + unit - 1 - i] = other;
        }
}

/* Entries of the main directory that are about the picture: names, makers, dates, rights; resolution and orientation. */
static bool describes(uint16_t tag)
{
    static const uint16_t tags[] = {0x010d, 0x010e, 0x010f, 0x0110, 0x0112, 0x011a, 0x011b, 0x0128, 0x0131, 0x0132, 0x013b, 0x013c,
        0x4746, 0x4749, 0x8298, 0x9c9b, 0x9c9c, 0x9c9d, 0x9c9e, 0x9c9f};
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (tags[i] == tag) return true;
    return false;
}

static int pointer_of(uint16_t tag)
{
    for (int d = 1; d < TIFF_DIRECTORIES; d++)
        if (pointers[d] == tag) return d;
    return 0;
}

/* One entry at p. 1: taken, 0: left out, -1: memory is out. */
static int read_entry(struct input *in, const uint8_t *p, struct tiff_entry *out)
{
    const int field = in->wide ? 8 : 4;
    out->tag = (uint16_t) number(in, p, 2);
    out->type = (uint16_t) number(in, p + 2, 2);
    out->count = number(in, p + 4, field);
    const size_t unit = type_bytes(out->type);
    if (unit == 0 || out->count == 0 || out->count > in->left / unit) return 0;
    out->bytes = (size_t) out->count * unit;
    const uint8_t *inside = p + 4 + field;
    const bool is_inside = out->bytes <= (size_t) field;
    const uint64_t place = is_inside ? 0 : number(in, inside, field);
    if (place > in->size || in->size - place < out->bytes) return 0; /* before memory is taken for it */
    uint8_t *value = arena_alloc(in->arena, out->bytes);
    if (!value) return -1;
    if (is_inside)
        memcpy(value, inside, out->bytes);
    else if (!get(in, place, value, out->bytes))
        return 0;
    if (in->big) to_little(value, out->bytes, type_unit(out->type));
    in->left -= out->bytes;
    out->value = value;
    return 1;
}

static uint64_t value_of(const struct tiff_entry *e)
{
    uint64_t value = 0;
    for (size_t i = e->bytes < 8 ? e->bytes : 8; i > 0; i--) value = value << 8 | e->value[i - 1];
    return value;
}

/* Moves the last entry to where its tag belongs: not all writers keep the order. False when the tag is there already. */
static bool insert(struct tiff_entry *entries, int last)
{
    const struct tiff_entry moved = entries[last];
    int at = last;
    while (at > 0 && entries[at - 1].tag > moved.tag) at--;
    if (at > 0 && entries[at - 1].tag == moved.tag) return false;
    memmove(entries + at + 1, entries + at, (size_t) (last - at) * sizeof *entries);
    entries[at] = moved;
    return true;
}

static bool read_directory(struct input *in, uint64_t at, enum tiff_directory which, bool all, struct tiff_tree *out)
{
    const size_t head = in->wide ? 8 : 2, size = in->wide ? 20 : 12;
    uint8_t raw[20];
    if (out->directories[which].entries || !get(in, at, raw, head)) return true;
    const uint64_t count = number(in, raw, (int) head);
    if (count == 0 || count > MOST_ENTRIES) return true;
    struct tiff_entry *entries = arena_array(in->arena, (size_t) count, sizeof *entries);
    if (!entries) return false;
    out->directories[which].entries = entries;
    int taken = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct tiff_entry *e = &entries[taken];
        if (!get(in, at + head + i * size, raw, size)) {
            out->complete = false;
            break;
        }
        const uint16_t tag = (uint16_t) number(in, raw, 2);
        if (which == TIFF_MAIN && !all && !describes(tag) && !pointer_of(tag)) continue;
        const int good = read_entry(in, raw, e);
        if (good < 0) return false;
        const int pointer = good > 0 ? pointer_of(tag) : 0;
        if (pointer && !read_directory(in, value_of(e), (enum tiff_directory) pointer, true, out)) return false;
        if (good == 0) out->complete = false;
        if (good > 0 && !pointer) {
            if (insert(entries, taken))
                taken++;
            else
                out->complete = false;
        }
    }
    out->directories[which].count = taken;
    return true;
}

bool tiff_tree_read(struct arena *arena, int fd, const uint8_t *data, uint64_t size, bool all, struct tiff_tree *out)
{
    struct input in = {.fd = fd, .data = data, .size = size, .left = MOST_BYTES, .arena = arena};
    uint8_t head[16];
    *out = (struct tiff_tree){.complete = true};
    if (!get(&in, 0, head, 8)) return true;
    in.big = head[0] == 'M';
    in.wide = number(&in, head + 2, 2) == 43;
    if (in.wide && !get(&in, 0, head, 16)) return true;
    return read_directory(&in, in.wide ? number(&in, head + 8, 8) : number(&in, head + 4, 4), TIFF_MAIN, all, out);
}

bool tiff_tree_tells(const struct tiff_tree *tree)
{
    for (int i = 0; i < tree->directories[TIFF_MAIN].count; i++) {
        const uint16_t tag = tree->directories[TIFF_MAIN].entries[i].tag;
        if (tag != 0x0112 && tag != 0x011a && tag != 0x011b && tag != 0x0128) return true;
    }
    return tree->directories[TIFF_EXIF].count > 0 || tree->directories[TIFF_GPS].count > 0;
}

bool tiff_tree_merge(struct arena *arena, struct tiff_tree *to, const struct tiff_tree *from)
{
    const int own = to->directories[TIFF_MAIN].count, other = from->directories[TIFF_MAIN].count;
    const struct tiff_entry *a = to->directories[TIFF_MAIN].entries, *b = from->directories[TIFF_MAIN].entries;
    struct tiff_entry *merged = arena_array(arena, (size_t) own + (size_t) other, sizeof *merged);
    int count = 0;
    if (!merged) return false;
    for (int i = 0, j = 0; i < own || j < other;) {
        const bool take_own = j == other || (i < own && a[i].tag <= b[j].tag);
        if (take_own && j < other && a[i].tag == b[j].tag) j++;
        merged[count++] = take_own ? a[i++] : b[j++];
    }
    to->directories[TIFF_MAIN].entries = merged;
    to->directories[TIFF_MAIN].count = count;
    for (int d = 1; d < TIFF_DIRECTORIES; d++)
        if (to->directories[d].count == 0) to->directories[d] = from->directories[d];
    return true;
}

static void put(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) to[i] = (uint8_t) (value >> (8 * i));
}

/* A directory with its pointers to those below among its entries, and where they all will lie. */
struct page {
    struct tiff_entry *entries;
    int count;
    uint64_t at;
    uint8_t below[2][8]; /* values of the pointers */
};

struct book {
    struct page pages[TIFF_DIRECTORIES];
    uint64_t base, end;
    bool wide;
};

static bool is_written(const struct tiff_tree *tree, int d)
{
    if (d == TIFF_INTEROP && tree->directories[TIFF_EXIF].count == 0) return false;
    return d == TIFF_MAIN || tree->directories[d].count > 0;
}

static void insert_pointer(struct page *page, int below, uint8_t *value, bool wide)
{
    int i = page->count++;
    for (; i > 0 && page->entries[i - 1].tag > pointers[below]; i--) page->entries[i] = page->entries[i - 1];
    page->entries[i] = (struct tiff_entry){pointers[below], wide ? TYPE_LONG8 : TYPE_LONG, 1, value, wide ? 8 : 4};
}

static bool make_pages(struct arena *arena, const struct tiff_tree *tree, struct book *book)
{
    uint64_t at = book->base;
    for (int d = 0; d < TIFF_DIRECTORIES; d++) {
        struct page *page = &book->pages[d];
        if (!is_written(tree, d)) continue;
        page->entries = arena_array(arena, (size_t) tree->directories[d].count + 2, sizeof *page->entries);
        if (!page->entries) return false;
        for (int i = 0; i < tree->directories[d].count; i++) /* numbers of 64 bits are of the wide kind only */
            if (book->wide || tree->directories[d].entries[i].type < TYPE_LONG8)
                page->entries[page->count++] = tree->directories[d].entries[i];
        for (int below = 1, added = 0; below < TIFF_DIRECTORIES; below++)
            if (is_written(tree, below) && d == (below == TIFF_INTEROP ? TIFF_EXIF : TIFF_MAIN))
                insert_pointer(page, below, page->below[added++], book->wide);
        page->at = at;
        at += (book->wide ? 8u + 8u : 2u + 4u) + (uint64_t) page->count * (book->wide ? 20u : 12u);
        for (int i = 0; i < page->count; i++)
            if (page->entries[i].bytes > (book->wide ? 8u : 4u)) at += page->entries[i].bytes + (page->entries[i].bytes & 1);
    }
    for (int d = 0; d < TIFF_DIRECTORIES; d++)
        for (int i = 0; i < book->pages[d].count; i++) {
            const int below = pointer_of(book->pages[d].entries[i].tag);
            if (below) put((uint8_t *) (uintptr_t) book->pages[d].entries[i].value, book->pages[below].at, book->wide ? 8 : 4);
        }
    book->end = at;
    return true;
}

static void put_page(const struct book *book, const struct page *page, uint8_t *out)
{
    const int head = book->wide ? 8 : 2, field = book->wide ? 8 : 4;
    uint8_t *slot = out + (page->at - book->base);
    uint64_t values = page->at + (uint64_t) head + (uint64_t) page->count * (uint64_t) (4 + 2 * field) + (uint64_t) field;
    put(slot, (uint64_t) page->count, head);
    slot += head;
    for (int i = 0; i < page->count; i++, slot += 4 + 2 * field) {
        const struct tiff_entry *e = &page->entries[i];
        put(slot, e->tag, 2);
        put(slot + 2, e->type, 2);
        put(slot + 4, e->count, field);
        if (e->bytes <= (size_t) field) {
            memcpy(slot + 4 + field, e->value, e->bytes);
            continue;
        }
        put(slot + 4 + field, values, field);
        memcpy(out + (values - book->base), e->value, e->bytes);
        values += e->bytes + (e->bytes & 1);
    }
}

uint8_t *tiff_tree_write(struct arena *arena, const struct tiff_tree *tree, uint64_t base, bool wide, size_t *size)
{
    struct book book = {.base = base, .wide = wide};
    if (!make_pages(arena, tree, &book)) return NULL;
    *size = (size_t) (book.end - base);
    uint8_t *out = arena_alloc(arena, *size); /* cleared: no directory follows any of these */
    for (int d = 0; out && d < TIFF_DIRECTORIES; d++)
        if (book.pages[d].entries) put_page(&book, &book.pages[d], out);
    return out;
}
