/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/png_deflate.h"

#include <dlfcn.h>
#include <pthread.h>

#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include "core/alloc.h"
#include "core/error.h"

struct png_deflate {
    bool fast;
    z_stream z;
    struct isal_zstream isal;
    uint8_t level_buffer[ISAL_DEF_LVL2_DEFAULT];
};

static struct {
    __typeof__(&deflateInit2_) init;
    __typeof__(&deflate) deflate;
    __typeof__(&deflateEnd) end;
    __typeof__(&crc32) crc;
    __typeof__(&isal_deflate_init) isal_init;
    __typeof__(&isal_deflate) isal_deflate; /* NULL: not installed */
} lib;

static void load(void)
{
    void *zlib = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL), *isal = dlopen("libisal.so.2", RTLD_NOW | RTLD_LOCAL);
    if (zlib) {
        *(void **) &lib.init = dlsym(zlib, "deflateInit2_");
        *(void **) &lib.deflate = dlsym(zlib, "deflate");
        *(void **) &lib.end = dlsym(zlib, "deflateEnd");
        *(void **) &lib.crc = dlsym(zlib, "crc32");
    }
    if (isal) {
        *(void **) &lib.isal_init = dlsym(isal, "isal_deflate_init");
        *(void **) &lib.isal_deflate = dlsym(isal, "isal_deflate");
    }
    if (!lib.isal_init) lib.isal_deflate = NULL;
}

/* zlib's memory comes from ours. */
static voidpf allocate(voidpf unused, uInt count, uInt size)
{
    (void) unused;
    return core_alloc((size_t) count * size);
}

static void release(voidpf unused, voidpf memory)
{
    (void) unused;
    core_free(memory);
}

int png_deflate_create(int level, struct png_deflate **out, struct fm_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    *out = NULL;
    if (!lib.init || !lib.deflate || !lib.end || !lib.crc)
        return core_fail(error, FM_ERR_UNSUPPORTED, "zlib is not installed (package zlib1g)");
    struct png_deflate *d = core_calloc(1, sizeof *d);
    if (!d) return core_fail_nomem(error, sizeof *d);
    d->fast = lib.isal_deflate && (level == -1 || level == 1);
    if (d->fast) {
        lib.isal_init(&d->isal);
        d->isal.level = 2;
        d->isal.level_buf = d->level_buffer;
        d->isal.level_buf_size = sizeof d->level_buffer;
        d->isal.gzip_flag = IGZIP_ZLIB;
    } else {
        d->z.zalloc = allocate;
        d->z.zfree = release;
        if (lib.init(&d->z, level < 0 ? 1 : level, Z_DEFLATED, 15, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION, (int) sizeof d->z) !=
            Z_OK) {
            core_free(d);
            return core_fail_nomem(error, 0);
        }
    }
    *out = d;
    return FM_OK;
}

void png_deflate_destroy(struct png_deflate **deflate)
{
    struct png_deflate *d = *deflate;
    *deflate = NULL;
    if (!d) return;
    if (!d->fast) lib.end(&d->z);
    core_free(d);
}

bool png_deflate_step(struct png_deflate *d, const uint8_t **in, size_t *in_left, bool last, uint8_t **out, size_t *out_left)
{
    const uint32_t most = 1u << 30; /* both count in 32 bits */
    const uint32_t taken = *in_left > most ? most : (uint32_t) *in_left, room = *out_left > most ? most : (uint32_t) *out_left;
    const bool end = last && taken == *in_left;
    uint32_t in_rest, out_rest;
    bool complete;
    if (d->fast) {
        d->isal.next_in = (uint8_t *) (uintptr_t) *in;
        d->isal.avail_in = taken;
        d->isal.next_out = *out;
        d->isal.avail_out = room;
        d->isal.end_of_stream = end;
        lib.isal_deflate(&d->isal);
        in_rest = d->isal.avail_in;
        out_rest = d->isal.avail_out;
        complete = d->isal.internal_state.state == ZSTATE_END;
    } else {
        d->z.next_in = (Bytef *) (uintptr_t) *in;
        d->z.avail_in = taken;
        d->z.next_out = *out;
        d->z.avail_out = room;
        complete = lib.deflate(&d->z, end ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_END;
        in_rest = d->z.avail_in;
        out_rest = d->z.avail_out;
    }
    *in += taken - in_rest;
    *in_left -= taken - in_rest;
    *out += room - out_rest;
    *out_left -= room - out_rest;
    return complete;
}

uint32_t png_deflate_crc(uint32_t crc, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const uInt part = size > 1u << 30 ? 1u << 30 : (uInt) size;
        crc = (uint32_t) lib.crc(crc, data, part);
        data += part;
        size -= part;
    }
    return crc;
}
