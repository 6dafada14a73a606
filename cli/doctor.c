/* SPDX-License-Identifier: MIT */
/* framemill doctor: what this machine is, whether the fast paths answer as the reference does, and how fast the shipped networks run. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

#define SELF_TEST_TOLERANCE 1e-4
#define TURNS 9
#define ENOUGH_MS 500 /* of timing one network */

/* The largest difference between plan and reference on a small picture, over the largest reference value; negative: error printed. */
static double compare_with_reference(fm_engine *engine, fm_model *model)
{
    struct fm_error error = {0};
    const int n_in = fm_model_input_count(model), n_out = fm_model_output_count(model);
    struct fm_tensor *in = sizes_for(model, 40, 24), *fast = calloc((size_t) n_out + 1, sizeof *fast),
                     *slow = calloc((size_t) n_out + 1, sizeof *slow);
    fm_plan *plan = NULL;
    fm_session *session = NULL;
    double worst = -1;
    if (!in || !fast || !slow || !fill_inputs(in, n_in)) {
        fprintf(stderr, "framemill: out of memory\n");
    } else if (fm_plan_create(engine, model, in, NULL, &plan, &error) < 0 || fm_session_create(plan, &session, &error) < 0 ||
               fm_session_run(session, in, fast, &error) < 0 || fm_model_run_reference(model, in, slow, &error) < 0) {
        report(&error);
    } else {
        worst = 0;
        for (int k = 0; k < n_out; k++) {
            if (slow[k].dtype != FM_F32) continue;
            double top = 0, difference = 0;
            for (int64_t i = 0; i < fm_tensor_count(&slow[k]); i++) {
                const double a = (double) ((const float *) slow[k].data)[i], b = (double) ((const float *) fast[k].data)[i];
                if (fabs(a) > top) top = fabs(a);
                if (!(fabs(a - b) <= difference)) difference = fabs(a - b);
            }
            if (!(difference <= worst * top)) worst = top > 0 ? difference / top : difference;
        }
    }
    for (int k = 0; slow && k < n_out; k++) fm_tensor_free(&slow[k]);
    fm_session_destroy(&session);
    fm_plan_unref(&plan);
    free_inputs(&in, n_in);
    free(fast);
    free(slow);
    return worst;
}

static double frames_per_second(fm_engine *engine, fm_model *model, int w, int h)
{
    struct fm_error error = {0};
    const int n_in = fm_model_input_count(model);
    struct fm_tensor *in = sizes_for(model, w, h), *out = calloc((size_t) fm_model_output_count(model) + 1, sizeof *out);
    fm_plan *plan = NULL;
    fm_session *session = NULL;
    double best = 0;
    if (in && out && fill_inputs(in, n_in) && fm_plan_create(engine, model, in, NULL, &plan, &error) == FM_OK &&
        fm_session_create(plan, &session, &error) == FM_OK && fm_session_run(session, in, out, &error) == FM_OK) {
        double ms[TURNS], all = 0;
        int n = 0;
        while (n < TURNS && all < ENOUGH_MS) {
            const double start = now_ms();
            fm_session_run(session, in, out, &error);
            all += ms[n++] = now_ms() - start;
        }
        best = 1e3 / spread_of(ms, n).median;
    }
    fm_session_destroy(&session);
    fm_plan_unref(&plan);
    free_inputs(&in, n_in);
    free(out);
    return best;
}

struct examined {
    fm_engine *engine;
    const struct args *args;
    bool json;
    int n, status;
};

static bool is_wanted(const struct args *args, const char *name)
{
    bool wanted = !args->n_words;
    for (int i = 0; i < args->n_words; i++) wanted |= !strcmp(args->word[i], name);
    return wanted;
}

/* Compares one network with the reference, and says how fast it is. */
static int examine(void *user, const char *name, const char *path, const char *where, bool shadowed)
{
    struct examined *e = user;
    struct fm_error error = {0};
    fm_model *model = NULL;
    (void) where;
    if (shadowed || !is_wanted(e->args, name)) return 0;
    e->n++;
    if (fm_model_open(path, &model, &error) < 0) {
        e->status = report(&error);
        return 0;
    }
    const double worst = compare_with_reference(e->engine, model);
    const bool right = worst >= 0 && worst <= SELF_TEST_TOLERANCE;
    const double fps = right ? frames_per_second(e->engine, model, 640, 360) : 0;
    if (e->json)
        printf("{\"model\": \"%s\", \"right\": %s, \"error\": %.3g, \"fps_640x360\": %.2f}\n", name, right ? "true" : "false",
            worst, fps);
    else if (right)
        printf("%-24s right (off by %.1e of the largest value), %.1f frames a second at 640x360\n", name, worst, fps);
    else
        printf("%-24s WRONG: off by %.1e of the largest value\n", name, worst);
    if (!right) e->status = EXIT_FAILED;
    fm_model_unref(&model);
    return 0;
}

int command_doctor(const struct args *args)
{
    int status = EXIT_FAILED;
    for (int i = 0; i < args->n_words; i++) {
        char path[4096];
        struct fm_error error = {0};
        if (fm_models_find(args->word[i], NULL, path, sizeof path, &error) < 0) return report(&error), EXIT_USAGE;
    }
    const bool json = args_flag(args, "json");
    fm_engine *engine = open_engine(args, &status);
    if (!engine) return status;
    struct fm_engine_info info = {.size = sizeof info};
    fm_engine_get_info(engine, &info);
    const double peak = fm_engine_measure_gflops(engine);
    if (json)
        printf("{\"cpu\": \"%s\", \"processors\": %d, \"threads\": %d, \"isa\": \"%s\", \"gflops_per_thread\": %.1f}\n", info.cpu,
            info.processors, info.threads, info.isa, peak);
    else
        printf("processor  %s, %d in reach\nkernels    %s, %d threads\npeak       %.1f GFLOP/s a thread\n", info.cpu,
            info.processors, info.isa, info.threads, peak);
    struct examined e = {.engine = engine, .args = args, .json = json, .status = EXIT_DONE};
    struct fm_error error = {0};
    if (fm_models_each(NULL, examine, &e, &error) < 0) e.status = report(&error);
    if (!e.n && !json) printf("networks   none found (FM_MODELS names their folder)\n");
    status = e.status;
    fm_engine_unref(&engine);
    return status;
}
