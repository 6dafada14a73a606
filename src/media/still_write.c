/* SPDX-License-Identifier: MIT */
/* The writer: a picture of libvips whose rows come from the caller, saved into a file that gets its name when it is whole. */
#include <string.h>

#include "core/error.h"
#include "media/png_write.h"
#include "media/still.h"
#include "media/still_file.h"
#include "media/still_meta.h"
#include "media/still_save.h"
#include "media/vips_load.h"

static int check(const char *path, const struct still_write_params *p, struct fm_error *error)
{
    const int side = still_format_max_side(p->format), bits = still_format_bits(p->format);
    if (side == 0)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: cannot be written as %s", path, p->format ? p->format : "(nothing)");
    if (p->width < 1 || p->height < 1)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: a picture of %d x %d pixels", path, p->width, p->height);
    if (p->width > side || p->height > side)
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: %d x %d pixels are more than %s holds (%d a side)", path, p->width,
            p->height, p->format, side);
    if (p->pixels.channels < 1 || p->pixels.channels > 4 || (p->pixels.bits != 8 && p->pixels.bits != 16) ||
        p->pixels.bits > bits || (pixel_has_alpha(p->pixels) && !still_format_has_alpha(p->format)))
        return core_fail(error, FM_ERR_ARGUMENT, "%s: %s does not hold %d channels of %d bits", path, p->format, p->pixels.channels,
            p->pixels.bits);
    if (p->quality < 0 || p->quality > 100 || p->compression < -1 || p->compression > 9)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: quality is 0 to 100, compression -1 to 9", path);
    return FM_OK;
}

int still_write(const char *path, const struct still_meta *meta, const struct still_write_params *params, still_pull pull,
    void *user, uint64_t *bytes, struct fm_error *error)
{
    int code = check(path, params, error);
    if (code == FM_OK) code = vips_load(error);
    if (code != FM_OK) return code;
    struct still_file file;
    code = still_file_create(&file, path, params->overwrite, error);
    if (code != FM_OK) return code;
    code = (strcmp(params->format, "png") == 0 ? png_write : still_save)(file.fd, path, meta, params, pull, user, error);
    if (code == FM_OK) return still_file_commit(&file, bytes, error);
    still_file_abandon(&file);
    return code;
}
