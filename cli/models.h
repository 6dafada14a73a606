/* SPDX-License-Identifier: MIT */
/* The parts of framemill models. Each returns an exit code. */
#ifndef FM_CLI_MODELS_H
#define FM_CLI_MODELS_H

#include "args.h"

int models_info(const struct args *args, const char *name_or_file);
int models_list(const struct args *args);
int models_pull(const struct args *args, const char *what);

#endif
