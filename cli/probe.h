/* SPDX-License-Identifier: MIT */
/* framemill probe, its two ways to say a thing. */
#ifndef FM_CLI_PROBE_H
#define FM_CLI_PROBE_H

#include <stdio.h>

#include "framemill/framemill.h"

/* Of a video, a picture, a container without video. JSON: one object on one line. */
void probe_print(FILE *to, const char *path, const fm_probe *probe);
void probe_print_json(FILE *to, const char *path, const fm_probe *probe);
/* Of a network. */
void probe_print_network(FILE *to, const char *path, const fm_model *model, const struct fm_model_info *info);
void probe_print_network_json(FILE *to, const char *path, const fm_model *model, const struct fm_model_info *info);

#endif
