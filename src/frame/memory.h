/* SPDX-License-Identifier: MIT */
/* Memory of pictures: large blocks in pages of their own, which go back to the system when freed. */
#ifndef FM_FRAME_MEMORY_H
#define FM_FRAME_MEMORY_H

#include "core/alloc.h"

#define FRAME_PAGES_FROM ((size_t) 1 << 20)

static inline void *frame_alloc(size_t size)
{
    return size >= FRAME_PAGES_FROM ? core_alloc_pages(size) : core_alloc(size);
}

static inline void frame_free(void *memory, size_t size)
{
    if (size >= FRAME_PAGES_FROM)
        core_free_pages(memory, size);
    else
        core_free(memory);
}

#endif
