/* SPDX-License-Identifier: MIT */
/* The video task by its public functions: the same frames whoever computes them, cancelled and gone on with from any thread, memory that
 * runs out anywhere. What becomes of real files is tried by tests/e2e/test_upscale_video.py. */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "framemill/video.h"
#include "upscale_kit.h"

#define W 64
#define H 48
#define FRAMES 60

/* A square that moves over noise that stays. */
static uint8_t sample(int frame, int plane, int x, int y)
{
    const uint32_t noise = (uint32_t) (x * 7919 + y * 104729 + plane * 31) * 2654435761u;
    const int side = plane ? 4 : 8, left = frame % 30 * (plane ? 1 : 2);
    return x >= left && x < left + side && y >= 4 && y < 4 + side ? 200 : (uint8_t) (60 + (noise >> 25));
}

/* kit_path's turn round. */
static char in[800], out[800], short_in[800], long_in[800], network[800];

static void write_clip(const char *name, int frames)
{
    FILE *to = fopen(kit_path(name), "wb");
    if (!CHECK(to != NULL)) return;
    fprintf(to, "YUV4MPEG2 W%d H%d F5:1 Ip A1:1 C420jpeg\n", W, H);
    for (int f = 0; f < frames; f++) {
        fputs("FRAME\n", to);
        for (int p = 0; p < 3; p++)
            for (int y = 0; y < (p ? H / 2 : H); y++)
                for (int x = 0; x < (p ? W / 2 : W); x++) fputc(sample(f, p, x, y), to);
    }
    CHECK_INT(fclose(to), 0);
}

struct result {
    struct fm_video_report report;
    struct fm_video_worker worker[4]; /* without their strings */
    char names[160];                  /* of the workers */
    char hash[80], message[FM_ERROR_MESSAGE_MAX], partial[1024], journal[1024], model[80];
    int code, reports, progress;
    fm_video *video;
    int64_t cancel_at; /* frames; -1: never */
};

static void on_report(void *user, const struct fm_video_report *r)
{
    struct result *k = user;
    k->report = *r;
    k->reports++;
    snprintf(k->hash, sizeof k->hash, "%s", r->hash);
    snprintf(k->partial, sizeof k->partial, "%s", r->partial);
    snprintf(k->journal, sizeof k->journal, "%s", r->journal);
    snprintf(k->model, sizeof k->model, "%s", r->model);
    for (int i = 0; i < r->n_workers && i < 4; i++) {
        const size_t used = strlen(k->names);
        k->worker[i] = r->workers[i];
        snprintf(k->names + used, sizeof k->names - used, "%s%s", i ? ", " : "", r->workers[i].name);
    }
}

static void on_progress(void *user, const struct fm_video_report *r)
{
    struct result *k = user;
    k->progress++;
    CHECK_INT(r->code, FM_ERR_AGAIN);
    if (k->cancel_at >= 0 && r->frames >= k->cancel_at) fm_video_cancel(k->video);
}

static struct result run(struct fm_video_params p, int64_t cancel_at)
{
    const char *models[] = {network, NULL};
    const struct fm_upscale_params upscale = {.size = sizeof upscale, .models = models};
    struct result k = {.cancel_at = cancel_at};
    struct fm_error error = {0};
    p.size = sizeof p;
    p.upscale = &upscale;
    p.encoder_threads = 1;
    k.code = fm_video_create(kit_engine, &p, &k.video, &error);
    if (k.code == FM_OK) k.code = fm_video_run(k.video, on_report, on_progress, NULL, &k, &error);
    CHECK(k.code < 0 || k.reports == 1);
    snprintf(k.message, sizeof k.message, "%s", error.message);
    fm_video_destroy(&k.video);
    CHECK(k.video == NULL);
    return k;
}

static void clean(void)
{
    static const char *const names[] = {"out.mkv", "out.partial.mkv", "out.mkv.journal", "out.y4m", "out.partial.y4m"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(kit_path(names[i]));
}

static void arguments_are_checked(void)
{
    struct fm_error error;
    fm_video *video = (fm_video *) &error;
    struct fm_video_params p = {.input = in};
    CHECK_INT(fm_video_create(kit_engine, &p, &video, &error), FM_ERR_ARGUMENT);
    CHECK(video == NULL);
    p.size = sizeof p;
    p.input = "";
    CHECK_INT(fm_video_create(kit_engine, &p, &video, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_video_create(NULL, &p, &video, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_video_create(kit_engine, NULL, &video, &error), FM_ERR_ARGUMENT);
    p.input = kit_path("nobody.y4m");
    CHECK_INT(fm_video_create(kit_engine, &p, &video, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "nobody.y4m");
    fm_video_destroy(&video);
    fm_video_destroy(NULL);
    fm_video_cancel(NULL);
    CHECK(fm_video_is_name("a/film.MP4") && fm_video_is_name("-") && fm_video_is_name("rtsp://x/y") &&
          fm_video_is_name("v4l2:/dev/video0"));
    CHECK(!fm_video_is_name("a.mp4/photo.png") && !fm_video_is_name("mp4") && !fm_video_is_name("") && !fm_video_is_name(NULL));
}

static void the_same_whoever_computes(void)
{
    write_clip("in.y4m", FRAMES);
    char want[80] = "";
    for (int workers = 1; workers <= 4; workers++)
        for (int reuse = 0; reuse < 2; reuse++) {
            clean();
            const struct result k = run((struct fm_video_params){.input = in,
                                            .output = workers == 2 ? kit_path("out.y4m") : NULL,
                                            .workers = workers,
                                            .hash = true,
                                            .no_reuse = !reuse},
                -1);
            CHECK_MSG(k.code == FM_OK, "%s", k.message);
            CHECK_INT(k.report.frames, FRAMES);
            CHECK_INT(k.report.out_width, 2 * W);
            CHECK_INT(k.report.out_height, 2 * H);
            CHECK_STR(k.model, "double");
            CHECK_INT(strlen(k.hash), 64);
            if (!*want) strcpy(want, k.hash);
            CHECK_STR(k.hash, want);
            CHECK_INT(k.report.reused > 0, reuse);
        }
}

/* This program is its own workers' program. */
static char self[1024];
static const char *const own_program[] = {self, "--work", NULL};

static bool has_processes(void)
{
#if defined(__linux__)
    return true;
#else
    return false;
#endif
}

/* Of a clip so long that the trials of who is worth having end in it, even when the system lets only one worker run for a while: a trial of n
 * workers ends after 16 n frames and a ring's at the latest, and there are no more than three. */
static void named_workers(void)
{
    enum { LONG = 4 * FRAMES };
    write_clip("long.y4m", LONG);
    snprintf(long_in, sizeof long_in, "%s", kit_path("long.y4m"));
    const struct result want = run((struct fm_video_params){.input = long_in, .hash = true}, -1);
    const struct {
        const char *list, *names;
    } lists[] = {
        {"cpu:1", "cpu:1"}, {"cpu:2,cpu:1", "cpu:2, cpu:1"}, {"cpu", "cpu:2"}, {"cpu:1,cpu:1,cpu", "cpu:1, cpu:1 #2, cpu:2"}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct result k = run((struct fm_video_params){.input = long_in, .hash = true, .worker_list = lists[i].list}, -1);
        CHECK_MSG(k.code == FM_OK, "%s", k.message);
        CHECK_STR(k.hash, want.hash);
        CHECK_STR(k.names, lists[i].names);
        int64_t frames = 0;
        double share = 0;
        for (int w = 0; w < k.report.n_workers; w++) frames += k.worker[w].frames, share += k.worker[w].share;
        CHECK_INT(frames, LONG);
        CHECK(k.report.is_measured && k.report.fps_chosen > 0);
        CHECK_NEAR(share, 1, 1e-6);
    }
    const char *const wrong[] = {"", "gpu:1", "cpu:", "cpu:0", "cpu:1025", "cpu:1,", "cpu:1x", "CPU:1", "cpu:+1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_INT(run((struct fm_video_params){.input = in, .worker_list = wrong[i]}, -1).code, FM_ERR_ARGUMENT);
    CHECK_INT(run((struct fm_video_params){.input = in, .worker_list = "cpu:1", .workers = 1}, -1).code, FM_ERR_ARGUMENT);
}

static void processes_do_the_same(void)
{
    if (!has_processes()) SKIP("this system has no worker processes");
    const int64_t live = core_alloc_live();
    const struct result want = run((struct fm_video_params){.input = in, .hash = true}, -1);
    for (int workers = 1; workers <= 3; workers++) {
        const struct fm_video_params p = {.input = in,
            .hash = true,
            .isolate = true,
            .worker_program = own_program,
            .workers = workers < 3 ? workers : 0,
            .worker_list = workers == 3 ? "cpu:1,cpu:1" : NULL};
        const struct result k = run(p, -1);
        CHECK_MSG(k.code == FM_OK, "%s", k.message);
        CHECK_STR(k.hash, want.hash);
        if (workers < 3) CHECK_INT(k.report.reused, want.report.reused); /* while they are measured, nothing is */
        CHECK(k.worker[0].is_process && !k.report.restarts && !k.report.redone);
    }
    CHECK_INT(run((struct fm_video_params){.input = in, .isolate = true}, -1).code, FM_ERR_ARGUMENT);
    const char *const gone[] = {kit_path("nobody"), NULL};
    const struct result k = run((struct fm_video_params){.input = in, .isolate = true, .worker_program = gone}, -1);
    CHECK_INT(k.code, FM_ERR_IO);
    CHECK_HAS(k.message, "nobody");
    struct fm_error error;
    CHECK_INT(fm_video_work(-1, 0, &error), FM_ERR_ARGUMENT);
    CHECK_INT(core_alloc_live(), live);
}

/* One that is stopped at a frame, goes on, and is stopped again. */
static void cancelled_and_gone_on_with(void)
{
    const struct fm_video_params p = {.input = in, .output = out, .encoder = "ffv1", .hash = true, .resume = true};
    clean();
    const struct result want = run(p, -1);
    CHECK_MSG(want.code == FM_OK, "%s", want.message);
    for (int64_t first = 0; first < FRAMES; first += 13) {
        clean();
        struct result k = {.code = FM_ERR_CANCELLED};
        int64_t at = first, most = 0;
        for (int turns = 0; k.code == FM_ERR_CANCELLED && turns < 20; turns++, at += 10) {
            k = run(p, at);
            if (k.code == FM_OK) break;
            CHECK_INT(k.code, FM_ERR_CANCELLED);
            CHECK(access(kit_path("out.mkv"), F_OK) != 0);
            CHECK_INT(*k.journal != 0, access(kit_path("out.mkv.journal"), F_OK) == 0);
            CHECK_INT(*k.partial != 0, access(kit_path("out.partial.mkv"), F_OK) == 0);
            CHECK(k.report.resumed <= k.report.frames && k.report.resumed >= most);
            most = k.report.resumed;
        }
        CHECK_MSG(k.code == FM_OK, "%s", k.message);
        CHECK_INT(k.report.frames, FRAMES);
        CHECK_STR(k.hash, want.hash);
        CHECK(access(kit_path("out.mkv"), F_OK) == 0 && access(kit_path("out.mkv.journal"), F_OK) != 0);
        CHECK_INT(kit_left_over(), 0);
    }
}

struct stopper {
    fm_video *video;
    long after_ns;
};

static void *stop_later(void *user)
{
    const struct stopper *s = user;
    nanosleep(&(struct timespec){.tv_nsec = s->after_ns}, NULL);
    fm_video_cancel(s->video);
    return NULL;
}

static void cancelled_from_another_thread(void)
{
    const char *models[] = {network, NULL};
    const struct fm_upscale_params upscale = {.size = sizeof upscale, .models = models};
    for (long ms = 0; ms < 40; ms += 4) {
        clean();
        const struct fm_video_params p = {.size = sizeof p, .input = in, .output = out, .upscale = &upscale, .encoder = "ffv1"};
        struct stopper s = {.after_ns = ms * 1000000};
        struct fm_error error = {0};
        pthread_t thread;
        struct result k = {.cancel_at = -1};
        if (!CHECK(fm_video_create(kit_engine, &p, &s.video, &error) == FM_OK)) return;
        if (!CHECK(pthread_create(&thread, NULL, stop_later, &s) == 0)) return;
        const int code = fm_video_run(s.video, on_report, NULL, NULL, &k, &error);
        pthread_join(thread, NULL);
        CHECK_MSG(code == FM_OK || code == FM_ERR_CANCELLED, "%d %s", code, error.message);
        CHECK_INT(k.report.code, code);
        CHECK_INT(access(kit_path("out.mkv"), F_OK) == 0, code == FM_OK);
        fm_video_destroy(&s.video);
        CHECK_INT(kit_left_over(), 0);
    }
}

/* Time for a frame that no network keeps: down to plain scaling, and not a frame less. */
static void late_frames_step_down(void)
{
    clean();
    const struct result k = run((struct fm_video_params){.input = in, .realtime = true, .frame_budget_ms = 1e-6}, -1);
    CHECK_MSG(k.code == FM_OK, "%s", k.message);
    CHECK_INT(k.report.frames, FRAMES);
    CHECK(k.report.steps > 0);
    CHECK_STR(k.model, "lanczos");
}

/* Memory fails at the n-th request, once or from then on: an error or the right frames, nothing leaked, no result that is not whole. */
static void memory_may_run_out_anywhere(bool isolate)
{
    write_clip("short.y4m", 6);
    const struct fm_video_params p = {
        .input = short_in, .output = out, .encoder = "ffv1", .hash = true, .isolate = isolate, .worker_program = own_program};
    clean();
    const uint64_t before = core_alloc_count();
    const struct result want = run(p, -1);
    const uint64_t requests = core_alloc_count() - before;
    CHECK_MSG(want.code == FM_OK, "%s", want.message);
    for (int all = 0; all < 2; all++) {
        int failures = 0;
        for (uint64_t n = 1; n <= requests; n += (isolate ? 3 + n / 8 : 1 + n / 40) * CHECK_REQUESTS) {
            clean();
            const int64_t live = core_alloc_live();
            core_alloc_fail_after(n, all != 0);
            const struct result k = run(p, -1);
            core_alloc_fail_after(0, false);
            CHECK_MSG(core_alloc_live() == live, "request %llu%s: %lld blocks leaked", (unsigned long long) n, all ? "+" : "",
                (long long) (core_alloc_live() - live));
            CHECK_MSG(k.code == FM_OK || k.code == FM_ERR_NOMEM, "request %llu%s: %d %s", (unsigned long long) n, all ? "+" : "",
                k.code, k.message);
            CHECK_INT(access(kit_path("out.mkv"), F_OK) == 0, k.code == FM_OK);
            CHECK_INT(kit_left_over(), 0);
            if (k.code == FM_OK && !strcmp(k.model, "double")) CHECK_STR(k.hash, want.hash);
            failures += k.code < 0;
        }
        CHECK_MSG(failures > (isolate ? 8 : 20) / CHECK_REQUESTS, "only %d of %llu requests failed", failures, (unsigned long long) requests);
    }
}

static void memory_may_run_out(void)
{
    memory_may_run_out_anywhere(false);
}

static void memory_may_run_out_before_processes(void)
{
    if (!has_processes()) SKIP("this system has no worker processes");
    memory_may_run_out_anywhere(true);
}

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "--work")) return fm_video_work(atoi(argv[2]), atoi(argv[3]), NULL) == FM_OK ? 0 : 1;
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    if (!kit_begin(2)) return 1;
    snprintf(in, sizeof in, "%s", kit_path("in.y4m"));
    snprintf(short_in, sizeof short_in, "%s", kit_path("short.y4m"));
    snprintf(out, sizeof out, "%s", kit_path("out.mkv"));
    snprintf(network, sizeof network, "%s", kit_path("double.onnx"));
    kit_double("double.onnx", 1);
    write_clip("in.y4m", FRAMES);
    RUN(arguments_are_checked);
    RUN(the_same_whoever_computes);
    RUN(cancelled_and_gone_on_with);
    RUN(cancelled_from_another_thread);
    RUN(late_frames_step_down);
    RUN(named_workers);
    RUN(processes_do_the_same);
    RUN(memory_may_run_out);
    RUN(memory_may_run_out_before_processes);
    kit_end();
    return check_report();
}
