/* SPDX-License-Identifier: MIT */
#include "mill/pace.h"

void pace_open(struct pace *p, double fps)
{
    *p = (struct pace){.period_ns = fps > 0 ? 1e9 / fps : 0};
}

/* From the start each time, so that rounding does not add up. */
uint64_t pace_due(const struct pace *p, uint64_t now_ns)
{
    if (p->period_ns <= 0 || !p->has_begun) return now_ns;
    const uint64_t due = p->start_ns + (uint64_t) ((double) p->count * p->period_ns);
    return due > now_ns ? due : now_ns;
}

void pace_pass(struct pace *p, uint64_t now_ns)
{
    if (p->period_ns <= 0) return;
    if (!p->has_begun) {
        p->has_begun = true;
        p->start_ns = now_ns;
        p->count = 1;
        return;
    }
    p->count++;
    const double passed = now_ns > p->start_ns ? (double) (now_ns - p->start_ns) / p->period_ns : 0;
    if (passed > (double) p->count) p->count = (uint64_t) passed + 1;
}
