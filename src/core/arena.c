/* SPDX-License-Identifier: MIT */
/* A list of growing chunks, newest first; each allocation takes the next bytes of the newest. A big one gets a chunk of its own
 * behind the newest, so the room left there is not lost. */
#include "core/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "framemill/error.h"

#define ARENA_ALIGN ((size_t) CORE_CACHE_LINE)

/* Under AddressSanitizer every object is a chunk of its exact size: reading past it is seen. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_CHUNK_MIN ((size_t) 0)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_CHUNK_MIN ((size_t) 0)
#endif
#endif
#ifndef ARENA_CHUNK_MIN
#define ARENA_CHUNK_MIN ((size_t) 4 << 10)
#endif
#define ARENA_CHUNK_MAX ((size_t) 1 << 20)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used; /* of the bytes behind the header */
};

struct arena_release {
    struct arena_release *next;
    void (*release)(void *object);
    void *object;
};

struct arena {
    struct arena_chunk *chunk;
    struct arena_chunk *spare; /* kept by a reset, smallest need first come */
    struct arena_release *release; /* newest first: undone in reverse order */
    size_t chunk_size;
    size_t bytes;
};

static size_t arena_round(size_t size)
{
    return (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

static uint8_t *arena_chunk_data(struct arena_chunk *chunk)
{
    return (uint8_t *) chunk + arena_round(sizeof *chunk);
}

struct arena *arena_create(void)
{
    struct arena *arena = core_calloc(1, sizeof *arena);
    if (arena) arena->chunk_size = ARENA_CHUNK_MIN;
    return arena;
}

static void arena_free_chunks(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        core_free(chunk);
        chunk = next;
    }
}

void arena_destroy(struct arena **arena)
{
    struct arena *a = *arena;
    *arena = NULL;
    if (!a) return;
    for (struct arena_release *r = a->release; r; r = r->next) r->release(r->object);
    arena_free_chunks(a->chunk);
    arena_free_chunks(a->spare);
    core_free(a);
}

void arena_reset(struct arena *arena)
{
    assert(!arena->release);
    while (arena->chunk) {
        struct arena_chunk *chunk = arena->chunk;
        arena->chunk = chunk->next;
        chunk->next = arena->spare;
        arena->spare = chunk;
    }
}

/* A chunk that a reset kept and that is large enough, cleared; NULL if there is none. */
static struct arena_chunk *arena_take_spare(struct arena *arena, size_t size)
{
    for (struct arena_chunk **link = &arena->spare; *link; link = &(*link)->next) {
        struct arena_chunk *chunk = *link;
        if (chunk->size < size) continue;
        *link = chunk->next;
        memset(arena_chunk_data(chunk), 0, chunk->used);
        chunk->used = 0;
        chunk->next = NULL;
        return chunk;
    }
    return NULL;
}

static struct arena_chunk *arena_grow(struct arena *arena, size_t size)
{
    const size_t room = size > arena->chunk_size ? size : arena->chunk_size;
    struct arena_chunk *chunk = arena_take_spare(arena, size);
    if (chunk) {
        chunk->next = arena->chunk;
        arena->chunk = chunk;
        return chunk;
    }
    chunk = core_calloc(1, arena_round(sizeof *chunk) + room);
    if (!chunk) return NULL;
    chunk->size = room;
    arena->bytes += room;
    if (arena->chunk && room > arena->chunk_size) { /* a big one: the newest chunk stays in use */
        chunk->next = arena->chunk->next;
        arena->chunk->next = chunk;
    } else {
        chunk->next = arena->chunk;
        arena->chunk = chunk;
        if (arena->chunk_size < ARENA_CHUNK_MAX) arena->chunk_size *= 2;
    }
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > PTRDIFF_MAX / 2) return NULL;
    if (size == 0) size = 1;
    struct arena_chunk *chunk = arena->chunk;
    if (!chunk || chunk->size - chunk->used < size) chunk = arena_grow(arena, size);
    if (!chunk) return NULL;
    void *memory = arena_chunk_data(chunk) + chunk->used;
    const size_t used = chunk->used + arena_round(size);
    chunk->used = used < chunk->size ? used : chunk->size;
    return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    return core_mul_size(count, size, &total) ? arena_alloc(arena, total) : NULL;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    size_t size;
    char *copy = core_add_size(length, 1, &size) ? arena_alloc(arena, size) : NULL;
    return copy && length ? memcpy(copy, text, length) : copy; /* the rest is cleared: the terminator is there */
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : arena_alloc(arena, (size_t) length + 1);
    if (!text) return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t) length + 1, format, args);
    va_end(args);
    return text;
}

int arena_defer(struct arena *arena, void (*release)(void *object), void *object)
{
    struct arena_release *r = arena_alloc(arena, sizeof *r);
    if (!r) {
        release(object);
        return FM_ERR_NOMEM;
    }
    r->next = arena->release;
    r->release = release;
    r->object = object;
    arena->release = r;
    return FM_OK;
}

size_t arena_bytes(const struct arena *arena)
{
    return arena->bytes;
}
