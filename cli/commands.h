/* SPDX-License-Identifier: MIT */
/* The commands, and what they share. Each takes parsed arguments and returns an exit code. */
#ifndef FM_CLI_COMMANDS_H
#define FM_CLI_COMMANDS_H

#include "args.h"
#include "framemill/framemill.h"

int command_run(const struct args *args);
int command_models(const struct args *args);
int command_doctor(const struct args *args);
int command_bench(const struct args *args);
int command_export(const struct args *args);
int command_probe(const struct args *args);
int command_upscale(const struct args *args);

/* Prints "framemill: message" and returns the exit code that fits. */
int report(const struct fm_error *error);
int error_status(const struct fm_error *error); /* the exit code alone */

/* An engine as --threads and --cpumask say; NULL after printing why not, with the exit code in *status. */
fm_engine *open_engine(const struct args *args, int *status);

/* Sizes for every input of a model, open picture sizes set to w x h; data NULL. Caller frees the list. NULL: out of memory. */
struct fm_tensor *sizes_for(const fm_model *model, int w, int h);
/* Gives every tensor of the list an array of repeatable noise in [0, 1) (small integers for integer types). False: out of memory. */
bool fill_inputs(struct fm_tensor *inputs, int n);
void free_inputs(struct fm_tensor **inputs, int n);
const char *dims_text(const struct fm_tensor *t, char *text, size_t size);

double now_ms(void);
/* Minimum, median and maximum; sorts the list. */
struct spread { double min, median, max; };
struct spread spread_of(double *values, int n);

#endif
