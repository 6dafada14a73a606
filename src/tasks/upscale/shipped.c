/* SPDX-License-Identifier: MIT */
#include "tasks/upscale/shipped.h"

#include <stdbool.h>
#include <stddef.h>

#include "model/find.h"

#define NAMES_MAX 6

/* The best first, by the figures of models/README.md. A larger scale than any network's is reached by running one several times. */
static const struct {
    double up_to;
    const char *name[NAMES_MAX];
    int video; /* the first of them for video: 640x360 at the rate of films on two cores */
} ladder[] = {
    {2, {"rt105", "rt27", "rt14", "rt8", "rt3"}, 2},
    {3, {"rt105", "rt14-x3"}, 1},
    {4, {"rt105", "rt14-x4"}, 1},
    {64, {"rt105", "rt27", "rt14", "rt8", "rt3"}, 2},
};
#define ROWS (sizeof ladder / sizeof *ladder)

static size_t row_of(double scale)
{
    size_t row = 0;
    while (row + 1 < ROWS && scale > ladder[row].up_to + 1e-9) row++;
    return row;
}

static bool is_there(const char *name, const char *model_dir)
{
    char path[FIND_PATH_MAX];
    return find_network(name, model_dir, path, sizeof path, NULL) >= 0;
}

const char *shipped_for(double scale, enum shipped_use use, const char *model_dir)
{
    /* Where the network of the very scale is missing, those of two do. */
    const size_t rows[] = {row_of(scale), ROWS - 1};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int k = use == SHIPPED_VIDEO ? ladder[rows[i]].video : 0; k < NAMES_MAX && ladder[rows[i]].name[k]; k++)
            if (is_there(ladder[rows[i]].name[k], model_dir)) return ladder[rows[i]].name[k];
    return NULL;
}

int shipped_ladder(double scale, const char *model_dir, const char **names, int most)
{
    const size_t row = row_of(scale);
    int n = 0;
    for (int k = 0; k < NAMES_MAX && ladder[row].name[k] && n < most; k++)
        if (is_there(ladder[row].name[k], model_dir)) names[n++] = ladder[row].name[k];
    return n;
}
