/* SPDX-License-Identifier: MIT */
#include "media/av_frame.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"

/* Every pixel format whose planes are struct video_format's; native byte order. */
static const struct {
    enum AVPixelFormat pixel_format;
    enum video_layout layout;
    int bits;
    bool alpha;
} canonical[] = {
    {AV_PIX_FMT_GRAY8, VIDEO_GREY, 8, false},
    {AV_PIX_FMT_GRAY9, VIDEO_GREY, 9, false},
    {AV_PIX_FMT_GRAY10, VIDEO_GREY, 10, false},
    {AV_PIX_FMT_GRAY12, VIDEO_GREY, 12, false},
    {AV_PIX_FMT_GRAY14, VIDEO_GREY, 14, false},
    {AV_PIX_FMT_GRAY16, VIDEO_GREY, 16, false},
    {AV_PIX_FMT_YUV420P, VIDEO_420, 8, false},
    {AV_PIX_FMT_YUV420P9, VIDEO_420, 9, false},
    {AV_PIX_FMT_YUV420P10, VIDEO_420, 10, false},
    {AV_PIX_FMT_YUV420P12, VIDEO_420, 12, false},
    {AV_PIX_FMT_YUV420P14, VIDEO_420, 14, false},
    {AV_PIX_FMT_YUV420P16, VIDEO_420, 16, false},
    {AV_PIX_FMT_YUV422P, VIDEO_422, 8, false},
    {AV_PIX_FMT_YUV422P9, VIDEO_422, 9, false},
    {AV_PIX_FMT_YUV422P10, VIDEO_422, 10, false},
    {AV_PIX_FMT_YUV422P12, VIDEO_422, 12, false},
    {AV_PIX_FMT_YUV422P14, VIDEO_422, 14, false},
    {AV_PIX_FMT_YUV422P16, VIDEO_422, 16, false},
    {AV_PIX_FMT_YUV444P, VIDEO_444, 8, false},
    {AV_PIX_FMT_YUV444P9, VIDEO_444, 9, false},
    {AV_PIX_FMT_YUV444P10, VIDEO_444, 10, false},
    {AV_PIX_FMT_YUV444P12, VIDEO_444, 12, false},
    {AV_PIX_FMT_YUV444P14, VIDEO_444, 14, false},
    {AV_PIX_FMT_YUV444P16, VIDEO_444, 16, false},
    {AV_PIX_FMT_GBRP, VIDEO_RGB, 8, false},
    {AV_PIX_FMT_GBRP9, VIDEO_RGB, 9, false},
    {AV_PIX_FMT_GBRP10, VIDEO_RGB, 10, false},
    {AV_PIX_FMT_GBRP12, VIDEO_RGB, 12, false},
    {AV_PIX_FMT_GBRP14, VIDEO_RGB, 14, false},
    {AV_PIX_FMT_GBRP16, VIDEO_RGB, 16, false},
    {AV_PIX_FMT_YUVA420P, VIDEO_420, 8, true},
    {AV_PIX_FMT_YUVA420P9, VIDEO_420, 9, true},
    {AV_PIX_FMT_YUVA420P10, VIDEO_420, 10, true},
    {AV_PIX_FMT_YUVA420P16, VIDEO_420, 16, true},
    {AV_PIX_FMT_YUVA422P, VIDEO_422, 8, true},
    {AV_PIX_FMT_YUVA422P9, VIDEO_422, 9, true},
    {AV_PIX_FMT_YUVA422P10, VIDEO_422, 10, true},
    {AV_PIX_FMT_YUVA422P12, VIDEO_422, 12, true},
    {AV_PIX_FMT_YUVA422P16, VIDEO_422, 16, true},
    {AV_PIX_FMT_YUVA444P, VIDEO_444, 8, true},
    {AV_PIX_FMT_YUVA444P9, VIDEO_444, 9, true},
    {AV_PIX_FMT_YUVA444P10, VIDEO_444, 10, true},
    {AV_PIX_FMT_YUVA444P12, VIDEO_444, 12, true},
    {AV_PIX_FMT_YUVA444P16, VIDEO_444, 16, true},
    {AV_PIX_FMT_GBRAP, VIDEO_RGB, 8, true},
    {AV_PIX_FMT_GBRAP10, VIDEO_RGB, 10, true},
    {AV_PIX_FMT_GBRAP12, VIDEO_RGB, 12, true},
    {AV_PIX_FMT_GBRAP16, VIDEO_RGB, 16, true},
};
#define N_CANONICAL (sizeof canonical / sizeof canonical[0])

/* The smallest with at least so many bits. */
static enum AVPixelFormat find(enum video_layout layout, int bits, bool alpha)
{
    for (size_t i = 0; i < N_CANONICAL; i++)
        if (canonical[i].layout == layout && canonical[i].alpha == alpha && canonical[i].bits >= bits)
            return canonical[i].pixel_format;
    return AV_PIX_FMT_NONE;
}

/* FFmpeg's older names for full range. */
static enum AVPixelFormat without_range(enum AVPixelFormat pixel_format)
{
    switch (pixel_format) {
    case AV_PIX_FMT_YUVJ420P: return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P: return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P: return AV_PIX_FMT_YUV444P;
    default: return pixel_format;
    }
}

enum AVPixelFormat avframe_pixel_format(struct video_format format)
{
    const enum AVPixelFormat found = find(format.layout, format.bits, format.alpha);
    struct video_format have;
    return avframe_is_canonical(found, &have) && have.bits == format.bits ? found : AV_PIX_FMT_NONE;
}

bool avframe_is_canonical(enum AVPixelFormat pixel_format, struct video_format *format)
{
    pixel_format = without_range(pixel_format);
    for (size_t i = 0; i < N_CANONICAL; i++) {
        if (canonical[i].pixel_format != pixel_format) continue;
        format->layout = canonical[i].layout;
        format->bits = canonical[i].bits;
        format->alpha = canonical[i].alpha;
        return true;
    }
    return false;
}

enum AVPixelFormat avframe_canonical_for(enum AVPixelFormat pixel_format)
{
    const struct av *av = av_loaded();
    const AVPixFmtDescriptor *d = av ? av->av_pix_fmt_desc_get(pixel_format) : NULL;
    struct video_format format;
    if (!d || (d->flags & AV_PIX_FMT_FLAG_HWACCEL)) return AV_PIX_FMT_NONE;
    if (avframe_is_canonical(pixel_format, &format)) return without_range(pixel_format);
    int bits = 8;
    for (int i = 0; i < d->nb_components; i++)
        if (d->comp[i].depth > bits) bits = d->comp[i].depth;
    if ((d->flags & AV_PIX_FMT_FLAG_FLOAT) || bits > 16) bits = 16;
    const bool alpha = d->flags & AV_PIX_FMT_FLAG_ALPHA;
    if (d->nb_components <= 2 && !(d->flags & (AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_RGB)))
        return alpha ? find(VIDEO_RGB, bits, true) : find(VIDEO_GREY, bits, false); /* FFmpeg has no planes of grey and alpha */
    if (d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BAYER)) return find(VIDEO_RGB, bits, alpha);
    if (pixel_format == AV_PIX_FMT_XYZ12LE || pixel_format == AV_PIX_FMT_XYZ12BE) return find(VIDEO_RGB, 16, false);
    /* 4:1:1 becomes 4:2:2 and 4:1:0 4:2:0: samples are added, none is lost */
    if (d->log2_chroma_w == 0) return find(VIDEO_444, bits, alpha);
    return find(d->log2_chroma_h == 0 ? VIDEO_422 : VIDEO_420, bits, alpha);
}

static enum video_siting siting_from(enum AVChromaLocation location)
{
    switch (location) {
    case AVCHROMA_LOC_CENTER: return VIDEO_SITING_CENTER;
    case AVCHROMA_LOC_TOPLEFT: return VIDEO_SITING_TOPLEFT;
    case AVCHROMA_LOC_TOP: return VIDEO_SITING_TOP;
    case AVCHROMA_LOC_BOTTOMLEFT: return VIDEO_SITING_BOTTOMLEFT;
    case AVCHROMA_LOC_BOTTOM: return VIDEO_SITING_BOTTOM;
    default: return VIDEO_SITING_LEFT; /* what MPEG-2, H.264 and HEVC mean when they say nothing */
    }
}

void avframe_tags_from(const AVFrame *frame, struct video_format *format)
{
    const bool jpeg = without_range(frame->format) != (enum AVPixelFormat) frame->format;
    format->full = jpeg || frame->color_range == AVCOL_RANGE_JPEG;
    if (frame->color_range == AVCOL_RANGE_UNSPECIFIED && (format->layout == VIDEO_RGB || format->layout == VIDEO_GREY))
        format->full = true; /* as FFmpeg takes them */
    format->siting = siting_from(frame->chroma_location);
    format->matrix = frame->colorspace;
    format->primaries = frame->color_primaries;
    format->transfer = frame->color_trc;
}

enum AVChromaLocation avframe_siting_to(struct video_format format)
{
    if (format.layout != VIDEO_420 && format.layout != VIDEO_422) return AVCHROMA_LOC_UNSPECIFIED;
    switch (format.siting) {
    case VIDEO_SITING_LEFT: return AVCHROMA_LOC_LEFT;
    case VIDEO_SITING_CENTER: return AVCHROMA_LOC_CENTER;
    case VIDEO_SITING_TOPLEFT: return AVCHROMA_LOC_TOPLEFT;
    case VIDEO_SITING_TOP: return AVCHROMA_LOC_TOP;
    case VIDEO_SITING_BOTTOMLEFT: return AVCHROMA_LOC_BOTTOMLEFT;
    case VIDEO_SITING_BOTTOM: return AVCHROMA_LOC_BOTTOM;
    }
    return AVCHROMA_LOC_UNSPECIFIED;
}

enum AVColorRange avframe_range_to(struct video_format format)
{
    return format.full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
}

void avframe_tags_to(struct video_format format, AVFrame *frame)
{
    frame->color_range = avframe_range_to(format);
    frame->chroma_location = avframe_siting_to(format);
    frame->colorspace = format.matrix;
    frame->color_primaries = format.primaries;
    frame->color_trc = format.transfer;
}

struct holder {
    AVFrame *frame;
    struct avframe_pool *pool;
    struct holder *next;
};

struct avframe_pool {
    const struct av *av;
    atomic_int users; /* the source and every frame that is out */
    pthread_mutex_t lock;
    struct holder *idle;
};

struct avframe_pool *avframe_pool_create(const struct av *av)
{
    struct avframe_pool *pool = core_calloc(1, sizeof *pool);
    if (!pool) return NULL;
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        core_free(pool);
        return NULL;
    }
    pool->av = av;
    atomic_init(&pool->users, 1);
    return pool;
}

static void leave(struct avframe_pool *pool)
{
    if (atomic_fetch_sub(&pool->users, 1) != 1) return;
    while (pool->idle) {
        struct holder *holder = pool->idle;
        pool->idle = holder->next;
        pool->av->av_frame_free(&holder->frame);
        core_free(holder);
    }
    pthread_mutex_destroy(&pool->lock);
    core_free(pool);
}

void avframe_pool_destroy(struct avframe_pool **pool)
{
    if (*pool) leave(*pool);
    *pool = NULL;
}

static struct holder *take(struct avframe_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct holder *holder = pool->idle;
    if (holder) pool->idle = holder->next;
    pthread_mutex_unlock(&pool->lock);
    if (!holder) {
        holder = core_calloc(1, sizeof *holder);
        if (holder && !(holder->frame = pool->av->av_frame_alloc())) core_free(holder), holder = NULL;
        if (!holder) return NULL;
        holder->pool = pool;
    }
    atomic_fetch_add(&pool->users, 1);
    return holder;
}

static void release(struct video_frame *frame)
{
    struct holder *holder = frame->owner;
    struct avframe_pool *pool = holder->pool;
    pool->av->av_frame_unref(holder->frame);
    pthread_mutex_lock(&pool->lock);
    holder->next = pool->idle;
    pool->idle = holder;
    pthread_mutex_unlock(&pool->lock);
    leave(pool);
}

int avframe_wrap(struct avframe_pool *pool, AVFrame *from, struct video_frame *to, struct fm_error *error)
{
    memset(to, 0, sizeof *to);
    if (!avframe_is_canonical(from->format, &to->format))
        return core_fail(error, FM_ERR_UNSUPPORTED, "a frame of pixel format %s", pool->av->av_get_pix_fmt_name(from->format));
    struct holder *holder = take(pool);
    if (!holder) return core_fail_nomem(error, sizeof *holder);
    AVFrame *frame = holder->frame;
    pool->av->av_frame_move_ref(frame, from);
    avframe_tags_from(frame, &to->format);
    to->width = frame->width;
    to->height = frame->height;
    for (int i = 0; i < video_planes(to->format); i++) {
        to->plane[i] = frame->data[i];
        to->stride[i] = frame->linesize[i];
    }
    to->pts = frame->pts;
    to->duration = frame->pkt_duration;
    to->interlaced = frame->interlaced_frame;
    to->top_first = frame->top_field_first;
    to->damaged = frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT);
    to->owner = holder;
    to->release = release;
    return FM_OK;
}

const AVFrame *avframe_of(const struct video_frame *frame)
{
    return frame->release == release ? ((const struct holder *) frame->owner)->frame : NULL;
}
