/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "core/threads.h"
#include "media/video_parts.h"

#define PIPE_BUFFER (64 << 10)
#define TIMEOUT_MS 15000
#define SLICE_NS 50000000u /* how soon a cancel is seen while nothing comes */

bool video_wait_cancelled(const struct video_wait *wait)
{
    return wait->cancel && atomic_load(wait->cancel);
}

void video_wait_begin(struct video_wait *wait)
{
    wait->expired = false;
    wait->until_ns = wait->limit_ns ? core_now_ns() + wait->limit_ns : 0;
}

bool video_wait_sleep(const struct video_wait *wait, uint64_t ns)
{
    for (uint64_t done = 0; done < ns; done += SLICE_NS) {
        if (video_wait_cancelled(wait)) return false;
        const uint64_t slice = ns - done < SLICE_NS ? ns - done : SLICE_NS;
        nanosleep(&(struct timespec){.tv_nsec = (long) slice}, NULL);
    }
    return !video_wait_cancelled(wait);
}

static int interrupted(void *opaque)
{
    struct video_wait *wait = opaque;
    if (video_wait_cancelled(wait)) return 1;
    if (wait->until_ns && core_now_ns() > wait->until_ns) wait->expired = true;
    return wait->expired;
}

void video_open_reason(const struct video_input *input, int code, char *text, size_t size)
{
    if (code == AVERROR_EXIT && !video_wait_cancelled(&input->wait)) /* once it said so, FFmpeg repeats it without waiting */
        snprintf(text, size, "nothing came for %.0f seconds", (double) input->wait.limit_ns / 1e9);
    else
        av_load_reason(code, text, size);
}

void video_open_name(const char *url, char *name, size_t size)
{
    if (!strcmp(url, "-")) url = "standard input";
    const char *scheme = strstr(url, "://"), *rest = scheme ? scheme + 3 : NULL;
    const char *at = rest ? memchr(rest, '@', strcspn(rest, "/?#")) : NULL;
    char plain[512];
    if (at)
        snprintf(plain, sizeof plain, "%.*s%s", (int) (rest - url), url, at + 1);
    else
        snprintf(plain, sizeof plain, "%s", url);
    video_info_text(plain, name, size);
}

/* Standard input is waited for in short turns, so that a cancel is seen while nothing comes. */
static int pipe_read(void *opaque, uint8_t *to, int size)
{
    struct video_input *input = opaque;
    for (;;) {
        if (video_wait_cancelled(&input->wait)) return AVERROR_EXIT;
        struct pollfd p = {.fd = input->pipe_fd, .events = POLLIN};
        const int ready = poll(&p, 1, SLICE_NS / 1000000);
        if (ready < 0 && errno != EINTR) return AVERROR(errno);
        if (ready <= 0) continue;
        const ssize_t n = read(input->pipe_fd, to, (size_t) size);
        if (n > 0) return (int) n;
        if (n == 0) return AVERROR_EOF;
        if (errno != EINTR && errno != EAGAIN) return AVERROR(errno);
    }
}

static int64_t pipe_seek(void *opaque, int64_t offset, int whence)
{
    const struct video_input *input = opaque;
    struct stat st;
    if (whence == AVSEEK_SIZE) return fstat(input->pipe_fd, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : AVERROR(ENOSYS);
    const off_t at = lseek(input->pipe_fd, offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : at;
}

static int open_pipe(struct video_input *input, const char *url, const char *name, struct fm_error *error)
{
    input->pipe_fd = strcmp(url, "-") ? open(url, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (input->pipe_fd < 0) return core_fail(error, FM_ERR_IO, "%s: %s", name, strerror(errno));
    if (input->pipe_fd == STDIN_FILENO && isatty(STDIN_FILENO))
        return core_fail(error, FM_ERR_ARGUMENT, "standard input is a terminal: pipe a video into it");
    const bool seekable = lseek(input->pipe_fd, 0, SEEK_CUR) == 0;
    unsigned char *buffer = input->av->av_malloc(PIPE_BUFFER);
    if (buffer)
        input->pipe = input->av->avio_alloc_context(buffer, PIPE_BUFFER, 0, input, pipe_read, NULL, seekable ? pipe_seek : NULL);
    if (!input->pipe) {
        input->av->av_free(buffer);
        return core_fail_nomem(error, PIPE_BUFFER);
    }
    if (!seekable) input->pipe->seekable = 0;
    input->container->pb = input->pipe;
    return FM_OK;
}

/* What kind of place `url` names; `format` and `rest` for a device ("v4l2" and "/dev/video0"). */
static enum video_place place_of(const struct av *av, const char *url, const char **rest, const AVInputFormat **format)
{
    struct stat st;
    *rest = url;
    if (!strcmp(url, "-")) return VIDEO_PLACE_PIPE;
    if (stat(url, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return VIDEO_PLACE_PICTURES;
        if (S_ISREG(st.st_mode)) return VIDEO_PLACE_FILE;
        if (S_ISCHR(st.st_mode) && !strncmp(url, "/dev/video", 10) && av_load_devices(NULL) == FM_OK &&
            (*format = av->av_find_input_format("v4l2")))
            return VIDEO_PLACE_DEVICE;
        return VIDEO_PLACE_PIPE;
    }
    if (!strncmp(url, "file:", 5)) {
        *rest = url + (strncmp(url, "file://", 7) ? 5 : 7);
        return VIDEO_PLACE_FILE;
    }
    if (strstr(url, "://")) return VIDEO_PLACE_URL;
    const size_t n = strcspn(url, ":");
    char word[32];
    if (url[n] && n > 1 && n < sizeof word && !memchr(url, '/', n)) {
        snprintf(word, sizeof word, "%.*s", (int) n, url);
        if (av_load_devices(NULL) == FM_OK && (*format = av->av_find_input_format(word)) && ((*format)->flags & AVFMT_NOFILE)) {
            *rest = url + n + 1;
            return VIDEO_PLACE_DEVICE;
        }
        *format = NULL;
        const char *protocol = av->avio_find_protocol_name(url);
        if (protocol && strcmp(protocol, "file") != 0) return VIDEO_PLACE_URL;
    }
    return video_pictures_is_pattern(url) ? VIDEO_PLACE_PICTURES : VIDEO_PLACE_FILE;
}

static int read_options(struct video_input *input, const struct video_source_params *params, struct fm_error *error)
{
    for (int i = 0; i < params->n_options; i++) {
        const char *option = params->options[i], *equals = strchr(option, '=');
        char key[64];
        if (!equals || equals == option || (size_t) (equals - option) >= sizeof key)
            return core_fail(error, FM_ERR_ARGUMENT, "option %s: expected KEY=VALUE", option);
        snprintf(key, sizeof key, "%.*s", (int) (equals - option), option);
        if (input->av->av_dict_set(&input->rest, key, equals + 1, 0) < 0) return core_fail_nomem(error, strlen(option));
    }
    return FM_OK;
}

/* The context describes the first picture; its stream is told that there are more. */
static int describe_pictures(struct video_input *input, const char *name, struct media_ratio rate, struct fm_error *error)
{
    const char *kind = input->container->iformat->name;
    const size_t n = strlen(kind);
    if (input->container->nb_streams != 1 || n < 5 || strcmp(kind + n - 5, "_pipe") != 0)
        return core_fail(
            error, FM_ERR_UNSUPPORTED, "%s: pictures of this kind (%s) cannot be read as a video; convert them to PNG", name, kind);
    AVStream *stream = input->container->streams[0];
    if (rate.num <= 0 || rate.den <= 0) rate = (struct media_ratio){25, 1};
    stream->time_base = (AVRational){rate.den, rate.num};
    stream->avg_frame_rate = stream->r_frame_rate = (AVRational){rate.num, rate.den};
    stream->start_time = 0;
    stream->duration = stream->nb_frames = video_pictures_count(input->pictures);
    input->container->start_time = 0;
    input->container->duration = input->av->av_rescale_q(stream->duration, stream->time_base, AV_TIME_BASE_Q);
    return FM_OK;
}

static int fail(struct video_input *input, int code, const char *name, const char *what, struct fm_error *error)
{
    char reason[160];
    if (code == AVERROR_EXIT && video_wait_cancelled(&input->wait))
        return core_fail(error, FM_ERR_CANCELLED, "%s: cancelled", name);
    enum fm_err kind = code == AVERROR_EXIT ? FM_ERR_IO : av_load_code(code);
    if (kind == FM_ERR_NOMEM) return core_fail_nomem(error, 0);
    if (kind == FM_ERR_EOS || (kind == FM_ERR_ARGUMENT && input->place == VIDEO_PLACE_FILE)) kind = FM_ERR_FORMAT;
    video_open_reason(input, code, reason, sizeof reason);
    if (code == AVERROR_EOF && input->place == VIDEO_PLACE_FILE) snprintf(reason, sizeof reason, "it is empty or ends at once");
    return core_fail(error, kind, "%s: %s%s", name, what, reason);
}

/* FFmpeg takes files of some names for pictures made of letters, whatever is in them. */
static bool is_guess(const AVInputFormat *format)
{
    static const char *const names[] = {"bin", "tty", "xbin", "adf", "idf"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(format->name, names[i])) return true;
    return false;
}

static int open_container(
    struct video_input *input, const char *path, const char *name, const AVInputFormat *format, struct fm_error *error)
{
    const struct av *av = input->av;
    char *url = NULL;
    if (input->place == VIDEO_PLACE_FILE || input->place == VIDEO_PLACE_PICTURES) {
        const size_t size = strlen(path) + sizeof "file:";
        url = core_alloc(size);
        if (!url) return core_fail_nomem(error, size);
        snprintf(url, size, "file:%s", path); /* a colon in a file's name is no protocol */
    }
    av_load_listen();
    video_wait_begin(&input->wait);
    int code = av->avformat_open_input(&input->container, input->pipe ? NULL : url ? url : path, format, &input->rest);
    core_free(url);
    if (code >= 0 && !format && is_guess(input->container->iformat)) code = AVERROR_INVALIDDATA;
    if (code == AVERROR_INVALIDDATA && !av_load_heard())
        return core_fail(error, FM_ERR_FORMAT, "%s: not a video, or a damaged one", name);
    if (code < 0) return fail(input, code, name, "", error);
    av_load_listen();
    const uint64_t limit = input->wait.limit_ns;
    input->wait.limit_ns *= 4; /* seconds of a stream are read, which come no faster than they happen */
    video_wait_begin(&input->wait);
    code = av->avformat_find_stream_info(input->container, NULL);
    input->wait.limit_ns = limit;
    if (code < 0) return fail(input, code, name, "", error);
    return FM_OK;
}

int video_open_input(const struct av *av, const char *url, const char *name, const struct video_source_params *params,
    struct video_input *input, struct fm_error *error)
{
    const char *path = url;
    const AVInputFormat *format = NULL;
    int code = FM_OK;
    input->av = av;
    input->pipe_fd = -1;
    input->wait.cancel = params->cancel;
    input->place = place_of(av, url, &path, &format);
    if (params->format && params->format[0]) {
        format = av->av_find_input_format(params->format);
        if (!format && av_load_devices(NULL) == FM_OK) format = av->av_find_input_format(params->format);
        if (!format) return core_fail(error, FM_ERR_ARGUMENT, "%s: FFmpeg knows no format %s", name, params->format);
        if (format->flags & AVFMT_NOFILE && input->place != VIDEO_PLACE_PICTURES) input->place = VIDEO_PLACE_DEVICE;
    }
    if (input->place == VIDEO_PLACE_URL || input->place == VIDEO_PLACE_DEVICE)
        input->wait.limit_ns =
            params->timeout_ms < 0 ? 0 : (uint64_t) (params->timeout_ms ? params->timeout_ms : TIMEOUT_MS) * 1000000u;
    if (input->place == VIDEO_PLACE_PICTURES) {
        code = video_pictures_open(path, name, &input->pictures, error);
        if (code == FM_OK) path = video_pictures_path(input->pictures, 0);
        format = NULL;
    }
    if (code == FM_OK) code = read_options(input, params, error);
    if (code == FM_OK && !(input->container = av->avformat_alloc_context())) code = core_fail_nomem(error, 0);
    if (code == FM_OK) input->container->interrupt_callback = (AVIOInterruptCB){interrupted, &input->wait};
    if (code == FM_OK && input->place == VIDEO_PLACE_PIPE) code = open_pipe(input, url, name, error);
    if (code == FM_OK) code = open_container(input, path, name, format, error);
    if (code == FM_OK && input->pictures) code = describe_pictures(input, name, params->picture_rate, error);
    if (code < 0) video_open_close(input);
    return code;
}

void video_open_close(struct video_input *input)
{
    if (!input->av) return;
    video_wait_begin(&input->wait);
    if (input->container) input->av->avformat_close_input(&input->container);
    if (input->pipe) {
        input->av->av_freep(&input->pipe->buffer);
        input->av->avio_context_free(&input->pipe);
    }
    if (input->pipe_fd > STDIN_FILENO) close(input->pipe_fd);
    video_pictures_close(&input->pictures);
    input->av->av_dict_free(&input->rest);
    memset(input, 0, sizeof *input);
}

bool video_open_is_live(const struct video_input *input, const char *url, enum video_live live)
{
    static const char *const schemes[] = {"rtsp", "rtmp", "srt", "udp", "rtp", "tcp", "mms", "rist", "unix", "zmq"};
    const AVFormatContext *c = input->container;
    if (live != VIDEO_LIVE_AUTO) return live == VIDEO_LIVE_YES;
    if (!strcmp(c->iformat->name, "sdp") || !strcmp(c->iformat->name, "rtsp")) return true;
    if (input->place == VIDEO_PLACE_DEVICE) return strcmp(c->iformat->name, "lavfi") != 0;
    if (input->place != VIDEO_PLACE_URL) return false;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (!strncmp(url, schemes[i], strlen(schemes[i])) && strstr(url, "://")) return true;
    const bool endless = c->duration <= 0 && !(c->pb && (c->pb->seekable & AVIO_SEEKABLE_NORMAL));
    return endless && !strncmp(url, "http", 4);
}

int video_open_stream(const struct video_input *input, int n)
{
    const AVFormatContext *c = input->container;
    for (unsigned i = 0; i < c->nb_streams; i++) {
        const AVStream *stream = c->streams[i];
        if (stream->codecpar->codec_type != AVMEDIA_TYPE_VIDEO) continue;
        if (stream->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS)) continue;
        if (n-- == 0) return (int) i;
    }
    return -1;
}

int video_open_read(struct video_input *input, AVPacket *packet)
{
    if (input->pictures) return video_pictures_read(input->pictures, input->av, packet);
    av_load_listen();
    video_wait_begin(&input->wait);
    const int code = input->av->av_read_frame(input->container, packet);
    if (code == 0 && packet->pos >= 0) input->packets_end = packet->pos + packet->size;
    return code;
}

/* Y4M has no index and no lengths; its reader drops half a frame at the end without a word. */
bool video_open_breaks_off(const struct video_input *input)
{
    const AVFormatContext *c = input->container;
    return !input->pictures && c->pb && !strcmp(c->iformat->name, "yuv4mpegpipe") &&
           c->pb->pos - (c->pb->buf_end - c->pb->buf_ptr) > input->packets_end;
}
