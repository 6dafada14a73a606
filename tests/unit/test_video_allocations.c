/* SPDX-License-Identifier: MIT */
/* Frames of video through conversion and network take nothing from the heap once the first ones have: neither by core/alloc.h nor past it
 * (malloc and its kin are counted by this program itself, where nothing else has taken their place). */
#define _GNU_SOURCE
#include "api/objects.h"
#include "tasks/video/work.h"
#include "upscale_kit.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_SANITIZED
#endif
#endif
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(TEST_SANITIZED)
#define TEST_COUNTS_MALLOC

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
int posix_memalign(void **out, size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size);

static atomic_long mallocs;

void *malloc(size_t size)
{
    atomic_fetch_add(&mallocs, 1);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add(&mallocs, 1);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    atomic_fetch_add(&mallocs, 1);
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
    atomic_fetch_add(&mallocs, 1);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    *out = memalign(alignment, size);
    return *out ? 0 : 12;
}
#endif

static long taken(void)
{
#ifdef TEST_COUNTS_MALLOC
    return atomic_load(&mallocs);
#else
    return (long) core_alloc_count();
#endif
}

#define W 416
#define H 232
#define FRAMES 24

/* Noise that stays; a square that walks about and grows, so that what has changed has ever new forms. */
static uint8_t sample(int frame, int plane, int x, int y)
{
    const uint32_t noise = (uint32_t) (x * 7919 + y * 104729 + plane * 31) * 2654435761u;
    const int k = plane ? 2 : 1, side = (10 + frame * 3) / k, left = frame * 37 % 300 / k, top = frame * 53 % 160 / k;
    return x >= left && x < left + side && y >= top && y < top + side ? (uint8_t) (150 + frame) : (uint8_t) (60 + (noise >> 25));
}

static void write_clip(const char *path)
{
    FILE *to = fopen(path, "wb");
    if (!CHECK(to != NULL)) return;
    fprintf(to, "YUV4MPEG2 W%d H%d F5:1 Ip A1:1 C420jpeg\n", W, H);
    for (int f = 0; f < FRAMES; f++) {
        fputs("FRAME\n", to);
        for (int p = 0; p < 3; p++)
            for (int y = 0; y < (p ? H / 2 : H); y++)
                for (int x = 0; x < (p ? W / 2 : W); x++) fputc(sample(f, p, x, y), to);
    }
    CHECK_INT(fclose(to), 0);
}

/* Luma, twice the size; three layers. */
static void luma_double(const char *name)
{
    static float first[8 * 9], middle[8 * 8 * 9], last[4 * 8 * 9];
    for (int i = 0; i < 8 * 9; i++) first[i] = (float) (i % 7 - 3) * 0.05f;
    for (int i = 0; i < 8 * 8 * 9; i++) middle[i] = (float) (i % 5 - 2) * 0.02f;
    for (int i = 0; i < 4 * 8 * 9; i++) last[i] = (float) (i % 9 - 4) * 0.02f;
    begin(13);
    input("x", 1, "1,1,h,w");
    initializer("a", 1, "8,1,3,3", first, sizeof first);
    initializer("b", 1, "8,8,3,3", middle, sizeof middle);
    initializer("c", 1, "4,8,3,3", last, sizeof last);
    ATTR_I64S("pads", 1, 1, 1, 1);
    node("Conv", "x,a", "p");
    node("Relu", "p", "q");
    ATTR_I64S("pads", 1, 1, 1, 1);
    node("Conv", "q,b", "r");
    node("Relu", "r", "s");
    ATTR_I64S("pads", 1, 1, 1, 1);
    node("Conv", "s,c", "t");
    attr_int("blocksize", 2);
    attr_text("mode", "CRD");
    node("DepthToSpace", "t", "y");
    output("y");
    kit_save(name);
}

struct shop {
    struct video *video;
    struct work work;
    struct video_unit *unit;
    struct video_frame frame[FRAMES];
    int frames, partial; /* made in part */
};

static int make(struct shop *s, int at, bool reuses, struct fm_error *error)
{
    const int code = work_frame(&s->work, s->unit, &s->frame[at], reuses && at ? &s->frame[at - 1] : NULL);
    s->partial += s->unit->chosen || s->unit->n_todo > 0;
    if (code < 0) *error = s->unit->error;
    return code;
}

static int open_shop(struct shop *s, const char *network, const char *clip, struct fm_error *error)
{
    const char *models[] = {network, NULL};
    const struct fm_upscale_params upscale = {.size = sizeof upscale, .models = models, .strict = true};
    const struct fm_video_params p = {.size = sizeof p, .upscale = &upscale, .input = clip, .workers = 1};
    struct video_item item;
    int code = video_create(&p, kit_engine->pool, kit_engine->cpu_flags, &s->video, error);
    while (code == FM_OK && s->frames < FRAMES)
        if ((code = video_source_next(s->video->source, &item, error)) == FM_OK) s->frame[s->frames++] = item.frame;
    if (code == FM_OK) code = work_open(&s->work, s->video, s->video->threads, error);
    if (code < 0) return code;
    s->unit = core_alloc_pages(s->video->bundle_bytes);
    return s->unit ? FM_OK : FM_ERR_NOMEM;
}

static void close_shop(struct shop *s)
{
    for (int i = 0; i < s->frames; i++) video_frame_release(&s->frame[i]);
    if (s->unit) core_free_pages(s->unit, s->video->bundle_bytes);
    work_close(&s->work);
    video_destroy(&s->video);
}

/* All frames twice: the first round may take what it needs, the second nothing. */
static void try_network(const char *network, const char *clip, bool reuses)
{
    static struct shop s;
    struct fm_error error = {0};
    memset(&s, 0, sizeof s);
    int code = open_shop(&s, network, clip, &error);
    if (code == FM_ERR_UNSUPPORTED && strstr(error.message, "installed")) {
        close_shop(&s);
        SKIP("%s", error.message);
    }
    if (code == FM_OK) {
        const long before = taken();
        code = make(&s, 0, reuses, &error);
        CHECK(taken() > before); /* else nothing is counted */
    }
    const uint64_t count = core_alloc_count();
    const long all = taken();
    for (int i = 1; i < s.frames && code == FM_OK; i++) code = make(&s, i, reuses, &error);
    const int first = (int) (core_alloc_count() - count), first_all = (int) (taken() - all);
    CHECK_MSG(code == FM_OK, "%s: %s", network, error.message);
    CHECK_INT(s.frames, FRAMES);
    if (reuses) CHECK_MSG(s.partial > FRAMES / 2, "%s: only %d frames in part", network, s.partial);
    if (!reuses) CHECK_MSG(!first && !first_all, "%s: %d, %d allocations in %d frames", network, first, first_all, FRAMES - 1);
    const uint64_t count_again = core_alloc_count();
    const long all_again = taken();
    for (int i = 1; i < s.frames && code == FM_OK; i++) code = make(&s, i, reuses, &error);
    const int again = (int) (core_alloc_count() - count_again), again_all = (int) (taken() - all_again);
    CHECK_MSG(!again && !again_all, "%s, parts: %d, %d allocations in %d frames", network, again, again_all, FRAMES - 1);
    close_shop(&s);
}

static void whole_frames(void)
{
    write_clip(kit_path("clip.y4m"));
    luma_double("luma.onnx");
    kit_double("rgb.onnx", 1);
    try_network(kit_path("luma.onnx"), kit_path("clip.y4m"), false);
    try_network(kit_path("rgb.onnx"), kit_path("clip.y4m"), false);
    try_network("models/rt3.onnx", kit_path("clip.y4m"), false);
}

static void parts_of_frames(void)
{
    try_network(kit_path("luma.onnx"), kit_path("clip.y4m"), true);
    try_network(kit_path("rgb.onnx"), kit_path("clip.y4m"), true);
    try_network("models/rt3.onnx", kit_path("clip.y4m"), true);
}

int main(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        if (!kit_begin(threads)) return 1;
        RUN(whole_frames);
        RUN(parts_of_frames);
        kit_end();
    }
    return check_report();
}
