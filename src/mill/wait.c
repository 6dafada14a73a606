/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* syscall */
#include "mill/wait.h"

#include <time.h>

#include "framemill/error.h"

#if defined(WAIT_FUTEX)

#include <limits.h>
#include <linux/futex.h>
#include <unistd.h>

_Static_assert(sizeof(_Atomic uint32_t) == 4, "a futex is a plain word of 32 bits");

/* Private futexes are hashed by address alone, which spares the kernel a look at the page's owner. */
static int wait_operation(const struct wait_event *event, int operation)
{
    return event->shared ? operation : operation | FUTEX_PRIVATE_FLAG;
}

int wait_open(struct wait_event *event, bool shared)
{
    atomic_init(&event->wakes, 0);
    atomic_init(&event->sleepers, 0);
    event->shared = shared;
    return FM_OK;
}

void wait_close(struct wait_event *event)
{
    (void) event;
}

/* Sleepers are counted before the kernel compares the ticket, wakes before the sleepers are read, both in the one sequentially
 * consistent order: either the waker sees the sleeper, or the kernel sees the new count and does not let it sleep. */
static void wait_on(struct wait_event *event, uint32_t ticket, const struct timespec *longest)
{
    atomic_fetch_add(&event->sleepers, 1);
    (void) syscall(SYS_futex, &event->wakes, wait_operation(event, FUTEX_WAIT), ticket, longest, NULL, 0);
    atomic_fetch_sub(&event->sleepers, 1);
}

void wait_sleep(struct wait_event *event, uint32_t ticket)
{
    wait_on(event, ticket, NULL);
}

void wait_sleep_for(struct wait_event *event, uint32_t ticket, uint64_t ns)
{
    const struct timespec longest = {.tv_sec = (time_t) (ns / 1000000000u), .tv_nsec = (long) (ns % 1000000000u)};
    wait_on(event, ticket, &longest);
}

void wait_wake(struct wait_event *event, bool all)
{
    atomic_fetch_add(&event->wakes, 1);
    if (atomic_load(&event->sleepers) == 0) return;
    (void) syscall(SYS_futex, &event->wakes, wait_operation(event, FUTEX_WAKE), all ? INT_MAX : 1, NULL, NULL, 0);
}

#else

#include <unistd.h>

static int wait_share(pthread_mutexattr_t *lock, pthread_condattr_t *awake)
{
#if defined(_POSIX_THREAD_PROCESS_SHARED) && _POSIX_THREAD_PROCESS_SHARED > 0
    if (pthread_mutexattr_setpshared(lock, PTHREAD_PROCESS_SHARED)) return FM_ERR_UNSUPPORTED;
    if (pthread_condattr_setpshared(awake, PTHREAD_PROCESS_SHARED)) return FM_ERR_UNSUPPORTED;
    return FM_OK;
#else
    (void) lock;
    (void) awake;
    return FM_ERR_UNSUPPORTED;
#endif
}

int wait_open(struct wait_event *event, bool shared)
{
    pthread_mutexattr_t lock;
    pthread_condattr_t awake;
    atomic_init(&event->wakes, 0);
    if (pthread_mutexattr_init(&lock)) return FM_ERR_NOMEM;
    if (pthread_condattr_init(&awake)) {
        pthread_mutexattr_destroy(&lock);
        return FM_ERR_NOMEM;
    }
    int code = shared ? wait_share(&lock, &awake) : FM_OK;
    if (code == FM_OK && pthread_mutex_init(&event->lock, &lock)) code = FM_ERR_NOMEM;
    if (code == FM_OK && pthread_cond_init(&event->awake, &awake)) {
        pthread_mutex_destroy(&event->lock);
        code = FM_ERR_NOMEM;
    }
    pthread_condattr_destroy(&awake);
    pthread_mutexattr_destroy(&lock);
    return code;
}

void wait_close(struct wait_event *event)
{
    pthread_cond_destroy(&event->awake);
    pthread_mutex_destroy(&event->lock);
}

void wait_sleep(struct wait_event *event, uint32_t ticket)
{
    pthread_mutex_lock(&event->lock);
    while (atomic_load(&event->wakes) == ticket) pthread_cond_wait(&event->awake, &event->lock);
    pthread_mutex_unlock(&event->lock);
}

/* By the calendar's clock, the one that every system's conditions know. It may be set while we sleep, so that no sleep is longer than
 * a second: callers look at the time again. */
void wait_sleep_for(struct wait_event *event, uint32_t ticket, uint64_t ns)
{
    const uint64_t most = ns < 1000000000u ? ns : 1000000000u;
    struct timespec until;
    timespec_get(&until, TIME_UTC);
    const uint64_t end = (uint64_t) until.tv_nsec + most;
    until.tv_sec += (time_t) (end / 1000000000u);
    until.tv_nsec = (long) (end % 1000000000u);
    pthread_mutex_lock(&event->lock);
    int late = 0;
    while (!late && atomic_load(&event->wakes) == ticket) late = pthread_cond_timedwait(&event->awake, &event->lock, &until);
    pthread_mutex_unlock(&event->lock);
}

/* Everyone is woken even where one would do: C libraries have been known to lose a signal to a thread that was not meant. */
void wait_wake(struct wait_event *event, bool all)
{
    pthread_mutex_lock(&event->lock);
    atomic_fetch_add(&event->wakes, 1);
    (void) all;
    pthread_cond_broadcast(&event->awake);
    pthread_mutex_unlock(&event->lock);
}

#endif

uint32_t wait_ticket(const struct wait_event *event)
{
    return atomic_load(&event->wakes);
}
