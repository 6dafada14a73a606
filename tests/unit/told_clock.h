/* SPDX-License-Identifier: MIT */
/* A clock for core_set_clock that tests of the mill tell what slots take, so that schedules hang on nothing else that the machine does: it
 * says once, at the end of a slot, what it would be if that had taken just as long as it was meant to. Each thread has its own. */
#ifndef FM_TESTS_TOLD_CLOCK_H
#define FM_TESTS_TOLD_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "check.h"

static _Thread_local uint64_t told_clock_last; /* what it said when nothing had been told: when the slot began */
static _Thread_local uint64_t told_clock_next;

CHECK_UNUSED static uint64_t told_clock(void)
{
    struct timespec t;
    const uint64_t told = told_clock_next;
    told_clock_next = 0;
    if (told) return told;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return told_clock_last = (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

#endif
