/* SPDX-License-Identifier: MIT */
/* The upscale task over many files, and when things go wrong: what fails is said and leaves nothing behind, the rest goes on. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "upscale_kit.h"

#define PLAIN ((struct fm_upscale_params){.overwrite = true})

static const char *numbered(const char *format, int i)
{
    char name[64];
    snprintf(name, sizeof name, format, i);
    return kit_path(name);
}

static void many_files_one_after_the_other(void)
{
    kit_double("double.onnx", 1);
    enum { N = 14 };
    const char *names[2 * N + 2] = {NULL};
    for (int i = 0; i < N; i++) {
        struct kit_picture in = kit_make(30 + 7 * i, 50 - 2 * i, 1 + i % 4, i % 3 ? 8 : 16);
        names[2 * i] = numbered("many_%d.png", i);
        names[2 * i + 1] = numbered("made_%d.png", i);
        kit_write(names[2 * i], &in);
        kit_drop(&in);
    }
    /* The fifth is damaged, the ninth missing, the eleventh cannot be written. */
    if (truncate(names[8], 200) != 0) CHECK(false);
    unlink(names[16]);
    names[21] = kit_path("no/such/folder/out.png");
    for (int workers = 1; workers <= 3; workers += 2)
        for (int memory = 0; memory < 2; memory++) {
            struct fm_upscale_params params = PLAIN;
            params.workers = workers;
            params.writers = workers;
            params.memory = memory ? 3000000 : 0;
            const struct kit_result k = kit_run(params, kit_path("double.onnx"), names);
            CHECK_INT(k.reports, N);
            CHECK_INT(k.code, FM_ERR_FORMAT); /* the first that failed */
            for (int i = 0; i < N; i++) {
                const bool bad = i == 4 || i == 8 || i == 10;
                CHECK_MSG((k.codes[i] < 0) == bad, "file %d: %d", i, k.codes[i]);
                CHECK_MSG((access(names[2 * i + 1], F_OK) != 0) == bad, "file %d is %sthere", i, bad ? "" : "not ");
                if (!bad) {
                    struct kit_picture out;
                    kit_read(names[2 * i + 1], &out);
                    CHECK_INT(out.info.width, 2 * (30 + 7 * i));
                    CHECK_INT(out.info.height, 2 * (50 - 2 * i));
                    kit_drop(&out);
                    unlink(names[2 * i + 1]);
                }
            }
            CHECK_INT(k.codes[8], FM_ERR_IO);
            CHECK_INT(k.codes[10], FM_ERR_IO);
            CHECK_INT(kit_left_over(), 0);
        }
}

static void the_same_whoever_computes(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture in = kit_make(220, 180, 4, 8), one, other;
    kit_write(kit_path("in.png"), &in);
    struct fm_upscale_params params = PLAIN;
    params.workers = 1;
    KIT_RUN(params, kit_path("double.onnx"), kit_path("in.png"), kit_path("one.png"));
    kit_read(kit_path("one.png"), &one);
    for (int workers = 2; workers <= 4; workers++) {
        params.workers = workers;
        params.tile = 40;
        const struct kit_result k = KIT_RUN(params, kit_path("double.onnx"), kit_path("in.png"), kit_path("other.png"),
            kit_path("in.png"), kit_path("another.png"));
        CHECK_INT(k.code, FM_OK);
        if (kit_read(kit_path("another.png"), &other)) kit_same(&other, &one);
        kit_drop(&other);
    }
    kit_drop(&one);
    kit_drop(&in);
}

struct stopper {
    fm_upscale *upscale;
    int calls, after, reports, cancelled, done;
};

static void stop_now(void *user, int finished, int files, double share)
{
    struct stopper *s = user;
    CHECK(finished >= 0 && finished <= files);
    CHECK(share >= 0 && share <= 1.000001);
    if (++s->calls == s->after) fm_upscale_cancel(s->upscale);
}

static void count_stopped(void *user, const struct fm_upscale_report *r)
{
    struct stopper *s = user;
    s->reports++;
    s->cancelled += r->code == FM_ERR_CANCELLED;
    s->done += r->code == FM_OK;
    CHECK_MSG(r->code == FM_OK || r->code == FM_ERR_CANCELLED, "%s", r->message);
    struct stat st;
    CHECK_INT(stat(r->output, &st) == 0, r->code == FM_OK);
}

static void cancelling_leaves_whole_files_only(void)
{
    kit_double("double.onnx", 1);
    enum { N = 12 };
    struct kit_picture in = kit_make(112, 84, 3, 8);
    kit_write(kit_path("in.png"), &in);
    const char *models[] = {kit_path("double.onnx"), NULL};
    struct fm_upscale_params params = {.size = sizeof params, .models = models, .tile = 32, .overwrite = true};
    for (int after = 1; after < 40; after += 6) {
        struct fm_upscale_file files[N];
        for (int i = 0; i < N; i++) {
            files[i] = (struct fm_upscale_file){.input = kit_path("in.png"), .output = numbered("stop_%d.png", i)};
            unlink(files[i].output);
        }
        struct stopper s = {.after = after};
        if (!CHECK(fm_upscale_create(kit_engine, &params, &s.upscale, NULL) == FM_OK)) return;
        const int code = fm_upscale_run(s.upscale, files, N, count_stopped, stop_now, &s, NULL);
        CHECK_INT(s.reports, N);
        CHECK_INT(s.done + s.cancelled, N);
        CHECK_INT(code, s.cancelled ? FM_ERR_CANCELLED : FM_OK);
        if (after == 1) CHECK(s.cancelled > 0);
        CHECK_INT(kit_left_over(), 0);
        /* It may run again. */
        s = (struct stopper){.upscale = s.upscale, .after = -1};
        for (int i = 0; i < N; i++) unlink(files[i].output);
        CHECK_INT(fm_upscale_run(s.upscale, files, 2, count_stopped, stop_now, &s, NULL), FM_OK);
        CHECK_INT(s.done, 2);
        fm_upscale_destroy(&s.upscale);
    }
    kit_drop(&in);
}

/* Memory fails at the n-th request, once or from then on: an error or a right picture, nothing leaked, nothing left behind. */
static void memory_may_run_out_anywhere(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture in = kit_make(80, 60, 4, 8), want, got;
    kit_write(kit_path("in.png"), &in);
    const uint64_t before = core_alloc_count();
    KIT_RUN(PLAIN, kit_path("double.onnx"), kit_path("in.png"), kit_path("want.png"));
    const uint64_t requests = core_alloc_count() - before;
    kit_read(kit_path("want.png"), &want);
    for (int all = 0; all < 2; all++) {
        int failures = 0, halved = 0;
        for (uint64_t n = 1; n <= requests; n += (1 + n / 60) * CHECK_REQUESTS) {
            unlink(kit_path("got.png"));
            const int64_t live = core_alloc_live();
            core_alloc_fail_after(n, all != 0);
            const struct kit_result k = KIT_RUN(PLAIN, kit_path("double.onnx"), kit_path("in.png"), kit_path("got.png"));
            core_alloc_fail_after(0, false);
            CHECK_MSG(core_alloc_live() == live, "request %llu: %lld blocks leaked", (unsigned long long) n,
                (long long) (core_alloc_live() - live));
            CHECK_MSG(k.code == FM_OK || k.code == FM_ERR_NOMEM, "request %llu: %d %s", (unsigned long long) n, k.code, k.message);
            CHECK_INT(access(kit_path("got.png"), F_OK) == 0, k.code == FM_OK);
            CHECK_INT(kit_left_over(), 0);
            if (k.code == FM_OK && strstr(k.warnings, "halved")) halved++;
            if (k.code == FM_OK && !strcmp(k.model, "double")) {
                if (kit_read(kit_path("got.png"), &got)) kit_same(&got, &want);
                kit_drop(&got);
            }
            failures += k.code < 0;
        }
        CHECK_MSG(failures > 20 / CHECK_REQUESTS, "only %d requests failed", failures);
        if (!all) CHECK_MSG(halved > 0, "one request failed here and there, and no tile was halved");
    }
    kit_drop(&want);
    kit_drop(&in);
}

/* A file may grow to so many bytes only: as when the disk is full. */
static void full_disks_leave_nothing(void)
{
    struct kit_picture in = kit_make(300, 200, 3, 8), old;
    kit_write(kit_path("in.png"), &in);
    kit_write(kit_path("out.png"), &in);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit before, small;
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 20000;
    setrlimit(RLIMIT_FSIZE, &small);
    static const char *const names[] = {"out.png", "out.jpg", "out.webp", "out.tiff"};
    for (int i = 0; i < 4; i++) {
        struct fm_upscale_params params = PLAIN;
        params.scale = 3;
        params.quality = 100;
        const struct kit_result k = KIT_RUN(params, NULL, kit_path("in.png"), kit_path(names[i]));
        CHECK_MSG(k.code == FM_ERR_IO, "%s: %d %s", names[i], k.code, k.message);
        CHECK_HAS(k.message, names[i]);
        if (i) CHECK(access(kit_path(names[i]), F_OK) != 0);
        CHECK_INT(kit_left_over(), 0);
    }
    setrlimit(RLIMIT_FSIZE, &before);
    if (kit_read(kit_path("out.png"), &old)) kit_same(&old, &in); /* what was there is as it was */
    kit_drop(&old);
    kit_drop(&in);
}

static void outputs_are_not_overwritten(void)
{
    struct kit_picture in = kit_make(20, 20, 3, 8), out;
    kit_write(kit_path("in.png"), &in);
    kit_write(kit_path("there.png"), &in);
    const struct kit_result k = KIT_RUN(((struct fm_upscale_params){.scale = 2}), NULL, kit_path("in.png"), kit_path("there.png"),
        kit_path("in.png"), kit_path("new.png"));
    CHECK_INT(k.codes[0], FM_ERR_ARGUMENT);
    CHECK_INT(k.codes[1], FM_OK);
    if (kit_read(kit_path("there.png"), &out)) kit_same(&out, &in);
    kit_drop(&out);
    kit_drop(&in);
}

static void formats_that_hold_less_say_so(void)
{
    struct kit_picture in = kit_make(40, 40, 4, 16), out;
    kit_write(kit_path("in.png"), &in);
    const struct kit_result k = KIT_RUN(PLAIN, NULL, kit_path("in.png"), kit_path("less.jpg"));
    CHECK_INT(k.code, FM_OK);
    CHECK_HAS(k.warnings, "transparency");
    CHECK_HAS(k.warnings, "8 bits");
    if (kit_read(kit_path("less.jpg"), &out)) CHECK(kit_sample(&out, 40, 40, 1) > 250); /* the hole is white */
    kit_drop(&out);
    kit_drop(&in);
}

static void describing_writes_nothing(void)
{
    kit_double("double.onnx", 1);
    struct kit_picture in = kit_make(40, 30, 3, 8);
    kit_write(kit_path("in.png"), &in);
    const char *models[] = {kit_path("double.onnx"), NULL};
    const struct fm_upscale_params params = {.size = sizeof params, .models = models, .scale = 3};
    const struct fm_upscale_file file = {.input = kit_path("in.png"), .output = kit_path("dry.png")};
    struct kit_result k = {0};
    fm_upscale *u = NULL;
    if (!CHECK(fm_upscale_create(kit_engine, &params, &u, NULL) == FM_OK)) return;
    CHECK_INT(fm_upscale_describe(u, &file, kit_reported, &k, NULL), FM_OK);
    CHECK_INT(k.last.out_width, 120);
    CHECK_INT(k.last.out_height, 90);
    CHECK_STR(k.how, "double x2 twice, then resampled");
    CHECK(access(file.output, F_OK) != 0);
    const struct fm_upscale_file none = {.input = kit_path("none.png"), .output = kit_path("dry.png")};
    struct fm_error error = {0};
    k.reports = 0;
    CHECK_INT(fm_upscale_describe(u, &none, kit_reported, &k, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "none.png");
    fm_upscale_destroy(&u);
    kit_drop(&in);
}

int main(void)
{
    if (!kit_begin(2)) return 1;
    RUN(many_files_one_after_the_other);
    RUN(the_same_whoever_computes);
    RUN(cancelling_leaves_whole_files_only);
    RUN(memory_may_run_out_anywhere);
    RUN(full_disks_leave_nothing);
    RUN(outputs_are_not_overwritten);
    RUN(formats_that_hold_less_say_so);
    RUN(describing_writes_nothing);
    kit_end();
    return check_report();
}
