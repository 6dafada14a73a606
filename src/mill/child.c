/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "mill/child.h"

#include "core/alloc.h"
#include "core/error.h"
#include "core/threads.h"
#include "mill/shared.h"
#include "mill/worker.h"

#if defined(WAIT_FUTEX)

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Dies with the mill's process. When that died before we asked for it we have another parent by now. */
static int child_bind(const struct shared *s, struct fm_error *error)
{
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (s->head->manager == (int64_t) getppid()) return FM_OK;
    return core_fail(error, FM_ERR_CANCELLED, "the mill that started this process is gone");
}

static int child_say_ready(void)
{
    const char byte = 1;
    ssize_t put;
    while ((put = write(SHARED_DESCRIPTOR + 1, &byte, 1)) < 0 && errno == EINTR) {
    }
    return put == 1 ? 0 : -1;
}

static int child_start(struct shared *s, int worker, const struct mill_child *child, struct fm_error *error)
{
    struct fm_error said = {.code = FM_OK};
    if (!child->worker_start) return FM_OK;
    const struct mill_site site = {.brief = s->brief,
        .brief_bytes = (size_t) s->head->brief_bytes,
        .bundle_bytes = (size_t) s->head->bundle_bytes,
        .stride = s->stride,
        .stopping = &s->ring->stopping};
    const int code = child->worker_start(child->user, worker, &site, &said);
    if (code >= 0) return FM_OK;
    snprintf(s->note[worker].text, sizeof s->note[worker].text, "%.159s", said.code != FM_OK ? said.message : fm_err_name(code));
    atomic_store(&ring_worker(s->ring, worker)->broken, code);
    return core_fail(error, (enum fm_err) code, "%s", s->note[worker].text);
}

static int child_work(struct shared *s, int index, const struct mill_child *child, struct fm_error *error)
{
    const int slots = (int) s->head->slots;
    void **const bundle = core_calloc((size_t) slots, sizeof *bundle);
    if (!bundle) return core_fail_nomem(error, (size_t) slots * sizeof *bundle);
    for (int i = 0; i < slots; i++) bundle[i] = s->bundles + (size_t) i * s->stride;
    struct worker worker = {.ring = s->ring, .index = index, .user = child->user, .process = child->process, .bundle = bundle};
    struct ring_worker *const own = ring_worker(s->ring, index);
    int code = child_start(s, index, child, error);
    if (code == FM_OK) {
        worker_begin(&worker);
        if (child_say_ready()) code = core_fail(error, FM_ERR_CANCELLED, "the mill that started this process is gone");
        if (code == FM_OK) worker_turn(&worker, FM_OK);
        atomic_store(&own->end_ns, core_now_ns());
        atomic_store(&own->phase, RING_ENDED);
        if (child->worker_stop) child->worker_stop(child->user, index);
    }
    core_free(bundle);
    return code;
}

int mill_child_run(int descriptor, int worker, const struct mill_child *child, struct fm_error *error)
{
    struct shared s;
    if (!child || !child->process) return core_fail(error, FM_ERR_ARGUMENT, "a worker needs something to do");
    int code = shared_attach(&s, descriptor, error);
    if (code != FM_OK) return code;
    /* nobody whom this process starts may keep the mill from seeing its end */
    (void) fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    (void) fcntl(SHARED_DESCRIPTOR + 1, F_SETFD, FD_CLOEXEC);
    (void) signal(SIGPIPE, SIG_IGN); /* a mill that is gone is an error code here */
    if (worker < 0 || worker >= (int) s.head->workers)
        code = core_fail(error, FM_ERR_ARGUMENT, "this mill has no worker %d", worker);
    if (code == FM_OK) code = child_bind(&s, error);
    if (code == FM_OK) code = child_work(&s, worker, child, error);
    shared_close(&s);
    return code;
}

#else

int mill_child_run(int descriptor, int worker, const struct mill_child *child, struct fm_error *error)
{
    (void) descriptor;
    (void) worker;
    (void) child;
    return core_fail(error, FM_ERR_UNSUPPORTED, "this system has no worker processes");
}

#endif
