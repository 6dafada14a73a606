/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/video_parts.h"

static int64_t bytes_of(const struct video_item *item)
{
    return item->kind == VIDEO_ITEM_PACKET && item->packet.av ? ((const AVPacket *) item->packet.av)->size : 0;
}

static int grow(struct video_queue *q, struct fm_error *error)
{
    const int capacity = q->capacity ? 2 * q->capacity : 16;
    struct video_item *items = core_alloc((size_t) capacity * sizeof *items);
    if (!items) return core_fail_nomem(error, (size_t) capacity * sizeof *items);
    for (int i = 0; i < q->n; i++) items[i] = q->items[(q->first + i) % q->capacity];
    core_free(q->items);
    q->items = items;
    q->capacity = capacity;
    q->first = 0;
    return FM_OK;
}

int video_queue_put(struct video_queue *q, const struct video_item *item, struct fm_error *error)
{
    if (q->n == q->capacity) {
        const int code = grow(q, error);
        if (code < 0) return code;
    }
    q->items[(q->first + q->n++) % q->capacity] = *item;
    q->bytes += bytes_of(item);
    return FM_OK;
}

bool video_queue_get(struct video_queue *q, struct video_item *item)
{
    if (!q->n) return false;
    *item = q->items[q->first];
    q->first = (q->first + 1) % q->capacity;
    q->n--;
    q->bytes -= bytes_of(item);
    return true;
}

void media_packet_release(struct media_packet *packet)
{
    AVPacket *av = packet->av;
    if (av) av_loaded()->av_packet_free(&av);
    packet->av = NULL;
}

void video_item_release(struct video_item *item)
{
    if (item->kind == VIDEO_ITEM_FRAME)
        video_frame_release(&item->frame);
    else
        media_packet_release(&item->packet);
}

void video_queue_clear(struct video_queue *q)
{
    struct video_item item;
    while (video_queue_get(q, &item)) video_item_release(&item);
    core_free(q->items);
    memset(q, 0, sizeof *q);
}
