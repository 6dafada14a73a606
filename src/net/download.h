/* SPDX-License-Identifier: MIT */
/* One file from the web onto the disk, whole and right or not at all. It grows as FILE.part, which stays when the download is
 * cut off and is gone on with later; FILE.part.info says of which address and which version it is. Whoever downloads holds a
 * lock on FILE.part, in this process or in another: two downloads of one file take turns, and the second finds it there. A
 * download belongs to one thread at a time. */
#ifndef FM_NET_DOWNLOAD_H
#define FM_NET_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sha256.h"
#include "framemill/error.h"

struct net_download;

/* Strings are not kept. */
struct net_file {
    const char *url, *path;
    const uint8_t *sha256;                                      /* [SHA256_SIZE], or NULL: nothing to check it by */
    const char *sha256_source;                                  /* who says so, for the message */
    uint64_t bytes;                                             /* exactly so many; 0: not known */
    bool overwrite;                                             /* a file of this path that is another */
    int (*progress)(void *user, uint64_t done, uint64_t total); /* may be NULL; non-zero stops */
    void *user;
};

/* Downloads to FILE.part and checks it; keeps the lock. *status (may be NULL): HTTP's, 0 when there was no answer. FM_ERR_IO:
 * network or disk; FM_ERR_FORMAT: it is not what it should be, FILE.part is removed; FM_ERR_ARGUMENT: another file of this path
 * is there; FM_ERR_CANCELLED; FM_ERR_UNSUPPORTED: no libcurl. */
int net_download_get(const struct net_file *file, struct net_download **out, long *status, struct fm_error *error);
/* Gives it its name, for good (the disk has it). The download is used up, whatever comes of it. */
int net_download_place(struct net_download **download, struct fm_error *error);
/* Lets go without placing; FILE.part stays for another time. Accepts NULL contents, sets NULL. */
void net_download_drop(struct net_download **download);

/* Makes a folder and those above it. */
int net_make_folders(const char *path, struct fm_error *error);

#endif
