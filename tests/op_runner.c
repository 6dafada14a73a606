/* SPDX-License-Identifier: MIT */
/* Runs a folder of ONNX operator tests: each has model.onnx and test_data_set_<k> with input_<n>.pb and output_<n>.pb, which are
 * TensorProto messages. Every test is specialised for its inputs' shapes, run, and its outputs compared as the ONNX project does:
 * |got - want| <= 1e-7 + 1e-3 * |want|, integers exactly.
 *
 *     op_runner [--mode reference|cpu] [--verbose] [FOLDER | TEST ...]
 *
 * reference: the interpreter; cpu: the public API, that is, planned, fused and run by the CPU backend.
 * Without a folder: ../shared/data/onnx_node. A network whose operators or types are outside what framemill takes is "not listed".
 * Ends with "N passed, N failed, N skipped"; exit code 1 when any failed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/error.h"
#include "core/file.h"
#include "framemill/session.h"
#include "graph/op.h"
#include "model/model.h"
#include "model/onnx_tensor.h"
#include "unit/check.h"

#define TENSORS_MAX 64
#define RTOL 1e-3
#define ATOL 1e-7

enum verdict { PASSED, FAILED, NOT_LISTED };

struct tally {
    int count[3];
    bool is_verbose;
    fm_engine *engine; /* NULL: reference */
};

/* What one run holds: the outputs belong to the caller (reference) or to the session. */
struct running {
    fm_model *model;
    fm_plan *plan;
    fm_session *session;
    struct fm_tensor out[TENSORS_MAX];
};

/* Elements of a test file, in memory of their own. */
static int read_tensor(const char *path, struct arena *arena, struct fm_tensor *out, struct fm_error *error)
{
    struct core_file *mapped;
    int rc = core_file_map(path, &mapped, error);
    if (rc)
        return rc;
    struct onnx_file file = { .data = { mapped->data, mapped->size }, .source = path, .arena = arena, .scratch = arena,
                              .error = error };
    struct onnx_tensor t;
    rc = onnx_read_tensor(&file, file.data, &t);
    if (!rc) {
        *out = (struct fm_tensor){ .dtype = t.dtype, .rank = t.rank };
        memcpy(out->dim, t.dim, sizeof(t.dim));
        const size_t size = (size_t) t.count * fm_dtype_size(t.dtype);
        out->data = arena_alloc(arena, size);
        if (!out->data)
            rc = core_fail_nomem(error, size);
        else if (size)
            memcpy(out->data, t.data, size);
    }
    core_file_unmap(&mapped);
    return rc;
}

/* input_0.pb, input_1.pb, ...: how many there are, or -1. */
static int read_tensors(const char *folder, const char *kind, struct arena *arena, struct fm_tensor *list, struct fm_error *error)
{
    char path[1200];
    for (int n = 0; n < TENSORS_MAX; n++) {
        snprintf(path, sizeof(path), "%s/%s_%d.pb", folder, kind, n);
        if (access(path, F_OK) != 0)
            return n;
        if (read_tensor(path, arena, &list[n], error))
            return -1;
    }
    core_fail(error, FM_ERR_UNSUPPORTED, "%s: too many tensors", folder);
    return -1;
}

static bool same_element(const struct fm_tensor *got, const struct fm_tensor *want, int64_t i)
{
    if (!op_is_float(want->dtype))
        return op_get_i(got, i) == op_get_i(want, i);
    const double a = op_get_f(got, i), b = op_get_f(want, i);
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= ATOL + RTOL * fabs(b);
}

static bool compare(const struct fm_tensor *got, const struct fm_tensor *want, int k, struct fm_error *error)
{
    bool same = got->dtype == want->dtype && got->rank == want->rank;
    for (int i = 0; i < want->rank && same; i++)
        same = got->dim[i] == want->dim[i];
    if (!same) {
        char text[2][128] = { "", "" };
        for (int j = 0; j < 2; j++) {
            const struct fm_tensor *t = j ? want : got;
            for (int i = 0; i < t->rank; i++)
                snprintf(text[j] + strlen(text[j]), sizeof(text[j]) - strlen(text[j]), "%s%" PRId64, i ? "x" : "", t->dim[i]);
        }
        core_fail(error, FM_ERR_SHAPE, "output %d is %s [%s], must be %s [%s]", k, fm_dtype_name(got->dtype), text[0],
                  fm_dtype_name(want->dtype), text[1]);
        return false;
    }
    const int64_t count = fm_tensor_count(want);
    for (int64_t i = 0; i < count; i++)
        if (!same_element(got, want, i)) {
            core_fail(error, FM_ERR_FORMAT, "output %d, element %" PRId64 " is %.9g, must be %.9g", k, i, op_get_f(got, i),
                      op_get_f(want, i));
            return false;
        }
    return true;
}

static int run_reference(const struct graph *graph, const struct fm_tensor *in, struct fm_tensor *out, struct fm_error *error)
{
    struct graph *fixed = NULL;
    int rc = graph_specialise(graph, in, &fixed, error);
    if (!rc)
        rc = graph_interpret(fixed, in, out, error);
    graph_destroy(&fixed);
    return rc;
}

static int run_cpu(fm_engine *engine, const char *path, const struct fm_tensor *in, struct running *r, struct fm_error *error)
{
    int rc = fm_model_open(path, &r->model, error);
    if (!rc)
        rc = fm_plan_create(engine, r->model, in, NULL, &r->plan, error);
    if (!rc)
        rc = fm_session_create(r->plan, &r->session, error);
    if (!rc)
        rc = fm_session_run(r->session, in, r->out, error);
    return rc;
}

static void end_running(struct running *r, int n_out, bool owns_outputs)
{
    for (int k = 0; k < n_out && owns_outputs; k++)
        core_free(r->out[k].data);
    fm_session_destroy(&r->session);
    fm_plan_unref(&r->plan);
    fm_model_unref(&r->model);
}

static bool run_data_set(fm_engine *engine, const struct graph *graph, const char *folder, struct arena *arena,
                         struct fm_error *error)
{
    struct fm_tensor in[TENSORS_MAX], want[TENSORS_MAX];
    struct running r = { .model = NULL };
    const int n_in = read_tensors(folder, "input", arena, in, error);
    const int n_out = n_in < 0 ? -1 : read_tensors(folder, "output", arena, want, error);
    if (n_out < 0)
        return false;
    if (n_in != graph->n_inputs || n_out != graph->n_outputs || n_out == 0) {
        core_fail(error, FM_ERR_FORMAT, "%d inputs and %d outputs for a graph with %d and %d", n_in, n_out, graph->n_inputs,
                  graph->n_outputs);
        return false;
    }
    int rc = engine ? run_cpu(engine, graph->source, in, &r, error) : run_reference(graph, in, r.out, error);
    bool good = rc == 0;
    for (int k = 0; k < n_out && good; k++)
        good = compare(&r.out[k], &want[k], k, error);
    end_running(&r, n_out, !engine);
    if (rc == FM_ERR_UNSUPPORTED && engine) { /* what the interpreter can do, a backend must not decline */
        struct running reference = { .model = NULL };
        struct fm_error ignored;
        if (run_reference(graph, in, reference.out, &ignored) == 0)
            error->code = FM_ERR_FORMAT;
        end_running(&reference, n_out, true);
    }
    return good;
}

static enum verdict run_test(fm_engine *engine, const char *folder, struct fm_error *error)
{
    char path[1100];
    struct graph *graph;
    struct arena *arena;
    snprintf(path, sizeof(path), "%s/model.onnx", folder);
    if (model_load(path, &graph, error))
        return error->code == FM_ERR_UNSUPPORTED ? NOT_LISTED : FAILED;
    arena = arena_create();
    bool good = arena != NULL;
    int sets = 0;
    for (; good; sets++) {
        snprintf(path, sizeof(path), "%s/test_data_set_%d", folder, sets);
        if (access(path, F_OK) != 0)
            break;
        good = run_data_set(engine, graph, path, arena, error);
    }
    if (good && sets == 0) {
        core_fail(error, FM_ERR_IO, "%s: no test_data_set_0", folder);
        good = false;
    }
    arena_destroy(&arena);
    graph_destroy(&graph);
    return good ? PASSED : error->code == FM_ERR_UNSUPPORTED ? NOT_LISTED : FAILED;
}

static void run_one(const char *folder, struct tally *tally)
{
    static const char *const words[] = { "passed", "FAILED", "not listed" };
    struct fm_error error = { .message = "" };
    const enum verdict verdict = run_test(tally->engine, folder, &error);
    const char *name = strrchr(folder, '/');
    tally->count[verdict]++;
    if (verdict != PASSED || tally->is_verbose)
        printf("%s: %s%s%s\n", words[verdict], name ? name + 1 : folder, verdict == PASSED ? "" : ": ", error.message);
    fflush(stdout); /* the name of one that crashes is the next */
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void run_folder(const char *folder, struct tally *tally)
{
    char path[1024];
    struct dirent **list;
    snprintf(path, sizeof(path), "%s/model.onnx", folder);
    if (access(path, F_OK) == 0) {
        run_one(folder, tally);
        return;
    }
    const int n = scandir(folder, &list, is_visible, alphasort);
    if (n < 0) {
        printf("FAILED: %s cannot be read\n", folder);
        tally->count[FAILED]++;
        return;
    }
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s/model.onnx", folder, list[i]->d_name);
        if (access(path, F_OK) == 0) {
            path[strlen(path) - strlen("/model.onnx")] = 0;
            run_one(path, tally);
        }
        free(list[i]);
    }
    free(list);
}

static int usage(const char *name)
{
    fprintf(stderr, "usage: %s [--mode reference|cpu] [--verbose] [FOLDER | TEST ...]\n", name);
    return 2;
}

static bool set_mode(struct tally *tally, const char *mode)
{
    struct fm_error error;
    fm_engine_unref(&tally->engine);
    if (strcmp(mode, "cpu") != 0)
        return strcmp(mode, "reference") == 0;
    if (fm_engine_create(NULL, &tally->engine, &error) == 0)
        return true;
    fprintf(stderr, "%s\n", error.message);
    return false;
}

int main(int argc, char **argv)
{
    struct tally tally = { .is_verbose = false };
    int folders = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            tally.is_verbose = true;
        else if (strcmp(argv[i], "--mode") == 0 && i + 1 < argc && set_mode(&tally, argv[i + 1]))
            i++;
        else if (argv[i][0] == '-')
            return usage(argv[0]);
        else
            folders++, run_folder(argv[i], &tally);
    }
    const char *shared = folders ? NULL : check_shared("data/onnx_node");
    if (shared)
        run_folder(shared, &tally);
    fm_engine_unref(&tally.engine);
    if (!folders && !shared) {
        fprintf(stderr, "skipped: ../shared/data/onnx_node is not there\n");
        printf("0 passed, 0 failed, 1 skipped\n");
        return 0;
    }
    printf("%d passed, %d failed, %d not listed\n", tally.count[PASSED], tally.count[FAILED], tally.count[NOT_LISTED]);
    printf("%d passed, %d failed, %d skipped\n", tally.count[PASSED], tally.count[FAILED], tally.count[NOT_LISTED]);
    return tally.count[FAILED] ? 1 : 0;
}
