/* SPDX-License-Identifier: MIT */
/* The heap: a session that has run once takes nothing more from it, and wherever an allocation fails, the call that needed it says so
 * and everything is given back. */
#define _GNU_SOURCE
#include "api/objects.h"
#include "backend/cpu/program.h"
#include "core/alloc.h"
#include "framemill/framemill.h"
#include "model_file.h"

static fm_engine *new_engine(int threads)
{
    fm_engine *engine = NULL;
    const struct fm_engine_params params = {.size = sizeof params, .threads = threads};
    CHECK_INT(fm_engine_create(&params, &engine, NULL), FM_OK);
    return engine;
}

/* ---- nothing per run ---- */

struct steady {
    const char *path;
    int n_in, channels, height, width, threads, tile;
    size_t memory;
    bool given; /* the caller brings the output arrays */
};

static void try_steady(const struct steady *s)
{
    fm_engine *engine = new_engine(s->threads);
    fm_model *model = NULL;
    fm_plan *plan = NULL;
    fm_session *session = NULL;
    struct fm_error error = {0};
    struct fm_tensor in[2], out[4] = {{.data = NULL}};
    void *arrays[4] = {NULL};
    for (int k = 0; k < 2; k++)
        in[k] = (struct fm_tensor){.dtype = FM_F32, .rank = 4, .dim = {1, s->channels, s->height, s->width}};
    const struct fm_plan_params params = {.size = sizeof params, .tile = s->tile, .memory = s->memory};
    if (CHECK_MSG(fm_model_open(s->path, &model, &error) == FM_OK &&
                      fm_plan_create(engine, model, in, &params, &plan, &error) == FM_OK &&
                      fm_session_create(plan, &session, &error) == FM_OK,
            "%s: %s", s->path, error.message)) {
        const size_t n = (size_t) (s->channels * s->height * s->width);
        float *x = calloc(n, sizeof *x);
        for (size_t i = 0; i < n; i++) x[i] = (float) (i % 251) / 251;
        for (int k = 0; k < 2; k++) in[k].data = x;
        for (int k = 0; s->given && k < fm_model_output_count(model); k++) {
            CHECK_INT(fm_plan_output(plan, k, &out[k]), FM_OK);
            arrays[k] = out[k].data = calloc((size_t) fm_tensor_count(&out[k]), sizeof(float));
        }
        CHECK_INT(fm_session_run(session, in, out, &error), FM_OK);
        const uint64_t count = core_alloc_count();
        for (int i = 0; i < 5; i++) {
            for (int k = 0; !s->given && k < 4; k++) out[k].data = NULL;
            CHECK_INT(fm_session_run(session, in, out, &error), FM_OK);
        }
        CHECK_MSG(core_alloc_count() == count, "%s, %d threads, tile %d: %d allocations in five runs", s->path, s->threads, s->tile,
            (int) (core_alloc_count() - count));
        struct fm_plan_info info = {.size = sizeof info};
        CHECK_INT(fm_plan_get_info(plan, &info), FM_OK);
        if (s->tile || s->memory) CHECK_MSG(info.tiles > 1, "%s: one tile", s->path);
        if (s->memory) CHECK(info.session_bytes <= s->memory);
        free(x);
        for (int k = 0; k < 4; k++) free(arrays[k]);
    }
    fm_session_destroy(&session);
    fm_plan_unref(&plan);
    fm_model_unref(&model);
    fm_engine_unref(&engine);
}

static void nothing_per_run(void)
{
    char upscaler[640], squeeze[640], two[640];
    snprintf(upscaler, sizeof upscaler, "%s", model_path("upscaler.onnx"));
    snprintf(squeeze, sizeof squeeze, "%s", model_path("squeeze.onnx"));
    snprintf(two, sizeof two, "%s", model_path("two.onnx"));
    const struct steady cases[] = {
        {upscaler, 1, 3, 50, 70, 1, 0, 0, true},
        {upscaler, 1, 3, 50, 70, 2, 0, 0, false},
        {upscaler, 1, 3, 50, 70, 3, 16, 0, true},
        {upscaler, 1, 3, 50, 71, 1, 24, 0, false},
        {upscaler, 1, 3, 300, 900, 2, 0, 3000000, true},
        {squeeze, 1, 3, 50, 70, 2, 0, 0, true},
        {squeeze, 1, 3, 50, 70, 1, 0, 0, false},
        {two, 2, 4, 50, 70, 2, 0, 0, true},
        {two, 2, 4, 50, 70, 3, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) try_steady(&cases[i]);
}

static void nothing_per_run_published(void)
{
    static const char *const names[] = {
        "bench/piper.onnx", "bench/sesr_m5.onnx", "bench/ivs.param", "data/models/acnet/acnet_gan.onnx"};
    int tried = 0;
    for (size_t i = check_cases(2) < 2; i < sizeof names / sizeof names[0]; i++) { /* the first is the largest */
        const char *found = check_shared(names[i]);
        if (!found) continue;
        char path[1024];
        snprintf(path, sizeof path, "%s", found);
        const int channels = i == 0 ? 3 : 1;
        try_steady(&(struct steady){path, 1, channels, 60, 80, 2, 0, 0, true});
        try_steady(&(struct steady){path, 1, channels, 60, 80, 2, 32, 0, false});
        tried++;
    }
    if (!tried) SKIP("no networks beside the project");
}

/* ---- what a session holds ---- */

/* Reported before, so that a budget can be kept: whatever the tiles, no session grows past it. */
static void held(void)
{
    fm_engine *engine = new_engine(2);
    fm_model *model = NULL;
    CHECK_INT(fm_model_open(model_path("upscaler.onnx"), &model, NULL), FM_OK);
    static const struct {
        int height, width, tile;
        size_t memory;
    } cases[] = {
        {100, 130, 0, 0},
        {100, 130, 8, 0},
        {100, 130, 13, 0},
        {100, 131, 16, 0},
        {99, 130, 30, 0},
        {200, 210, 64, 0},
        {200, 210, 100, 0},
        {61, 900, 0, 3000000},
        {300, 900, 0, 2600000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fm_plan *plan = NULL;
        fm_session *session = NULL;
        struct fm_error error = {0};
        struct fm_tensor in = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, cases[i].height, cases[i].width}}, out = {.data = NULL};
        const struct fm_plan_params params = {.size = sizeof params, .tile = cases[i].tile, .memory = cases[i].memory};
        in.data = calloc((size_t) fm_tensor_count(&in), sizeof(float));
        if (CHECK_MSG(fm_plan_create(engine, model, &in, &params, &plan, &error) == FM_OK &&
                          fm_session_create(plan, &session, &error) == FM_OK,
                "case %d: %s", (int) i, error.message)) {
            CHECK_INT(fm_session_run(session, &in, &out, &error), FM_OK);
            struct fm_plan_info info = {.size = sizeof info};
            CHECK_INT(fm_plan_get_info(plan, &info), FM_OK);
            const struct backend_session *work = session_work_backend(session->work);
            const size_t bytes = work->memory_bytes + work->zero_bytes + work->scratch_stride * 2;
            const size_t planning = arena_bytes(work->part_arena) + arena_bytes(work->work_arena); /* a little more under ASan */
            CHECK_MSG(bytes <= info.session_bytes && bytes + planning <= info.session_bytes + info.session_bytes / 50 &&
                          info.session_bytes < bytes + planning + bytes / 4,
                "case %d: holds %zu + %zu bytes, %zu were reported", (int) i, bytes, planning, info.session_bytes);
            if (cases[i].memory) CHECK(info.session_bytes <= cases[i].memory && info.tiles > 1);
        }
        fm_session_destroy(&session);
        fm_plan_unref(&plan);
        free(in.data);
    }
    fm_model_unref(&model);
    fm_engine_unref(&engine);
}

/* ---- the n-th allocation fails ---- */

struct chain {
    fm_engine *engine;
    fm_model *model;
    fm_plan *plan;
    fm_session *session;
    const char *stage;
};

static int whole_chain(struct chain *c, const char *path, const struct fm_tensor *in, const struct fm_plan_params *params,
    int threads, struct fm_tensor *out, struct fm_error *error)
{
    const struct fm_engine_params engine = {.size = sizeof engine, .threads = threads};
    c->stage = "engine";
    int code = fm_engine_create(&engine, &c->engine, error);
    if (code == FM_OK) c->stage = "open", code = fm_model_open(path, &c->model, error);
    if (code == FM_OK) {
        c->stage = "info";
        struct fm_model_info info = {.size = sizeof info};
        code = fm_model_get_info(c->model, in, &info, error);
    }
    if (code == FM_OK) c->stage = "plan", code = fm_plan_create(c->engine, c->model, in, params, &c->plan, error);
    if (code == FM_OK) c->stage = "session", code = fm_session_create(c->plan, &c->session, error);
    if (code == FM_OK) c->stage = "run", code = fm_session_run(c->session, in, out, error);
    if (code == FM_OK) c->stage = "second run", code = fm_session_run(c->session, in, out, error);
    return code;
}

/* Lets one allocation fail, or that one and all behind it, a little later each time, until none does. */
static void try_failing(
    const char *path, const struct fm_tensor *in, int n_out, const struct fm_plan_params *params, int threads, bool all)
{
    int code = FM_ERR_NOMEM;
    uint64_t n = 1;
    for (; code != FM_OK && n < 20000; n++) {
        struct chain c = {.engine = NULL};
        struct fm_error error = {0};
        struct fm_tensor out[4] = {{.data = NULL}};
        const int64_t live = core_alloc_live();
        core_alloc_fail_after(n, all);
        code = whole_chain(&c, path, in, params, threads, out, &error);
        core_alloc_fail_after(0, false);
        if (code != FM_OK) {
            CHECK_MSG(code == FM_ERR_NOMEM, "%s: allocation %d, in %s: error %d (%s)", path, (int) n, c.stage, code, error.message);
            CHECK_INT(error.code, code);
            CHECK_MSG(error.message[0] != 0, "%s: allocation %d, in %s: no message", path, (int) n, c.stage);
        } else {
            for (int k = 0; k < n_out; k++) CHECK_MSG(out[k].data != NULL, "%s: allocation %d: no output", path, (int) n);
        }
        /* a run that failed leaves a session that works */
        if (c.session && code != FM_OK) {
            for (int k = 0; k < 4; k++) out[k].data = NULL;
            CHECK_MSG(
                fm_session_run(c.session, in, out, &error) == FM_OK, "%s: after allocation %d: %s", path, (int) n, error.message);
        }
        fm_session_destroy(&c.session);
        fm_plan_unref(&c.plan);
        fm_model_unref(&c.model);
        fm_engine_unref(&c.engine);
        if (!CHECK_MSG(core_alloc_live() == live, "%s: allocation %d, in %s: %d blocks leak", path, (int) n, c.stage,
                (int) (core_alloc_live() - live)))
            return;
    }
    CHECK_MSG(code == FM_OK, "%s: fails still at allocation %d", path, (int) n);
    CHECK_MSG(n > 20, "%s: done after %d allocations", path, (int) n); /* else nothing was tried */
}

static void failing(void)
{
    static float x[3 * 24 * 40];
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) x[i] = (float) (i % 17) / 17;
    const struct fm_tensor picture = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, 24, 40}, .data = x};
    const struct fm_tensor pair[2] = {{.dtype = FM_F32, .rank = 4, .dim = {1, 4, 12, 20}, .data = x},
        {.dtype = FM_F32, .rank = 4, .dim = {1, 4, 12, 20}, .data = x}};
    static float boxes[24] = {0, 0, 4, 4, 0, 0, 5, 4, 9, 9, 12, 12}, scores[6] = {1, 0.5f, 0.2f};
    const struct fm_tensor lists[2] = {{.dtype = FM_F32, .rank = 3, .dim = {1, 6, 4}, .data = boxes},
        {.dtype = FM_F32, .rank = 3, .dim = {1, 1, 6}, .data = scores}};
    const struct fm_plan_params whole = {.size = sizeof whole}, tiles = {.size = sizeof tiles, .tile = 16};
    for (int all = 0; all < 2; all++) {
        try_failing(model_path("upscaler.onnx"), &picture, 1, &whole, 2, all);
        try_failing(model_path("upscaler.onnx"), &picture, 1, &tiles, 1, all);
        try_failing(model_path("squeeze.onnx"), &picture, 1, &whole, 1, all);
        try_failing(model_path("two.onnx"), pair, 2, &whole, 2, all);
        try_failing(model_path("boxes.onnx"), lists, 1, &whole, 1, all);
    }
}

static void failing_published(void)
{
    static const struct {
        const char *path;
        int channels;
    } nets[] = {
        {"bench/sesr_m5.onnx", 1}, {"bench/ivs.param", 1}, {"data/models/realesr-animevideov3/realesr-animevideov3-x4.param", 3}};
    static float x[3 * 12 * 16];
    int tried = 0;
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        const char *found = check_shared(nets[i].path);
        if (!found) continue;
        char path[1024];
        snprintf(path, sizeof path, "%s", found);
        const struct fm_tensor in = {.dtype = FM_F32, .rank = 4, .dim = {1, nets[i].channels, 12, 16}, .data = x};
        try_failing(path, &in, 1, &(struct fm_plan_params){.size = sizeof(struct fm_plan_params)}, 1, false);
        tried++;
    }
    if (!tried) SKIP("no networks beside the project");
}

int main(void)
{
    if (!model_begin() || !model_upscaler() || !model_squeeze() || !model_two() || !model_boxes()) {
        fputs("cannot write test files\n", stderr);
        return 1;
    }
    RUN(nothing_per_run);
    RUN(nothing_per_run_published);
    RUN(held);
    RUN(failing);
    RUN(failing_published);
    model_end();
    return check_report();
}
