/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/packet_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/packet_log_form.h"
#include "media/packet_log_read.h"

struct packet_log {
    int fd;
    char *path;
    uint64_t end; /* of the last whole record; the file is never longer, unless cutting it back failed too */
    int64_t packets, frames;
    uint8_t *stream; /* its record, NULL: none yet */
    size_t stream_size;
    bool is_done;
    int reason; /* errno of the write that failed; 0: none */
};

static int fail_system(const struct packet_log *log, int reason, struct fm_error *error)
{
    return core_fail(error, FM_ERR_IO, "%s: the journal cannot be written: %s", log->path, strerror(reason));
}

static int write_all(int fd, struct iovec *part, int parts)
{
    while (parts > 0) {
        ssize_t done = writev(fd, part, parts);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return done < 0 ? errno : ENOSPC;
        while (parts > 0 && (size_t) done >= part->iov_len) done -= (ssize_t) part->iov_len, part++, parts--;
        if (parts > 0) part->iov_base = (char *) part->iov_base + done, part->iov_len -= (size_t) done;
    }
    return 0;
}

/* The name itself must survive a power cut: the folder is flushed. File systems that cannot do that are left alone. */
static void flush_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = core_strdup(slash ? path : ".");
    if (!folder) return;
    if (slash) folder[slash == path ? 1 : slash - path] = 0;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void) fsync(fd);
        close(fd);
    }
    core_free(folder);
}

/* One writer at a time; file systems without locks have none. */
static int lock(const struct packet_log *log, struct fm_error *error)
{
    if (flock(log->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return FM_OK;
    return core_fail(error, FM_ERR_ARGUMENT, "%s: another process works on this job", log->path);
}

static int open_log(const char *path, int flags, struct packet_log **out, struct fm_error *error)
{
    struct packet_log *log = core_calloc(1, sizeof *log);
    struct stat st;
    *out = NULL;
    if (!log) return core_fail_nomem(error, sizeof *log);
    log->fd = -1;
    log->path = core_strdup(path);
    int code = log->path ? FM_OK : core_fail_nomem(error, strlen(path) + 1);
    if (code == FM_OK) {
        log->fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
        if (log->fd < 0 && errno == EEXIST)
            code = core_fail(error, FM_ERR_ARGUMENT, "%s: there is a journal of a job already", path);
        else if (log->fd < 0)
            code = core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
        else if (fstat(log->fd, &st) != 0 || !S_ISREG(st.st_mode))
            code = core_fail(error, FM_ERR_FORMAT, "%s: is no journal of a job", path);
        else
            code = lock(log, error);
    }
    if (code != FM_OK) packet_log_close(&log);
    *out = log;
    return code;
}

static int write_header(struct packet_log *log, const void *job, size_t job_size, struct fm_error *error)
{
    uint8_t head[FORM_HEADER], crc[4];
    struct sha256 sha;
    memcpy(head, FORM_MAGIC, 8);
    form_put32(head + 8, FORM_VERSION);
    form_put32(head + 12, (uint32_t) job_size);
    sha256_start(&sha);
    sha256_add(&sha, job, job_size);
    sha256_end(&sha, head + 16);
    form_put32(crc, form_crc(form_crc(0, head, sizeof head), job, job_size));
    struct iovec part[3] = {{head, sizeof head}, {(void *) (uintptr_t) job, job_size}, {crc, sizeof crc}};
    int reason = ftruncate(log->fd, 0) == 0 ? write_all(log->fd, part, 3) : errno;
    if (reason == 0 && fsync(log->fd) != 0) reason = errno;
    if (reason != 0) return fail_system(log, reason, error);
    log->end = sizeof head + job_size + sizeof crc;
    flush_folder(log->path);
    return FM_OK;
}

int packet_log_create(
    const char *path, const void *job, size_t job_size, bool overwrite, struct packet_log **out, struct fm_error *error)
{
    *out = NULL;
    if (job_size > PACKET_LOG_JOB_MAX)
        return core_fail(error, FM_ERR_ARGUMENT, "a job's description of %zu bytes is too long", job_size);
    struct packet_log *log;
    int code = open_log(path, overwrite ? O_CREAT : O_CREAT | O_EXCL, &log, error);
    if (code != FM_OK) return code;
    code = write_header(log, job, job_size, error);
    if (code != FM_OK) {
        unlink(path);
        packet_log_close(&log);
        return code;
    }
    *out = log;
    return FM_OK;
}

/* Where a journal can be gone on with: after its last checkpoint that no packet but a keyframe follows, or after DONE. */
static int find_point(struct packet_log_reader *reader, struct packet_log_point *point, uint64_t *place, struct fm_error *error)
{
    struct packet_log_record record;
    struct packet_log_point *candidate = core_calloc(1, sizeof *candidate);
    uint64_t candidate_place = 0;
    int64_t packets = 0;
    bool is_open = false; /* the candidate waits for its keyframe */
    int code;
    if (!candidate) return core_fail_nomem(error, sizeof *candidate);
    *place = packet_log_begin(reader);
    while ((code = packet_log_next(reader, &record, error)) == FM_OK) {
        if (record.kind == PACKET_LOG_PACKET) {
            if (is_open && (record.packet.flags & CODED_KEY)) *point = *candidate, *place = candidate_place;
            is_open = false;
            packets++;
            continue;
        }
        candidate->frames = record.frames;
        candidate->packets = packets;
        candidate->done = record.kind == PACKET_LOG_DONE;
        candidate->state_size = record.state_size;
        if (record.state_size) memcpy(candidate->state, record.state, record.state_size);
        candidate_place = packet_log_place(reader);
        is_open = true;
    }
    if (is_open) *point = *candidate, *place = candidate_place;
    core_free(candidate);
    return code == FM_ERR_EOS ? FM_OK : code;
}

static int resume(struct packet_log *log, const void *job, size_t job_size, struct packet_log_point *point, struct fm_error *error)
{
    struct packet_log_reader *reader;
    size_t there_size, stream_size;
    const int fd = fcntl(log->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return core_fail(error, FM_ERR_IO, "%s: %s", log->path, strerror(errno));
    int code = packet_log_open_fd(fd, log->path, &reader, error);
    if (code != FM_OK) return code;
    const void *there = packet_log_job(reader, &there_size);
    if (there_size != job_size || (job_size > 0 && memcmp(there, job, job_size) != 0))
        code = core_fail(error, FM_ERR_ARGUMENT, "%s: the journal is of another job (input, network or options differ)", log->path);
    if (code == FM_OK) code = find_point(reader, point, &log->end, error);
    const uint8_t *stream = packet_log_coded_bytes(reader, &stream_size);
    if (code == FM_OK && stream && log->end > packet_log_begin(reader)) {
        log->stream = core_alloc(stream_size);
        if (!log->stream)
            code = core_fail_nomem(error, stream_size);
        else
            memcpy(log->stream, stream, stream_size);
        log->stream_size = stream_size;
    }
    packet_log_reader_close(&reader);
    if (code != FM_OK) return code;
    if (ftruncate(log->fd, (off_t) log->end) != 0 || lseek(log->fd, (off_t) log->end, SEEK_SET) < 0)
        return fail_system(log, errno, error);
    log->packets = point->packets;
    log->frames = point->frames;
    log->is_done = point->done;
    return FM_OK;
}

int packet_log_resume(const char *path, const void *job, size_t job_size, struct packet_log **out, struct packet_log_point *point,
    struct fm_error *error)
{
    struct packet_log *log;
    *out = NULL;
    memset(point, 0, sizeof *point);
    int code = open_log(path, 0, &log, error);
    if (code != FM_OK) return code;
    code = resume(log, job, job_size, point, error);
    if (code != FM_OK) packet_log_close(&log);
    *out = log;
    return code;
}

/* A record of up to two pieces. What was written of one that fails is cut off again: the journal ends with a whole record. */
static int append(struct packet_log *log, enum form_kind kind, const void *first, size_t first_size, const void *second,
    size_t second_size, struct fm_error *error)
{
    uint8_t head[FORM_RECORD];
    if (log->reason != 0) return fail_system(log, log->reason, error);
    if (log->is_done) return core_fail(error, FM_ERR_ARGUMENT, "%s: the journal is complete", log->path);
    if (second_size > PACKET_LOG_PACKET_MAX || first_size > PACKET_LOG_PACKET_MAX - second_size)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: a packet of %zu bytes is too large for a journal", log->path, second_size);
    form_put32(head, kind);
    form_put32(head + 4, (uint32_t) (first_size + second_size));
    form_put32(head + 8, form_crc(form_crc(form_crc(0, head, 8), first, first_size), second, second_size));
    struct iovec part[3] = {
        {head, sizeof head}, {(void *) (uintptr_t) first, first_size}, {(void *) (uintptr_t) second, second_size}};
    log->reason = write_all(log->fd, part, 3);
    if (log->reason != 0) {
        if (ftruncate(log->fd, (off_t) log->end) == 0) (void) lseek(log->fd, (off_t) log->end, SEEK_SET);
        return fail_system(log, log->reason, error);
    }
    log->end += sizeof head + first_size + second_size;
    return FM_OK;
}

static const char *difference(const struct coded_stream *a, const struct coded_stream *b)
{
    if (strcmp(a->codec, b->codec) != 0) return "another codec";
    if (a->width != b->width || a->height != b->height) return "another size";
    if (strcmp(a->pixels, b->pixels) != 0) return "another pixel format";
    if (strcmp(a->writer, b->writer) != 0) return "another encoder, or another version of it";
    if (a->time_base.num != b->time_base.num || a->time_base.den != b->time_base.den) return "another time base";
    if (a->extradata_size != b->extradata_size ||
        (a->extradata_size > 0 && memcmp(a->extradata, b->extradata, a->extradata_size) != 0))
        return "other settings of the encoder";
    return "other parameters";
}

int packet_log_stream(struct packet_log *log, const struct coded_stream *stream, struct fm_error *error)
{
    const size_t size = form_stream(stream, NULL);
    struct coded_stream there;
    uint8_t *bytes = core_alloc(size);
    if (!bytes) return core_fail_nomem(error, size);
    (void) form_stream(stream, bytes);
    int code = FM_OK;
    if (!form_read_stream(bytes, size, &there))
        code = core_fail(error, FM_ERR_ARGUMENT, "a stream without size or time base cannot be written to a journal");
    else if (!log->stream) {
        code = append(log, FORM_STREAM, bytes, size, NULL, 0, error);
        if (code == FM_OK) {
            log->stream = bytes;
            log->stream_size = size;
            return FM_OK;
        }
    } else if (size != log->stream_size || memcmp(bytes, log->stream, size) != 0) {
        struct coded_stream now = there;
        (void) form_read_stream(log->stream, log->stream_size, &there);
        code = core_fail(
            error, FM_ERR_ARGUMENT, "%s: the job cannot be resumed: what is there has %s", log->path, difference(&there, &now));
    }
    core_free(bytes);
    return code;
}

int packet_log_packet(struct packet_log *log, const struct coded_packet *packet, struct fm_error *error)
{
    uint8_t small[512];
    if (!log->stream) return core_fail(error, FM_ERR_ARGUMENT, "%s: a packet before its stream", log->path);
    const size_t head_size = form_packet_head(packet, NULL);
    uint8_t *head = head_size <= sizeof small ? small : core_alloc(head_size);
    if (!head) return core_fail_nomem(error, head_size);
    (void) form_packet_head(packet, head);
    const int code = append(log, FORM_PACKET_KIND, head, head_size, packet->data, packet->size, error);
    if (head != small) core_free(head);
    if (code == FM_OK) log->packets++;
    return code;
}

static int mark(
    struct packet_log *log, enum form_kind kind, int64_t frames, const void *state, size_t state_size, struct fm_error *error)
{
    uint8_t head[16];
    if (!log->stream) return core_fail(error, FM_ERR_ARGUMENT, "%s: a checkpoint before the stream", log->path);
    if (frames < log->frames || state_size > PACKET_LOG_STATE_MAX)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: a checkpoint at frame %lld with %zu bytes after one at %lld", log->path,
            (long long) frames, state_size, (long long) log->frames);
    form_put64(head, (uint64_t) frames);
    form_put64(head + 8, (uint64_t) log->packets);
    const int code = append(log, kind, head, sizeof head, state, state_size, error);
    if (code != FM_OK) return code;
    if (fdatasync(log->fd) != 0) {
        log->reason = errno;
        return fail_system(log, log->reason, error);
    }
    log->frames = frames;
    log->is_done = kind == FORM_DONE;
    return FM_OK;
}

int packet_log_checkpoint(struct packet_log *log, int64_t frames, const void *state, size_t state_size, struct fm_error *error)
{
    return mark(log, FORM_CHECKPOINT, frames, state, state_size, error);
}

int packet_log_done(struct packet_log *log, int64_t frames, const void *state, size_t state_size, struct fm_error *error)
{
    return mark(log, FORM_DONE, frames, state, state_size, error);
}

uint64_t packet_log_bytes(const struct packet_log *log)
{
    return log->end;
}

void packet_log_close(struct packet_log **log)
{
    struct packet_log *l = *log;
    *log = NULL;
    if (!l) return;
    if (l->fd >= 0) close(l->fd);
    core_free(l->path);
    core_free(l->stream);
    core_free(l);
}
