/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "media/packet_log_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/packet_log_form.h"

struct packet_log_reader {
    int fd;
    bool is_cut, is_ended;
    char *path;
    uint8_t *job;
    size_t job_size;
    uint8_t *stream_bytes;
    size_t stream_size;
    struct coded_stream stream;
    uint64_t at, size; /* of the next record; of the file when it was last looked at */
    uint64_t begin;    /* of the first record */
    int64_t packets, frames;
    uint8_t *buffer; /* of the record shown last */
    size_t room;
};

/* FM_OK, FM_ERR_EOS when there are not that many bytes, FM_ERR_IO. */
static int read_at(struct packet_log_reader *r, uint64_t at, void *to, size_t size, struct fm_error *error)
{
    uint8_t *p = to;
    while (size > 0) {
        const ssize_t got = pread(r->fd, p, size, (off_t) at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return core_fail(error, FM_ERR_IO, "%s: cannot be read: %s", r->path, strerror(errno));
        if (got == 0) return FM_ERR_EOS;
        p += got, at += (uint64_t) got, size -= (size_t) got;
    }
    return FM_OK;
}

static int look_at_size(struct packet_log_reader *r, struct fm_error *error)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0) return core_fail(error, FM_ERR_IO, "%s: cannot be read: %s", r->path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return core_fail(error, FM_ERR_FORMAT, "%s: is no journal of a job", r->path);
    r->size = (uint64_t) st.st_size;
    return FM_OK;
}

static int read_header(struct packet_log_reader *r, struct fm_error *error)
{
    uint8_t head[FORM_HEADER], digest[SHA256_SIZE], crc[4];
    struct sha256 sha;
    int code = read_at(r, 0, head, sizeof head, error);
    if (code == FM_ERR_IO) return code;
    if (code != FM_OK || memcmp(head, FORM_MAGIC, 8) != 0)
        return core_fail(error, FM_ERR_FORMAT, "%s: is no journal of a job", r->path);
    if (form_get32(head + 8) != FORM_VERSION)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: a journal of version %u; this program knows version %d", r->path,
            form_get32(head + 8), FORM_VERSION);
    r->job_size = form_get32(head + 12);
    if (r->job_size > PACKET_LOG_JOB_MAX || r->size < FORM_HEADER + r->job_size + 4)
        return core_fail(error, FM_ERR_FORMAT, "%s: the journal's header is damaged", r->path);
    r->job = core_alloc(r->job_size + 1);
    if (!r->job) return core_fail_nomem(error, r->job_size + 1);
    code = read_at(r, FORM_HEADER, r->job, r->job_size, error);
    if (code == FM_OK) code = read_at(r, FORM_HEADER + r->job_size, crc, 4, error);
    if (code == FM_ERR_IO) return code;
    sha256_start(&sha);
    sha256_add(&sha, r->job, r->job_size);
    sha256_end(&sha, digest);
    if (code != FM_OK || memcmp(digest, head + 16, sizeof digest) != 0 ||
        form_crc(form_crc(0, head, sizeof head), r->job, r->job_size) != form_get32(crc))
        return core_fail(error, FM_ERR_FORMAT, "%s: the journal's header is damaged", r->path);
    r->begin = r->at = FORM_HEADER + r->job_size + 4;
    return FM_OK;
}

/* Nothing after this place is shown any more. */
static int end(struct packet_log_reader *r)
{
    r->is_ended = true;
    r->is_cut = r->at < r->size;
    return FM_ERR_EOS;
}

/* Reads the record at r->at into the buffer and checks it; does not move on. */
static int read_record(struct packet_log_reader *r, uint32_t *kind, size_t *size, struct fm_error *error)
{
    uint8_t head[FORM_RECORD];
    if (r->is_ended) return FM_ERR_EOS;
    int code = look_at_size(r, error);
    if (code != FM_OK) return code;
    if (r->size < r->at || r->size - r->at < FORM_RECORD) return end(r);
    code = read_at(r, r->at, head, sizeof head, error);
    if (code != FM_OK) return code == FM_ERR_EOS ? end(r) : code;
    *kind = form_get32(head);
    *size = form_get32(head + 4);
    if (*kind < FORM_STREAM || *kind > FORM_DONE || *size > PACKET_LOG_PACKET_MAX || *size > r->size - r->at - FORM_RECORD)
        return end(r);
    if (*size > r->room) {
        const size_t room = *size + *size / 4 + 4096;
        core_free(r->buffer);
        r->room = 0;
        r->buffer = core_alloc(room);
        if (!r->buffer) return core_fail_nomem(error, room);
        r->room = room;
    }
    code = read_at(r, r->at + FORM_RECORD, r->buffer, *size, error);
    if (code != FM_OK) return code == FM_ERR_EOS ? end(r) : code;
    if (form_crc(form_crc(0, head, 8), r->buffer, *size) != form_get32(head + 8)) return end(r);
    return FM_OK;
}

static int read_stream(struct packet_log_reader *r, struct fm_error *error)
{
    uint32_t kind;
    size_t size;
    const int code = read_record(r, &kind, &size, error);
    if (code != FM_OK) return code == FM_ERR_EOS ? FM_OK : code;
    struct coded_stream probe;
    if (kind != FORM_STREAM || !form_read_stream(r->buffer, size, &probe)) {
        (void) end(r);
        return FM_OK;
    }
    r->stream_bytes = core_alloc(size);
    if (!r->stream_bytes) return core_fail_nomem(error, size);
    memcpy(r->stream_bytes, r->buffer, size);
    r->stream_size = size;
    form_read_stream(r->stream_bytes, size, &r->stream);
    r->at += FORM_RECORD + size;
    return FM_OK;
}

int packet_log_open_fd(int fd, const char *path, struct packet_log_reader **out, struct fm_error *error)
{
    *out = NULL;
    struct packet_log_reader *r = core_calloc(1, sizeof *r);
    if (!r) {
        close(fd);
        return core_fail_nomem(error, sizeof *r);
    }
    r->fd = fd;
    r->path = core_strdup(path);
    int code = r->path ? look_at_size(r, error) : core_fail_nomem(error, strlen(path) + 1);
    if (code == FM_OK) code = read_header(r, error);
    if (code == FM_OK) code = read_stream(r, error);
    if (code != FM_OK) {
        packet_log_reader_close(&r);
        return code;
    }
    *out = r;
    return FM_OK;
}

int packet_log_open(const char *path, struct packet_log_reader **out, struct fm_error *error)
{
    *out = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
    return packet_log_open_fd(fd, path, out, error);
}

const void *packet_log_job(const struct packet_log_reader *reader, size_t *size)
{
    *size = reader->job_size;
    return reader->job;
}

const struct coded_stream *packet_log_coded(const struct packet_log_reader *reader)
{
    return reader->stream_bytes ? &reader->stream : NULL;
}

const uint8_t *packet_log_coded_bytes(const struct packet_log_reader *reader, size_t *size)
{
    *size = reader->stream_size;
    return reader->stream_bytes;
}

uint64_t packet_log_place(const struct packet_log_reader *reader)
{
    return reader->at;
}

uint64_t packet_log_begin(const struct packet_log_reader *reader)
{
    return reader->begin;
}

/* A record that is whole but says what cannot be ends the journal like a damaged one. */
static bool understand(struct packet_log_reader *r, uint32_t kind, size_t size, struct packet_log_record *record)
{
    *record = (struct packet_log_record){.kind = (enum packet_log_kind) kind};
    if (kind == FORM_PACKET_KIND) return form_read_packet(r->buffer, size, &record->packet);
    if (kind == FORM_STREAM || size < 16 || size - 16 > PACKET_LOG_STATE_MAX) return false;
    record->frames = (int64_t) form_get64(r->buffer);
    record->state = r->buffer + 16;
    record->state_size = size - 16;
    return record->frames >= r->frames && (int64_t) form_get64(r->buffer + 8) == r->packets;
}

int packet_log_next(struct packet_log_reader *reader, struct packet_log_record *record, struct fm_error *error)
{
    uint32_t kind;
    size_t size;
    *record = (struct packet_log_record){0};
    const int code = read_record(reader, &kind, &size, error);
    if (code != FM_OK) return code;
    if (!understand(reader, kind, size, record)) return end(reader);
    reader->at += FORM_RECORD + size;
    if (kind == FORM_PACKET_KIND)
        reader->packets++;
    else
        reader->frames = record->frames;
    if (kind == FORM_DONE) (void) end(reader);
    return FM_OK;
}

bool packet_log_is_cut(const struct packet_log_reader *reader)
{
    return reader->is_cut;
}

void packet_log_reader_close(struct packet_log_reader **reader)
{
    struct packet_log_reader *r = *reader;
    *reader = NULL;
    if (!r) return;
    close(r->fd);
    core_free(r->path);
    core_free(r->job);
    core_free(r->stream_bytes);
    core_free(r->buffer);
    core_free(r);
}
