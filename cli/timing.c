/* SPDX-License-Identifier: MIT */
/* What several commands share: engines, input arrays, clocks. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"

int report(const struct fm_error *error)
{
    fprintf(stderr, "framemill: %s\n", error->message);
    return error_status(error);
}

int error_status(const struct fm_error *error)
{
    switch (error->code) {
    case FM_ERR_ARGUMENT: return EXIT_USAGE;
    case FM_ERR_IO:
    case FM_ERR_FORMAT:
    case FM_ERR_UNSUPPORTED:
    case FM_ERR_SHAPE: return EXIT_BAD_INPUT;
    default: return EXIT_FAILED;
    }
}

fm_engine *open_engine(const struct args *args, int *status)
{
    struct fm_engine_params params = {.size = sizeof params, .cpu_mask = args_value(args, "cpumask")};
    struct fm_error error = {0};
    fm_engine *engine = NULL;
    if (!args_int(args, "threads", 1, 1024, 0, &params.threads))
        *status = EXIT_USAGE;
    else if (fm_engine_create(&params, &engine, &error) < 0)
        *status = report(&error);
    return engine;
}

struct fm_tensor *sizes_for(const fm_model *model, int w, int h)
{
    const int n = fm_model_input_count(model);
    struct fm_tensor *list = calloc((size_t) n + 1, sizeof *list);
    for (int k = 0; list && k < n; k++) {
        struct fm_model_port port;
        fm_model_input(model, k, &port);
        list[k].dtype = port.dtype ? port.dtype : FM_F32;
        list[k].rank = port.rank < 0 ? 4 : port.rank;
        for (int i = 0; i < list[k].rank; i++) {
            const int left = list[k].rank - 1 - i;
            const int64_t open = list[k].rank >= 3 && left == 0   ? w
                                 : list[k].rank >= 4 && left == 1 ? h
                                 : list[k].rank == 4 && left == 2 ? 3
                                                                  : 1;
            list[k].dim[i] = port.rank >= 0 && port.dim[i] >= 0 ? port.dim[i] : open;
        }
    }
    return list;
}

bool fill_inputs(struct fm_tensor *inputs, int n)
{
    uint64_t state = 0x9e3779b97f4a7c15u;
    for (int k = 0; k < n; k++) {
        struct fm_tensor *t = &inputs[k];
        const int64_t count = fm_tensor_count(t);
        const size_t unit = fm_dtype_size(t->dtype);
        if (count < 0) return false;
        t->data = calloc((size_t) count + 1, unit);
        if (!t->data) return false;
        for (int64_t i = 0; i < count; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            const float value = (float) (state >> 40) * 0x1p-24f;
            if (t->dtype == FM_F32)
                ((float *) t->data)[i] = value;
            else if (t->dtype == FM_F64)
                ((double *) t->data)[i] = (double) value;
            else if (t->dtype == FM_F16)
                ((uint16_t *) t->data)[i] = (uint16_t) (0x2800 + (state >> 54)); /* 1/32 .. 1/16 */
            else if (t->dtype == FM_BF16)
                ((uint16_t *) t->data)[i] = (uint16_t) (0x3e80 + (state >> 57));
            else
                ((uint8_t *) t->data)[(size_t) i * unit] = (uint8_t) (state >> 63);
        }
    }
    return true;
}

void free_inputs(struct fm_tensor **inputs, int n)
{
    for (int k = 0; *inputs && k < n; k++) free((*inputs)[k].data);
    free(*inputs);
    *inputs = NULL;
}

const char *dims_text(const struct fm_tensor *t, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < t->rank && used < size; i++) {
        const char *times = i ? "x" : "";
        used += (size_t) (t->dim[i] < 0 ? snprintf(text + used, size - used, "%s?", times)
                                        : snprintf(text + used, size - used, "%s%lld", times, (long long) t->dim[i]));
    }
    return t->rank ? text : "scalar";
}

double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec * 1e3 + (double) t.tv_nsec * 1e-6;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

struct spread spread_of(double *values, int n)
{
    qsort(values, (size_t) n, sizeof *values, by_value);
    return (struct spread){values[0], n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2, values[n - 1]};
}
