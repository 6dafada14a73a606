/* SPDX-License-Identifier: MIT */
/* A video job's journal: an append-only file with the packets of the result so far, from which the job goes on after a crash, kill -9
 * or power cut, and from which the result is made in the end. It is our own format and knows nothing of codecs.
 *
 *     header      magic, version, the job's description and its SHA-256, CRC-32C
 *     record      kind, size, CRC-32C of kind, size and payload; payload
 *       STREAM      the coded stream (media/coded.h), once
 *       PACKET      a packet
 *       CHECKPOINT  frames 0 .. n-1 are above, whole; the caller's state at that point
 *       DONE        nothing follows
 *
 * A checkpoint is durable: packet_log_checkpoint returns when the disk has all that was written before it. It must be written where
 * a new encoder could go on: just before a keyframe's packet, where groups are closed. When frame n is to be sent to the encoder as a
 * forced keyframe the caller keeps its state, and when the keyframe with that frame's pts comes out, it writes the checkpoint first:
 *
 *     if (packet is a keyframe && its pts is that of a frame whose state was kept)
 *         packet_log_checkpoint(log, n, state, size);
 *     packet_log_packet(log, packet);
 *
 * A record that was written in part, or is damaged, ends the journal there: what is above it counts. A journal belongs to one thread
 * at a time; while one is being written it is locked against a second writer. */
#ifndef FM_MEDIA_PACKET_LOG_H
#define FM_MEDIA_PACKET_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sha256.h"
#include "framemill/error.h"
#include "media/coded.h"

#define PACKET_LOG_JOB_MAX (1u << 20)    /* bytes of a job's description */
#define PACKET_LOG_STATE_MAX (1u << 16)  /* bytes of a checkpoint's state */
#define PACKET_LOG_PACKET_MAX (1u << 29) /* bytes of a record */

struct packet_log;

/* Where a job goes on. */
struct packet_log_point {
    int64_t frames; /* how many are there, whole; the next one is frame `frames`, a keyframe */
    int64_t packets;
    bool done; /* nothing is left to encode: it may be muxed */
    size_t state_size;
    uint8_t state[PACKET_LOG_STATE_MAX];
};

/* Writing. */

/* Makes a new journal with the description of its job. FM_ERR_ARGUMENT: there is one already and `overwrite` is not set, or another
 * process writes it. */
int packet_log_create(
    const char *path, const void *job, size_t job_size, bool overwrite, struct packet_log **out, struct fm_error *error);
/* Opens a journal that was left: what follows its last good checkpoint is cut off. The job must be the same, byte for byte:
 * FM_ERR_ARGUMENT otherwise. FM_ERR_FORMAT: not a journal. A journal without a checkpoint goes on at frame 0. */
int packet_log_resume(const char *path, const void *job, size_t job_size, struct packet_log **out, struct packet_log_point *point,
    struct fm_error *error);
/* Before the first packet. After a resume the stream must be the one that is there (FM_ERR_ARGUMENT names what differs). */
int packet_log_stream(struct packet_log *log, const struct coded_stream *stream, struct fm_error *error);
/* FM_ERR_IO: the disk is full or fails; the journal then ends at its last good record, and every further call fails the same way. */
int packet_log_packet(struct packet_log *log, const struct coded_packet *packet, struct fm_error *error);
int packet_log_checkpoint(struct packet_log *log, int64_t frames, const void *state, size_t state_size, struct fm_error *error);
/* All packets are there. Durable, like a checkpoint. */
int packet_log_done(struct packet_log *log, int64_t frames, const void *state, size_t state_size, struct fm_error *error);
/* Bytes so far. */
uint64_t packet_log_bytes(const struct packet_log *log);
/* What was written and not yet flushed stays readable by packet_log_read_* as far as it is whole. */
void packet_log_close(struct packet_log **log); /* accepts NULL contents, sets NULL */

/* Reading, one record at a time: memory for the largest packet. */

struct packet_log_reader;

enum packet_log_kind { PACKET_LOG_PACKET = 2, PACKET_LOG_CHECKPOINT = 3, PACKET_LOG_DONE = 4 };

struct packet_log_record {
    enum packet_log_kind kind;
    struct coded_packet packet; /* PACKET; its memory is the reader's, good until the next record is read */
    int64_t frames;             /* CHECKPOINT and DONE; as is the state, which is the reader's too */
    const uint8_t *state;
    size_t state_size;
};

/* FM_ERR_FORMAT: not a journal, or its header is damaged. Fine beside a writer: reads what is there. */
int packet_log_open(const char *path, struct packet_log_reader **out, struct fm_error *error);
/* The description given at creation; the reader's. */
const void *packet_log_job(const struct packet_log_reader *reader, size_t *size);
/* The stream; the reader's. NULL when the journal ends before it. */
const struct coded_stream *packet_log_coded(const struct packet_log_reader *reader);
/* FM_OK, FM_ERR_EOS at the end (whether or not the job was done: the last record tells), FM_ERR_IO, FM_ERR_NOMEM. What follows a
 * damaged record is never shown. */
int packet_log_next(struct packet_log_reader *reader, struct packet_log_record *record, struct fm_error *error);
/* After FM_ERR_EOS: did something follow the last whole record (a record cut off, damage)? */
bool packet_log_is_cut(const struct packet_log_reader *reader);
void packet_log_reader_close(struct packet_log_reader **reader);

#endif
