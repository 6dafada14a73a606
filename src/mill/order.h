/* SPDX-License-Identifier: MIT */
/* Delivery in the order of ids, whatever order the slots are done in. Ids that were dropped or abandoned stand in no slot any
 * more, so the next id is simply the lowest that still stands in one: skipped ids need no list, however many they are. One
 * thread. */
#ifndef FM_MILL_ORDER_H
#define FM_MILL_ORDER_H

#include "mill/ring.h"

struct order {
    uint64_t next; /* ids below were delivered or skipped */
};

enum order_answer {
    ORDER_DELIVER, /* the slot is the next one, and is done */
    ORDER_WAIT,    /* the next one is on its way */
    ORDER_EMPTY,   /* nothing is on its way */
};

/* ORDER_DELIVER sets *slot and moves on. */
enum order_answer order_next(struct order *order, const struct ring *ring, int *slot);

#endif
