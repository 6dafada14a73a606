/* SPDX-License-Identifier: MIT */
#include "tasks/upscale/shipped.h"

#include <stddef.h>

#include "model/find.h"

/* For stills, where a second more does not matter: the best first (models/README.md has the figures), smaller ones after it for
 * installations that hold only some. A larger scale than any of them is reached by running the last one several times. */
static const struct {
    double up_to;
    const char *name[6];
} ladder[] = {
    {2, {"rt105", "rt27", "rt14", "rt9", "rt3"}},
    {3, {"rt14-x3", "rt105", "rt27", "rt14"}},
    {4, {"rt14-x4", "rt105", "rt27", "rt14"}},
    {64, {"rt105", "rt27", "rt14", "rt14-x4"}},
};

const char *shipped_for(double scale, const char *model_dir)
{
    size_t row = 0;
    while (row + 1 < sizeof ladder / sizeof *ladder && scale > ladder[row].up_to + 1e-9) row++;
    for (const char *const *name = ladder[row].name; *name; name++) {
        char path[FIND_PATH_MAX];
        if (find_network(*name, model_dir, path, sizeof path, NULL) >= 0) return *name;
    }
    return NULL;
}
