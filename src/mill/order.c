/* SPDX-License-Identifier: MIT */
#include "mill/order.h"

enum order_answer order_next(struct order *order, const struct ring *ring, int *slot)
{
    uint64_t word;
    const int oldest = ring_oldest(ring, order->next, RING_WRITING | RING_READY | RING_READING | RING_DONE, &word);
    if (oldest < 0) return ORDER_EMPTY;
    if (ring_word_state(word) != RING_DONE) return ORDER_WAIT;
    order->next = ring_word_id(word) + 1;
    *slot = oldest;
    return ORDER_DELIVER;
}
