/* SPDX-License-Identifier: MIT */
/* Runs a network of one picture input on a 64 x 64 ramp and says what came out: run MODEL
 * Build: cc run.c $(pkg-config --cflags --libs framemill) */
#include <framemill/framemill.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct fm_error error = {0};
    fm_engine *engine = NULL;
    fm_model *model = NULL;
    fm_plan *plan = NULL;
    fm_session *session = NULL;
    float *pixels = NULL;
    int status = EXIT_FAILURE;

    if (argc != 2) return fprintf(stderr, "usage: run MODEL\n"), 2;
    if (fm_engine_create(NULL, &engine, &error) || fm_model_open(argv[1], &model, &error)) goto done;

    /* The network says what it takes; what it leaves open, we choose. */
    struct fm_model_port port;
    if (fm_model_input(model, 0, &port)) goto done;
    struct fm_tensor input = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, 64, 64}}, output = {0};
    for (int i = 0; i < 4 && port.rank == 4; i++)
        if (port.dim[i] > 0) input.dim[i] = port.dim[i];
    const int64_t count = fm_tensor_count(&input);
    input.data = pixels = calloc((size_t) count, sizeof *pixels);
    if (!pixels) goto done;
    for (int64_t i = 0; i < count; i++) pixels[i] = (float) (i % input.dim[3]) / (float) input.dim[3];

    /* A plan for this size, a session to run it; both serve any number of frames. */
    if (fm_plan_create(engine, model, &input, NULL, &plan, &error) || fm_session_create(plan, &session, &error)) goto done;
    if (fm_session_run(session, &input, &output, &error)) goto done;

    printf("%s:", fm_dtype_name(output.dtype)); /* output.data is the session's until its next run */
    for (int i = 0; i < output.rank; i++) printf(" %lld", (long long) output.dim[i]);
    printf("\n");
    status = EXIT_SUCCESS;

done:
    if (error.code) fprintf(stderr, "run: %s\n", error.message);
    free(pixels);
    fm_session_destroy(&session);
    fm_plan_unref(&plan);
    fm_model_unref(&model);
    fm_engine_unref(&engine);
    return status;
}
