/* SPDX-License-Identifier: MIT */
/* framemill run: arrays in, arrays out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "npy.h"

struct job {
    const struct args *args;
    fm_model *model;
    int n_in, n_out;
    struct fm_tensor *in, *out;
    bool *in_set;
    bool out_owned; /* outputs come from the reference run */
};

static int input_index(const struct job *job, const char *name, size_t length)
{
    for (int k = 0; k < job->n_in; k++) {
        struct fm_model_port port;
        fm_model_input(job->model, k, &port);
        if (strlen(port.name) == length && !strncmp(port.name, name, length)) return k;
    }
    return -1;
}

static int read_inputs(struct job *job)
{
    struct fm_error error = {0};
    for (int g = 0; g < job->args->n_given; g++) {
        if (strcmp(job->args->given[g].name, "input") != 0) continue;
        const char *text = job->args->given[g].value, *equals = strchr(text, '=');
        int k = equals ? input_index(job, text, (size_t) (equals - text)) : -1;
        const char *path = k >= 0 ? equals + 1 : text;
        if (k < 0 && equals) {
            struct stat st;
            if (stat(text, &st) != 0) {
                fprintf(stderr, "framemill: %.*s: the network has no input of that name\n", (int) (equals - text), text);
                return EXIT_USAGE;
            }
        }
        if (k < 0)
            for (k = 0; k < job->n_in && job->in_set[k];) k++;
        if (k >= job->n_in) {
            fprintf(stderr, "framemill: %s: the network has only %d input%s\n", path, job->n_in, job->n_in == 1 ? "" : "s");
            return EXIT_USAGE;
        }
        if (job->in_set[k]) {
            fprintf(stderr, "framemill: %s: that input was given already\n", text);
            return EXIT_USAGE;
        }
        struct fm_model_port port;
        fm_model_input(job->model, k, &port);
        if (npy_read(path, &job->in[k], &error) < 0 || npy_convert(&job->in[k], port.dtype, path, &error) < 0) {
            report(&error);
            return error.code == FM_ERR_NOMEM ? EXIT_FAILED : EXIT_BAD_INPUT;
        }
        job->in_set[k] = true;
    }
    for (int k = 0; k < job->n_in; k++) {
        struct fm_model_port port;
        fm_model_input(job->model, k, &port);
        if (job->in_set[k]) continue;
        fprintf(stderr, "framemill: input \"%s\" is missing: give it with -i %s=FILE.npy\n", port.name, port.name);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

static int write_outputs(const struct job *job, const char *dir)
{
    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "framemill: %s: %s\n", dir, strerror(errno));
        return EXIT_FAILED;
    }
    for (int k = 0; k < job->n_out; k++) {
        char path[4096];
        struct fm_error error = {0};
        if (snprintf(path, sizeof path, "%s/output_%d.npy", dir, k) >= (int) sizeof path) {
            fprintf(stderr, "framemill: %s: the name is too long\n", dir);
            return EXIT_USAGE;
        }
        if (npy_write(path, &job->out[k], &error) < 0) {
            report(&error);
            return EXIT_FAILED;
        }
    }
    return EXIT_DONE;
}

static void print_profile(fm_engine *engine, const fm_plan *plan, const fm_session *session, int runs)
{
    struct fm_plan_step step = {.size = sizeof step};
    const double peak = fm_engine_measure_gflops(engine);
    printf("%-34s %-22s %10s %10s %8s\n", "step", "how", "ms", "GFLOP/s", "of peak");
    double all = 0;
    for (int i = 0; fm_plan_get_step(plan, i, &step) == FM_OK; i++) {
        const double seconds = fm_session_step_seconds(session, i) / runs, rate = seconds > 0 ? 2e-9 * step.macs / seconds : 0;
        all += seconds;
        printf("%-34s %-22s %10.3f", step.what, step.how, seconds * 1e3);
        if (step.macs > 0) printf(" %10.1f %7.0f%%", rate, 100 * rate / peak);
        printf("\n");
    }
    printf("%-34s %-22s %10.3f   (thread time per run; one thread's peak is %.1f GFLOP/s)\n", "all", "", all * 1e3, peak);
}

static int run_planned(struct job *job, int repeat)
{
    struct fm_error error = {0};
    struct fm_plan_params params = {.size = sizeof params};
    fm_plan *plan = NULL;
    fm_session *session = NULL;
    int status = EXIT_FAILED;
    fm_engine *engine = NULL;
    double *ms = NULL;
    if (!args_int(job->args, "tile", 0, 1 << 20, 0, &params.tile) || !args_bytes(job->args, "memory", &params.memory))
        return EXIT_USAGE;
    engine = open_engine(job->args, &status);
    if (!engine) return status;
    const bool profile = args_flag(job->args, "profile");
    if (fm_plan_create(engine, job->model, job->in, &params, &plan, &error) < 0 || fm_session_create(plan, &session, &error) < 0 ||
        fm_session_run(session, job->in, job->out, &error) < 0) {
        status = report(&error);
        goto done;
    }
    if (repeat || profile) {
        const int runs = repeat ? repeat : 1;
        ms = calloc((size_t) runs, sizeof *ms);
        if (!ms) {
            fprintf(stderr, "framemill: out of memory\n");
            goto done;
        }
        fm_session_set_profile(session, profile);
        for (int i = 0; i < runs; i++) {
            for (int k = 0; k < job->n_out; k++) {
                struct fm_tensor planned;
                if (fm_plan_output(plan, k, &planned) == FM_OK && planned.rank < 0) job->out[k].data = NULL; /* sized by the run */
            }
            const double start = now_ms();
            if (fm_session_run(session, job->in, job->out, &error) < 0) {
                status = report(&error);
                goto done;
            }
            ms[i] = now_ms() - start;
        }
        const struct spread s = spread_of(ms, runs);
        if (repeat) printf("min %.3f  median %.3f  max %.3f ms  (%d runs)\n", s.min, s.median, s.max, runs);
        if (profile) print_profile(engine, plan, session, runs);
    }
    status = EXIT_DONE;
    const char *dir = args_value(job->args, "output");
    if (dir) status = write_outputs(job, dir);
done:
    free(ms);
    fm_session_destroy(&session);
    fm_plan_unref(&plan);
    fm_engine_unref(&engine);
    return status;
}

static int run_reference(struct job *job)
{
    struct fm_error error = {0};
    if (fm_model_run_reference(job->model, job->in, job->out, &error) < 0) return report(&error);
    const char *dir = args_value(job->args, "output");
    const int status = dir ? write_outputs(job, dir) : EXIT_DONE;
    for (int k = 0; k < job->n_out; k++) fm_tensor_free(&job->out[k]);
    return status;
}

int command_run(const struct args *args)
{
    struct fm_error error = {0};
    struct job job = {.args = args};
    int repeat, status = EXIT_FAILED;
    if (args->n_words != 1) {
        fprintf(
            stderr, "framemill run: %s (see framemill run --help)\n", args->n_words ? "one network at a time" : "which network?");
        return EXIT_USAGE;
    }
    if (!args_int(args, "repeat", 1, 1000000, 0, &repeat)) return EXIT_USAGE;
    if (!args_value(args, "output") && !repeat && !args_flag(args, "profile")) {
        fprintf(stderr, "framemill run: where to? (-o DIR)\n");
        return EXIT_USAGE;
    }
    if (fm_model_open(args->word[0], &job.model, &error) < 0) return report(&error);
    job.n_in = fm_model_input_count(job.model);
    job.n_out = fm_model_output_count(job.model);
    job.in = calloc((size_t) job.n_in + 1, sizeof *job.in);
    job.out = calloc((size_t) job.n_out + 1, sizeof *job.out);
    job.in_set = calloc((size_t) job.n_in + 1, sizeof *job.in_set);
    if (!job.in || !job.out || !job.in_set)
        fprintf(stderr, "framemill: out of memory\n");
    else {
        status = read_inputs(&job);
        if (status == EXIT_DONE) status = args_flag(args, "reference") ? run_reference(&job) : run_planned(&job, repeat);
    }
    for (int k = 0; job.in && k < job.n_in; k++) npy_free(&job.in[k]);
    free(job.in);
    free(job.out);
    free(job.in_set);
    fm_model_unref(&job.model);
    return status;
}
