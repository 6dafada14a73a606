/* SPDX-License-Identifier: MIT */
/* What the writing half of the journal asks of the reading half. */
#ifndef FM_MEDIA_PACKET_LOG_READ_H
#define FM_MEDIA_PACKET_LOG_READ_H

#include "media/packet_log.h"

/* packet_log_open on a descriptor, which is the reader's from here on, also on failure. */
int packet_log_open_fd(int fd, const char *path, struct packet_log_reader **out, struct fm_error *error);
/* Where the next record begins; where the first one does. */
uint64_t packet_log_place(const struct packet_log_reader *reader);
uint64_t packet_log_begin(const struct packet_log_reader *reader);
/* The stream's record as it was written; NULL: none. */
const uint8_t *packet_log_coded_bytes(const struct packet_log_reader *reader, size_t *size);

#endif
