/* SPDX-License-Identifier: MIT */
/* The public functions as a stranger meets them: what they refuse, what they promise about ownership, order and threads. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "core/alloc.h"
#include "framemill/framemill.h"
#include "model_file.h"

#define SIZE(h, w) ((struct fm_tensor){.dtype = FM_F32, .rank = 4, .dim = {1, 3, h, w}})

static fm_engine *new_engine(int threads)
{
    fm_engine *engine = NULL;
    struct fm_error error = {0};
    const struct fm_engine_params params = {.size = sizeof params, .threads = threads};
    CHECK_MSG(fm_engine_create(&params, &engine, &error) == FM_OK, "%s", error.message);
    return engine;
}

static fm_model *open_model(const char *name)
{
    fm_model *model = NULL;
    struct fm_error error = {0};
    CHECK_MSG(fm_model_open(model_path(name), &model, &error) == FM_OK, "%s", error.message);
    return model;
}

static float *floats(size_t n)
{
    float *x = malloc((n + 1) * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float) (i * 7919 % 256) / 255;
    return x;
}

struct kit { /* everything for one size of the upscaler */
    fm_engine *engine;
    fm_model *model;
    fm_plan *plan;
    fm_session *session;
    struct fm_tensor in;
};

static bool make_kit(struct kit *k, int threads, int h, int w, int tile)
{
    *k = (struct kit){.engine = new_engine(threads), .model = open_model("upscaler.onnx"), .in = SIZE(h, w)};
    const struct fm_plan_params params = {.size = sizeof params, .tile = tile};
    struct fm_error error = {0};
    if (!k->engine || !k->model ||
        !CHECK_MSG(fm_plan_create(k->engine, k->model, &k->in, &params, &k->plan, &error) == FM_OK, "%s", error.message) ||
        !CHECK_MSG(fm_session_create(k->plan, &k->session, &error) == FM_OK, "%s", error.message))
        return false;
    k->in.data = floats((size_t) (3 * h * w));
    return true;
}

static void drop_kit(struct kit *k)
{
    free(k->in.data);
    k->in.data = NULL;
    fm_session_destroy(&k->session);
    fm_plan_unref(&k->plan);
    fm_model_unref(&k->model);
    fm_engine_unref(&k->engine);
}

static void engine_arguments(void)
{
    fm_engine *engine = NULL;
    struct fm_error error = {0};
    CHECK_INT(fm_engine_create(NULL, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(error.code, FM_ERR_ARGUMENT);
    CHECK_INT(fm_engine_create(NULL, NULL, NULL), FM_ERR_ARGUMENT);
    CHECK_INT(fm_engine_create(&(struct fm_engine_params){.threads = 1}, &engine, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "size");
    CHECK_INT(fm_engine_create(&(struct fm_engine_params){.size = sizeof(struct fm_engine_params), .threads = -1}, &engine, &error),
        FM_ERR_ARGUMENT);
    CHECK_INT(
        fm_engine_create(&(struct fm_engine_params){.size = sizeof(struct fm_engine_params), .threads = 5000}, &engine, &error),
        FM_ERR_ARGUMENT);
    CHECK_INT(fm_engine_create(
                  &(struct fm_engine_params){.size = sizeof(struct fm_engine_params), .cpu_mask = "abacus"}, &engine, &error),
        FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "abacus");
    CHECK(engine == NULL);
    fm_engine_unref(NULL);
    fm_engine_unref(&engine);
    CHECK_INT(fm_engine_create(NULL, &engine, NULL), FM_OK);
    struct fm_engine_info info = {.size = sizeof info};
    CHECK_INT(fm_engine_get_info(engine, &info), FM_OK);
    CHECK_INT(info.threads, info.processors);
    CHECK(info.processors >= 1 && info.cpu && info.isa);
    CHECK_INT(fm_engine_get_info(NULL, &info), FM_ERR_ARGUMENT);
    CHECK_INT(fm_engine_get_info(engine, NULL), FM_ERR_ARGUMENT);
    info.size = 0;
    CHECK_INT(fm_engine_get_info(engine, &info), FM_ERR_ARGUMENT);
    /* a caller of an older version gets what it has room for */
    struct {
        size_t size;
        int threads;
        unsigned char rest[64];
    } old = {.size = sizeof(size_t) + sizeof(int)};
    memset(old.rest, 0x5a, sizeof old.rest);
    struct fm_engine_info *view = (void *) &old;
    CHECK_INT(fm_engine_get_info(engine, view), FM_OK);
    CHECK(old.threads >= 1);
    for (size_t i = 0; i < sizeof old.rest; i++) CHECK_INT(old.rest[i], 0x5a);
    CHECK(fm_engine_measure_gflops(engine) > 0);
    fm_engine_unref(&engine);
    CHECK_STR(fm_version(), FM_VERSION_STRING);
    CHECK_INT(fm_engine_create(&(struct fm_engine_params){.size = sizeof(struct fm_engine_params), .threads = 1, .cpu_mask = "c"},
                  &engine, NULL),
        FM_OK);
    info.size = sizeof info;
    CHECK_INT(fm_engine_get_info(engine, &info), FM_OK);
    CHECK_STR(info.isa, "c");
    fm_engine_unref(&engine);
}

static void model_arguments(void)
{
    fm_model *model = (fm_model *) 1;
    struct fm_error error = {0};
    CHECK_INT(fm_model_open(NULL, &model, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_open("x.onnx", NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_open(model_path("absent.onnx"), &model, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "absent.onnx");
    CHECK(model == NULL);
    CHECK_INT(fm_model_open(model_path("damaged.onnx"), &model, &error), FM_ERR_FORMAT);
    CHECK_HAS(error.message, "damaged.onnx");
    CHECK(model == NULL);
    CHECK_INT(fm_model_open(model_folder, &model, NULL) < 0, 1);
    fm_model_unref(NULL);
    fm_model_unref(&model);

    model = open_model("upscaler.onnx");
    if (!model) return;
    CHECK_INT(fm_model_input_count(model), 1);
    CHECK_INT(fm_model_output_count(model), 1);
    struct fm_model_port port;
    CHECK_INT(fm_model_input(model, 1, &port), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_input(model, -1, &port), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_output(model, 1, &port), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_input(model, 0, NULL), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_input(NULL, 0, &port), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_output(NULL, 0, &port), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_input_count(NULL) + fm_model_output_count(NULL), 0);
    CHECK_INT(fm_model_input(model, 0, &port), FM_OK);
    CHECK_STR(port.name, "x");
    CHECK_INT(port.rank, 4);
    CHECK_INT(port.dim[1], 3);
    CHECK_INT(port.dim[2], -1);
    CHECK_STR(port.dim_name[3], "w");
    const char *name, *value;
    int count, convolutions = 0;
    CHECK_INT(fm_model_metadata(model, 99, &name, &value), FM_ERR_EOS);
    CHECK_INT(fm_model_metadata(model, -1, &name, &value), FM_ERR_EOS);
    for (int i = 0; fm_model_operator(model, i, &name, &count) == FM_OK; i++)
        if (strcmp(name, "Conv") == 0) convolutions = count;
    CHECK_INT(convolutions, 3);
    CHECK_INT(fm_model_operator(model, -1, &name, &count), FM_ERR_EOS);

    struct fm_model_info info = {.size = sizeof info};
    CHECK_INT(fm_model_get_info(model, &SIZE(20, 30), &info, &error), FM_OK);
    CHECK(info.bounded);
    CHECK_INT(info.scale_num, 2);
    CHECK_INT(info.scale_den, 1);
    CHECK_INT(info.parameters, 16 * 27 + 16 + 16 * 144 + 16 + 12 * 144 + 12);
    CHECK_NEAR(info.macs, 600.0 * (16 * 27 + 16 * 144 + 12 * 144), 0.5);
    CHECK_NEAR(info.macs_per_pixel, 16 * 27 + 16 * 144 + 12 * 144, 0.01);
    CHECK_INT(fm_model_get_info(model, NULL, &info, NULL), FM_OK);
    CHECK_INT(fm_model_get_info(model, NULL, NULL, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_get_info(NULL, NULL, &info, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_model_run_reference(model, NULL, NULL, &error), FM_ERR_ARGUMENT);
    const struct fm_tensor flat = {.dtype = FM_F32, .rank = 2, .dim = {3, 3}};
    CHECK_INT(fm_model_get_info(model, &flat, &info, &error), FM_ERR_SHAPE);
    fm_model_unref(&model);
    model = open_model("squeeze.onnx");
    CHECK_INT(fm_model_get_info(model, NULL, &info, &error), FM_OK);
    CHECK(!info.bounded && strlen(info.unbounded_reason) > 0);
    fm_model_unref(&model);
}

static void plan_arguments(void)
{
    struct fm_error error = {0};
    fm_engine *engine = new_engine(1);
    fm_model *model = open_model("upscaler.onnx");
    fm_plan *plan = (fm_plan *) 1;
    struct fm_tensor in = SIZE(20, 30);
    CHECK_INT(fm_plan_create(NULL, model, &in, NULL, &plan, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_plan_create(engine, NULL, &in, NULL, &plan, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_plan_create(engine, model, NULL, NULL, &plan, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_plan_create(engine, model, &in, NULL, NULL, &error), FM_ERR_ARGUMENT);
    struct fm_plan_params params = {.tile = 64};
    CHECK_INT(fm_plan_create(engine, model, &in, &params, &plan, &error), FM_ERR_ARGUMENT);
    params.size = sizeof params;
    params.tile = 7;
    CHECK_INT(fm_plan_create(engine, model, &in, &params, &plan, &error), FM_ERR_ARGUMENT);
    params.tile = -1;
    CHECK_INT(fm_plan_create(engine, model, &in, &params, &plan, &error), FM_ERR_ARGUMENT);
    CHECK(plan == NULL);
    static const struct fm_tensor wrong[] = {
        {.dtype = FM_F32, .rank = 4, .dim = {1, 4, 20, 30}}, /* channels */
        {.dtype = FM_F32, .rank = 3, .dim = {3, 20, 30}},    /* rank */
        {.dtype = FM_U8, .rank = 4, .dim = {1, 3, 20, 30}},  /* type */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_INT(fm_plan_create(engine, model, &wrong[i], NULL, &plan, &error), FM_ERR_SHAPE);
        CHECK_HAS(error.message, "\"x\"");
    }
    static const struct fm_tensor impossible[] = {
        {.dtype = FM_F32, .rank = 9},
        {.dtype = FM_F32, .rank = -1},
        {.dtype = FM_F32, .rank = 4, .dim = {1, 3, -5, 30}},
        {.dtype = FM_F32, .rank = 4, .dim = {1, 3, INT64_MAX, INT64_MAX}},
    };
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++)
        CHECK_INT(fm_plan_create(engine, model, &impossible[i], NULL, &plan, &error), FM_ERR_ARGUMENT);
    /* sizes that no memory holds: an answer, not a crash */
    const struct fm_tensor huge = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, 1 << 11, 1 << 24}};
    params = (struct fm_plan_params){.size = sizeof params, .memory = 1 << 20};
    CHECK_INT(fm_plan_create(engine, model, &huge, &params, &plan, &error), FM_ERR_NOMEM);
    CHECK_HAS(error.message, "MiB");
    const struct fm_tensor none = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, 0, 30}};
    if (fm_plan_create(engine, model, &none, NULL, &plan, &error) == FM_OK) {
        fm_session *session = NULL;
        struct fm_tensor out = {.data = NULL};
        CHECK_INT(fm_session_create(plan, &session, &error), FM_OK);
        CHECK_INT(fm_session_run(session, &none, &out, &error), FM_OK);
        CHECK_INT(fm_tensor_count(&out), 0);
        fm_session_destroy(&session);
    }
    fm_plan_unref(&plan);
    fm_plan_unref(NULL);
    CHECK_INT(fm_plan_output(NULL, 0, &in), FM_ERR_ARGUMENT);
    CHECK(fm_plan_ref(NULL) == NULL && fm_model_ref(NULL) == NULL && fm_engine_ref(NULL) == NULL);

    CHECK_INT(fm_plan_create(engine, model, &in, NULL, &plan, NULL), FM_OK);
    struct fm_plan_info info = {.size = sizeof info};
    CHECK_INT(fm_plan_get_info(plan, &info), FM_OK);
    CHECK_STR(info.backend, "cpu");
    CHECK_INT(info.tiles, 1);
    CHECK_INT(info.tile, 0);
    CHECK(info.steps >= 3 && info.weights_bytes > 0 && info.session_bytes > 0);
    CHECK_NEAR(info.macs, 600.0 * (16 * 27 + 16 * 144 + 12 * 144), 0.5);
    CHECK_INT(fm_plan_get_info(NULL, &info), FM_ERR_ARGUMENT);
    struct fm_plan_step step = {.size = sizeof step};
    double macs = 0;
    int steps = 0;
    while (fm_plan_get_step(plan, steps, &step) == FM_OK) {
        CHECK(step.name && step.what && *step.what && step.how && *step.how);
        macs += step.macs;
        steps++;
    }
    CHECK_INT(steps, info.steps);
    CHECK_NEAR(macs, info.macs, 0.5);
    CHECK_INT(fm_plan_get_step(plan, -1, &step), FM_ERR_EOS);
    CHECK_INT(fm_plan_get_step(plan, 0, NULL), FM_ERR_ARGUMENT);
    struct fm_tensor out;
    CHECK_INT(fm_plan_output(plan, 0, &out), FM_OK);
    CHECK_INT(out.rank, 4);
    CHECK_INT(out.dim[1], 3);
    CHECK_INT(out.dim[2], 40);
    CHECK_INT(out.dim[3], 60);
    CHECK_INT(fm_plan_output(plan, 1, &out), FM_ERR_ARGUMENT);
    CHECK_INT(fm_plan_output(plan, 0, NULL), FM_ERR_ARGUMENT);
    fm_plan_unref(&plan);
    fm_model_unref(&model);
    /* tiles where they would change the result */
    model = open_model("squeeze.onnx");
    params.tile = 16;
    CHECK_INT(fm_plan_create(engine, model, &in, &params, &plan, &error), FM_ERR_UNSUPPORTED);
    CHECK_HAS(error.message, "tiles");
    params = (struct fm_plan_params){.size = sizeof params, .memory = 4096};
    CHECK_INT(fm_plan_create(engine, model, &in, &params, &plan, &error), FM_ERR_NOMEM);
    CHECK_HAS(error.message, "MiB");
    CHECK(plan == NULL);
    fm_model_unref(&model);
    fm_engine_unref(&engine);
}

static void run_arguments(void)
{
    struct kit k;
    struct fm_error error = {0};
    fm_session *none = NULL;
    CHECK_INT(fm_session_create(NULL, &none, &error), FM_ERR_ARGUMENT);
    if (make_kit(&k, 1, 12, 17, 0)) {
        struct fm_tensor out = {.data = NULL}, in = k.in;
        CHECK_INT(fm_session_create(k.plan, NULL, &error), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_run(NULL, &in, &out, &error), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_run(k.session, NULL, &out, &error), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_run(k.session, &in, NULL, &error), FM_ERR_ARGUMENT);
        in.data = NULL;
        CHECK_INT(fm_session_run(k.session, &in, &out, &error), FM_ERR_ARGUMENT);
        in = k.in, in.dim[3] = 18;
        CHECK_INT(fm_session_run(k.session, &in, &out, &error), FM_ERR_SHAPE);
        CHECK_HAS(error.message, "\"x\"");
        in = k.in, in.dtype = FM_I32;
        CHECK_INT(fm_session_run(k.session, &in, &out, &error), FM_ERR_SHAPE);
        in = k.in, in.data = (char *) in.data + 1;
        CHECK_INT(fm_session_run(k.session, &in, &out, &error), FM_ERR_ARGUMENT);
        CHECK_HAS(error.message, "aligned");
        float *room = floats(3 * 24 * 34 + 1);
        out = SIZE(24, 34), out.data = room;
        out.dim[2] = 25;
        CHECK_INT(fm_session_run(k.session, &k.in, &out, &error), FM_ERR_SHAPE);
        out.dim[2] = 24, out.dtype = FM_F64;
        CHECK_INT(fm_session_run(k.session, &k.in, &out, &error), FM_ERR_SHAPE);
        out.dtype = FM_F32, out.rank = 3;
        CHECK_INT(fm_session_run(k.session, &k.in, &out, &error), FM_ERR_SHAPE);
        out.rank = 4, out.data = (char *) room + 2;
        CHECK_INT(fm_session_run(k.session, &k.in, &out, &error), FM_ERR_ARGUMENT);
        out.data = room;
        CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
        free(room);
        CHECK_INT(fm_session_set_progress(NULL, NULL, NULL), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_set_profile(NULL, true), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_step_seconds(k.session, -1) == 0, 1);
        CHECK_INT(fm_session_step_seconds(k.session, 1 << 20) == 0, 1);
        fm_session_cancel(NULL);
        fm_session_destroy(NULL);
    }
    drop_kit(&k);
    drop_kit(&k); /* all NULL by now: nothing happens */
}

/* Given and lent outputs hold the same; lent memory is the same one each time and untouched input stays untouched. */
static void lent_and_given(void)
{
    struct kit k;
    if (make_kit(&k, 2, 31, 45, 0)) {
        const size_t n = 3 * 62 * 90;
        struct fm_tensor lent = {.data = NULL}, given = SIZE(62, 90), reference = {.data = NULL};
        float *before = floats(3 * 31 * 45);
        given.data = floats(n);
        CHECK_INT(fm_session_run(k.session, &k.in, &lent, NULL), FM_OK);
        CHECK_INT(fm_tensor_count(&lent), (int64_t) n);
        CHECK_INT(lent.dtype, FM_F32);
        const void *first = lent.data;
        CHECK_INT(fm_session_run(k.session, &k.in, &given, NULL), FM_OK);
        CHECK_MEM(given.data, lent.data, n * sizeof(float));
        lent.data = NULL;
        CHECK_INT(fm_session_run(k.session, &k.in, &lent, NULL), FM_OK);
        CHECK(lent.data == first);
        CHECK_MEM(k.in.data, before, 3 * 31 * 45 * sizeof(float));
        CHECK_INT(fm_model_run_reference(k.model, &k.in, &reference, NULL), FM_OK);
        for (size_t i = 0; i < n; i++)
            if (!CHECK_NEAR(((float *) given.data)[i], ((float *) reference.data)[i], 1e-4)) break;
        fm_tensor_free(&reference);
        CHECK(reference.data == NULL);
        fm_tensor_free(&reference);
        fm_tensor_free(NULL);
        free(given.data);
        free(before);
    }
    drop_kit(&k);
}

static void two_ports(void)
{
    fm_engine *engine = new_engine(2);
    fm_model *model = open_model("two.onnx");
    fm_plan *plan = NULL;
    fm_session *session = NULL;
    struct fm_error error = {0};
    struct fm_tensor in[2] = {
        {.dtype = FM_F32, .rank = 4, .dim = {1, 4, 9, 14}}, {.dtype = FM_F32, .rank = 4, .dim = {1, 4, 9, 14}}};
    in[1].dim[3] = 15;
    CHECK_INT(fm_plan_create(engine, model, in, NULL, &plan, &error), FM_ERR_SHAPE);
    in[1].dim[3] = 14;
    CHECK_INT(fm_plan_create(engine, model, in, NULL, &plan, &error), FM_OK);
    CHECK_INT(fm_session_create(plan, &session, &error), FM_OK);
    in[0].data = floats(4 * 9 * 14), in[1].data = floats(4 * 9 * 14);
    struct fm_tensor out[2] = {{.data = NULL}, {.dtype = FM_F32, .rank = 4, .dim = {1, 4, 9, 14}, .data = floats(4 * 9 * 14)}};
    CHECK_INT(fm_session_run(session, in, out, &error), FM_OK);
    CHECK_INT(out[0].dim[1], 8);
    for (int i = 0; i < 4 * 9 * 14; i++) {
        const float x = ((float *) in[0].data)[i];
        if (!CHECK(((float *) out[1].data)[i] == x * x)) break;
    }
    free(in[0].data);
    free(in[1].data);
    free(out[1].data);
    fm_session_destroy(&session);
    fm_plan_unref(&plan);
    fm_model_unref(&model);
    fm_engine_unref(&engine);
}

/* Sizes that depend on the data: said so by the plan, lent by the run. */
static void open_outputs(void)
{
    fm_engine *engine = new_engine(2);
    fm_model *model = open_model("boxes.onnx");
    fm_plan *plan = NULL;
    fm_session *session = NULL;
    struct fm_error error = {0};
    float boxes[24], scores[6];
    for (int i = 0; i < 6; i++) { /* pairs that lie on each other */
        const float at = (float) (i / 2) * 10;
        boxes[4 * i] = boxes[4 * i + 1] = at, boxes[4 * i + 2] = boxes[4 * i + 3] = at + 4;
        scores[i] = 1 - (float) i / 10;
    }
    const struct fm_tensor in[2] = {{.dtype = FM_F32, .rank = 3, .dim = {1, 6, 4}, .data = boxes},
        {.dtype = FM_F32, .rank = 3, .dim = {1, 1, 6}, .data = scores}};
    if (CHECK_MSG(fm_plan_create(engine, model, in, NULL, &plan, &error) == FM_OK, "%s", error.message)) {
        struct fm_tensor planned, out = {.data = NULL};
        CHECK_INT(fm_plan_output(plan, 0, &planned), FM_OK);
        CHECK(planned.rank < 0 || planned.dim[0] == -1);
        CHECK_INT(fm_session_create(plan, &session, &error), FM_OK);
        CHECK_INT(fm_session_run(session, in, &out, &error), FM_OK);
        CHECK_INT(out.dtype, FM_I64);
        CHECK_INT(out.rank, 2);
        CHECK_INT(out.dim[0], 3);
        CHECK_INT(out.dim[1], 3);
        for (int i = 0; out.data && i < 3; i++) CHECK_INT(((int64_t *) out.data)[3 * i + 2], 2 * i);
        CHECK_INT(fm_session_run(session, in, &out, &error), FM_OK); /* with what the last run lent */
        CHECK_INT(out.dim[0], 3);
        for (int i = 0; out.data && i < 3; i++) CHECK_INT(((int64_t *) out.data)[3 * i + 2], 2 * i);
        int64_t room[9];
        struct fm_tensor given = {.dtype = FM_I64, .rank = 2, .dim = {3, 3}, .data = room};
        CHECK_INT(fm_session_run(session, in, &given, &error), FM_OK);
        CHECK_INT(room[8], 4);
        given.dim[0] = 2;
        CHECK_INT(fm_session_run(session, in, &given, &error), FM_ERR_SHAPE);
        fm_session_destroy(&session);
    }
    fm_plan_unref(&plan);
    fm_model_unref(&model);
    fm_engine_unref(&engine);
}

/* Whoever is let go of first, the rest stays alive. */
static void lifetimes(void)
{
    const int64_t live = core_alloc_live();
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 0, 1, 3}, {0, 2, 3, 1}};
    for (size_t o = 0; o < sizeof orders / sizeof orders[0]; o++) {
        struct kit k;
        if (!make_kit(&k, 2, 16, 16, 0)) return;
        fm_engine *engine = fm_engine_ref(k.engine);
        fm_model *model = fm_model_ref(k.model);
        fm_plan *plan = fm_plan_ref(k.plan);
        CHECK(engine == k.engine && model == k.model && plan == k.plan);
        fm_engine_unref(&engine);
        fm_model_unref(&model);
        fm_plan_unref(&plan);
        CHECK(!engine && !model && !plan);
        for (int i = 0; i < 4; i++) {
            struct fm_tensor out = {.data = NULL};
            if (k.session) CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
            if (orders[o][i] == 0)
                fm_engine_unref(&k.engine);
            else if (orders[o][i] == 1)
                fm_model_unref(&k.model);
            else if (orders[o][i] == 2)
                fm_plan_unref(&k.plan);
            else
                fm_session_destroy(&k.session);
        }
        free(k.in.data);
    }
    CHECK_INT(core_alloc_live(), live);
}

/* ---- progress and cancelling ---- */

struct watch {
    fm_session *session;
    pthread_t thread;
    double last;
    int calls;
    double stop_at; /* cancels when the share passes it */
    bool backwards, other_thread;
};

static void on_progress(void *user, double share)
{
    struct watch *w = user;
    w->backwards = w->backwards || share < w->last || share < 0 || share > 1;
    w->other_thread = w->other_thread || !pthread_equal(pthread_self(), w->thread);
    w->last = share;
    w->calls++;
    if (share > w->stop_at) fm_session_cancel(w->session);
}

static void progress(void)
{
    for (int tile = 0; tile <= 32; tile += 32)
        for (int threads = 1; threads <= 3; threads++) {
            struct kit k;
            if (make_kit(&k, threads, 120, 72, tile)) {
                struct watch w = {.session = k.session, .thread = pthread_self(), .stop_at = 2};
                struct fm_tensor out = {.data = NULL};
                CHECK_INT(fm_session_set_progress(k.session, on_progress, &w), FM_OK);
                CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
                CHECK(!w.backwards && !w.other_thread);
                CHECK_MSG(w.calls >= (threads == 1 ? 20 : 1), "%d calls", w.calls); /* others may do all before this thread wakes */
                CHECK_NEAR(w.last, 1, 0);
                CHECK_INT(fm_session_set_progress(k.session, NULL, NULL), FM_OK);
                const int calls = w.calls;
                CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
                CHECK_INT(w.calls, calls);
            }
            drop_kit(&k);
        }
}

static void cancel_from_progress(void)
{
    for (int way = 0; way < 4; way++) {
        struct kit k;
        if (make_kit(&k, 1 + way % 2, 120, 72, way / 2 * 32)) {
            struct fm_error error = {0};
            struct watch w = {.session = k.session, .thread = pthread_self(), .stop_at = 0.3};
            struct fm_tensor first = {.data = NULL}, out = {.data = NULL};
            CHECK_INT(fm_session_run(k.session, &k.in, &first, NULL), FM_OK);
            float *truth = malloc(3 * 240 * 144 * sizeof *truth);
            memcpy(truth, first.data, 3 * 240 * 144 * sizeof *truth);
            fm_session_set_progress(k.session, on_progress, &w);
            int code = FM_OK; /* with two threads the other one may be done before this one is asked */
            for (int i = 0; code == FM_OK && i < (way % 2 ? 200 : 1); i++)
                w.last = 0, code = fm_session_run(k.session, &k.in, &out, &error);
            CHECK_INT(code, FM_ERR_CANCELLED);
            CHECK_INT(error.code, FM_ERR_CANCELLED);
            CHECK(w.last < 1 || way % 2); /* when the other one did all at once, what is cancelled is the last step */
            fm_session_set_progress(k.session, NULL, NULL);
            /* the session is as good as new */
            out.data = NULL;
            CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
            CHECK_MEM(out.data, truth, 3 * 240 * 144 * sizeof *truth);
            /* without a run in progress, the next one */
            fm_session_cancel(k.session);
            CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_ERR_CANCELLED);
            CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
            free(truth);
        }
        drop_kit(&k);
    }
}

static atomic_bool over;

static void *canceller(void *session)
{
    while (!atomic_load(&over)) {
        fm_session_cancel(session);
        sched_yield();
    }
    return NULL;
}

static void cancel_from_another_thread(void)
{
    struct kit k;
    if (make_kit(&k, 2, 300, 200, 0)) {
        pthread_t thread;
        struct fm_tensor out = {.data = NULL};
        int cancelled = 0;
        atomic_store(&over, false);
        if (CHECK_INT(pthread_create(&thread, NULL, canceller, k.session), 0)) {
            for (int i = 0; i < 20; i++) {
                const int code = fm_session_run(k.session, &k.in, &out, NULL);
                CHECK(code == FM_OK || code == FM_ERR_CANCELLED);
                cancelled += code == FM_ERR_CANCELLED;
            }
            atomic_store(&over, true);
            pthread_join(thread, NULL);
            CHECK(cancelled > 0);
        }
        fm_session_run(k.session, &k.in, &out, NULL); /* takes a cancel that came too late */
        CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
    }
    drop_kit(&k);
}

/* ---- sharing ---- */

static void two_sessions(void)
{
    struct kit k;
    fm_session *second = NULL;
    if (make_kit(&k, 2, 40, 52, 0) && CHECK_INT(fm_session_create(k.plan, &second, NULL), FM_OK)) {
        struct fm_tensor a = {.data = NULL}, b = {.data = NULL}, other = k.in;
        other.data = floats(3 * 40 * 52);
        for (int i = 0; i < 3 * 40 * 52; i++) ((float *) other.data)[i] = 1 - ((float *) other.data)[i];
        CHECK_INT(fm_session_run(k.session, &k.in, &a, NULL), FM_OK);
        float *truth = malloc(3 * 80 * 104 * sizeof *truth);
        memcpy(truth, a.data, 3 * 80 * 104 * sizeof *truth);
        CHECK_INT(fm_session_run(second, &other, &b, NULL), FM_OK);
        CHECK_MEM(a.data, truth, 3 * 80 * 104 * sizeof *truth); /* lent memory is the session's own */
        CHECK(memcmp(b.data, truth, 3 * 80 * 104 * sizeof *truth) != 0);
        free(truth);
        free(other.data);
    }
    fm_session_destroy(&second);
    drop_kit(&k);
}

struct runner {
    fm_plan *plan;
    const struct fm_tensor *in;
    const float *truth;
    size_t n;
    int rounds;
};

static void *run_often(void *runner_)
{
    struct runner *r = runner_;
    fm_session *session = NULL;
    if (!CHECK_INT(fm_session_create(r->plan, &session, NULL), FM_OK)) return NULL;
    for (int i = 0; i < r->rounds; i++) {
        struct fm_tensor out = {.data = NULL};
        CHECK_INT(fm_session_run(session, r->in, &out, NULL), FM_OK);
        CHECK_MEM(out.data, r->truth, r->n * sizeof(float));
    }
    fm_session_destroy(&session);
    return NULL;
}

static void sessions_on_threads(void)
{
    struct kit k;
    if (make_kit(&k, 3, 48, 70, 0)) {
        struct fm_tensor first = {.data = NULL};
        CHECK_INT(fm_session_run(k.session, &k.in, &first, NULL), FM_OK);
        struct runner r = {.plan = k.plan, .in = &k.in, .truth = first.data, .n = 3 * 96 * 140, .rounds = 20};
        pthread_t thread[3];
        int started = 0;
        while (started < 3 && pthread_create(&thread[started], NULL, run_often, &r) == 0) started++;
        CHECK_INT(started, 3);
        for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
    }
    drop_kit(&k);
}

static void profile(void)
{
    struct kit k;
    if (make_kit(&k, 2, 100, 100, 0)) {
        struct fm_tensor out = {.data = NULL};
        double sum = 0, again = 0;
        CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
        struct fm_plan_info info = {.size = sizeof info};
        fm_plan_get_info(k.plan, &info);
        for (int i = 0; i < info.steps; i++) CHECK(fm_session_step_seconds(k.session, i) == 0);
        CHECK_INT(fm_session_set_profile(k.session, true), FM_OK);
        CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
        for (int i = 0; i < info.steps; i++) sum += fm_session_step_seconds(k.session, i);
        CHECK(sum > 0);
        CHECK_INT(fm_session_set_profile(k.session, false), FM_OK);
        CHECK_INT(fm_session_run(k.session, &k.in, &out, NULL), FM_OK);
        for (int i = 0; i < info.steps; i++) again += fm_session_step_seconds(k.session, i);
        CHECK_NEAR(again, sum, 0);
    }
    drop_kit(&k);
}

/* ---- regions ---- */

/* fm_session_run_region from exactly the window it asks for. */
static int run_part(struct kit *k, const struct fm_region *out, float *to, struct fm_error *error)
{
    struct fm_region in;
    int code = fm_plan_region_input(k->plan, out, &in);
    if (code < 0) return code;
    const int w = (int) k->in.dim[3], h = (int) k->in.dim[2];
    CHECK(in.x >= 0 && in.y >= 0 && in.width >= 1 && in.height >= 1 && in.x + in.width <= w && in.y + in.height <= h);
    float *from = malloc((size_t) (3 * in.width * in.height) * sizeof *from);
    for (int c = 0, i = 0; c < 3; c++)
        for (int y = 0; y < in.height; y++, i += in.width)
            memcpy(from + i, (float *) k->in.data + ((size_t) c * (size_t) h + (size_t) (in.y + y)) * (size_t) w + in.x,
                (size_t) in.width * sizeof *from);
    struct fm_tensor x = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, in.height, in.width}, .data = from};
    struct fm_tensor y = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, out->height, out->width}, .data = to};
    code = fm_session_run_region(k->session, out, &in, &x, &y, error);
    free(from);
    return code;
}

static void regions(void)
{
    static const struct fm_region parts[] = {{0, 0, 1, 1}, {103, 79, 1, 1}, {13, 21, 40, 7}, {0, 30, 104, 11}, {0, 41, 104, 11},
        {0, 52, 104, 28}, {50, 0, 3, 80}, {0, 0, 104, 80}};
    for (int tile = 0; tile <= 16; tile += 16) {
        struct kit k;
        struct fm_error error = {0};
        if (!make_kit(&k, 2, 40, 52, tile)) return;
        struct fm_tensor whole = {.data = NULL};
        CHECK_INT(fm_session_run(k.session, &k.in, &whole, NULL), FM_OK);
        CHECK_INT(whole.dim[3], 104);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            const struct fm_region *r = &parts[i];
            float *to = calloc((size_t) (3 * r->width * r->height), sizeof *to);
            CHECK_MSG(run_part(&k, r, to, &error) == FM_OK, "part %d: %s", (int) i, error.message);
            bool same = true;
            for (int c = 0; c < 3; c++)
                for (int y = 0; y < r->height; y++)
                    same = same && memcmp(to + ((size_t) c * (size_t) r->height + (size_t) y) * (size_t) r->width,
                                       (float *) whole.data + ((size_t) c * 80 + (size_t) (r->y + y)) * 104 + r->x,
                                       (size_t) r->width * sizeof *to) == 0;
            CHECK_MSG(same, "part %d, tile %d: another result than the whole", (int) i, tile);
            free(to);
        }
        /* the session still runs whole pictures */
        struct fm_tensor again = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, 80, 104}};
        again.data = malloc(3 * 80 * 104 * sizeof(float));
        CHECK_INT(fm_session_run(k.session, &k.in, &again, NULL), FM_OK);
        CHECK_MEM(again.data, whole.data, 3 * 80 * 104 * sizeof(float));
        free(again.data);
        drop_kit(&k);
    }
}

static void region_arguments(void)
{
    struct kit k;
    struct fm_error error = {0};
    struct fm_region in = {0};
    const struct fm_region out = {10, 10, 20, 20}, all = {0, 0, 52, 40};
    float *room = floats(3 * 104 * 80);
    struct fm_tensor x = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, 40, 52}, .data = room};
    struct fm_tensor y = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, 20, 20}, .data = room};
    if (make_kit(&k, 1, 40, 52, 0)) {
        static const struct fm_region bad[] = {
            {-1, 0, 5, 5}, {0, -1, 5, 5}, {0, 0, 0, 5}, {0, 0, 5, 0}, {100, 0, 5, 5}, {0, 76, 5, 5}, {1, 1, INT32_MAX, INT32_MAX}};
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
            CHECK_INT(fm_plan_region_input(k.plan, &bad[i], &in), FM_ERR_ARGUMENT);
        CHECK_INT(fm_plan_region_input(NULL, &out, &in), FM_ERR_ARGUMENT);
        CHECK_INT(fm_plan_region_input(k.plan, NULL, &in), FM_ERR_ARGUMENT);
        CHECK_INT(fm_plan_region_input(k.plan, &out, NULL), FM_ERR_ARGUMENT);
        CHECK_INT(fm_plan_region_input(k.plan, &out, &in), FM_OK);
        CHECK_INT(fm_session_run_region(NULL, &out, &in, &x, &y, &error), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_run_region(k.session, NULL, &in, &x, &y, &error), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_run_region(k.session, &out, NULL, &x, &y, &error), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_run_region(k.session, &out, &in, NULL, &y, &error), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_run_region(k.session, &out, &in, &x, NULL, &error), FM_ERR_ARGUMENT);
        CHECK_INT(fm_session_run_region(k.session, &out, &in, &x, &y, &error), FM_ERR_SHAPE); /* x is the whole picture */
        CHECK_INT(fm_session_run_region(k.session, &out, &all, &x, &x, &error), FM_ERR_SHAPE);
        x.data = NULL;
        CHECK_INT(fm_session_run_region(k.session, &out, &all, &x, &y, &error), FM_ERR_ARGUMENT);
        x.data = (char *) room + 1;
        CHECK_INT(fm_session_run_region(k.session, &out, &all, &x, &y, &error), FM_ERR_ARGUMENT);
        x.data = room;
        const struct fm_region outside = {1, 0, 52, 40}, small = {12, 12, 3, 3};
        CHECK_INT(fm_session_run_region(k.session, &out, &outside, &x, &y, &error), FM_ERR_ARGUMENT);
        x.dim[2] = x.dim[3] = 3;
        CHECK_INT(fm_session_run_region(k.session, &out, &small, &x, &y, &error), FM_ERR_ARGUMENT);
        CHECK_HAS(error.message, "needs");
        x.dim[2] = 40, x.dim[3] = 52;
        fm_session_cancel(k.session);
        CHECK_INT(fm_session_run_region(k.session, &out, &all, &x, &y, &error), FM_ERR_CANCELLED);
        x.data = k.in.data;
        CHECK_INT(fm_session_run_region(k.session, &out, &all, &x, &y, &error), FM_OK);
    }
    drop_kit(&k);
    /* networks that see everything, or have several ports */
    struct kit other = {.engine = new_engine(1), .model = open_model("squeeze.onnx")};
    struct fm_tensor size = SIZE(40, 52);
    if (CHECK_INT(fm_plan_create(other.engine, other.model, &size, NULL, &other.plan, &error), FM_OK))
        CHECK_INT(fm_plan_region_input(other.plan, &(struct fm_region){0, 0, 1, 1}, &in), FM_ERR_UNSUPPORTED);
    drop_kit(&other);
    free(room);
}

int main(void)
{
    if (!model_begin() || !model_upscaler() || !model_squeeze() || !model_two() || !model_boxes() || !model_damaged()) {
        fputs("cannot write test files\n", stderr);
        return 1;
    }
    RUN(engine_arguments);
    RUN(model_arguments);
    RUN(plan_arguments);
    RUN(run_arguments);
    RUN(lent_and_given);
    RUN(two_ports);
    RUN(open_outputs);
    RUN(lifetimes);
    RUN(progress);
    RUN(cancel_from_progress);
    RUN(cancel_from_another_thread);
    RUN(two_sessions);
    RUN(sessions_on_threads);
    RUN(profile);
    RUN(regions);
    RUN(region_arguments);
    model_end();
    return check_report();
}
