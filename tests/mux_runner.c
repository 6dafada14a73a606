/* SPDX-License-Identifier: MIT */
/* Video sinks from a command line, for tests/e2e/test_video_mux.py: what is written is looked at by the ffmpeg program.
 *
 *     mux_runner log IN LOG [OPTION ...]            the packets of IN's video into a journal, as if an encoder had made them
 *     mux_runner assemble LOG IN OUT [OPTION ...]   the journal and IN's other streams ("" for none) into OUT
 *     mux_runner partial LOG IN OUT [OPTION ...]    what is in a journal that is not done
 *     mux_runner direct IN OUT [OPTION ...]         all packets of IN as they come
 *     mux_runner check IN OUT [OPTION ...]          would it work?
 *     mux_runner encode IN OUT [OPTION ...]         IN decoded, encoded and written with its other streams
 *
 * Options: -c ENCODER, -e KEY=VALUE (encoder), -o KEY=VALUE (container), --format NAME, --streams POLICY, --overwrite, --from US,
 * --to US, --cut PACKETS (a journal that is not done), --checkpoint FRAMES, --file-size BYTES (the most a file may have), --journal LOG
 * (encode by way of a journal, which has a checkpoint every ten frames), --stop FRAMES (the job dies then), --resume. Warnings
 * go to standard output, errors to standard error; exit code 1 after an error. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "media/av_coded.h"
#include "media/av_load.h"
#include "media/packet_log.h"
#include "media/video_encoder.h"
#include "media/video_mux.h"
#include "media/video_source.h"

#define OPTIONS_MAX 32

struct arguments {
    const char *plain[4];
    int n;
    const char *encoder, *journal;
    const char *encoder_options[OPTIONS_MAX], *mux_options[OPTIONS_MAX];
    int n_encoder, n_mux;
    int64_t cut, checkpoint, stop;
    bool resume;
    struct video_mux_params mux;
};

static char warnings[8192];
static struct fm_error error;

static int parse(int argc, char **argv, struct arguments *a)
{
    *a = (struct arguments){.cut = INT64_MAX, .checkpoint = 1, .stop = INT64_MAX};
    a->mux.video_stream = -1;
    for (int i = 2; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--overwrite") == 0) {
            a->mux.overwrite = true;
            continue;
        }
        if (strcmp(name, "--resume") == 0) {
            a->resume = true;
            continue;
        }
        if (name[0] != '-' || name[1] == 0) {
            if (a->n < 4) a->plain[a->n++] = name;
            continue;
        }
        if (++i >= argc) return 2;
        const char *value = argv[i];
        if (strcmp(name, "-c") == 0)
            a->encoder = value;
        else if (strcmp(name, "-e") == 0 && a->n_encoder < OPTIONS_MAX - 1)
            a->encoder_options[a->n_encoder++] = value;
        else if (strcmp(name, "-o") == 0 && a->n_mux < OPTIONS_MAX - 1)
            a->mux_options[a->n_mux++] = value;
        else if (strcmp(name, "--format") == 0)
            a->mux.format = value;
        else if (strcmp(name, "--journal") == 0)
            a->journal = value;
        else if (strcmp(name, "--stop") == 0)
            a->stop = atoll(value);
        else if (strcmp(name, "--cut") == 0)
            a->cut = atoll(value);
        else if (strcmp(name, "--checkpoint") == 0)
            a->checkpoint = atoll(value);
        else if (strcmp(name, "--from") == 0)
            a->mux.has_from = true, a->mux.from_us = atoll(value);
        else if (strcmp(name, "--to") == 0)
            a->mux.has_to = true, a->mux.to_us = atoll(value);
        else if (strcmp(name, "--timeout") == 0)
            a->mux.timeout_ms = atoi(value);
        else if (strcmp(name, "--streams") == 0) {
            if (video_mux_policy_parse(value, &a->mux.policy, &error) != FM_OK) return 1;
        } else if (strcmp(name, "--file-size") == 0) {
            const rlim_t most = (rlim_t) atoll(value);
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){most, most});
        } else {
            return 2;
        }
    }
    a->mux.options = a->mux_options;
    return 0;
}

static int open_input(const struct av *av, const char *path, AVFormatContext **in, int *video)
{
    *in = NULL;
    if (av->avformat_open_input(in, path, NULL, NULL) < 0 || av->avformat_find_stream_info(*in, NULL) < 0) return 1;
    *video = av->av_find_best_stream(*in, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    return *video < 0;
}

static void stream_of(const struct av *av, const AVStream *s, struct coded_stream *coded)
{
    avcoded_stream(av, s->codecpar, s->time_base, s->avg_frame_rate, NULL, 0, coded);
    coded->writer = "copied";
}

static bool is_inside(const struct arguments *a, const AVStream *s, const AVPacket *p)
{
    const struct av *av = av_loaded();
    if (a->mux.has_from && av->av_compare_ts(p->pts, s->time_base, a->mux.from_us, AV_TIME_BASE_Q) < 0) return false;
    return !a->mux.has_to || av->av_compare_ts(p->pts, s->time_base, a->mux.to_us, AV_TIME_BASE_Q) < 0;
}

static int write_log(const struct av *av, const struct arguments *a)
{
    AVFormatContext *in;
    struct packet_log *log;
    struct coded_stream stream;
    int video;
    int64_t frames = 0;
    AVPacket *packet = av->av_packet_alloc();
    if (!packet || open_input(av, a->plain[0], &in, &video)) return 1;
    stream_of(av, in->streams[video], &stream);
    int code = packet_log_create(a->plain[1], "job", 3, true, &log, &error);
    if (code == FM_OK) code = packet_log_stream(log, &stream, &error);
    while (code == FM_OK && frames < a->cut && av->av_read_frame(in, packet) >= 0) {
        struct coded_packet coded;
        if (packet->stream_index == video && is_inside(a, in->streams[video], packet)) {
            AVPacket *own = av->av_packet_clone(packet);
            avcoded_wrap(own, &coded);
            if ((packet->flags & AV_PKT_FLAG_KEY) && frames > 0 && frames % a->checkpoint == 0)
                code = packet_log_checkpoint(log, frames, &frames, sizeof frames, &error);
            if (code == FM_OK) code = packet_log_packet(log, &coded, &error);
            coded_packet_release(&coded);
            frames++;
        }
        av->av_packet_unref(packet);
    }
    if (code == FM_OK && frames < a->cut) code = packet_log_done(log, frames, NULL, 0, &error);
    printf("%" PRId64 " packets\n", frames);
    packet_log_close(&log);
    av->av_packet_free(&packet);
    av->avformat_close_input(&in);
    return code != FM_OK;
}

static int assemble(const struct arguments *a, bool partial)
{
    char name[4096] = "";
    const char *input = a->plain[1][0] ? a->plain[1] : NULL;
    const int code = partial ? video_assemble_partial(
                                   a->plain[0], input, a->plain[2], &a->mux, name, sizeof name, warnings, sizeof warnings, &error)
                             : video_assemble(a->plain[0], input, a->plain[2], &a->mux, warnings, sizeof warnings, &error);
    if (name[0]) printf("%s\n", name);
    return code != FM_OK;
}

static int direct(const struct av *av, const struct arguments *a)
{
    AVFormatContext *in;
    struct coded_stream stream;
    struct video_mux *mux;
    int video;
    AVPacket *packet = av->av_packet_alloc();
    if (!packet || open_input(av, a->plain[0], &in, &video)) return 1;
    stream_of(av, in->streams[video], &stream);
    int code = video_mux_open(a->plain[1], &stream, in, &a->mux, &mux, warnings, sizeof warnings, &error);
    while (code == FM_OK && av->av_read_frame(in, packet) >= 0) {
        struct coded_packet coded;
        if (packet->stream_index == video) {
            avcoded_wrap(av->av_packet_clone(packet), &coded);
            code = video_mux_video(mux, &coded, &error);
            coded_packet_release(&coded);
        } else {
            const struct media_packet other = {
                .stream = packet->stream_index, .pts = packet->pts, .dts = packet->dts, .av = packet};
            code = video_mux_other(mux, &other, &error);
        }
        av->av_packet_unref(packet);
    }
    if (code == FM_OK) code = video_mux_finish(mux, warnings, sizeof warnings, &error);
    video_mux_close(&mux);
    av->av_packet_free(&packet);
    av->avformat_close_input(&in);
    return code != FM_OK;
}

/* Where packets of `encode` go: a mux or a journal. */
struct sink {
    struct video_encoder *encoder;
    struct video_mux *mux;
    struct packet_log *log;
    int64_t keys[1000]; /* pts of the frames that are forced keyframes */
    int64_t first;      /* frame that the journal goes on with */
};

static int to_log(struct sink *s, const struct coded_packet *packet)
{
    int code = FM_OK;
    for (int64_t i = 1; i < 1000 && code == FM_OK; i++)
        if ((packet->flags & CODED_KEY) && packet->pts == s->keys[i])
            code = packet_log_checkpoint(s->log, 10 * i, &i, sizeof i, &error);
    return code == FM_OK ? packet_log_packet(s->log, packet, &error) : code;
}

static int drain(struct sink *s)
{
    struct coded_packet packet;
    int code;
    while ((code = video_encoder_receive(s->encoder, &packet, &error)) == FM_OK) {
        code = s->log ? to_log(s, &packet) : video_mux_video(s->mux, &packet, &error);
        coded_packet_release(&packet);
        if (code != FM_OK) return code;
    }
    return code == FM_ERR_AGAIN || code == FM_ERR_EOS ? FM_OK : code;
}

static int open_sink(const struct arguments *a, struct video_source *source, const struct video_frame *first, struct sink *s)
{
    const struct video_info *info = video_source_info(source);
    char format[64];
    int code = video_mux_format(a->plain[1], a->mux.format, format, sizeof format, &error);
    if (code != FM_OK) return code;
    const struct video_encoder_params p = {.name = a->encoder,
        .container = strncmp(format, "image2", 6) == 0 ? a->plain[1] : format,
        .options = a->encoder_options,
        .width = info->width,
        .height = info->height,
        .format = info->format,
        .time_base = info->time_base,
        .frame_rate = info->average_rate,
        .sample_aspect = info->sample_aspect,
        .journal = a->journal != NULL,
        .first = first};
    code = video_encoder_open(&p, &s->encoder, warnings, sizeof warnings, &error);
    if (code != FM_OK) return code;
    fprintf(strcmp(a->plain[1], "-") == 0 ? stderr : stdout, "encoder %s\n", video_encoder_name(s->encoder));
    const struct coded_stream *stream = video_encoder_stream(s->encoder);
    if (!a->journal)
        return video_mux_open(
            a->plain[1], stream, video_source_container(source), &a->mux, &s->mux, warnings, sizeof warnings, &error);
    static struct packet_log_point point;
    code = a->resume ? packet_log_resume(a->journal, "job", 3, &s->log, &point, &error)
                     : packet_log_create(a->journal, "job", 3, true, &s->log, &error);
    if (a->resume) printf("resumed at %" PRId64 "\n", point.frames);
    s->first = point.frames;
    return code == FM_OK ? packet_log_stream(s->log, stream, &error) : code;
}

static int encode(const struct arguments *a)
{
    struct video_source_params params = {.want_packets = !a->journal};
    struct video_source *source;
    static struct sink s;
    int64_t frames = 0;
    for (int i = 0; i < 1000; i++) s.keys[i] = INT64_MIN;
    int code = video_source_open(a->plain[0], &params, &source, &error);
    while (code == FM_OK) {
        struct video_item item;
        code = video_source_next(source, &item, &error);
        if (code != FM_OK) break;
        if (!s.encoder) code = open_sink(a, source, item.kind == VIDEO_ITEM_FRAME ? &item.frame : NULL, &s);
        if (item.kind == VIDEO_ITEM_PACKET) {
            if (code == FM_OK) code = video_mux_other(s.mux, &item.packet, &error);
            media_packet_release(&item.packet);
            continue;
        }
        if (code == FM_OK && frames < a->stop && frames >= s.first) {
            const bool key = s.log && frames % 10 == 0 && frames < 10000;
            if (key && frames > s.first) s.keys[frames / 10] = item.frame.pts;
            code = video_encoder_send(s.encoder, &item.frame, NULL, key, &error);
        } else {
            video_frame_release(&item.frame);
        }
        if (code == FM_OK && ++frames > a->stop) exit(0);
        if (code == FM_OK) code = drain(&s);
    }
    if (code == FM_ERR_EOS && s.encoder) code = video_encoder_flush(s.encoder, &error);
    if (code == FM_OK) code = drain(&s);
    if (code == FM_OK && s.log)
        code = packet_log_done(s.log, frames, NULL, 0, &error);
    else if (code == FM_OK)
        code = video_mux_finish(s.mux, warnings, sizeof warnings, &error);
    video_encoder_close(&s.encoder);
    video_mux_close(&s.mux);
    packet_log_close(&s.log);
    video_source_close(&source);
    if (code == FM_OK && a->journal)
        code = video_assemble(a->journal, a->plain[0], a->plain[1], &a->mux, warnings, sizeof warnings, &error);
    return code != FM_OK;
}

int main(int argc, char **argv)
{
    struct arguments a;
    const struct av *av = av_load(&error);
    int status = argc < 2 || !av ? 2 : parse(argc, argv, &a);
    if (status == 0) {
        if (strcmp(argv[1], "log") == 0 && a.n == 2)
            status = write_log(av, &a);
        else if (strcmp(argv[1], "assemble") == 0 && a.n == 3)
            status = assemble(&a, false);
        else if (strcmp(argv[1], "partial") == 0 && a.n == 3)
            status = assemble(&a, true);
        else if (strcmp(argv[1], "direct") == 0 && a.n == 2)
            status = direct(av, &a);
        else if (strcmp(argv[1], "check") == 0 && a.n == 2)
            status = video_mux_check(a.plain[0], a.plain[1], "h264", &a.mux, warnings, sizeof warnings, &error) != FM_OK;
        else if (strcmp(argv[1], "encode") == 0 && a.n == 2)
            status = encode(&a);
        else
            status = 2;
    }
    fputs(warnings, a.n > 1 && strcmp(a.plain[1], "-") == 0 ? stderr : stdout);
    if (status != 0) fprintf(stderr, "%s\n", error.message[0] ? error.message : "wrong usage");
    return status;
}
