/* SPDX-License-Identifier: MIT */
/* One GET over HTTP or HTTPS, from where an earlier one was cut off. Redirects are followed to http and https, from https to
 * https only. Blocks until done; any thread, each with its own request. */
#ifndef FM_NET_FETCH_H
#define FM_NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framemill/error.h"

#define NET_VALIDATOR_MAX 256

struct net_answer {
    long status;       /* HTTP's; 0: there was no answer */
    uint64_t total;    /* bytes of the whole file; 0: not known */
    bool is_transient; /* after a failure: the connection was cut or stood still, so another try may go on */
    char validator
        [NET_VALIDATOR_MAX]; /* says which version of the file this is: an ETag, else a date; "" when the server tells neither */
};

struct net_request {
    const char *url;       /* by net_url_check */
    uint64_t have;         /* bytes that are there already, so that only the rest is asked for */
    const char *validator; /* of the answer they came with; a file that changed since is sent from its start */
    uint64_t limit;        /* more bytes than this are FM_ERR_FORMAT; 0: NET_BYTES_MAX */
    /* The server agrees: the body that follows goes to `offset` (0 or `have`). Called at most once. */
    int (*begin)(void *user, uint64_t offset, const struct net_answer *answer, struct fm_error *error);
    int (*write)(void *user, const void *data, size_t size, struct fm_error *error);
    /* Now and then; may be NULL. Non-zero stops with FM_ERR_CANCELLED. total 0: not known */
    int (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
};

#define NET_BYTES_MAX ((uint64_t) 4 << 30)

/* `answer` is filled in as far as there was one, also on failure. FM_ERR_IO: network, or a status that is no success;
 * FM_ERR_FORMAT: too long; FM_ERR_UNSUPPORTED: no libcurl; what `begin` and `write` return. */
int net_fetch(const struct net_request *request, struct net_answer *answer, struct fm_error *error);

/* The same into memory, for small texts: *text has a terminator behind its *size bytes and is freed with core_free. `progress`
 * (may be NULL) can stop it. */
int net_fetch_text(const char *url, size_t limit, int (*progress)(void *user, uint64_t done, uint64_t total), void *user,
    char **text, size_t *size, struct net_answer *answer, struct fm_error *error);

#endif
