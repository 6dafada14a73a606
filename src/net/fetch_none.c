/* SPDX-License-Identifier: MIT */
/* For builds that were made without libcurl's headers: the same functions, which say so. */
#include "core/error.h"
#include "net/fetch.h"

static int none(struct net_answer *answer, struct fm_error *error)
{
    *answer = (struct net_answer){.status = 0};
    return core_fail(error, FM_ERR_UNSUPPORTED, "this framemill was built without downloads (libcurl's headers were not there)");
}

int net_fetch(const struct net_request *request, struct net_answer *answer, struct fm_error *error)
{
    (void) request;
    return none(answer, error);
}

int net_fetch_text(const char *url, size_t limit, int (*progress)(void *user, uint64_t done, uint64_t total), void *user,
    char **text, size_t *size, struct net_answer *answer, struct fm_error *error)
{
    (void) url;
    (void) limit;
    (void) progress;
    (void) user;
    *text = NULL;
    *size = 0;
    return none(answer, error);
}
