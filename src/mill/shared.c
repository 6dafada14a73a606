/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create, seals */
#include "mill/shared.h"

#include <string.h>

#include "core/error.h"

#define SHARED_MAGIC 0x316c6c696d6d66u
#define SHARED_PAGE ((size_t) 4096)

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

static size_t shared_page(void)
{
#if defined(__unix__) || defined(__APPLE__)
    const long page = sysconf(_SC_PAGESIZE);
    return page > 0 ? (size_t) page : SHARED_PAGE;
#else
    return SHARED_PAGE;
#endif
}

static bool shared_round(size_t size, size_t unit, size_t *out)
{
    if (!core_add_size(size, unit - 1, out)) return false;
    *out -= *out % unit;
    return true;
}

bool shared_stride(size_t bundle_bytes, size_t *stride)
{
    return shared_round(bundle_bytes, shared_page(), stride);
}

#if defined(WAIT_FUTEX) && defined(SYS_memfd_create)

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Sizes and places of what both sides believe in. */
static uint64_t shared_layout(void)
{
    const uint64_t parts[] = {sizeof(struct shared_head), sizeof(struct ring), sizeof(struct ring_slot), sizeof(struct ring_worker),
        sizeof(struct shared_note), offsetof(struct ring, ids), offsetof(struct ring_worker, wake)};
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) sum = (sum ^ parts[i]) * 0x100000001b3u;
    for (const char *c = FM_VERSION_STRING; *c; c++) sum = (sum ^ (uint8_t) *c) * 0x100000001b3u;
    return sum;
}

static size_t shared_ring_at(void)
{
    return (sizeof(struct shared_head) + CORE_CACHE_LINE - 1) / CORE_CACHE_LINE * CORE_CACHE_LINE;
}

/* From slots, workers and bundle_bytes, the rest. */
static bool shared_lay_out(struct shared_head *head)
{
    size_t stride, brief_at, brief_end, bundles_at, all;
    const size_t notes_at = shared_ring_at() + ring_size((int) head->slots, (int) head->workers);
    if (!shared_stride((size_t) head->bundle_bytes, &stride)) return false;
    if (!shared_round(notes_at + head->workers * sizeof(struct shared_note), CORE_CACHE_LINE, &brief_at)) return false;
    if (!core_add_size(brief_at, (size_t) head->brief_bytes, &brief_end)) return false;
    if (!shared_round(brief_end, shared_page(), &bundles_at)) return false;
    if (!core_mul_size(stride, head->slots, &all) || !core_add_size(all, bundles_at, &all) || all > PTRDIFF_MAX) return false;
    head->magic = SHARED_MAGIC;
    head->layout = shared_layout();
    head->notes_at = notes_at;
    head->brief_at = brief_at;
    head->bundles_at = bundles_at;
    head->stride = stride;
    head->bytes = all;
    return true;
}

static bool shared_map(struct shared *s, size_t bytes)
{
    void *const base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->descriptor, 0);
    if (base == MAP_FAILED) return false;
    s->head = base;
    s->bytes = bytes;
    return true;
}

static void shared_find(struct shared *s)
{
    uint8_t *const base = (uint8_t *) s->head;
    s->ring = (struct ring *) (void *) (base + shared_ring_at());
    s->note = (struct shared_note *) (void *) (base + s->head->notes_at);
    s->brief = base + s->head->brief_at;
    s->bundles = base + s->head->bundles_at;
    s->stride = (size_t) s->head->stride;
}

int shared_create(struct shared *s, int slots, int workers, size_t bundle_bytes, size_t brief_bytes, struct fm_error *error)
{
    struct shared_head head = {.slots = (uint32_t) slots,
        .workers = (uint32_t) workers,
        .bundle_bytes = bundle_bytes,
        .brief_bytes = brief_bytes,
        .manager = getpid()};
    *s = (struct shared){.descriptor = -1};
    if (!shared_lay_out(&head))
        return core_fail(error, FM_ERR_ARGUMENT, "%d slots of %zu bytes are more than an address space holds", slots, bundle_bytes);
    s->descriptor = (int) syscall(SYS_memfd_create, "framemill", 3u /* MFD_CLOEXEC | MFD_ALLOW_SEALING */);
    if (s->descriptor < 0) {
        const int why = errno;
        s->descriptor = -1;
        return core_fail(error, why == ENOSYS ? FM_ERR_UNSUPPORTED : FM_ERR_NOMEM,
            "the system gives no memory to share with worker processes: %s", strerror(why));
    }
    const bool sized = ftruncate(s->descriptor, (off_t) head.bytes) == 0;
    if (!sized || !shared_map(s, (size_t) head.bytes)) {
        shared_close(s);
        return core_fail_nomem(error, (size_t) head.bytes);
    }
    (void) fcntl(s->descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL); /* a guard, not a need */
    *s->head = head;
    shared_find(s);
    return FM_OK;
}

/* Nothing is believed that does not follow from slots, workers and bytes. */
static bool shared_is_sound(const struct shared_head *head, size_t bytes)
{
    struct shared_head own = {
        .slots = head->slots, .workers = head->workers, .bundle_bytes = head->bundle_bytes, .brief_bytes = head->brief_bytes};
    if (head->magic != SHARED_MAGIC || head->layout != shared_layout()) return false;
    if (head->slots < 1 || head->slots > RING_SLOTS_MAX || head->workers < 1 || head->workers > RING_WORKERS_MAX) return false;
    return shared_lay_out(&own) && own.bytes == bytes && head->bytes == bytes && own.notes_at == head->notes_at &&
           own.brief_at == head->brief_at && own.bundles_at == head->bundles_at && own.stride == head->stride;
}

int shared_attach(struct shared *s, int descriptor, struct fm_error *error)
{
    struct stat st;
    *s = (struct shared){.descriptor = descriptor};
    if (descriptor < 0 || fstat(descriptor, &st) != 0 || st.st_size < (off_t) sizeof *s->head) {
        shared_close(s);
        return core_fail(error, FM_ERR_ARGUMENT, "descriptor %d is no mill's memory", descriptor);
    }
    if (!shared_map(s, (size_t) st.st_size)) {
        shared_close(s);
        return core_fail_nomem(error, (size_t) st.st_size);
    }
    if (!shared_is_sound(s->head, s->bytes)) {
        shared_close(s);
        return core_fail(error, FM_ERR_ARGUMENT, "descriptor %d is not the memory of a mill of this build", descriptor);
    }
    shared_find(s);
    return FM_OK;
}

void shared_close(struct shared *s)
{
    if (s->head) munmap(s->head, s->bytes);
    if (s->head || s->bytes || s->descriptor > 0) close(s->descriptor);
    *s = (struct shared){.descriptor = -1};
}

#else

int shared_create(struct shared *s, int slots, int workers, size_t bundle_bytes, size_t brief_bytes, struct fm_error *error)
{
    (void) slots;
    (void) workers;
    (void) bundle_bytes;
    (void) brief_bytes;
    *s = (struct shared){.descriptor = -1};
    return core_fail(error, FM_ERR_UNSUPPORTED, "this system shares no memory with worker processes");
}

int shared_attach(struct shared *s, int descriptor, struct fm_error *error)
{
    (void) descriptor;
    *s = (struct shared){.descriptor = -1};
    return core_fail(error, FM_ERR_UNSUPPORTED, "this system shares no memory with worker processes");
}

void shared_close(struct shared *s)
{
    *s = (struct shared){.descriptor = -1};
}

#endif
