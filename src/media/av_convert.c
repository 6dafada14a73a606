/* SPDX-License-Identifier: MIT */
/* Pixel formats that decoders, cameras and pictures have beside the canonical ones. Where samples only lie otherwise (packed,
 * interleaved, shifted, the other byte order, a palette) they are moved, bit for bit, by FFmpeg's description of the format. What
 * must be computed (other subsampling, floats, XYZ, raw sensor patterns, another size) is left to swscale at its best. */
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/av_frame.h"

struct avconvert {
    const struct av *av;
    AVFrame *made;
    AVBufferPool *buffers; /* for frames of `format`, `width` x `height` */
    enum AVPixelFormat format;
    int width, height;
    struct SwsContext *sws; /* from what the last frame was */
    enum AVPixelFormat from;
    int from_width, from_height, from_range, from_space;
    uint16_t *row;
    int row_size;
};

int avconvert_create(const struct av *av, struct avconvert **out, struct fm_error *error)
{
    struct avconvert *c = core_calloc(1, sizeof *c);
    *out = NULL;
    if (!c) return core_fail_nomem(error, sizeof *c);
    c->av = av;
    c->format = c->from = AV_PIX_FMT_NONE;
    c->made = av->av_frame_alloc();
    if (!c->made) {
        core_free(c);
        return core_fail_nomem(error, 0);
    }
    *out = c;
    return FM_OK;
}

void avconvert_destroy(struct avconvert **convert)
{
    struct avconvert *c = *convert;
    *convert = NULL;
    if (!c) return;
    c->av->av_frame_free(&c->made);
    c->av->av_buffer_pool_uninit(&c->buffers);
    c->av->sws_freeContext(c->sws);
    core_free(c->row);
    core_free(c);
}

/* Bytes of plane `i` with `format`'s rows padded for vector stores past the end. */
static ptrdiff_t plane_bytes(const struct video_format *format, int width, int height, int i, int *stride)
{
    *stride = (video_plane_width(*format, width, i) * video_sample_bytes(*format) + 63) & ~63;
    return (ptrdiff_t) *stride * video_plane_height(*format, height, i);
}

/* An empty frame of the wanted format, its memory from a pool. */
static int make(struct avconvert *c, enum AVPixelFormat to, int width, int height, struct fm_error *error)
{
    struct video_format format;
    if (!avframe_is_canonical(to, &format) || width <= 0 || height <= 0 || width > 65535 || height > 65535)
        return core_fail(error, FM_ERR_UNSUPPORTED, "frames of %dx%d cannot be converted", width, height);
    int stride;
    ptrdiff_t size = 0;
    for (int i = 0; i < video_planes(format); i++) size += plane_bytes(&format, width, height, i, &stride);
    if (c->format != to || c->width != width || c->height != height || !c->buffers) {
        c->av->av_buffer_pool_uninit(&c->buffers);
        c->buffers = c->av->av_buffer_pool_init((size_t) size + 64, NULL);
        c->format = to;
        c->width = width;
        c->height = height;
        c->from = AV_PIX_FMT_NONE; /* swscale's state was for another target */
    }
    AVFrame *f = c->made;
    f->buf[0] = c->buffers ? c->av->av_buffer_pool_get(c->buffers) : NULL;
    if (!f->buf[0]) return core_fail_nomem(error, (size_t) size);
    uint8_t *at = (uint8_t *) (((uintptr_t) f->buf[0]->data + 31) & ~(uintptr_t) 31);
    for (int i = 0; i < video_planes(format); i++) {
        f->data[i] = at;
        at += plane_bytes(&format, width, height, i, &f->linesize[i]);
    }
    f->extended_data = f->data;
    f->format = to;
    f->width = width;
    f->height = height;
    return FM_OK;
}

/* Are the samples there as they are wanted, and only lie otherwise? */
static bool only_lies_otherwise(const AVPixFmtDescriptor *from, const struct video_format *to)
{
    if (from->flags & (AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER)) return false;
    if (from->flags & AV_PIX_FMT_FLAG_PAL) return to->layout == VIDEO_RGB && to->bits == 8;
    if (from->flags & AV_PIX_FMT_FLAG_RGB) return to->layout == VIDEO_RGB;
    if (from->nb_components == 1) return to->layout == VIDEO_GREY && from->comp[0].depth > 1;
    if (from->nb_components == 2) return to->layout == VIDEO_RGB && to->alpha; /* grey with alpha */
    if (from->log2_chroma_h > 1 || from->log2_chroma_w > 1) return false;
    if (to->layout == VIDEO_420) return from->log2_chroma_w == 1 && from->log2_chroma_h == 1;
    if (to->layout == VIDEO_422) return from->log2_chroma_w == 1 && from->log2_chroma_h == 0;
    return to->layout == VIDEO_444 && from->log2_chroma_w == 0 && from->log2_chroma_h == 0;
}

/* The component of `from` that plane `plane` takes: FFmpeg counts R, G, B, A; the planes are G, B, R, A. */
static int component(const AVPixFmtDescriptor *from, const struct video_format *to, int plane)
{
    static const int rgb[] = {1, 2, 0, 3};
    if (from->nb_components == 2) return plane == 3 ? 1 : 0;
    return to->layout == VIDEO_RGB ? rgb[plane] : plane;
}

/* Whole bytes and whole little-endian words, which is how cameras and pictures have them, need no reader of bits. */
static bool fetch_row(const AVFrame *frame, const AVPixFmtDescriptor *from, int k, int y, int n, uint16_t *row)
{
    const AVComponentDescriptor *c = &from->comp[k];
    const uint8_t *at = frame->data[c->plane] + (ptrdiff_t) y * frame->linesize[c->plane] + c->offset;
    const unsigned mask = (1u << c->depth) - 1;
    if (from->flags & (AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_BE)) return false;
    if (c->depth + c->shift <= 8) {
        for (int x = 0; x < n; x++) row[x] = (uint16_t) (at[(ptrdiff_t) x * c->step] >> c->shift & (int) mask);
        return true;
    }
    if (c->depth <= 8 || c->depth + c->shift > 16) return false;
    for (int x = 0; x < n; x++) {
        const uint8_t *p = at + (ptrdiff_t) x * c->step;
        row[x] = (uint16_t) ((unsigned) (p[0] | p[1] << 8) >> c->shift & mask);
    }
    return true;
}

static void store_row(const uint16_t *row, int n, int from_bits, int to_bits, uint8_t *to)
{
    const unsigned high = (1u << from_bits) - 1, top = (1u << to_bits) - 1;
    uint16_t *words = (uint16_t *) (void *) to;
    if (from_bits != to_bits && to_bits > 8)
        for (int x = 0; x < n; x++) words[x] = (uint16_t) ((row[x] * top + high / 2) / high);
    else if (from_bits != to_bits)
        for (int x = 0; x < n; x++) to[x] = (uint8_t) ((row[x] * top + high / 2) / high);
    else if (to_bits > 8)
        memcpy(words, row, (size_t) n * sizeof *row);
    else
        for (int x = 0; x < n; x++) to[x] = (uint8_t) row[x];
}

static void palette_row(const AVFrame *frame, int y, int plane, int n, uint16_t *row)
{
    static const int shift[] = {8, 0, 16, 24}; /* G, B, R, A of 0xAARRGGBB */
    const uint8_t *index = frame->data[0] + (ptrdiff_t) y * frame->linesize[0];
    for (int x = 0; x < n; x++) {
        uint32_t colour;
        memcpy(&colour, frame->data[1] + 4 * index[x], sizeof colour);
        row[x] = (uint16_t) (colour >> shift[plane] & 255);
    }
}

static int move(struct avconvert *c, const AVFrame *frame, const AVPixFmtDescriptor *from, const struct video_format *to,
    struct fm_error *error)
{
    if (c->row_size < frame->width) {
        core_free(c->row);
        c->row_size = 0;
        c->row = core_alloc((size_t) frame->width * sizeof *c->row);
        if (!c->row) return core_fail_nomem(error, (size_t) frame->width * sizeof *c->row);
        c->row_size = frame->width;
    }
    const bool palette = from->flags & AV_PIX_FMT_FLAG_PAL;
    for (int i = 0; i < video_planes(*to); i++) {
        const int k = component(from, to, i), n = video_plane_width(*to, frame->width, i);
        for (int y = 0; y < video_plane_height(*to, frame->height, i); y++) {
            uint8_t *out = c->made->data[i] + (ptrdiff_t) y * c->made->linesize[i];
            if (palette)
                palette_row(frame, y, i, n, c->row);
            else if (!fetch_row(frame, from, k, y, n, c->row))
                c->av->av_read_image_line2(
                    c->row, (const uint8_t **) frame->data, frame->linesize, from, 0, y, k, n, 0, sizeof *c->row);
            store_row(c->row, n, palette ? 8 : from->comp[k].depth, to->bits, out);
        }
    }
    return FM_OK;
}

static int prepare_sws(struct avconvert *c, const AVFrame *frame, struct fm_error *error)
{
    const int range = frame->color_range == AVCOL_RANGE_JPEG, space = frame->colorspace;
    if (c->sws && c->from == (enum AVPixelFormat) frame->format && c->from_width == frame->width &&
        c->from_height == frame->height && c->from_range == range && c->from_space == space)
        return FM_OK;
    c->av->sws_freeContext(c->sws);
    c->sws = c->av->sws_alloc_context();
    if (!c->sws) return core_fail_nomem(error, 0);
    const struct av *av = c->av;
    av->av_opt_set_int(c->sws, "srcw", frame->width, 0);
    av->av_opt_set_int(c->sws, "srch", frame->height, 0);
    av->av_opt_set_int(c->sws, "src_format", frame->format, 0);
    av->av_opt_set_int(c->sws, "dstw", c->width, 0);
    av->av_opt_set_int(c->sws, "dsth", c->height, 0);
    av->av_opt_set_int(c->sws, "dst_format", c->format, 0);
    av->av_opt_set_int(
        c->sws, "sws_flags", SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP, 0);
    /* the range stays what it is: both sides are told the same */
    const int *table = av->sws_getCoefficients(space == AVCOL_SPC_RGB || space == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : space);
    av->av_opt_set_int(c->sws, "src_range", range, 0);
    av->av_opt_set_int(c->sws, "dst_range", range, 0);
    av->sws_setColorspaceDetails(c->sws, table, range, table, range, 0, 1 << 16, 1 << 16);
    if (av->sws_init_context(c->sws, NULL, NULL) < 0) {
        av->sws_freeContext(c->sws);
        c->sws = NULL;
        return core_fail(error, FM_ERR_UNSUPPORTED, "frames of pixel format %s (%dx%d) cannot be converted to %s (%dx%d)",
            av->av_get_pix_fmt_name(frame->format), frame->width, frame->height, av->av_get_pix_fmt_name(c->format), c->width,
            c->height);
    }
    c->from = frame->format;
    c->from_width = frame->width;
    c->from_height = frame->height;
    c->from_range = range;
    c->from_space = space;
    return FM_OK;
}

static void copy(struct avconvert *c, const AVFrame *frame, const struct video_format *to)
{
    for (int i = 0; i < video_planes(*to); i++)
        for (int y = 0; y < video_plane_height(*to, frame->height, i); y++)
            memcpy(c->made->data[i] + (ptrdiff_t) y * c->made->linesize[i], frame->data[i] + (ptrdiff_t) y * frame->linesize[i],
                (size_t) video_plane_width(*to, frame->width, i) * (size_t) video_sample_bytes(*to));
}

/* Tags that the new samples no longer fit. */
static void retag(const AVPixFmtDescriptor *from, AVFrame *made)
{
    struct video_format to;
    avframe_is_canonical(made->format, &to);
    if (to.layout == VIDEO_RGB && !(from->flags & AV_PIX_FMT_FLAG_RGB)) made->colorspace = AVCOL_SPC_RGB;
    if (to.layout != VIDEO_RGB && made->colorspace == AVCOL_SPC_RGB) made->colorspace = AVCOL_SPC_UNSPECIFIED;
}

int avconvert_frame(struct avconvert *c, AVFrame *frame, enum AVPixelFormat to, int width, int height, struct fm_error *error)
{
    const struct av *av = c->av;
    const AVPixFmtDescriptor *from = av->av_pix_fmt_desc_get(frame->format);
    struct video_format format, same;
    const bool resized = width != frame->width || height != frame->height;
    if (!from || !avframe_is_canonical(to, &format))
        return core_fail(error, FM_ERR_UNSUPPORTED, "a frame of no pixel format that can be converted");
    int code = make(c, to, width, height, error);
    if (code < 0) goto done;
    if (av->av_frame_copy_props(c->made, frame) < 0) {
        code = core_fail_nomem(error, 0);
        goto done;
    }
    if (!resized && avframe_is_canonical(frame->format, &same) && same.layout == format.layout && same.bits == format.bits &&
        same.alpha == format.alpha) {
        copy(c, frame, &format);
    } else if (!resized && only_lies_otherwise(from, &format)) {
        code = move(c, frame, from, &format, error);
    } else {
        code = prepare_sws(c, frame, error);
        if (code == FM_OK && av->sws_scale(c->sws, (const uint8_t *const *) frame->data, frame->linesize, 0, frame->height,
                                 c->made->data, c->made->linesize) < 0)
            code = core_fail(error, FM_ERR_UNSUPPORTED, "a frame could not be converted");
    }
    if (code < 0) goto done;
    retag(from, c->made);
    av->av_frame_unref(frame);
    av->av_frame_move_ref(frame, c->made);
    return FM_OK;
done:
    av->av_frame_unref(c->made);
    return code;
}
