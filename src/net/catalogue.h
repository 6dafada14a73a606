/* SPDX-License-Identifier: MIT */
/* Catalogue: which files make a network, where they are, and what their checksums are. A text file, one line for each file, its
 * columns separated by tabs:
 *
 *     name  file  url  sha256  bytes  licence  [note]
 *
 * `file` is the file's name on disk: NAME.onnx or NAME.param for the network itself, others for what belongs to it. bytes may be
 * "-" when it is not known. Empty lines and lines that begin with # say nothing. Immutable once made: any thread may read it. */
#ifndef FM_NET_CATALOGUE_H
#define FM_NET_CATALOGUE_H

#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/sha256.h"
#include "framemill/error.h"

struct net_entry {
    const char *name, *file, *url, *licence, *note; /* note: "" when there is none */
    uint8_t sha256[SHA256_SIZE];
    uint64_t bytes; /* 0: not known */
};

struct net_catalogue {
    struct arena *arena;
    struct net_entry *entry;
    int n;
};

/* Reads a catalogue; `source` names it in messages, which have the number of the damaged line (FM_ERR_FORMAT). */
int net_catalogue_parse(const char *text, size_t size, const char *source, struct net_catalogue **out, struct fm_error *error);
void net_catalogue_destroy(struct net_catalogue **catalogue); /* accepts NULL contents, sets NULL */

/* A checksum file as sha256sum writes them: the digest, perhaps a name behind it. FM_ERR_FORMAT: it is none. */
int net_sidecar_parse(const char *text, size_t size, const char *source, uint8_t sha256[SHA256_SIZE], struct fm_error *error);

#endif
