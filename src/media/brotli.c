/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/brotli.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "framemill/error.h"

enum { FIRST_BYTES = 16 << 10 };

/* The library's interface, as far as it is used: it is stable since version 1, and its headers are not needed. */
enum result { RESULT_ERROR, RESULT_SUCCESS, RESULT_NEEDS_MORE_INPUT, RESULT_NEEDS_MORE_OUTPUT };
struct state;
static struct state *(*create)(void *(*alloc)(void *user, size_t size), void (*release)(void *user, void *memory), void *user);
static void (*destroy)(struct state *state);
static int (*decompress)(
    struct state *state, size_t *in_left, const uint8_t **in, size_t *out_left, uint8_t **out, size_t *total_out);

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static bool is_loaded;

static void load(void)
{
    void *handle = dlopen("libbrotlidec.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (!handle) return;
    *(void **) &create = dlsym(handle, "BrotliDecoderCreateInstance");
    *(void **) &destroy = dlsym(handle, "BrotliDecoderDestroyInstance");
    *(void **) &decompress = dlsym(handle, "BrotliDecoderDecompressStream");
    is_loaded = create && destroy && decompress;
}

/* To the library a refusal is an error like others: it is noted. */
static void *allocate(void *refused, size_t size)
{
    void *memory = core_alloc(size);
    if (!memory) *(bool *) refused = true;
    return memory;
}

static void release(void *refused, void *memory)
{
    (void) refused;
    core_free(memory);
}

struct output {
    uint8_t *data;
    size_t room, used, most;
};

static int grow(struct output *o)
{
    if (o->room >= o->most) return FM_ERR_FORMAT;
    size_t room = o->room ? 2 * o->room : FIRST_BYTES;
    if (room > o->most) room = o->most;
    uint8_t *data = core_alloc(room);
    if (!data) return FM_ERR_NOMEM;
    if (o->used) memcpy(data, o->data, o->used);
    core_free(o->data);
    o->data = data;
    o->room = room;
    return FM_OK;
}

static int unpack(struct state *state, const uint8_t *data, size_t size, struct output *o)
{
    for (;;) {
        uint8_t *to = o->data + o->used;
        size_t left = o->room - o->used;
        const int result = decompress(state, &size, &data, &left, &to, NULL);
        o->used = o->room - left;
        if (result == RESULT_SUCCESS) return o->used > 0 ? FM_OK : FM_ERR_FORMAT;
        if (result != RESULT_NEEDS_MORE_OUTPUT) return FM_ERR_FORMAT;
        const int code = grow(o);
        if (code != FM_OK) return code;
    }
}

int brotli_unpack(const uint8_t *data, size_t size, size_t most, uint8_t **out, size_t *out_size)
{
    *out = NULL;
    *out_size = 0;
    pthread_once(&load_once, load);
    if (!is_loaded) return FM_ERR_UNSUPPORTED;
    bool refused = false;
    struct output o = {.most = most};
    int code = grow(&o);
    if (code != FM_OK) return code;
    struct state *state = create(allocate, release, &refused);
    code = state ? unpack(state, data, size, &o) : FM_ERR_NOMEM;
    if (state) destroy(state);
    if (code == FM_OK) {
        *out = o.data;
        *out_size = o.used;
        return FM_OK;
    }
    core_free(o.data);
    return refused ? FM_ERR_NOMEM : code;
}
