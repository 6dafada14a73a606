/* SPDX-License-Identifier: MIT */
/* The journal of a video job: what is written is read again, whatever happens to the file in between. */
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/alloc.h"
#include "media/packet_log.h"

#define FRAMES 12
#define GOP 4

static char path[64];
static struct fm_error error;
static const char job[] = "in.mp4 -> out.mp4";

static void new_path(void)
{
    snprintf(path, sizeof path, "/dev/shm/fm_journal_XXXXXX"); /* thousands of flushes: in memory where that can be had */
    int fd = mkstemp(path);
    if (fd < 0) {
        snprintf(path, sizeof path, "/tmp/fm_journal_XXXXXX");
        fd = mkstemp(path);
    }
    if (fd >= 0) close(fd);
}

static struct coded_stream stream_here(void)
{
    static const uint8_t extradata[] = {1, 100, 0, 31, 255}, light[] = {9, 8, 7};
    return (struct coded_stream){.codec = "h264",
        .pixels = "yuv420p",
        .writer = "libx264",
        .width = 640,
        .height = 360,
        .profile = 100,
        .level = -99,
        .tag = 0x31637661,
        .video_delay = 2,
        .bit_rate = 1234567890123,
        .primaries = 9,
        .time_base = {1001, 30000},
        .frame_rate = {30000, 1001},
        .sample_aspect = {4, 3},
        .extradata = extradata,
        .extradata_size = sizeof extradata,
        .sides = 1,
        .side = {{22, light, sizeof light}}};
}

/* Packet n: n % GOP == 0 is a keyframe; its data are 3n + 1 bytes of n. */
static uint8_t bytes_of[3 * FRAMES + 1];

static struct coded_packet packet_here(int n)
{
    static const uint8_t side[] = {1, 2, 3, 4, 5};
    memset(bytes_of, n, sizeof bytes_of);
    return (struct coded_packet){.pts = 10 * n,
        .dts = n == 0 ? -10 : 10 * n - 5,
        .duration = 10 + n % 3,
        .flags = n % GOP == 0 ? CODED_KEY : CODED_DISPOSABLE,
        .data = bytes_of,
        .size = (size_t) (3 * n + 1),
        .sides = n == 5,
        .side = {{11, side, sizeof side}}};
}

static bool check_packet(const struct coded_packet *p, int n)
{
    const struct coded_packet want = packet_here(n);
    bool held = CHECK_INT(p->pts, want.pts) && CHECK_INT(p->dts, want.dts) && CHECK_INT(p->duration, want.duration) &&
                CHECK_INT(p->flags, want.flags) && CHECK_INT(p->size, want.size) && CHECK_INT(p->sides, want.sides);
    if (held && p->size) held = CHECK_MEM(p->data, want.data, want.size);
    if (held && p->sides)
        held = CHECK_INT(p->side[0].type, 11) && CHECK_INT(p->side[0].size, 5) && CHECK_MEM(p->side[0].data, want.side[0].data, 5);
    return held;
}

/* Frames from `first` on, checkpoints before keyframes but the first of all; the state is the frame's number as text. */
static int write_frames(struct packet_log *log, int first, int end)
{
    int code = FM_OK;
    for (int n = first; n < end && code == FM_OK; n++) {
        char state[32];
        const struct coded_packet p = packet_here(n);
        snprintf(state, sizeof state, "state %d", n);
        if (n % GOP == 0 && n > 0) code = packet_log_checkpoint(log, n, state, strlen(state) + 1, &error);
        if (code == FM_OK) code = packet_log_packet(log, &p, &error);
    }
    return code;
}

static bool write_whole(bool done)
{
    struct packet_log *log;
    const struct coded_stream stream = stream_here();
    new_path();
    if (!CHECK_INT(packet_log_create(path, job, sizeof job, true, &log, &error), FM_OK)) return false;
    bool held = CHECK_INT(packet_log_stream(log, &stream, &error), FM_OK) && CHECK_INT(write_frames(log, 0, FRAMES), FM_OK);
    if (done) held = held && CHECK_INT(packet_log_done(log, FRAMES, "end", 4, &error), FM_OK);
    packet_log_close(&log);
    return held && CHECK(log == NULL);
}

static uint8_t *load(size_t *size)
{
    struct stat st;
    const int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0) return NULL;
    uint8_t *data = malloc((size_t) st.st_size);
    *size = (size_t) st.st_size;
    if (data && read(fd, data, *size) != st.st_size) free(data), data = NULL;
    close(fd);
    return data;
}

static void store(const uint8_t *data, size_t size)
{
    const int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t) size);
    close(fd);
}

/* Packets that can be read; every one must be what was written. */
static int count_packets(bool *done, int64_t *checkpoint)
{
    struct packet_log_reader *reader;
    struct packet_log_record record;
    int n = 0, code;
    *done = false;
    *checkpoint = 0;
    code = packet_log_open(path, &reader, &error);
    if (code != FM_OK) return -1;
    while ((code = packet_log_next(reader, &record, &error)) == FM_OK) {
        if (record.kind == PACKET_LOG_PACKET) {
            if (!check_packet(&record.packet, n)) break;
            n++;
        } else {
            CHECK_INT(record.frames, n);
            *checkpoint = record.frames;
            *done = record.kind == PACKET_LOG_DONE;
        }
    }
    CHECK_INT(code, FM_ERR_EOS);
    packet_log_reader_close(&reader);
    return n;
}

static void written_and_read(void)
{
    struct packet_log_reader *reader;
    const struct coded_stream want = stream_here();
    bool done;
    int64_t checkpoint;
    size_t size;
    if (!write_whole(true)) return;
    CHECK_INT(count_packets(&done, &checkpoint), FRAMES);
    CHECK(done);
    if (!CHECK_INT(packet_log_open(path, &reader, &error), FM_OK)) return;
    const struct coded_stream *s = packet_log_coded(reader);
    if (CHECK(s != NULL)) {
        CHECK_STR(s->codec, want.codec);
        CHECK_STR(s->pixels, want.pixels);
        CHECK_STR(s->writer, want.writer);
        CHECK_INT(s->level, -99);
        CHECK_INT(s->tag, want.tag);
        CHECK_INT(s->bit_rate, want.bit_rate);
        CHECK_INT(s->time_base.num, 1001);
        CHECK_INT(s->sample_aspect.den, 3);
        CHECK_INT(s->extradata_size, 5);
        CHECK_MEM(s->extradata, want.extradata, 5);
        CHECK_INT(s->side[0].type, 22);
        CHECK_MEM(s->side[0].data, want.side[0].data, 3);
    }
    const char *there = packet_log_job(reader, &size);
    CHECK_INT(size, sizeof job);
    CHECK_STR(there, job);
    packet_log_reader_close(&reader);
    unlink(path);
}

/* What a job that is resumed from the file must find: whole groups only. */
static void resume_and_finish(int packets_there, bool was_done)
{
    static struct packet_log_point point;
    struct packet_log *log;
    const struct coded_stream stream = stream_here();
    bool done;
    int64_t checkpoint;
    if (!CHECK_INT(packet_log_resume(path, job, sizeof job, &log, &point, &error), FM_OK)) return;
    CHECK_INT(point.done, was_done);
    CHECK_INT(point.frames % GOP, 0);
    CHECK_INT(point.packets, point.frames);
    CHECK(point.frames <= packets_there && (was_done || point.frames + GOP >= packets_there));
    if (point.frames > 0 && !was_done) {
        char want[32];
        snprintf(want, sizeof want, "state %d", (int) point.frames);
        CHECK_STR((const char *) point.state, want);
    }
    if (!was_done) {
        CHECK_INT(packet_log_stream(log, &stream, &error), FM_OK);
        /* the checkpoint at which it goes on is there already; a second one does no harm */
        CHECK_INT(write_frames(log, (int) point.frames, FRAMES), FM_OK);
        CHECK_INT(packet_log_done(log, FRAMES, NULL, 0, &error), FM_OK);
    }
    const struct coded_packet p = packet_here(0);
    CHECK_INT(packet_log_packet(log, &p, &error), FM_ERR_ARGUMENT);
    packet_log_close(&log);
    CHECK_INT(count_packets(&done, &checkpoint), FRAMES);
    CHECK(done);
}

static void cut_at_every_byte(void)
{
    size_t size, header = 0;
    if (!write_whole(true)) return;
    uint8_t *data = load(&size);
    if (!CHECK(data != NULL)) return;
    int before = -1;
    for (size_t end = 0; end <= size; end++) {
        bool done;
        int64_t checkpoint;
        store(data, end);
        const int n = count_packets(&done, &checkpoint);
        CHECK_MSG(n >= before, "%d packets of %zu bytes, %d of fewer", n, end, before);
        CHECK_MSG(done == (end == size), "done at %zu of %zu", end, size);
        before = n;
        if (n < 0) {
            static struct packet_log_point point;
            struct packet_log *log;
            CHECK_INT(packet_log_resume(path, job, sizeof job, &log, &point, &error), FM_ERR_FORMAT);
            CHECK(log == NULL);
            header = end + 1;
        } else {
            resume_and_finish(n, done);
        }
        if (atomic_load(&check_faults) > 10) break;
    }
    CHECK_INT(header, 8 + 4 + 4 + 32 + sizeof job + 4);
    CHECK_INT(before, FRAMES);
    free(data);
    unlink(path);
}

/* A flipped bit costs what follows it, nothing else; no packet is ever wrong. */
static void flipped_bits(void)
{
    size_t size;
    if (!write_whole(true)) return;
    uint8_t *data = load(&size);
    if (!CHECK(data != NULL)) return;
    for (size_t at = 0; at < size; at++) {
        bool done;
        int64_t checkpoint;
        data[at] ^= (uint8_t) (1u << at % 8);
        store(data, size);
        const int n = count_packets(&done, &checkpoint);
        CHECK_MSG(n < FRAMES || !done, "a flipped bit in byte %zu was not seen", at);
        data[at] ^= (uint8_t) (1u << at % 8);
    }
    free(data);
    unlink(path);
}

static void other_jobs_and_streams(void)
{
    static struct packet_log_point point;
    struct packet_log *log;
    struct coded_stream stream = stream_here();
    if (!write_whole(false)) return;
    CHECK_INT(packet_log_resume(path, "another", 8, &log, &point, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "another job");
    CHECK_INT(packet_log_create(path, job, sizeof job, false, &log, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "already");
    if (!CHECK_INT(packet_log_resume(path, job, sizeof job, &log, &point, &error), FM_OK)) return;
    CHECK_INT(point.frames, 8);
    stream.extradata_size--;
    CHECK_INT(packet_log_stream(log, &stream, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "other settings");
    stream = stream_here();
    stream.width = 641;
    CHECK_INT(packet_log_stream(log, &stream, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "another size");
    struct packet_log *second; /* one writer at a time */
    CHECK_INT(packet_log_resume(path, job, sizeof job, &second, &point, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "another process");
    CHECK_INT(packet_log_checkpoint(log, 3, NULL, 0, &error), FM_ERR_ARGUMENT); /* backwards */
    packet_log_close(&log);
    unlink(path);
    CHECK_INT(packet_log_resume(path, job, sizeof job, &log, &point, &error), FM_ERR_IO);
    CHECK_INT(packet_log_resume("/dev/null", job, sizeof job, &log, &point, &error), FM_ERR_FORMAT);
}

/* A checkpoint that no keyframe follows is no place to go on. */
static void misplaced_checkpoint(void)
{
    static struct packet_log_point point;
    struct packet_log *log;
    const struct coded_stream stream = stream_here();
    new_path();
    if (!CHECK_INT(packet_log_create(path, job, sizeof job, true, &log, &error), FM_OK)) return;
    struct coded_packet p = packet_here(0);
    CHECK_INT(packet_log_packet(log, &p, &error), FM_ERR_ARGUMENT); /* before the stream */
    CHECK_INT(packet_log_stream(log, &stream, &error), FM_OK);
    CHECK_INT(write_frames(log, 0, 6), FM_OK);
    CHECK_INT(packet_log_checkpoint(log, 6, "wrong", 6, &error), FM_OK);
    p = packet_here(6);
    CHECK_INT(packet_log_packet(log, &p, &error), FM_OK);
    packet_log_close(&log);
    CHECK_INT(packet_log_resume(path, job, sizeof job, &log, &point, &error), FM_OK);
    CHECK_INT(point.frames, 4);
    packet_log_close(&log);
    unlink(path);
}

/* The disk is full in the middle of a packet: said, and everything before is there. */
static void full_disk(void)
{
    new_path();
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        struct packet_log *log;
        const struct coded_stream stream = stream_here();
        const struct rlimit limit = {700, 700};
        int held = 1, n = 0, code = FM_OK;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        held &= packet_log_create(path, job, sizeof job, true, &log, &error) == FM_OK;
        held &= packet_log_stream(log, &stream, &error) == FM_OK;
        for (; code == FM_OK && n < FRAMES; n++) code = write_frames(log, n, n + 1);
        held &= code == FM_ERR_IO && strstr(error.message, "cannot be written") && n < FRAMES;
        held &= packet_log_checkpoint(log, FRAMES, NULL, 0, &error) == FM_ERR_IO; /* and stays so */
        packet_log_close(&log);
        _exit(held ? 40 + n : 1);
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    bool done;
    int64_t checkpoint;
    const int n = count_packets(&done, &checkpoint);
    CHECK_INT(WEXITSTATUS(status), 40 + n + 1);
    CHECK(!done && n > GOP);
    resume_and_finish(n, false);
    unlink(path);
}

/* Killed at any moment: what the last checkpoint promised is there. */
static void killed_writer(void)
{
    for (int turn = 0; turn < 8; turn++) {
        int tube[2];
        new_path();
        if (!CHECK(pipe(tube) == 0)) return;
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0) {
            struct packet_log *log;
            const struct coded_stream stream = stream_here();
            (void) packet_log_create(path, job, sizeof job, true, &log, &error);
            (void) packet_log_stream(log, &stream, &error);
            for (int n = 0;; n = (n + 1) % FRAMES) {
                (void) write_frames(log, n, n + 1);
                if (write(tube[1], &n, sizeof n) != sizeof n || n == FRAMES - 1) pause();
            }
        }
        int n = -1;
        for (int i = 0; i <= turn + 3; i++) CHECK(read(tube[0], &n, sizeof n) == sizeof n);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(tube[0]);
        close(tube[1]);
        bool done;
        int64_t checkpoint;
        const int there = count_packets(&done, &checkpoint);
        CHECK_MSG(there > n, "%d packets of %d written", there, n + 1);
        CHECK(checkpoint >= n / GOP * GOP);
        resume_and_finish(there, false);
        unlink(path);
    }
}

/* The n-th allocation fails; 0: none. */
static int write_and_resume(uint64_t n)
{
    static struct packet_log_point point;
    struct packet_log *log = NULL;
    const struct coded_stream stream = stream_here();
    new_path();
    core_alloc_fail_after(n, false);
    int code = packet_log_create(path, job, sizeof job, true, &log, &error);
    if (code == FM_OK) code = packet_log_stream(log, &stream, &error);
    if (code == FM_OK) code = write_frames(log, 0, FRAMES);
    packet_log_close(&log);
    if (code == FM_OK) code = packet_log_resume(path, job, sizeof job, &log, &point, &error);
    packet_log_close(&log);
    core_alloc_fail_after(0, false);
    unlink(path);
    return code;
}

/* Every allocation fails once: an error each time (but where the folder cannot be flushed), no leak. */
static void no_memory(void)
{
    const int64_t live = core_alloc_live();
    const uint64_t before = core_alloc_count();
    CHECK_INT(write_and_resume(0), FM_OK);
    const uint64_t all = core_alloc_count() - before;
    uint64_t failures = 0;
    CHECK(all > 5);
    for (uint64_t n = 1; n <= all; n++) {
        const int code = write_and_resume(n);
        CHECK_MSG(code == FM_ERR_NOMEM || code == FM_OK, "allocation %d: %s", (int) n, error.message);
        CHECK_INT(core_alloc_live(), live);
        failures += code == FM_ERR_NOMEM;
    }
    CHECK_INT(failures, all - 1);
}

int main(void)
{
    RUN(written_and_read);
    RUN(cut_at_every_byte);
    RUN(flipped_bits);
    RUN(other_jobs_and_streams);
    RUN(misplaced_checkpoint);
    RUN(full_disk);
    RUN(killed_writer);
    RUN(no_memory);
    return check_report();
}
