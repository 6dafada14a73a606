/* SPDX-License-Identifier: MIT */
/* What pictures say about themselves, without libvips: trees of TIFF directories from blocks of both byte orders and both widths,
 * honest and hostile. */
#include "check.h"
#include "core/alloc.h"
#include "media/exif.h"
#include "media/tiff_tree.h"

/* A TIFF structure in the making. */
struct made {
    uint8_t data[4096];
    size_t size;
    bool big, wide;
};

static void put_at(struct made *m, size_t at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) m->data[at + (size_t) (m->big ? bytes - 1 - i : i)] = (uint8_t) (value >> (8 * i));
}

static void put(struct made *m, uint64_t value, int bytes)
{
    put_at(m, m->size, value, bytes);
    m->size += (size_t) bytes;
}

static struct made begin(bool big, bool wide)
{
    struct made m = {.big = big, .wide = wide};
    put(&m, big ? 0x4d4d : 0x4949, 2);
    put(&m, wide ? 43 : 42, 2);
    if (wide) put(&m, 8, 2), put(&m, 0, 2);
    put(&m, wide ? 16 : 8, wide ? 8 : 4);
    return m;
}

/* A directory's head; returns where its entries begin. They are filled in by entry(), the place of values moves behind them. */
static size_t directory(struct made *m, int count, uint64_t next)
{
    put(m, (uint64_t) count, m->wide ? 8 : 2);
    const size_t at = m->size;
    m->size += (size_t) count * (m->wide ? 20 : 12);
    put(m, next, m->wide ? 8 : 4);
    return at;
}

/* Of `count` numbers of `bytes` each. */
static void entry(struct made *m, size_t *at, int tag, int type, int count, int bytes, const uint64_t *values)
{
    const int field = m->wide ? 8 : 4;
    size_t place = *at + 4 + (size_t) field;
    put_at(m, *at, (uint64_t) tag, 2);
    put_at(m, *at + 2, (uint64_t) type, 2);
    put_at(m, *at + 4, (uint64_t) (type == 5 ? count / 2 : count), field);
    if (count * bytes > field) {
        put_at(m, place, m->size, field);
        place = m->size;
        m->size += (size_t) (count * bytes + (count * bytes & 1));
    }
    for (int i = 0; i < count; i++) put_at(m, place + (size_t) (i * bytes), values[i], bytes);
    *at += 4 + 2 * (size_t) field;
}

#define ENTRY(m, at, tag, type, bytes, ...)                                                                                        \
    entry(m, at, tag, type, (int) (sizeof(uint64_t[]){__VA_ARGS__} / sizeof(uint64_t)), bytes, (uint64_t[]){__VA_ARGS__})

/* A camera's: the strips of a TIFF among what it tells, and a second directory with the thumbnail. */
static struct made camera(bool big, bool wide)
{
    struct made m = begin(big, wide);
    const size_t step = wide ? 20 : 12;
    size_t at = directory(&m, 6, 4000);
    ENTRY(&m, &at, 0x010f, 2, 1, 'M', 'a', 'k', 'e', 'r', 0, 0, 0, 0, 0);
    ENTRY(&m, &at, 0x0111, 4, 4, 8);
    ENTRY(&m, &at, 0x0112, 3, 2, 6);
    ENTRY(&m, &at, 0x8298, 2, 1, 'm', 'e', 0);
    const size_t pointers = at;
    at = directory(&m, 4, 0);
    ENTRY(&m, &(size_t){pointers}, 0x8769, 4, 4, (uint64_t) at - (wide ? 8 : 2));
    ENTRY(&m, &at, 0x829a, 5, 4, 1, 250);
    ENTRY(&m, &at, 0x8827, 3, 2, 100, 200, 300, 400, 500);
    ENTRY(&m, &at, 0x927c, 7, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    ENTRY(&m, &at, 0xa002, 4, 4, 96);
    at = directory(&m, 2, 0);
    ENTRY(&m, &(size_t){pointers + step}, 0x8825, 4, 4, (uint64_t) at - (wide ? 8 : 2));
    ENTRY(&m, &at, 0x0001, 2, 1, 'N', 0);
    ENTRY(&m, &at, 0x0002, 5, 4, 52, 1, 31, 1, 1234, 100);
    return m;
}

/* Where the entry of a classic little endian structure lies; 0 when it is not there. */
static size_t find(const uint8_t *data, size_t directory_at, int tag)
{
    const int count = data[directory_at] | data[directory_at + 1] << 8;
    for (int i = 0; i < count; i++) {
        const size_t at = directory_at + 2 + 12 * (size_t) i;
        if ((data[at] | data[at + 1] << 8) == tag) return at;
    }
    return 0;
}

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

/* As an EXIF block. */
static const uint8_t *written(struct arena *arena, const struct tiff_tree *tree, size_t *size)
{
    const uint8_t *directories = tiff_tree_write(arena, tree, 8, false, size);
    uint8_t *block = arena_alloc(arena, 8 + *size);
    memcpy(block, "II*\0\x08\0\0\0", 8);
    memcpy(block + 8, directories, *size);
    *size += 8;
    return block;
}

static void both_orders_and_widths_say_the_same(void)
{
    uint8_t first[1024];
    size_t first_size = 0;
    for (int kind = 0; kind < 4; kind++) {
        struct arena *arena = arena_create();
        const struct made m = camera(kind & 1, kind & 2);
        struct tiff_tree tree;
        size_t size;
        CHECK(tiff_tree_read(arena, -1, m.data, m.size, false, &tree) && tree.complete);
        CHECK(tiff_tree_tells(&tree));
        CHECK_INT(tree.directories[TIFF_MAIN].count, 3); /* the strips stay behind */
        CHECK_INT(tree.directories[TIFF_EXIF].count, 4);
        CHECK_INT(tree.directories[TIFF_GPS].count, 2);
        const uint8_t *block = written(arena, &tree, &size);
        if (kind == 0 && CHECK(size <= sizeof first)) memcpy(first, block, first_size = size);
        if (CHECK_INT(size, first_size)) CHECK_MEM(block, first, size);
        CHECK_INT(find(block, 8, 0x0111), 0);
        const size_t maker = find(block, 8, 0x010f), exif = find(block, 8, 0x8769), gps = find(block, 8, 0x8825);
        if (CHECK(maker && exif && gps)) {
            CHECK_MEM(block + le32(block + maker + 8), "Maker", 6);
            CHECK_INT(le32(block + 8 + 2 + 5 * 12), 0); /* no thumbnail */
            const size_t notes = find(block, le32(block + exif + 8), 0x927c), time = find(block, le32(block + exif + 8), 0x829a),
                         speed = find(block, le32(block + exif + 8), 0x8827), north = find(block, le32(block + gps + 8), 2);
            if (CHECK(notes && time && speed && north)) {
                CHECK_MEM(block + le32(block + notes + 8), "\1\2\3\4\5\6\7\10\11\12\13", 11);
                CHECK_MEM(block + le32(block + time + 8), "\1\0\0\0\372\0\0\0", 8);
                CHECK_MEM(block + le32(block + speed + 8), "\144\0\310\0\54\1\220\1\364\1", 10);
                CHECK_MEM(block + le32(block + north + 8), "\64\0\0\0\1\0\0\0\37\0\0\0\1\0\0\0\322\4\0\0\144\0\0\0", 24);
            }
        }
        CHECK_INT(exif_orientation(block, size), 6);
        arena_destroy(&arena);
    }
}

static void order_is_made(void)
{
    struct arena *arena = arena_create();
    struct made m = begin(false, false);
    size_t at = directory(&m, 4, 0);
    ENTRY(&m, &at, 0x8298, 2, 1, 'c', 0);
    ENTRY(&m, &at, 0x010f, 2, 1, 'm', 0);
    ENTRY(&m, &at, 0x013b, 2, 1, 'a', 0);
    ENTRY(&m, &at, 0x010f, 2, 1, 'x', 0);
    struct tiff_tree tree;
    CHECK(tiff_tree_read(arena, -1, m.data, m.size, false, &tree));
    CHECK(!tree.complete); /* the one that came twice */
    if (CHECK_INT(tree.directories[TIFF_MAIN].count, 3)) {
        const struct tiff_entry *e = tree.directories[TIFF_MAIN].entries;
        CHECK(e[0].tag == 0x010f && e[1].tag == 0x013b && e[2].tag == 0x8298);
        CHECK(e[0].value[0] == 'm' && e[1].value[0] == 'a' && e[2].value[0] == 'c');
    }
    arena_destroy(&arena);
}

static void merged(void)
{
    struct arena *arena = arena_create();
    struct made own = begin(false, false), other = camera(true, false);
    size_t at = directory(&own, 2, 0);
    ENTRY(&own, &at, 0x0100, 4, 4, 17);
    ENTRY(&own, &at, 0x0112, 3, 2, 1);
    struct tiff_tree to, from;
    CHECK(tiff_tree_read(arena, -1, own.data, own.size, true, &to) &&
          tiff_tree_read(arena, -1, other.data, other.size, false, &from));
    CHECK(!tiff_tree_tells(&(struct tiff_tree){0}));
    CHECK(tiff_tree_merge(arena, &to, &from));
    const struct tiff_entry *e = to.directories[TIFF_MAIN].entries;
    if (CHECK_INT(to.directories[TIFF_MAIN].count, 4)) {
        CHECK(e[0].tag == 0x0100 && e[1].tag == 0x010f && e[2].tag == 0x0112 && e[3].tag == 0x8298);
        CHECK_INT(e[2].value[0], 1); /* its own one stays */
    }
    CHECK_INT(to.directories[TIFF_GPS].count, 2);
    arena_destroy(&arena);
}

/* Behind 4 GiB of a picture. */
static void far_away(void)
{
    struct arena *arena = arena_create();
    const struct made m = camera(false, false);
    const uint64_t base = (uint64_t) 5 << 30;
    struct tiff_tree tree;
    size_t size;
    CHECK(tiff_tree_read(arena, -1, m.data, m.size, false, &tree));
    const uint8_t *out = tiff_tree_write(arena, &tree, base, true, &size);
    CHECK_INT(out[0], 5);
    bool found = false;
    for (int i = 0; i < 5; i++) {
        const uint8_t *e = out + 8 + 20 * i;
        if ((e[0] | e[1] << 8) != 0x8769) continue;
        const uint64_t place = le32(e + 12) | (uint64_t) le32(e + 16) << 32;
        found = true;
        CHECK_INT(e[2], 16);
        if (CHECK(place > base && place < base + size)) CHECK_INT(out[place - base], 4);
    }
    CHECK(found);
    arena_destroy(&arena);
}

/* Directories that lead to themselves and to each other. */
static void circles(void)
{
    struct arena *arena = arena_create();
    struct made m = begin(false, false);
    size_t at = directory(&m, 4, 8);
    ENTRY(&m, &at, 0x010f, 2, 1, 'm', 0);
    ENTRY(&m, &at, 0x8769, 4, 4, 8);
    ENTRY(&m, &at, 0x8825, 4, 4, 8);
    ENTRY(&m, &at, 0xa005, 4, 4, 8);
    struct tiff_tree tree;
    size_t size;
    CHECK(tiff_tree_read(arena, -1, m.data, m.size, true, &tree));
    for (int d = 0; d < TIFF_DIRECTORIES; d++) CHECK_INT(tree.directories[d].count, 1);
    CHECK(tiff_tree_write(arena, &tree, 8, false, &size) && size < 200);
    arena_destroy(&arena);
}

/* Values that are not there take no memory; numbers that overflow lead nowhere. */
static void lies_about_sizes(void)
{
    for (int wide = 0; wide < 2; wide++) {
        struct arena *arena = arena_create();
        struct made m = begin(true, wide);
        size_t at = directory(&m, 150, 0);
        static const uint64_t counts[] = {1 << 24, UINT32_MAX, 1 << 20, 5000, UINT64_MAX, (uint64_t) 1 << 62};
        for (int i = 0; i < 150; i++) {
            put_at(&m, at, (uint64_t) (i + 1), 2);
            put_at(&m, at + 2, i % 2 ? 7 : 12, 2);
            put_at(&m, at + 4, counts[i % (wide ? 6 : 4)], wide ? 8 : 4);
            put_at(&m, at + (wide ? 12 : 8), i % 3 ? 20 : UINT64_MAX - (uint64_t) (i % 7), wide ? 8 : 4);
            at += wide ? 20 : 12;
        }
        struct tiff_tree tree;
        CHECK(tiff_tree_read(arena, -1, m.data, m.size, true, &tree));
        CHECK(!tree.complete);
        CHECK_INT(tree.directories[TIFF_MAIN].count, 0);
        CHECK_MSG(arena_bytes(arena) < 1 << 20, "%zu bytes", arena_bytes(arena));
        arena_destroy(&arena);
    }
}

/* A long list of strips comes before what is told, and does not use up what may be told. */
static void strips_do_not_count(void)
{
    const size_t strips = 15 << 20, size = 4096 + strips;
    struct arena *arena = arena_create();
    uint8_t *file = calloc(1, size);
    struct made m = begin(false, false);
    size_t at = directory(&m, 3, 0);
    for (int i = 0; i < 2; i++, at += 12) { /* offsets and byte counts */
        put_at(&m, at, i ? 0x0117 : 0x0111, 2);
        put_at(&m, at + 2, 4, 2);
        put_at(&m, at + 4, strips / 4, 4);
        put_at(&m, at + 8, 4096, 4);
    }
    ENTRY(&m, &at, 0x8298, 2, 1, 'm', 'i', 'n', 'e', 0);
    memcpy(file, m.data, m.size);
    struct tiff_tree tree;
    CHECK(tiff_tree_read(arena, -1, file, size, false, &tree));
    CHECK_INT(tree.directories[TIFF_MAIN].count, 1);
    CHECK(arena_bytes(arena) < 1 << 20);
    free(file);
    arena_destroy(&arena);
}

static void memory_is_out(void)
{
    const struct made m = camera(true, false);
    const int64_t live = core_alloc_live();
    int turns = 0;
    for (bool good = false; !good && turns < 50; turns++) {
        size_t size;
        struct tiff_tree tree, to = {0};
        core_alloc_fail_after((uint64_t) turns + 1, false);
        struct arena *arena = arena_create();
        good = arena && tiff_tree_read(arena, -1, m.data, m.size, false, &tree) && tiff_tree_merge(arena, &to, &tree) &&
               tiff_tree_write(arena, &to, 8, false, &size);
        core_alloc_fail_after(0, false);
        arena_destroy(&arena);
        CHECK_INT(core_alloc_live(), live);
    }
    CHECK_MSG(turns > 1 && turns < 50, "%d turns", turns);
}

int main(void)
{
    RUN(both_orders_and_widths_say_the_same);
    RUN(order_is_made);
    RUN(merged);
    RUN(far_away);
    RUN(circles);
    RUN(lies_about_sizes);
    RUN(strips_do_not_count);
    RUN(memory_is_out);
    return check_report();
}
