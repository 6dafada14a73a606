/* SPDX-License-Identifier: MIT */
/* What a TIFF says about its picture, as entries in memory: TIFF files and EXIF blocks share the structure, so that EXIF can be
 * taken out of one and put into the other. Reads untrusted files: every offset and count is checked, what cannot be followed is
 * left out. Trees live in an arena and are plain data. */
#ifndef FM_MEDIA_TIFF_TREE_H
#define FM_MEDIA_TIFF_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"

enum tiff_directory { TIFF_MAIN, TIFF_EXIF, TIFF_GPS, TIFF_INTEROP, TIFF_DIRECTORIES };

struct tiff_entry {
    uint16_t tag, type;
    uint64_t count;
    const uint8_t *value; /* little endian, tiff_type_bytes(type) * count bytes */
    size_t bytes;
};

struct tiff_tree {
    struct {
        struct tiff_entry *entries; /* in the order of their tags */
        int count;
    } directories[TIFF_DIRECTORIES];
    bool complete; /* nothing had to be left out */
};

/* From a descriptor (data NULL), or from a block in memory. `all`: every entry of the main directory; else those that describe
 * the picture and not its storage. False only when memory is out. */
bool tiff_tree_read(struct arena *arena, int fd, const uint8_t *data, uint64_t size, bool all, struct tiff_tree *out);
/* Entries beside resolution and orientation: is there anything to tell? */
bool tiff_tree_tells(const struct tiff_tree *tree);
/* Adds the entries of the main directory of `from` that `to` lacks, and takes its other directories where `to` has none. */
bool tiff_tree_merge(struct arena *arena, struct tiff_tree *to, const struct tiff_tree *from);

/* The directories as they lie in a little endian file from offset `base` (even) on, the main one first: *size bytes, or NULL when
 * memory is out. wide: the 64-bit kind. */
uint8_t *tiff_tree_write(struct arena *arena, const struct tiff_tree *tree, uint64_t base, bool wide, size_t *size);

#endif
