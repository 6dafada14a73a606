/* SPDX-License-Identifier: MIT */
/* An event to sleep on, without polling and without lost wake-ups. The condition itself lies elsewhere, in atomics; whoever
 * changes it calls wait_wake afterwards. A sleeper takes a ticket, looks at the condition, and sleeps only while no wake came
 * since its ticket:
 *
 *     for (;;) {
 *         const uint32_t ticket = wait_ticket(event);
 *         if (condition) break;
 *         wait_sleep(event, ticket);
 *     }
 *
 * On Linux the event is a futex and may lie in memory shared between processes; elsewhere (or with FM_NO_FUTEX) it holds a mutex
 * and a condition. Any thread may call anything but wait_open and wait_close. */
#ifndef FM_MILL_WAIT_H
#define FM_MILL_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__linux__) && !defined(FM_NO_FUTEX)
#include <sys/syscall.h>
#if defined(SYS_futex)
#define WAIT_FUTEX 1
#endif
#endif

#if !defined(WAIT_FUTEX)
#include <pthread.h>
#endif

struct wait_event {
    _Atomic uint32_t wakes; /* the ticket; counts wakes, wraps */
#if defined(WAIT_FUTEX)
    _Atomic uint32_t sleepers; /* at least those asleep: who wakes nobody needs no system call */
    uint32_t shared;
#else
    pthread_mutex_t lock;
    pthread_cond_t awake;
#endif
};

/* `shared`: other processes sleep and wake here too. 0, FM_ERR_NOMEM, or FM_ERR_UNSUPPORTED where the system cannot share. */
int wait_open(struct wait_event *event, bool shared);
void wait_close(struct wait_event *event); /* nobody sleeps any more */

uint32_t wait_ticket(const struct wait_event *event);
/* Returns once there was a wake after the ticket was taken; now and then earlier. */
void wait_sleep(struct wait_event *event, uint32_t ticket);
/* The same for at most so long; now and then for less. */
void wait_sleep_for(struct wait_event *event, uint32_t ticket, uint64_t ns);
/* Voids all tickets given out and wakes one sleeper, or all. */
void wait_wake(struct wait_event *event, bool all);

#endif
