/* SPDX-License-Identifier: MIT */
/* A compressed packet of a stream, on its way from one container to another. */
#ifndef FM_MEDIA_MEDIA_PACKET_H
#define FM_MEDIA_MEDIA_PACKET_H

#include <stdint.h>

/* Exact fractions: time bases, frame rates, sample aspects. {0, 1}: not known. */
struct media_ratio {
    int num, den;
};

/* One owner, any thread. Times are in the time base of its stream; INT64_MIN: none. */
struct media_packet {
    int stream; /* its index in the container it came from */
    int64_t pts, dts, duration;
    void *av; /* an AVPacket with the same times, for the rest of src/media */
};

void media_packet_release(struct media_packet *packet); /* accepts an empty one, leaves an empty one */

#endif
