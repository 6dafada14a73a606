/* SPDX-License-Identifier: MIT */
/* Saving by libvips into an open file: every format but PNG, which has a writer of its own. */
#ifndef FM_MEDIA_STILL_SAVE_H
#define FM_MEDIA_STILL_SAVE_H

#include "media/still.h"

/* As still_write, into a descriptor that can be read and sought; parameters are checked. */
int still_save(int fd, const char *path, const struct still_meta *meta, const struct still_write_params *params, still_pull pull,
    void *user, struct fm_error *error);

#endif
