/* SPDX-License-Identifier: MIT */
/* How a journal lies on disk: little-endian numbers, texts and blobs with their length. For packet_log*.c. */
#ifndef FM_MEDIA_PACKET_LOG_FORM_H
#define FM_MEDIA_PACKET_LOG_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/coded.h"

enum {
    FORM_VERSION = 1,
    FORM_HEADER = 8 + 4 + 4 + 32, /* magic, version, bytes of the job, its SHA-256; the job and a CRC-32 of it all follow */
    FORM_RECORD = 12,             /* kind, bytes of the payload, CRC-32 of both and the payload */
    FORM_PACKET = 3 * 8 + 4 + 4   /* pts, dts, duration, flags, number of sides; the sides and the data follow */
};
enum form_kind { FORM_STREAM = 1, FORM_PACKET_KIND, FORM_CHECKPOINT, FORM_DONE };
#define FORM_MAGIC "FMJOURN\n"

/* CRC-32 as zlib and PNG have it; starts at 0. */
uint32_t form_crc(uint32_t crc, const void *data, size_t size);

void form_put32(uint8_t *to, uint32_t value);
void form_put64(uint8_t *to, uint64_t value);
uint32_t form_get32(const uint8_t *from);
uint64_t form_get64(const uint8_t *from);

/* Bytes written, into `to` unless it is NULL. form_packet_head: all but the packet's data. */
size_t form_stream(const struct coded_stream *stream, uint8_t *to);
size_t form_packet_head(const struct coded_packet *packet, uint8_t *to);

/* Pointers of the results go into `data`. False: not what form_stream and form_packet_head write. */
bool form_read_stream(const uint8_t *data, size_t size, struct coded_stream *stream);
bool form_read_packet(const uint8_t *data, size_t size, struct coded_packet *packet);

#endif
