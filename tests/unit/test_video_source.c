/* SPDX-License-Identifier: MIT */
/* Video sources from inside: formats and tags both ways, who owns what, memory that runs out. What comes out of real files is compared
 * with FFmpeg's own program by tests/e2e/test_video_source.py. */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "check.h"
#include "core/alloc.h"
#include "framemill/probe.h"
#include "media/av_frame.h"
#include "media/video_parts.h"
#include "media/video_source.h"

#define W 30
#define H 18
#define FRAMES 40

static const struct av *av;
static char folder[] = "/tmp/framemill-source-XXXXXX";
static char clip[64];

static uint8_t sample(int frame, int plane, int x, int y)
{
    return (uint8_t) (frame * 7 + plane * 50 + x * 3 + y * 5);
}

static bool write_clip(void)
{
    FILE *to = fopen(clip, "wb");
    if (!to) return false;
    fprintf(to, "YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420jpeg\n", W, H);
    for (int f = 0; f < FRAMES; f++) {
        fputs("FRAME\n", to);
        for (int p = 0; p < 3; p++)
            for (int y = 0; y < (p ? H / 2 : H); y++)
                for (int x = 0; x < (p ? W / 2 : W); x++) fputc(sample(f, p, x, y), to);
    }
    return fclose(to) == 0;
}

static bool frame_is(const struct video_frame *f, int number)
{
    for (int p = 0; p < 3; p++)
        for (int y = 0; y < video_plane_height(f->format, H, p); y++)
            for (int x = 0; x < video_plane_width(f->format, W, p); x++)
                if (f->plane[p][y * f->stride[p] + x] != sample(number, p, x, y)) return false;
    return f->width == W && f->height == H && f->pts == number;
}

static void every_format_goes_both_ways(void)
{
    int n = 0;
    for (int layout = VIDEO_GREY; layout <= VIDEO_RGB; layout++)
        for (int bits = 8; bits <= 16; bits++)
            for (int alpha = 0; alpha < 2; alpha++) {
                const struct video_format want = {.layout = (enum video_layout) layout, .bits = bits, .alpha = alpha};
                const enum AVPixelFormat pixel_format = avframe_pixel_format(want);
                struct video_format have = {.bits = 0};
                if (pixel_format == AV_PIX_FMT_NONE) continue;
                n++;
                const AVPixFmtDescriptor *d = av->av_pix_fmt_desc_get(pixel_format);
                CHECK(avframe_is_canonical(pixel_format, &have));
                CHECK_INT(have.layout, want.layout);
                CHECK_INT(have.bits, bits);
                CHECK_INT(have.alpha, alpha);
                CHECK_INT(d->comp[0].depth, bits);
                CHECK_INT(av->av_pix_fmt_count_planes(pixel_format), video_planes(want));
                CHECK_INT((d->flags & AV_PIX_FMT_FLAG_BE) != 0, 0);
                CHECK_INT((d->flags & AV_PIX_FMT_FLAG_RGB) != 0, layout == VIDEO_RGB);
                CHECK_INT(d->log2_chroma_w, layout == VIDEO_420 || layout == VIDEO_422);
                CHECK_INT(d->log2_chroma_h, layout == VIDEO_420);
                CHECK_INT(avframe_canonical_for(pixel_format), pixel_format);
            }
    CHECK_INT(n, 48);
    CHECK_INT(avframe_pixel_format((struct video_format){.layout = VIDEO_420, .bits = 11}), AV_PIX_FMT_NONE);
    CHECK_INT(avframe_pixel_format((struct video_format){.layout = VIDEO_GREY, .bits = 8, .alpha = true}), AV_PIX_FMT_NONE);
}

/* Of whatever FFmpeg knows: a place for every sample, or a refusal of what lives in devices. */
static void every_pixel_format_has_a_place(void)
{
    for (const AVPixFmtDescriptor *d = av->av_pix_fmt_desc_next(NULL); d; d = av->av_pix_fmt_desc_next(d)) {
        const enum AVPixelFormat from = av->av_pix_fmt_desc_get_id(d), to = avframe_canonical_for(from);
        struct video_format format;
        if (d->flags & AV_PIX_FMT_FLAG_HWACCEL) {
            CHECK_MSG(to == AV_PIX_FMT_NONE, "%s", d->name);
            continue;
        }
        if (!CHECK_MSG(to != AV_PIX_FMT_NONE && avframe_is_canonical(to, &format), "%s has no place", d->name)) continue;
        for (int i = 0; i < d->nb_components; i++)
            if (!(d->flags & AV_PIX_FMT_FLAG_FLOAT))
                CHECK_MSG(d->comp[i].depth <= format.bits, "%s loses depth in %d bits", d->name, format.bits);
        CHECK_MSG(!!(d->flags & AV_PIX_FMT_FLAG_ALPHA) == format.alpha, "%s: alpha", d->name);
    }
}

static void every_convertible_format_converts(void)
{
    struct avconvert *convert = NULL;
    struct fm_error error = {0};
    AVFrame *frame = av->av_frame_alloc();
    if (!CHECK(frame) || !CHECK_INT(avconvert_create(av, &convert, &error), FM_OK)) return;
    int n = 0;
    for (const AVPixFmtDescriptor *d = av->av_pix_fmt_desc_next(NULL); d; d = av->av_pix_fmt_desc_next(d)) {
        const enum AVPixelFormat from = av->av_pix_fmt_desc_get_id(d), to = avframe_canonical_for(from);
        if (to == AV_PIX_FMT_NONE) continue;
        frame->format = from;
        frame->width = 34;
        frame->height = 18;
        frame->pts = 77;
        if (!CHECK_MSG(av->av_frame_get_buffer(frame, 0) == 0, "%s", d->name)) continue;
        for (int p = 0; p < 4 && frame->buf[p]; p++) memset(frame->buf[p]->data, 0, (size_t) frame->buf[p]->size);
        const int code = avconvert_frame(convert, frame, to, 34, 18, &error);
        n += code == FM_OK;
        if (code == FM_OK) CHECK_MSG(frame->format == (int) to && frame->pts == 77 && frame->data[0], "%s", d->name);
        if (code != FM_OK) CHECK_MSG(code == FM_ERR_UNSUPPORTED && error.message[0], "%s: %s", d->name, error.message);
        av->av_frame_unref(frame);
    }
    CHECK_MSG(n > 150, "only %d formats convert", n);
    avconvert_destroy(&convert);
    av->av_frame_free(&frame);
}

static void tags_go_both_ways(void)
{
    AVFrame *frame = av->av_frame_alloc();
    if (!CHECK(frame)) return;
    for (int siting = VIDEO_SITING_LEFT; siting <= VIDEO_SITING_BOTTOM; siting++)
        for (int full = 0; full < 2; full++) {
            const struct video_format want = {VIDEO_420, 10, false, full, (enum video_siting) siting, 9, 9, 16};
            struct video_format have = {.layout = VIDEO_420, .bits = 10};
            frame->format = AV_PIX_FMT_YUV420P10;
            avframe_tags_to(want, frame);
            avframe_tags_from(frame, &have);
            CHECK_INT(have.siting, siting);
            CHECK_INT(have.full, full);
            CHECK_INT(have.matrix, 9);
            CHECK_INT(have.transfer, 16);
        }
    struct video_format rgb = {.layout = VIDEO_RGB}, old = {.layout = VIDEO_420};
    av->av_frame_unref(frame);
    frame->format = AV_PIX_FMT_GBRP;
    avframe_tags_from(frame, &rgb);
    CHECK(rgb.full);
    CHECK_INT(rgb.matrix, 2);
    frame->format = AV_PIX_FMT_YUVJ420P;
    avframe_tags_from(frame, &old);
    CHECK(old.full);
    CHECK_INT(avframe_siting_to(rgb), AVCHROMA_LOC_UNSPECIFIED);
    av->av_frame_free(&frame);
}

/* The matrix of a turn by 90 degrees clockwise maps (x, y) to (-y, x). */
static void turns(void)
{
    const int32_t one = 1 << 16;
    const struct {
        int32_t a, b, c, d;
        int rotation;
        bool flipped;
    } cases[] = {{one, 0, 0, one, 0, false}, {0, one, -one, 0, 90, false}, {-one, 0, 0, -one, 180, false},
        {0, -one, one, 0, 270, false}, {-one, 0, 0, one, 0, true}, {one, 0, 0, -one, 180, true}, {0, -one, -one, 0, 90, true},
        {0, one, one, 0, 270, true}, {0, 0, 0, 0, 0, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int32_t matrix[9] = {cases[i].a, cases[i].b, 0, cases[i].c, cases[i].d, 0, 0, 0, 1 << 30};
        int rotation = -1;
        bool flipped = false;
        video_info_rotation(matrix, &rotation, &flipped);
        CHECK_MSG(rotation == cases[i].rotation && flipped == cases[i].flipped, "case %zu: %d %d", i, rotation, flipped);
    }
}

static void texts_are_harmless(void)
{
    char text[8];
    video_info_text("a\x1b[2J\n", text, sizeof text);
    CHECK_STR(text, "a?[2J?");
    video_info_text("abcdef\xc3\xa9", text, sizeof text);
    CHECK_STR(text, "abcdef");
    video_info_text("ab\xc2\x9b"
                    "c",
        text, sizeof text);
    CHECK_STR(text, "ab??c");
    video_info_text(NULL, text, sizeof text);
    CHECK_STR(text, "");
    char name[80];
    video_open_name("rtsp://me:secret@host/x@y", name, sizeof name);
    CHECK_STR(name, "rtsp://host/x@y");
    video_open_name("http://host/a@b", name, sizeof name);
    CHECK_STR(name, "http://host/a@b");
    video_open_name("-", name, sizeof name);
    CHECK_STR(name, "standard input");
}

static void frames_come_as_written(void)
{
    struct video_source *source = NULL;
    struct fm_error error = {0};
    struct video_item item;
    if (!CHECK_INT(video_source_open(clip, NULL, &source, &error), FM_OK)) return;
    const struct video_info *info = video_source_info(source);
    CHECK_INT(info->width, W);
    CHECK_INT(info->height, H);
    CHECK_INT(info->time_base.num, 1);
    CHECK_INT(info->time_base.den, 25);
    CHECK_INT(info->format.siting, VIDEO_SITING_CENTER);
    CHECK_STR(info->container, "yuv4mpegpipe");
    CHECK(av_loaded() == av);
    for (int i = 0; i < FRAMES; i++) {
        if (!CHECK_INT(video_source_next(source, &item, &error), FM_OK)) break;
        CHECK_MSG(frame_is(&item.frame, i) && item.index == i, "frame %d", i);
        CHECK(avframe_of(&item.frame) && avframe_of(&item.frame)->data[0] == item.frame.plane[0]);
        video_frame_release(&item.frame);
    }
    CHECK_INT(video_source_next(source, &item, &error), FM_ERR_EOS);
    CHECK_INT(video_source_next(source, &item, &error), FM_ERR_EOS);
    video_source_close(&source);
    video_source_close(&source);
}

static void warm_frames_need_no_heap(void)
{
    struct video_source *source = NULL;
    struct video_item item;
    if (!CHECK_INT(video_source_open(clip, NULL, &source, NULL), FM_OK)) return;
    uint64_t before = 0;
    for (int i = 0; i < FRAMES; i++) {
        if (i == 5) before = core_alloc_count();
        if (!CHECK_INT(video_source_next(source, &item, NULL), FM_OK)) break;
        video_frame_release(&item.frame);
    }
    CHECK_INT(core_alloc_count() - before, 0);
    video_source_close(&source);
}

struct keeper {
    struct video_item items[FRAMES];
    atomic_int n;
    atomic_int wrong;
};

static void *look_and_release(void *arg)
{
    struct keeper *k = arg;
    for (int i; (i = atomic_fetch_sub(&k->n, 1) - 1) >= 0;) {
        if (!frame_is(&k->items[i].frame, i)) atomic_fetch_add(&k->wrong, 1);
        video_frame_release(&k->items[i].frame);
    }
    return NULL;
}

/* Frames belong to whoever has them, on any thread, also when the source is gone. */
static void frames_outlive_the_source(void)
{
    struct video_source *source = NULL;
    static struct keeper k;
    pthread_t threads[3];
    if (!CHECK_INT(video_source_open(clip, NULL, &source, NULL), FM_OK)) return;
    for (int i = 0; i < FRAMES; i++) CHECK_INT(video_source_next(source, &k.items[i], NULL), FM_OK);
    video_source_close(&source);
    atomic_store(&k.n, FRAMES);
    for (int i = 0; i < 3; i++) CHECK_INT(pthread_create(&threads[i], NULL, look_and_release, &k), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    CHECK_INT(atomic_load(&k.wrong), 0);
}

static void a_cancel_ends_it(void)
{
    static atomic_bool cancel;
    const struct video_source_params params = {.cancel = &cancel};
    struct video_source *source = NULL;
    struct fm_error error = {0};
    struct video_item item;
    if (!CHECK_INT(video_source_open(clip, &params, &source, &error), FM_OK)) return;
    atomic_store(&cancel, true);
    int code = FM_OK;
    for (int i = 0; code == FM_OK && i < FRAMES; i++) {
        code = video_source_next(source, &item, &error);
        if (code == FM_OK) video_frame_release(&item.frame);
    }
    CHECK_INT(code, FM_ERR_CANCELLED);
    CHECK_INT(video_source_next(source, &item, &error), FM_ERR_CANCELLED);
    video_source_close(&source);
}

static void count(void *n)
{
    ++*(int *) n;
}

static int all_of_it(void)
{
    static const char *const options[] = {"framerate=25"};
    const struct video_source_params params = {.format = "yuv4mpegpipe", .options = options, .n_options = 0, .want_packets = true};
    struct video_source *source = NULL;
    struct fm_error error = {0};
    struct video_item item;
    int frames = 0, left_out = 0, code = video_source_open(clip, &params, &source, &error);
    if (code == FM_OK) code = video_source_skip_to(source, 3, 2, count, &left_out, &error);
    if (code == FM_OK) CHECK_MSG(left_out > 0, "%d told", left_out);
    while (code == FM_OK && (code = video_source_next(source, &item, &error)) == FM_OK) {
        CHECK(frame_is(&item.frame, 3 + frames++));
        video_frame_release(&item.frame);
    }
    video_source_close(&source);
    if (code == FM_ERR_EOS) CHECK_INT(frames, FRAMES - 3);
    if (code != FM_ERR_EOS) CHECK_MSG(code == FM_ERR_NOMEM, "%d: %s", code, error.message);
    return code;
}

static int probe_of_it(void)
{
    fm_probe *probe = NULL;
    struct fm_error error = {0};
    const int code = fm_probe_open(clip, NULL, &probe, &error);
    CHECK_MSG(code == FM_OK || code == FM_ERR_NOMEM, "%d: %s", code, error.message);
    fm_probe_close(&probe);
    return code == FM_OK ? FM_ERR_EOS : code;
}

static void memory_that_runs_out(void)
{
    int (*const tries[])(void) = {all_of_it, probe_of_it};
    for (size_t t = 0; t < 2; t++) {
        int n = 0, code;
        const int64_t live = core_alloc_live();
        do {
            n++;
            core_alloc_fail_after((uint64_t) n, n % 2);
            code = tries[t]();
            core_alloc_fail_after(0, false);
            CHECK_INT(core_alloc_live(), live);
        } while (code != FM_ERR_EOS && n < 1000);
        CHECK_MSG(n > 5 && n < 1000, "%d allocations", n);
    }
}

static void probe_tells(void)
{
    fm_probe *probe = NULL;
    struct fm_error error = {0};
    struct fm_probe_info info = {.size = sizeof info};
    struct fm_probe_stream stream = {.size = sizeof stream};
    const char *key, *value;
    CHECK_INT(fm_probe_open(NULL, NULL, &probe, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_probe_open(clip, NULL, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_probe_open("/nonexistent/x.mp4", NULL, &probe, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "/nonexistent/x.mp4");
    if (!CHECK_INT(fm_probe_open(clip, NULL, &probe, &error), FM_OK)) return;
    CHECK_INT(fm_probe_get_info(probe, &info), FM_OK);
    CHECK_INT(info.kind, FM_PROBE_VIDEO);
    CHECK_INT(info.n_streams, 1);
    CHECK_INT(info.video, 0);
    CHECK_INT(fm_probe_get_stream(probe, 0, &stream), FM_OK);
    CHECK_STR(stream.codec, "rawvideo");
    CHECK_STR(stream.pixel_format, "yuv420p");
    CHECK_INT(stream.rate_num, 25);
    CHECK_INT(fm_probe_get_stream(probe, 1, &stream), FM_ERR_ARGUMENT);
    CHECK_INT(fm_probe_get_chapter(probe, 0, &(struct fm_probe_chapter){.size = sizeof(struct fm_probe_chapter)}), FM_ERR_ARGUMENT);
    CHECK_INT(fm_probe_get_tag(probe, -1, 0, &key, &value), FM_ERR_EOS);
    fm_probe_close(&probe);
    fm_probe_close(&probe);
}

int main(void)
{
    struct fm_error error = {0};
    av = av_load(&error);
    if (!av) {
        fprintf(stderr, "skipped: %s\n", error.message);
        printf("0 passed, 0 failed, 1 skipped\n");
        return EXIT_SUCCESS;
    }
    if (!mkdtemp(folder)) return EXIT_FAILURE;
    snprintf(clip, sizeof clip, "%s/clip.y4m", folder);
    if (!write_clip()) return EXIT_FAILURE;
    RUN(every_format_goes_both_ways);
    RUN(every_pixel_format_has_a_place);
    RUN(every_convertible_format_converts);
    RUN(tags_go_both_ways);
    RUN(turns);
    RUN(texts_are_harmless);
    RUN(frames_come_as_written);
    RUN(warm_frames_need_no_heap);
    RUN(frames_outlive_the_source);
    RUN(a_cancel_ends_it);
    RUN(memory_that_runs_out);
    RUN(probe_tells);
    unlink(clip);
    rmdir(folder);
    return check_report();
}
