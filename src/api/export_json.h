/* SPDX-License-Identifier: MIT */
/* The sidecar of a web plan (docs/web-plan.md), as text. */
#ifndef FM_API_EXPORT_JSON_H
#define FM_API_EXPORT_JSON_H

#include "backend/web/text.h"
#include "backend/web/web.h"
#include "framemill/picture.h"
#include "tasks/upscale/network.h"

#define EXPORT_RATIO_MAX 8 /* by which networks for enlarged pictures may be asked to enlarge */

struct export_files {
    const struct network *network;
    const struct web_plan *plan;
    struct fm_picture in, out; /* the golden tile, RGB, 8 bits */
    bool embed;
};

void export_json(struct text *to, const struct export_files *files);
extern const char *const export_form_names[WEB_FORMS];

#endif
