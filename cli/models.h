/* SPDX-License-Identifier: MIT */
/* The parts of framemill models. Each returns an exit code. */
#ifndef FM_CLI_MODELS_H
#define FM_CLI_MODELS_H

#include "args.h"

int command_models_info(const struct args *args, const char *name_or_file);
int command_models_list(const struct args *args);
int command_models_pull(const struct args *args, const char *what);

#endif
