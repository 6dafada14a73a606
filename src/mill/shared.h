/* SPDX-License-Identifier: MIT */
/* Memory that a mill shares with its worker processes: the ring and the bundles, each bundle on pages of its own.
 *
 *     head | ring: slots, workers | notes, one of each worker | brief | bundle 0 | bundle 1 | ...
 *
 * No pointers in it; each process maps it where it likes. Its size is sealed: nobody can cut it under the others. */
#ifndef FM_MILL_SHARED_H
#define FM_MILL_SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "framemill/error.h"
#include "mill/ring.h"

/* A descriptor that lies here in a worker process, and the one after it, which closes when the process ends. */
#define SHARED_DESCRIPTOR 3
#define SHARED_NOTE_MAX 160

struct shared_head {
    uint64_t magic, layout; /* layout: of this build, or the structures differ */
    uint64_t bytes, notes_at, brief_at, bundles_at, stride, bundle_bytes, brief_bytes;
    uint32_t slots, workers;
    int64_t manager; /* the mill's process */
};

struct shared_note {
    char text[SHARED_NOTE_MAX]; /* by the worker, when it cannot start */
};

struct shared {
    int descriptor; /* -1: none */
    size_t bytes;
    struct shared_head *head;
    struct ring *ring;
    struct shared_note *note; // [workers]
    void *brief;              /* aligned to CORE_CACHE_LINE */
    uint8_t *bundles;
    size_t stride;
};

/* Cleared memory; the ring is the caller's to open. FM_OK, FM_ERR_NOMEM, FM_ERR_ARGUMENT (too much), FM_ERR_UNSUPPORTED. */
int shared_create(struct shared *shared, int slots, int workers, size_t bundle_bytes, size_t brief_bytes, struct fm_error *error);
/* Maps what a mill of this build made. FM_OK, FM_ERR_ARGUMENT, FM_ERR_NOMEM, FM_ERR_UNSUPPORTED. The descriptor is taken over in
 * any case. */
int shared_attach(struct shared *shared, int descriptor, struct fm_error *error);
void shared_close(struct shared *shared); /* also a cleared one */

/* A bundle's bytes in whole pages; false: too many. */
bool shared_stride(size_t bundle_bytes, size_t *stride);

#endif
