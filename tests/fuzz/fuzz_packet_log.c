/* SPDX-License-Identifier: MIT */
/* A journal that something else wrote: as it is, and behind a good header as records with good checksums. Whatever can be read can be
 * resumed, and what is written then reads back. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "media/packet_log.h"
#include "media/packet_log_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool held)
{
    if (!held) abort();
}

/* Reads to the end. -1: no journal. */
static int64_t walk(const char *path, int64_t *frames)
{
    struct packet_log_reader *reader;
    struct packet_log_record record;
    struct fm_error error;
    int64_t packets = 0;
    int code;
    *frames = 0;
    if (packet_log_open(path, &reader, &error) != FM_OK) return -1;
    const struct coded_stream *stream = packet_log_coded(reader);
    require(!stream || (stream->width > 0 && strlen(stream->codec) < 1u << 20));
    while ((code = packet_log_next(reader, &record, &error)) == FM_OK) {
        size_t sum = 0;
        for (size_t i = 0; i < record.packet.size; i++) sum += record.packet.data[i];
        for (int i = 0; i < record.packet.sides; i++)
            for (size_t k = 0; k < record.packet.side[i].size; k++) sum += record.packet.side[i].data[k];
        require(sum < SIZE_MAX);
        if (record.kind == PACKET_LOG_PACKET)
            packets++;
        else
            require(record.frames >= *frames), *frames = record.frames;
    }
    require(code == FM_ERR_EOS);
    packet_log_reader_close(&reader);
    return packets;
}

static void go_on(const char *path)
{
    static struct packet_log_point point;
    struct packet_log_reader *reader;
    struct packet_log *log;
    struct fm_error error;
    int64_t frames;
    size_t job_size;
    const int64_t before = walk(path, &frames);
    if (before < 0) return;
    require(packet_log_open(path, &reader, &error) == FM_OK);
    const void *job = packet_log_job(reader, &job_size);
    const int code = packet_log_resume(path, job, job_size, &log, &point, &error);
    packet_log_reader_close(&reader);
    if (code != FM_OK) return;
    require(point.packets <= before && point.frames <= frames);
    packet_log_close(&log);
    require(walk(path, &frames) == point.packets && frames == point.frames);
}

static void put(int fd, const void *data, size_t size)
{
    require(write(fd, data, size) == (ssize_t) size);
}

/* The input is taken as kinds, lengths and payloads. */
static void as_records(int fd, const uint8_t *data, size_t size)
{
    uint8_t head[FORM_HEADER] = FORM_MAGIC, crc[4], record[FORM_RECORD];
    struct sha256 sha;
    form_put32(head + 8, FORM_VERSION);
    form_put32(head + 12, 0);
    sha256_start(&sha);
    sha256_end(&sha, head + 16);
    form_put32(crc, form_crc(0, head, sizeof head));
    put(fd, head, sizeof head);
    put(fd, crc, sizeof crc);
    while (size >= 3) {
        size_t length = data[1] | (size_t) data[2] << 8;
        const uint32_t kind = data[0] % 5;
        data += 3, size -= 3;
        if (length > size) length = size;
        form_put32(record, kind);
        form_put32(record + 4, (uint32_t) length);
        form_put32(record + 8, form_crc(form_crc(0, record, 8), data, length));
        put(fd, record, sizeof record);
        put(fd, data, length);
        data += length, size -= length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int turn = 0; turn < 2; turn++) {
        char path[64];
        const int fd = memfd_create("journal", MFD_CLOEXEC);
        if (fd < 0) return 0;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (turn == 0)
            put(fd, data, size);
        else
            as_records(fd, data, size);
        go_on(path);
        close(fd);
    }
    return 0;
}
