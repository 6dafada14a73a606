/* SPDX-License-Identifier: MIT */
/* A steady rate: frame n is due n periods after the first. Who is late by more than a period is not hurried afterwards: the frames
 * missed are left out of the count, on the same grid. Pure logic, one thread. */
#ifndef FM_MILL_PACE_H
#define FM_MILL_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    double period_ns; /* 0: no pace */
    bool has_begun;
    uint64_t start_ns, count; /* of periods since */
};

void pace_open(struct pace *pace, double fps);
/* When the next frame is due: `now` or later. */
uint64_t pace_due(const struct pace *pace, uint64_t now_ns);
void pace_pass(struct pace *pace, uint64_t now_ns); /* it went */

#endif
