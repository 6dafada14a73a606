/* SPDX-License-Identifier: MIT */
/* Encoders: who owns a frame when, times, forced keyframes as places to go on from, side data, conversions, faults. */
#include "check.h"

#include "core/alloc.h"
#include "media/av_frame.h"
#include "media/av_load.h"
#include "media/video_encoder.h"

#define WIDTH 64
#define HEIGHT 48
#define FRAMES 40

static struct fm_error error;
static char warnings[1024];
static atomic_int released;

struct picture {
    uint8_t *data;
};

static void release(struct video_frame *frame)
{
    struct picture *p = frame->owner;
    atomic_fetch_add(&released, 1);
    free(p->data);
    free(p);
}

/* Frame n of a format: a ramp that moves, full size planes one after the other. */
static struct video_frame frame_here(struct video_format format, int n)
{
    struct video_frame f = {.format = format, .width = WIDTH, .height = HEIGHT, .pts = 1000 + 7 * n + n % 2, .duration = 6 + n % 3};
    struct picture *p = malloc(sizeof *p);
    const size_t stride = WIDTH * 2;
    if (p) p->data = calloc(VIDEO_PLANES_MAX, stride * HEIGHT);
    if (!p || !p->data) exit(1);
    for (int i = 0; i < video_planes(format); i++) {
        f.plane[i] = p->data + (size_t) i * stride * HEIGHT;
        f.stride[i] = (ptrdiff_t) stride;
        for (int y = 0; y < video_plane_height(format, HEIGHT, i); y++)
            for (int x = 0; x < video_plane_width(format, WIDTH, i); x++) {
                const int v = (x * 3 + y * 2 + n * 5 + i * 40) % (format.bits == 8 ? 200 : 1 << (format.bits - 1)) + 16;
                if (format.bits == 8)
                    f.plane[i][(size_t) y * stride + (size_t) x] = (uint8_t) v;
                else
                    ((uint16_t *) (void *) (f.plane[i] + (size_t) y * stride))[x] = (uint16_t) v;
            }
    }
    f.owner = p;
    f.release = release;
    return f;
}

static const struct video_format yuv420 = {
    .layout = VIDEO_420, .bits = 8, .siting = VIDEO_SITING_LEFT, .matrix = 1, .primaries = 1, .transfer = 1};

static struct video_encoder_params params_for(struct video_format format, const char *name)
{
    static const char *const fast[] = {"preset=ultrafast", "bf=2", "rc-lookahead=10", NULL};
    return (struct video_encoder_params){.name = name,
        .container = "matroska",
        .options = name && strcmp(name, "libx264") == 0 ? fast : NULL,
        .width = WIDTH,
        .height = HEIGHT,
        .format = format,
        .time_base = {1, 1000},
        .frame_rate = {1000, 7},
        .gop = 100,
        .threads = 2,
        .journal = true};
}

struct seen {
    int count;
    int64_t pts[FRAMES], dts[FRAMES], duration[FRAMES];
    bool key[FRAMES];
    bool has_captions;
};

static int drain(struct video_encoder *e, struct seen *seen)
{
    struct coded_packet p;
    int code;
    while ((code = video_encoder_receive(e, &p, &error)) == FM_OK) {
        if (seen->count < FRAMES) {
            seen->pts[seen->count] = p.pts;
            seen->dts[seen->count] = p.dts;
            seen->duration[seen->count] = p.duration;
            seen->key[seen->count] = p.flags & CODED_KEY;
        }
        for (size_t i = 0; i + 4 <= p.size; i++) seen->has_captions |= memcmp(p.data + i, "GA94", 4) == 0;
        seen->count++;
        coded_packet_release(&p);
    }
    return code;
}

/* Sends frames first .. FRAMES - 1, every tenth as a forced keyframe. */
static bool encode(struct video_encoder *e, struct video_format format, int first, struct seen *seen)
{
    for (int n = first; n < FRAMES; n++) {
        struct video_frame f = frame_here(format, n);
        if (!CHECK_INT(video_encoder_send(e, &f, NULL, n % 10 == 0, &error), FM_OK)) {
            fprintf(stderr, "%s\n", error.message);
            return false;
        }
        CHECK(f.release == NULL);
        if (n % 3 == 0) CHECK_INT(drain(e, seen), FM_ERR_AGAIN); /* not after each: what must come out is kept */
    }
    return CHECK_INT(video_encoder_flush(e, &error), FM_OK) && CHECK_INT(drain(e, seen), FM_ERR_EOS);
}

static bool have(const char *name)
{
    const struct av *av = av_load(&error);
    return av && av->avcodec_find_encoder_by_name(name);
}

static void check_times(const struct seen *seen, int first)
{
    bool is_there[FRAMES] = {false};
    if (!CHECK_INT(seen->count, FRAMES - first)) return;
    for (int i = 0; i < seen->count; i++) {
        const int n = (int) (seen->pts[i] - 1000) / 7;
        if (!CHECK(n >= first && n < FRAMES && !is_there[n])) return;
        is_there[n] = true;
        CHECK_INT(seen->pts[i], 1000 + 7 * n + n % 2);
        CHECK_INT(seen->duration[i], 6 + n % 3);
        CHECK(seen->dts[i] <= seen->pts[i] && (i == 0 || seen->dts[i] > seen->dts[i - 1]));
        if (n % 10 == 0) { /* a closed group: everything before it has come */
            CHECK_MSG(seen->key[i], "frame %d is no keyframe", n);
            CHECK_INT(i, n - first);
        }
    }
}

static void encoders(void)
{
    static const char *const names[] = {"libx264", "libx265", "mpeg4", "ffv1", "libvpx-vp9", "mjpeg"};
    int tried = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct video_encoder *e;
        struct seen seen = {0};
        struct video_encoder_params p = params_for(yuv420, names[i]);
        if (!have(names[i])) continue;
        tried++;
        warnings[0] = 0;
        atomic_store(&released, 0);
        if (!CHECK_INT(video_encoder_open(&p, &e, warnings, sizeof warnings, &error), FM_OK)) {
            fprintf(stderr, "%s\n", error.message);
            continue;
        }
        CHECK_STR(video_encoder_name(e), names[i]);
        const struct coded_stream *s = video_encoder_stream(e);
        CHECK_INT(s->width, WIDTH);
        CHECK_INT(s->time_base.den, 1000);
        CHECK_INT(s->matrix, 1);
        CHECK_HAS(s->writer, names[i]);
        if (encode(e, yuv420, 0, &seen)) check_times(&seen, 0);
        video_encoder_close(&e);
        CHECK_INT(atomic_load(&released), FRAMES);
        if (strcmp(names[i], "libx264") == 0) CHECK_STR(warnings, "");
    }
    if (!tried) SKIP("FFmpeg without encoders");
}

/* From a forced keyframe on, a new encoder gives packets for the same frames. */
static void going_on(void)
{
    struct video_encoder *e;
    struct seen seen = {0};
    const struct video_encoder_params p = params_for(yuv420, "libx264");
    if (!have("libx264")) SKIP("no libx264");
    if (!CHECK_INT(video_encoder_open(&p, &e, NULL, 0, &error), FM_OK)) return;
    if (encode(e, yuv420, 20, &seen)) check_times(&seen, 20);
    video_encoder_close(&e);
}

/* Given up in the middle: frames that are still inside are released. */
static void given_up(void)
{
    struct video_encoder *e;
    const struct video_encoder_params p = params_for(yuv420, "libx264");
    if (!have("libx264")) SKIP("no libx264");
    atomic_store(&released, 0);
    if (!CHECK_INT(video_encoder_open(&p, &e, NULL, 0, &error), FM_OK)) return;
    for (int n = 0; n < 7; n++) {
        struct video_frame f = frame_here(yuv420, n);
        CHECK_INT(video_encoder_send(e, &f, NULL, false, &error), FM_OK);
    }
    video_encoder_close(&e);
    CHECK_INT(atomic_load(&released), 7);
    video_encoder_close(&e);
}

static void wrong_frames(void)
{
    struct video_encoder *e;
    const struct video_encoder_params p = params_for(yuv420, "libx264");
    if (!have("libx264")) SKIP("no libx264");
    atomic_store(&released, 0);
    if (!CHECK_INT(video_encoder_open(&p, &e, NULL, 0, &error), FM_OK)) return;
    struct video_frame f = frame_here(yuv420, 5);
    CHECK_INT(video_encoder_send(e, &f, NULL, false, &error), FM_OK);
    f = frame_here(yuv420, 4);
    CHECK_INT(video_encoder_send(e, &f, NULL, false, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "not later");
    f = frame_here(yuv420, 6);
    f.width--;
    CHECK_INT(video_encoder_send(e, &f, NULL, false, &error), FM_ERR_SHAPE);
    f = frame_here(yuv420, 6);
    f.format.bits = 10;
    CHECK_INT(video_encoder_send(e, &f, NULL, false, &error), FM_ERR_ARGUMENT);
    CHECK_INT(video_encoder_flush(e, &error), FM_OK);
    f = frame_here(yuv420, 9);
    CHECK_INT(video_encoder_send(e, &f, NULL, false, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "after the last");
    video_encoder_close(&e);
    CHECK_INT(atomic_load(&released), 5);
}

/* What an encoder does not take is converted, and said. */
static void conversions(void)
{
    static const struct {
        struct video_format format;
        const char *encoder, *pixels, *warning;
        int matrix, range;
    } cases[] = {
        {{.layout = VIDEO_RGB, .bits = 8, .full = true, .matrix = 0, .primaries = 1, .transfer = 13}, "libx264", "yuv420p", "gbrp",
            1, 1},
        {{.layout = VIDEO_GREY, .bits = 12, .full = true, .matrix = 2, .primaries = 2, .transfer = 2}, "libx264", "gray10le",
            "gray12", 2, 2},
        {{.layout = VIDEO_422, .bits = 10, .matrix = 9, .primaries = 9, .transfer = 16}, "libx264", "yuv422p10le", NULL, 9, 1},
        {{.layout = VIDEO_420, .bits = 16, .matrix = 9, .primaries = 9, .transfer = 18}, "libx264", "yuv420p10le", "yuv420p16", 9,
            1},
        {{.layout = VIDEO_GREY, .bits = 8, .full = true, .alpha = true, .matrix = 2, .primaries = 2, .transfer = 2}, "libx264",
            "gray", "transparency", 2, 2},
        {{.layout = VIDEO_420, .bits = 8, .matrix = 6, .primaries = 2, .transfer = 2}, "mjpeg", "yuv420p", "full range", 6, 2},
        {{.layout = VIDEO_RGB, .bits = 10, .full = true, .primaries = 2, .transfer = 2}, "ffv1", "gbrp10le", NULL, 0, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct video_encoder *e;
        struct seen seen = {0};
        const struct video_encoder_params p = params_for(cases[i].format, cases[i].encoder);
        if (!have(cases[i].encoder)) continue;
        warnings[0] = 0;
        atomic_store(&released, 0);
        if (!CHECK_INT(video_encoder_open(&p, &e, warnings, sizeof warnings, &error), FM_OK)) {
            fprintf(stderr, "case %zu: %s\n", i, error.message);
            continue;
        }
        const struct coded_stream *s = video_encoder_stream(e);
        CHECK_MSG(strstr(s->pixels, cases[i].pixels) != NULL, "case %zu: %s", i, s->pixels);
        if (cases[i].warning)
            CHECK_HAS(warnings, cases[i].warning);
        else
            CHECK_STR(warnings, "");
        CHECK_INT(s->matrix, cases[i].matrix);
        CHECK_INT(s->range, cases[i].range);
        CHECK_INT(s->transfer, cases[i].format.transfer);
        if (encode(e, cases[i].format, 0, &seen)) CHECK_INT(seen.count, FRAMES);
        video_encoder_close(&e);
        CHECK_INT(atomic_load(&released), FRAMES);
    }
}

/* Captions and HDR of the decoded frame reach stream and packets, though the picture is another's. */
static void side_data(void)
{
    static const uint8_t captions[] = {0xfc, 0x94, 0x20, 0xfd, 0x80, 0x80};
    const struct av *av = av_load(&error);
    struct video_encoder *e;
    struct seen seen = {0};
    struct video_frame source;
    if (!have("libx264")) SKIP("no libx264");
    AVFrame *decoded = av->av_frame_alloc();
    struct avframe_pool *pool = avframe_pool_create(av);
    decoded->format = AV_PIX_FMT_YUV420P;
    decoded->width = WIDTH / 2;
    decoded->height = HEIGHT / 2;
    CHECK(av->av_frame_get_buffer(decoded, 0) >= 0);
    AVFrameSideData *side = av->av_frame_new_side_data(decoded, AV_FRAME_DATA_A53_CC, sizeof captions);
    memcpy(side->data, captions, sizeof captions);
    side = av->av_frame_new_side_data(decoded, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL, sizeof(AVContentLightMetadata));
    *(AVContentLightMetadata *) (void *) side->data = (AVContentLightMetadata){.MaxCLL = 1000, .MaxFALL = 400};
    side = av->av_frame_new_side_data(decoded, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA, sizeof(AVMasteringDisplayMetadata));
    AVMasteringDisplayMetadata *m = (void *) side->data;
    *m = (AVMasteringDisplayMetadata){.white_point = {{15635, 50000}, {16450, 50000}},
        .min_luminance = {1, 10000},
        .max_luminance = {1000, 1},
        .has_primaries = 1,
        .has_luminance = 1};
    for (int i = 0; i < 3; i++) m->display_primaries[i][0] = m->display_primaries[i][1] = (AVRational){10000 + i, 50000};
    CHECK_INT(avframe_wrap(pool, decoded, &source, &error), FM_OK);
    struct video_encoder_params p = params_for(yuv420, "libx264");
    p.first = &source;
    if (CHECK_INT(video_encoder_open(&p, &e, NULL, 0, &error), FM_OK)) {
        const struct coded_stream *s = video_encoder_stream(e);
        bool has_light = false, has_display = false;
        for (int i = 0; i < s->sides; i++) {
            has_light |= s->side[i].type == AV_PKT_DATA_CONTENT_LIGHT_LEVEL &&
                         ((const AVContentLightMetadata *) (const void *) s->side[i].data)->MaxCLL == 1000;
            has_display |= s->side[i].type == AV_PKT_DATA_MASTERING_DISPLAY_METADATA && s->side[i].size == sizeof *m;
        }
        CHECK(has_light && has_display);
        struct video_frame f = frame_here(yuv420, 0);
        CHECK_INT(video_encoder_send(e, &f, &source, false, &error), FM_OK);
        CHECK_INT(video_encoder_flush(e, &error), FM_OK);
        CHECK_INT(drain(e, &seen), FM_ERR_EOS);
        CHECK(seen.count == 1 && seen.has_captions);
        video_encoder_close(&e);
    }
    video_frame_release(&source);
    av->av_frame_free(&decoded);
    avframe_pool_destroy(&pool);
}

static void bad_settings(void)
{
    struct video_encoder *e;
    struct video_encoder_params p = params_for(yuv420, "libx264");
    static const char *const unknown[] = {"crf=20", "colour=red", NULL}, *const bad[] = {"crf=much", NULL},
                             *const format[] = {"pix_fmt=yuv444p10le", NULL}, *const none[] = {"pix_fmt=mauve", NULL};
    if (!have("libx264")) SKIP("no libx264");
    p.options = unknown;
    CHECK_INT(video_encoder_open(&p, &e, NULL, 0, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "\"colour\"");
    CHECK(e == NULL);
    p.options = bad;
    CHECK_INT(video_encoder_open(&p, &e, NULL, 0, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "much");
    p.options = none;
    CHECK_INT(video_encoder_open(&p, &e, NULL, 0, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "mauve");
    p.options = format;
    warnings[0] = 0;
    if (CHECK_INT(video_encoder_open(&p, &e, warnings, sizeof warnings, &error), FM_OK))
        CHECK_STR(video_encoder_stream(e)->pixels, "yuv444p10le");
    CHECK_HAS(warnings, "converted to yuv444p10le");
    video_encoder_close(&e);
    p = params_for(yuv420, "aac");
    CHECK_INT(video_encoder_open(&p, &e, NULL, 0, &error), FM_ERR_ARGUMENT);
    p = params_for(yuv420, NULL);
    p.width = 0;
    CHECK_INT(video_encoder_open(&p, &e, NULL, 0, &error), FM_ERR_ARGUMENT);
}

static void no_memory(void)
{
    if (!have("mpeg4")) SKIP("no mpeg4");
    const int64_t live = core_alloc_live();
    for (int n = 1; n < 100; n++) {
        struct video_encoder *e;
        struct seen seen = {0};
        const struct video_encoder_params p = params_for(yuv420, "mpeg4");
        atomic_store(&released, 0);
        int sent = 0;
        core_alloc_fail_after((uint64_t) n, false);
        int code = video_encoder_open(&p, &e, NULL, 0, &error);
        while (code == FM_OK && sent < 5) {
            struct video_frame f = frame_here(yuv420, sent++);
            code = video_encoder_send(e, &f, NULL, false, &error);
        }
        if (code == FM_OK) (void) drain(e, &seen);
        video_encoder_close(&e);
        core_alloc_fail_after(0, false);
        CHECK_INT(core_alloc_live(), live);
        CHECK_INT(atomic_load(&released), sent);
        if (code == FM_OK) {
            CHECK(n > 3);
            return;
        }
        CHECK_INT(code, FM_ERR_NOMEM);
    }
    CHECK(false);
}

int main(void)
{
    RUN(encoders);
    RUN(going_on);
    RUN(given_up);
    RUN(wrong_frames);
    RUN(conversions);
    RUN(side_data);
    RUN(bad_settings);
    RUN(no_memory);
    return check_report();
}
