/* SPDX-License-Identifier: MIT */
/* fm_models_pull behind the check of its arguments. Any thread. */
#ifndef FM_API_MODELS_PULL_H
#define FM_API_MODELS_PULL_H

#include "framemill/models.h"

int models_pull(const struct fm_models_pull_params *params, char *path, size_t path_size, struct fm_error *error);

#endif
