/* SPDX-License-Identifier: MIT */
/* Coded video between encoder, journal and muxer, in plain C: what a muxer must know to make the stream, and its packets. All three
 * speak of the same stream: one time base, kept exactly from the source to the file. */
#ifndef FM_MEDIA_CODED_H
#define FM_MEDIA_CODED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/media_packet.h"

#define CODED_SIDES_MAX 16
#define CODED_NONE INT64_MIN /* no such timestamp */

/* Side data: `type` is FFmpeg's number for the kind (AVPacketSideDataType), which it only ever adds to. */
struct coded_side {
    int type;
    const uint8_t *data;
    size_t size;
};

/* Everything a muxer needs. Names instead of numbers where FFmpeg has names, so that a journal outlives an update. What the
 * pointers point to belongs to whoever gave the struct. */
struct coded_stream {
    const char *codec;  /* "h264" */
    const char *pixels; /* "yuv420p"; "" unknown */
    const char *writer; /* encoder and version, for people: "libx264 (libavcodec 59.37.100)" */
    int width, height;
    int profile, level;
    uint32_t tag;
    int bits_per_coded_sample, bits_per_raw_sample;
    int video_delay;                                /* how far packets are reordered */
    int field_order;                                /* AVFieldOrder */
    int range, primaries, transfer, matrix, siting; /* H.273 code points; range as AVColorRange, siting as AVChromaLocation */
    int64_t bit_rate;
    struct media_ratio time_base, frame_rate, sample_aspect; /* 0/1: unknown (not the time base) */
    const uint8_t *extradata;
    size_t extradata_size;
    int sides; /* of the whole stream: mastering display, light level, rotation, ... */
    struct coded_side side[CODED_SIDES_MAX];
};

enum coded_flag {
    CODED_KEY = 1, /* as AV_PKT_FLAG_* */
    CODED_CORRUPT = 2,
    CODED_DISCARD = 4,
    CODED_DISPOSABLE = 16
};

struct coded_packet {
    int64_t pts, dts, duration; /* in the stream's time base; CODED_NONE where there is none, duration 0: unknown */
    uint32_t flags;
    const uint8_t *data;
    size_t size;
    int sides;
    struct coded_side side[CODED_SIDES_MAX];
    /* The owner's. release may be NULL. */
    void *owner;
    void (*release)(struct coded_packet *packet);
};

static inline void coded_packet_release(struct coded_packet *packet)
{
    if (packet->release) packet->release(packet);
    packet->release = NULL;
    packet->owner = NULL;
    packet->data = NULL;
}

#endif
