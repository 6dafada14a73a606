/* SPDX-License-Identifier: MIT */
/* The host's side of framemill/plugin.h: loading, checking, calling. */
#ifndef FM_TASKS_UPSCALE_PLUGIN_H
#define FM_TASKS_UPSCALE_PLUGIN_H

#include "frame/window.h"
#include "framemill/error.h"
#include "framemill/plugin.h"

#define PLUGIN_REACH_MAX 64

struct plugin {
    void *library;
    const struct fm_plugin *table;
    void *state;
    int reach[2]; /* by enum fm_plugin_when; negative: does nothing then */
};

/* "FILE" or "FILE:OPTIONS". FM_ERR_IO: cannot be loaded; FM_ERR_UNSUPPORTED: no plug-in, or of another ABI;
 * FM_ERR_ARGUMENT: it refuses the options. */
int plugin_open(const char *text, struct plugin **out, struct fm_error *error);
void plugin_close(struct plugin **plugin); /* accepts NULL contents, sets NULL */

/* Fills out->at from `in`, pieces of a picture of width x height. */
int plugin_run(const struct plugin *plugin, enum fm_plugin_when when, int width, int height, const struct window *in, struct window *out,
               struct fm_error *error);

#endif
