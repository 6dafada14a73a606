/* SPDX-License-Identifier: MIT */
/* Clips: frames of Y4M files written here, against R, G, B worked out by the matrix; ends, breaks, wrong calls, no memory. */
#define _GNU_SOURCE
#include <unistd.h>

#include "frame/picture.h"
#include "framemill/framemill.h"
#include "picture.h"

static char file_name[] = "/tmp/framemill-clip-XXXXXX";

/* A sample of a plane: any function of place and time. */
static int luma_at(int x, int y, int t)
{
    return 16 + (x * 7 + y * 3 + t * 31) % 220;
}

static int chroma_at(int plane, int x, int y, int t)
{
    return plane == 1 ? 60 + (x * 5 + y + t * 9) % 140 : 200 - (x + y * 4 + t * 5) % 150;
}

/* Grey is full unless it says so, as players have it. */
enum kind { YUV444, YUV420, GREY, GREY_FULL };
static const char *const tags[] = {"C444", "C420mpeg2", "Cmono XCOLORRANGE=LIMITED", "Cmono"};

/* Chroma of 4:2:0 is flat over a frame, so that it is the same however it is made larger. */
static int sample_at(enum kind kind, int plane, int x, int y, int t)
{
    if (!plane) return luma_at(x, y, t);
    return kind == YUV444 ? chroma_at(plane, x, y, t) : chroma_at(plane, 0, 0, t);
}

static void write_clip(enum kind kind, int w, int h, int frames, int cut)
{
    FILE *file = fopen(file_name, "wb");
    if (!file) abort();
    fprintf(file, "YUV4MPEG2 W%d H%d F25:1 Ip A1:1 %s\n", w, h, tags[kind]);
    for (int t = 0; t < frames; t++) {
        fputs("FRAME\n", file);
        for (int plane = 0; plane < (kind >= GREY ? 1 : 3); plane++) {
            const bool small = plane && kind == YUV420;
            for (int y = 0; y < (small ? (h + 1) / 2 : h); y++)
                for (int x = 0; x < (small ? (w + 1) / 2 : w); x++) putc(sample_at(kind, plane, x, y, t), file);
        }
    }
    fflush(file);
    if (cut && ftruncate(fileno(file), ftell(file) - cut) != 0) abort();
    fclose(file);
}

/* BT.601, in which small videos are that do not say. *close: a half, that may be rounded either way. */
static int want_at(enum kind kind, int c, int x, int y, int t, bool *close)
{
    const double luma = kind == GREY_FULL ? luma_at(x, y, t) / 255.0 : (luma_at(x, y, t) - 16) / 219.0;
    const double b = kind >= GREY ? 0 : (sample_at(kind, 1, x, y, t) - 128) / 224.0;
    const double r = kind >= GREY ? 0 : (sample_at(kind, 2, x, y, t) - 128) / 224.0;
    const double kr = 0.299, kb = 0.114, kg = 1 - kr - kb;
    const double red = luma + 2 * (1 - kr) * r, blue = luma + 2 * (1 - kb) * b;
    const double v = 255 * (c == 0 ? red : c == 2 ? blue : (luma - kr * red - kb * blue) / kg);
    *close = fabs(v - floor(v) - 0.5) < 1e-3;
    return v < 0 ? 0 : v > 255 ? 255 : (int) floor(v + 0.5);
}

static void check_frame(enum kind kind, const struct fm_picture *p, int t)
{
    int wrong = 0;
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++)
            for (int c = 0; c < 3; c++) {
                bool close;
                const int want = want_at(kind, c, x, y, t, &close), got = picture_row(p, y)[3 * x + c];
                wrong += got != want && !(close && abs(got - want) == 1);
            }
    CHECK_MSG(!wrong, "%s, frame %d: %d samples are wrong", tags[kind], t, wrong);
}

/* Skips the test where FFmpeg is missing. */
static fm_clip *open_clip(const struct fm_clip_params *params)
{
    struct fm_error error = {0};
    fm_clip *clip = NULL;
    if (fm_clip_open(file_name, params, &clip, &error) == FM_OK) return clip;
    CHECK(!clip);
    if (error.code == FM_ERR_UNSUPPORTED && strstr(error.message, "not installed"))
        check_skip("%s", error.message);
    else
        CHECK_MSG(false, "%s", error.message);
    return NULL;
}

static void frames_are_what_players_show(void)
{
    static const struct {
        enum kind kind;
        int w, h, threads;
    } cases[] = {{YUV444, 37, 150, 1}, {YUV420, 50, 131, 0}, {GREY, 33, 64, 3}, {GREY_FULL, 20, 65, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int w = cases[i].w, h = cases[i].h;
        struct fm_picture p = {0};
        struct fm_error error = {0};
        struct fm_clip_info info = {.size = sizeof info};
        write_clip(cases[i].kind, w, h, 3, 0);
        fm_clip *clip = open_clip(&(struct fm_clip_params){.size = sizeof(struct fm_clip_params), .threads = cases[i].threads});
        if (!clip) return;
        void *data = NULL;
        for (int t = 0; t < 3; t++) {
            if (!CHECK_MSG(fm_clip_next(clip, &p, &error) == FM_OK, "%s", error.message)) break;
            if (!CHECK_INT(p.width, w) || !CHECK_INT(p.height, h) || !CHECK_INT(p.channels, 3) || !CHECK_INT(p.bits, 8)) break;
            if (t) CHECK(p.data == data); /* written into */
            data = p.data;
            check_frame(cases[i].kind, &p, t);
        }
        CHECK_INT(fm_clip_next(clip, &p, &error), FM_ERR_EOS);
        CHECK_INT(fm_clip_next(clip, &p, &error), FM_ERR_EOS);
        CHECK_INT(fm_clip_get_info(clip, &info), FM_OK);
        CHECK(info.width == w && info.height == h && info.rate_num == 25 && info.rate_den == 1);
        CHECK(info.frames == 3 && info.damaged == 0);
        fm_picture_destroy(&p);
        fm_clip_close(&clip);
        CHECK(!clip);
    }
}

static void into_memory_of_the_caller(void)
{
    enum { W = 30, H = 20, STRIDE = 3 * W + 11 };
    static uint8_t memory[STRIDE * H + 1];
    struct fm_picture p = {sizeof p, W, H, 3, 8, STRIDE, memory}, other = {0};
    struct fm_error error = {0};
    write_clip(YUV444, W, H, 2, 0);
    fm_clip *clip = open_clip(NULL);
    if (!clip) return;
    memset(memory, 77, sizeof memory);
    CHECK_INT(fm_clip_next(clip, &p, &error), FM_OK);
    check_frame(YUV444, &p, 0);
    for (int y = 0; y < H; y++)
        for (int x = 3 * W; x < STRIDE; x++) CHECK_INT(memory[y * STRIDE + x], 77);
    CHECK_INT(fm_picture_create(W, H, 4, 8, &other, NULL), FM_OK);
    CHECK_INT(fm_clip_next(clip, &other, &error), FM_ERR_SHAPE);
    CHECK_HAS(error.message, "30 x 20");
    fm_picture_destroy(&other);
    CHECK_INT(fm_clip_next(clip, &other, &error), FM_OK); /* no frame was lost */
    check_frame(YUV444, &other, 1);
    fm_picture_destroy(&other);
    fm_clip_close(&clip);
}

static void a_clip_that_breaks_off(void)
{
    struct fm_picture p = {0};
    struct fm_error error = {0};
    write_clip(YUV444, 30, 20, 3, 1000); /* the last frame is cut */
    fm_clip *clip = open_clip(NULL);
    if (!clip) return;
    CHECK_INT(fm_clip_next(clip, &p, &error), FM_OK);
    CHECK_INT(fm_clip_next(clip, &p, &error), FM_OK);
    const int code = fm_clip_next(clip, &p, &error);
    CHECK_INT(code, FM_ERR_FORMAT);
    CHECK_HAS(error.message, file_name);
    CHECK_HAS(error.message, "breaks off after 2 frames");
    CHECK_INT(fm_clip_next(clip, &p, &error), FM_ERR_FORMAT);
    fm_picture_destroy(&p);
    fm_clip_close(&clip);
}

static void what_is_no_video(void)
{
    struct fm_error error = {0};
    fm_clip *clip = (fm_clip *) 1;
    FILE *file = fopen(file_name, "wb");
    if (!file) abort();
    fputs("This is text, and no video at all.\n", file);
    fclose(file);
    const int code = fm_clip_open(file_name, NULL, &clip, &error);
    if (code == FM_ERR_UNSUPPORTED) SKIP("%s", error.message);
    CHECK_INT(code, FM_ERR_FORMAT);
    CHECK(!clip);
    CHECK_HAS(error.message, file_name);
    CHECK_INT(fm_clip_open("/no/such/file.mkv", NULL, &clip, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "/no/such/file.mkv");
    /* one second of silence */
    file = fopen(file_name, "wb");
    static const uint8_t header[44] = "RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x8\0data\x40\x1f\0";
    fwrite(header, 1, sizeof header, file);
    for (int i = 0; i < 8000; i++) putc(128, file);
    fclose(file);
    CHECK_INT(fm_clip_open(file_name, NULL, &clip, &error), FM_ERR_FORMAT);
    CHECK_HAS(error.message, "no video");
}

static void wrong_calls(void)
{
    struct fm_error error = {0};
    struct fm_clip_params unset = {.threads = 1}, negative = {.size = sizeof negative, .threads = -1};
    struct fm_clip_info info = {.size = sizeof info};
    struct fm_picture p = {0};
    fm_clip *clip = (fm_clip *) 1;
    CHECK_INT(fm_clip_open(NULL, NULL, &clip, &error), FM_ERR_ARGUMENT);
    CHECK(!clip);
    CHECK_INT(fm_clip_open("", NULL, &clip, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_clip_open(file_name, NULL, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_clip_open(file_name, &unset, &clip, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_clip_open(file_name, &negative, &clip, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_clip_next(NULL, &p, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_clip_get_info(NULL, &info), FM_ERR_ARGUMENT);
    fm_clip_close(NULL);
    fm_clip_close(&clip);
    write_clip(GREY, 20, 20, 1, 0);
    clip = open_clip(NULL);
    if (!clip) return;
    info.size = 0;
    CHECK_INT(fm_clip_get_info(clip, &info), FM_ERR_ARGUMENT);
    CHECK_INT(fm_clip_get_info(clip, NULL), FM_ERR_ARGUMENT);
    CHECK_INT(fm_clip_next(clip, NULL, &error), FM_ERR_ARGUMENT);
    fm_clip_close(&clip);
}

static void without_memory(void)
{
    write_clip(YUV420, 32, 24, 2, 0);
    fm_clip *clip = open_clip(NULL); /* what is made once for all clips */
    if (!clip) return;
    fm_clip_close(&clip);
    const int64_t live = core_alloc_live();
    bool done = false;
    int n = 1;
    for (; n < 1000 && !done; n++) {
        struct fm_picture p = {0};
        struct fm_error error = {0};
        core_alloc_fail_after((uint64_t) n, false);
        int code = fm_clip_open(file_name, NULL, &clip, &error);
        const bool opened = code == FM_OK;
        if (opened) code = fm_clip_next(clip, &p, &error);
        core_alloc_fail_after(0, false);
        CHECK_MSG(code == FM_OK || code == FM_ERR_NOMEM, "allocation %d: %d, %s", n, code, error.message);
        CHECK(code == FM_OK ? p.data != NULL : p.data == NULL);
        CHECK(opened == (clip != NULL));
        if (code == FM_OK) check_frame(YUV420, &p, 0);
        done = code == FM_OK;
        fm_picture_destroy(&p);
        fm_clip_close(&clip);
        CHECK_INT(core_alloc_live(), live);
    }
    CHECK(done && n > 5);
}

int main(void)
{
    const int file = mkstemp(file_name);
    if (file < 0) return 1;
    close(file);
    RUN(frames_are_what_players_show);
    RUN(into_memory_of_the_caller);
    RUN(a_clip_that_breaks_off);
    RUN(what_is_no_video);
    RUN(wrong_calls);
    RUN(without_memory);
    unlink(file_name);
    return check_report();
}
