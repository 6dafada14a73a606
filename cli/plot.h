/* SPDX-License-Identifier: MIT */
/* Plots as SVG, of lines or of points with names: panels above each other that share their x axis, axes with round ticks, a legend. */
#ifndef FM_CLI_PLOT_H
#define FM_CLI_PLOT_H

#include <stdbool.h>
#include <stdio.h>

/* n points in order; those with a NaN are left out and part the line. */
struct series {
    const char *name;
    const double *x, *y;
    int n;
    bool dashed;              /* a line to compare with */
    const char *const *label; /* a text at each point, which no line joins then; NULL: a line */
};

struct panel {
    const char *y_label;
    bool log_y; /* else from zero, or with from_data around the values */
    bool from_data;
    const struct series *series;
    int n_series;
};

struct plot {
    const char *title, *subtitle, *x_label;
    bool log_x; /* else from zero */
    const struct panel *panel;
    int n_panels;
};

/* A whole SVG document. On logarithmic axes values of zero and below are left out. False: could not be written. */
bool plot_svg(const struct plot *plot, FILE *to);

#endif
