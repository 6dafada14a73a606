/* SPDX-License-Identifier: MIT */
#include <stdbool.h>

#include "media/encoder_convert.h"

#include "core/alloc.h"
#include "core/error.h"

struct encoder_convert {
    const struct av *av;
    struct SwsContext *sws;
    enum AVPixelFormat to;
    int width, height;
};

/* swscale's numbers for matrices are those of H.273 where it has them; BT.601 for what is not said. */
static const int *coefficients(const struct av *av, enum AVColorSpace matrix)
{
    return av->sws_getCoefficients(matrix == AVCOL_SPC_RGB || matrix == AVCOL_SPC_UNSPECIFIED ? SWS_CS_ITU601 : (int) matrix);
}

/* RGB becomes YUV by the matrix that belongs to its primaries, else by the one that players take for the size. */
static enum AVColorSpace matrix_for(const AVFrame *like)
{
    switch (like->color_primaries) {
    case AVCOL_PRI_BT709: return AVCOL_SPC_BT709;
    case AVCOL_PRI_BT2020: return AVCOL_SPC_BT2020_NCL;
    case AVCOL_PRI_BT470BG: return AVCOL_SPC_BT470BG;
    case AVCOL_PRI_SMPTE170M: return AVCOL_SPC_SMPTE170M;
    default: return like->height >= 720 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M;
    }
}

static bool is_rgb(const struct av *av, enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *d = av->av_pix_fmt_desc_get(format);
    return d && (d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL));
}

int encoder_convert_create(const struct av *av, const AVFrame *like, enum AVPixelFormat to, bool full, struct encoder_convert **out,
    enum AVColorSpace *matrix, enum AVColorRange *range, struct fm_error *error)
{
    const bool from_rgb = is_rgb(av, like->format), to_rgb = is_rgb(av, to);
    const bool from_full = like->color_range == AVCOL_RANGE_JPEG, to_full = full || to_rgb || (from_full && !from_rgb);
    struct encoder_convert *c = core_calloc(1, sizeof *c);
    *out = NULL;
    if (!c) return core_fail_nomem(error, sizeof *c);
    *c = (struct encoder_convert){.av = av, .to = to, .width = like->width, .height = like->height};
    *matrix = to_rgb ? AVCOL_SPC_RGB : from_rgb ? matrix_for(like) : like->colorspace;
    *range = to_full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    c->sws = av->sws_alloc_context();
    if (!c->sws) {
        encoder_convert_destroy(&c);
        return core_fail_nomem(error, 0);
    }
    av->av_opt_set_int(c->sws, "srcw", like->width, 0);
    av->av_opt_set_int(c->sws, "srch", like->height, 0);
    av->av_opt_set_int(c->sws, "src_format", like->format, 0);
    av->av_opt_set_int(c->sws, "dstw", like->width, 0);
    av->av_opt_set_int(c->sws, "dsth", like->height, 0);
    av->av_opt_set_int(c->sws, "dst_format", to, 0);
    av->av_opt_set_int(c->sws, "sws_flags", SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP, 0);
    av->av_opt_set_int(c->sws, "src_range", from_full, 0);
    av->av_opt_set_int(c->sws, "dst_range", to_full, 0);
    av_load_listen();
    const int status = av->sws_init_context(c->sws, NULL, NULL);
    if (status >= 0) {
        const int *table = coefficients(av, to_rgb && !from_rgb ? like->colorspace : *matrix);
        av->sws_setColorspaceDetails(c->sws, table, from_full, table, to_full, 0, 1 << 16, 1 << 16);
        *out = c;
        return FM_OK;
    }
    char reason[160];
    av_load_reason(status, reason, sizeof reason);
    encoder_convert_destroy(&c);
    return core_fail(error, FM_ERR_UNSUPPORTED, "%s cannot be converted to %s: %s", av->av_get_pix_fmt_name(like->format),
        av->av_get_pix_fmt_name(to), reason);
}

int encoder_convert_frame(struct encoder_convert *c, const AVFrame *from, AVFrame **to, struct fm_error *error)
{
    const struct av *av = c->av;
    AVFrame *made = av->av_frame_alloc();
    *to = NULL;
    if (!made) return core_fail_nomem(error, sizeof *made);
    made->format = c->to;
    made->width = c->width;
    made->height = c->height;
    int status = av->av_frame_get_buffer(made, 0);
    if (status >= 0)
        status =
            av->sws_scale(c->sws, (const uint8_t *const *) from->data, from->linesize, 0, from->height, made->data, made->linesize);
    if (status < 0) {
        av->av_frame_free(&made);
        return core_fail(error, av_load_code(status), "a frame cannot be converted to %s", av->av_get_pix_fmt_name(c->to));
    }
    *to = made;
    return FM_OK;
}

void encoder_convert_destroy(struct encoder_convert **convert)
{
    struct encoder_convert *c = *convert;
    *convert = NULL;
    if (!c) return;
    if (c->sws) c->av->sws_freeContext(c->sws);
    core_free(c);
}
