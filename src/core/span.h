/* SPDX-License-Identifier: MIT */
/* Columns [x0, x1) of a row. */
#ifndef FM_CORE_SPAN_H
#define FM_CORE_SPAN_H

struct span {
    int x0, x1;
};

#endif
