/* SPDX-License-Identifier: MIT */
#include "convert/colours.h"

#include <stddef.h>

#include "convert/samples.h"
#include "core/error.h"

/* The shares of red and blue in luma, from which all else follows. */
static const struct colours_system {
    int code;
    double red, blue;
} colours_systems[] = {
    {1, 0.2126, 0.0722}, /* BT.709 */
    {4, 0.30, 0.11},     /* FCC */
    {5, 0.299, 0.114},   /* BT.601, 625 lines */
    {6, 0.299, 0.114},   /* BT.601, 525 lines */
    {7, 0.212, 0.087},   /* SMPTE 240M */
    {9, 0.2627, 0.0593}, /* BT.2020, non-constant luminance */
};

static const char *colours_name(int code)
{
    static const char *const names[] = {[10] = "BT.2020 with constant luminance",
        [11] = "SMPTE ST 2085 (Y'D'zD'x)",
        [12] = "luma by the primaries' chromaticity",
        [13] = "luma by the primaries' chromaticity, constant luminance",
        [14] = "ICtCp",
        [15] = "IPT-C2",
        [16] = "YCgCo-Re",
        [17] = "YCgCo-Ro"};
    return code >= 10 && code <= 17 ? names[code] : "one that is not known";
}

static void colours_round(const double from[3][3], struct planes_matrix *to)
{
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) to->m[i][k] = (float) from[i][k];
}

int colours_matrices(int matrix, struct planes_matrix *to_rgb, struct planes_matrix *from_rgb, struct fm_error *error)
{
    if (matrix == SAMPLES_MATRIX_YCGCO) {
        static const double to[3][3] = {{1, -1, 1}, {1, 1, 0}, {1, -1, -1}};
        static const double from[3][3] = {{0.25, 0.5, 0.25}, {-0.25, 0.5, -0.25}, {0.5, 0, -0.5}};
        colours_round(to, to_rgb);
        colours_round(from, from_rgb);
        return FM_OK;
    }
    const struct colours_system *s = NULL;
    for (size_t i = 0; i < sizeof colours_systems / sizeof colours_systems[0]; i++)
        if (colours_systems[i].code == matrix) s = &colours_systems[i];
    if (!s)
        return core_fail(error, FM_ERR_UNSUPPORTED,
            "colours of this video (matrix %d: %s) cannot be turned into R, G, B; a network of luma leaves them as they are",
            matrix, colours_name(matrix));
    const double r = s->red, b = s->blue, g = 1 - r - b, cb = 2 * (1 - b), cr = 2 * (1 - r);
    const double to[3][3] = {{1, 0, cr}, {1, -b * cb / g, -r * cr / g}, {1, cb, 0}};
    const double from[3][3] = {{r, g, b}, {-r / cb, -g / cb, 0.5}, {0.5, -g / cr, -b / cr}};
    colours_round(to, to_rgb);
    colours_round(from, from_rgb);
    return FM_OK;
}

int colours_guess(int width, int height)
{
    return width >= 1280 || height >= 720 ? 1 : 6;
}
