/* SPDX-License-Identifier: MIT */
/* Prints what a video source hands out, for tests/e2e to compare with what FFmpeg's own program makes of the same file.
 *
 *     video_runner SOURCE [start=S] [duration=S] [interlace=pass|refuse] [threads=N] [packets=1] [skip=FRAMES:PTS] [format=NAME]
 *                  [rate=N/D] [option=KEY=VALUE]... [stop=FRAMES] [live=0|1] [reconnects=N] [timeout=MS] [hold=N] [cancel=FRAMES]
 *
 *     info WIDTH HEIGHT LAYOUT BITS ALPHA FULL SITING MATRIX PRIMARIES TRANSFER BASE RATE START DURATION FRAMES ROTATION FLIPPED ...
 *     frame INDEX PTS DURATION ADLER32 DAMAGED INTERLACED
 *     packet STREAM PTS DTS DURATION ADLER32
 *     end CODE MESSAGE
 *     stats FRAMES DAMAGED ERRORS RESIZED RECONNECTS EARLY REASON
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "framemill/error.h"
#include "media/av_load.h"
#include "media/video_source.h"

#define HELD_MAX 64

static atomic_bool cancelled; /* by a signal, too */

static void cancel_now(int number)
{
    (void) number;
    atomic_store(&cancelled, true);
}

struct run {
    struct video_source_params params;
    const char *options[16];
    int64_t skip_frames, skip_pts, stop, cancel;
    int hold; /* frames kept before they are looked at, as a mill does */
};

/* Adler-32, as FFmpeg's framehash has it: plain, and as fast as the decoder. */
struct adler {
    uint32_t a, b;
};

static void adler_add(struct adler *h, const uint8_t *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        const size_t n = size - done < 5552 ? size - done : 5552; /* no sum overflows within */
        for (size_t i = 0; i < n; i++) h->b += h->a += data[done + i];
        h->a %= 65521;
        h->b %= 65521;
        done += n;
    }
}

static uint32_t adler_end(const struct adler *h)
{
    return h->b << 16 | h->a;
}

static void print_frame(const struct video_frame *f, int64_t index)
{
    struct adler hash = {1, 0};
    for (int i = 0; i < video_planes(f->format); i++)
        for (int y = 0; y < video_plane_height(f->format, f->height, i); y++)
            adler_add(&hash, f->plane[i] + y * f->stride[i],
                (size_t) video_plane_width(f->format, f->width, i) * (size_t) video_sample_bytes(f->format));
    printf("frame %" PRId64 " %" PRId64 " %" PRId64 " %08x %d %d\n", index, f->pts, f->duration, adler_end(&hash), f->damaged,
        f->interlaced);
}

static void print_packet(const struct media_packet *p)
{
    const AVPacket *av = p->av;
    struct adler hash = {1, 0};
    adler_add(&hash, av->data, (size_t) av->size);
    printf("packet %d %" PRId64 " %" PRId64 " %" PRId64 " %08x\n", p->stream, p->pts, p->dts, p->duration, adler_end(&hash));
}

static void print_info(const struct video_info *i)
{
    printf("info %d %d %d %d %d %d %d %d %d %d %d/%d %d/%d %" PRId64 " %" PRId64 " %" PRId64 " %d %d interlaced=%d deinterlaced=%d "
           "aspect=%d/%d codec=%s container=%s streams=%d stream=%d live=%d seekable=%d decoder=%s mastering=%d cll=%d\n",
        i->width, i->height, i->format.layout, i->format.bits, i->format.alpha, i->format.full, i->format.siting, i->format.matrix,
        i->format.primaries, i->format.transfer, i->time_base.num, i->time_base.den, i->average_rate.num, i->average_rate.den,
        i->start, i->duration, i->frames, i->rotation, i->flipped, i->interlaced, i->deinterlaced, i->sample_aspect.num,
        i->sample_aspect.den, i->codec, i->container, i->n_streams, i->stream, i->live, i->seekable, i->decoder_format,
        i->hdr.mastering, i->hdr.max_cll);
}

static int next_argument(struct run *run, const char *a)
{
    long long m, n;
    if (sscanf(a, "start=%lf", &run->params.start_s) == 1 || sscanf(a, "duration=%lf", &run->params.duration_s) == 1) return 1;
    if (sscanf(a, "threads=%d", &run->params.threads) == 1 || sscanf(a, "reconnects=%d", &run->params.reconnects) == 1) return 1;
    if (sscanf(a, "rate=%d/%d", &run->params.picture_rate.num, &run->params.picture_rate.den) == 2) return 1;
    if (sscanf(a, "timeout=%d", &run->params.timeout_ms) == 1 || sscanf(a, "hold=%d", &run->hold) == 1) return 1;
    if (sscanf(a, "skip=%lld:%lld", &m, &n) == 2) return run->skip_frames = m, run->skip_pts = n, 1;
    if (sscanf(a, "stop=%lld", &m) == 1) return run->stop = m, 1;
    if (sscanf(a, "cancel=%lld", &m) == 1) return run->cancel = m, 1;
    if (!strcmp(a, "interlace=pass")) return run->params.interlace = VIDEO_INTERLACE_PASS, 1;
    if (!strcmp(a, "interlace=refuse")) return run->params.interlace = VIDEO_INTERLACE_REFUSE, 1;
    if (!strcmp(a, "packets=1")) return run->params.want_packets = true, 1;
    if (!strcmp(a, "live=1")) return run->params.live = VIDEO_LIVE_YES, 1;
    if (!strcmp(a, "live=0")) return run->params.live = VIDEO_LIVE_NO, 1;
    if (!strncmp(a, "format=", 7)) return run->params.format = a + 7, 1;
    if (!strncmp(a, "option=", 7) && run->params.n_options < 16) return run->options[run->params.n_options++] = a + 7, 1;
    return 0;
}

static int hand_out(struct run *run, struct video_source *source, struct fm_error *error)
{
    struct video_item held[HELD_MAX + 1], item;
    int n = 0, code = FM_OK;
    while (!run->stop || (n ? held[n - 1].index + 1 : 0) < run->stop) {
        code = video_source_next(source, &item, error);
        if (code < 0) break;
        if (item.kind == VIDEO_ITEM_PACKET) {
            print_packet(&item.packet);
            media_packet_release(&item.packet);
            continue;
        }
        if (run->cancel && item.index + 1 >= run->cancel) atomic_store(&cancelled, true);
        held[n++] = item;
        if (n <= run->hold && n < HELD_MAX) continue;
        print_frame(&held[0].frame, held[0].index);
        video_frame_release(&held[0].frame);
        memmove(held, held + 1, (size_t) --n * sizeof *held);
        if (run->stop && item.index + 1 >= run->stop) break;
    }
    for (int i = 0; i < n; i++) {
        print_frame(&held[i].frame, held[i].index);
        video_frame_release(&held[i].frame);
    }
    return code;
}

int main(int argc, char **argv)
{
    struct run run = {.params.options = run.options, .params.cancel = &cancelled};
    struct fm_error error = {0};
    struct video_source *source = NULL;
    struct video_source_stats stats = {0};
    signal(SIGUSR1, cancel_now);
    for (int i = 2; i < argc; i++) {
        if (next_argument(&run, argv[i])) continue;
        fprintf(stderr, "%s: what?\n", argv[i]);
        return 2;
    }
    if (argc < 2) return 2;
    int code = video_source_open(argv[1], &run.params, &source, &error);
    if (code == FM_OK && run.skip_frames) code = video_source_skip_to(source, run.skip_frames, run.skip_pts, NULL, NULL, &error);
    if (code == FM_OK) {
        print_info(video_source_info(source));
        code = hand_out(&run, source, &error);
    }
    printf("end %d %s\n", code, code < 0 ? error.message : "");
    if (source) video_source_get_stats(source, &stats);
    video_source_close(&source);
    printf("stats %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d %s\n", stats.frames, stats.damaged,
        stats.decode_errors, stats.resized, stats.reconnects, stats.ended_early, stats.end);
    if (core_alloc_live() != 0) printf("leak %" PRId64 "\n", core_alloc_live());
    return code == FM_OK || code == FM_ERR_EOS ? 0 : 1;
}
