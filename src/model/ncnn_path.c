/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* stat */
#include "model/ncnn_path.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "framemill/error.h"

static bool path_is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int ncnn_bin_path(const char *param_path, char *out, size_t size)
{
    static const char extension[] = ".param";
    size_t stem = strlen(param_path);
    if (stem > sizeof extension - 1 && !strcasecmp(param_path + stem - (sizeof extension - 1), extension))
        stem -= sizeof extension - 1;
    if (stem + sizeof ".bin" > size) return FM_ERR_ARGUMENT;
    memcpy(out, param_path, stem);
    memcpy(out + stem, ".bin", sizeof ".bin");
    if (path_is_file(out)) return FM_OK;

    if (stem > 3 && out[stem - 3] == '-' && out[stem - 2] == 'x' && out[stem - 1] >= '0' && out[stem - 1] <= '9') {
        const char scale = out[stem - 1];
        for (const char *other = "432"; *other; other++) {
            out[stem - 1] = *other;
            if (path_is_file(out)) return FM_OK;
        }
        out[stem - 1] = scale;
    }
    return FM_ERR_IO;
}
