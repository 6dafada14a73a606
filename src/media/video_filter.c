/* SPDX-License-Identifier: MIT */
/* Deinterlacing by FFmpeg's bwdif: one frame for a frame, with its time. Frames that are not marked as interlaced pass untouched. */
#include "core/alloc.h"
#include "core/error.h"
#include "media/video_parts.h"

struct video_filter {
    const struct av *av;
    AVFilterGraph *graph;
    AVFilterContext *in, *out;
    AVRational time_base;
};

static int failed(int code, struct fm_error *error)
{
    char reason[160];
    if (code == AVERROR(ENOMEM)) return core_fail_nomem(error, 0);
    av_load_reason(code, reason, sizeof reason);
    return core_fail(error, FM_ERR_UNSUPPORTED, "frames cannot be deinterlaced: %s", reason);
}

static int build(struct video_filter *f, const AVFrame *like, struct fm_error *error)
{
    const struct av *av = f->av;
    char args[256];
    AVFilterContext *bwdif = NULL, *format = NULL;
    const char *name = av->av_get_pix_fmt_name(like->format);
    snprintf(args, sizeof args, "video_size=%dx%d:pix_fmt=%d:time_base=%d/%d:pixel_aspect=%d/%d", like->width, like->height,
        like->format, f->time_base.num, f->time_base.den, like->sample_aspect_ratio.num,
        like->sample_aspect_ratio.den > 0 ? like->sample_aspect_ratio.den : 1);
    f->graph = av->avfilter_graph_alloc();
    if (!f->graph) return core_fail_nomem(error, 0);
    f->graph->nb_threads = 1;
    int code = av->avfilter_graph_create_filter(&f->in, av->avfilter_get_by_name("buffer"), "in", args, NULL, f->graph);
    if (code >= 0)
        code = av->avfilter_graph_create_filter(
            &bwdif, av->avfilter_get_by_name("bwdif"), "bwdif", "mode=send_frame:parity=auto:deint=interlaced", NULL, f->graph);
    snprintf(args, sizeof args, "pix_fmts=%s", name);
    if (code >= 0)
        code = av->avfilter_graph_create_filter(&format, av->avfilter_get_by_name("format"), "format", args, NULL, f->graph);
    if (code >= 0)
        code = av->avfilter_graph_create_filter(&f->out, av->avfilter_get_by_name("buffersink"), "out", NULL, NULL, f->graph);
    if (code >= 0) code = av->avfilter_link(f->in, 0, bwdif, 0);
    if (code >= 0) code = av->avfilter_link(bwdif, 0, format, 0);
    if (code >= 0) code = av->avfilter_link(format, 0, f->out, 0);
    if (code >= 0) code = av->avfilter_graph_config(f->graph, NULL);
    return code < 0 ? failed(code, error) : FM_OK;
}

int video_filter_open(
    const struct av *av, const AVFrame *like, AVRational time_base, struct video_filter **out, struct fm_error *error)
{
    *out = NULL;
    int code = av_load_filters(error);
    if (code < 0) return code;
    struct video_filter *f = core_calloc(1, sizeof *f);
    if (!f) return core_fail_nomem(error, sizeof *f);
    f->av = av;
    f->time_base = time_base;
    av_load_listen();
    code = build(f, like, error);
    if (code < 0) video_filter_close(&f);
    *out = f;
    return code;
}

void video_filter_close(struct video_filter **filter)
{
    struct video_filter *f = *filter;
    *filter = NULL;
    if (!f) return;
    f->av->avfilter_graph_free(&f->graph);
    core_free(f);
}

int video_filter_put(struct video_filter *filter, AVFrame *frame, struct fm_error *error)
{
    const int code = filter->av->av_buffersrc_add_frame_flags(filter->in, frame, 0);
    return code < 0 ? failed(code, error) : FM_OK;
}

int video_filter_get(struct video_filter *filter, AVFrame *frame, struct fm_error *error)
{
    const struct av *av = filter->av;
    const int code = av->av_buffersink_get_frame_flags(filter->out, frame, 0);
    if (code == AVERROR(EAGAIN)) return FM_ERR_AGAIN;
    if (code == AVERROR_EOF) return FM_ERR_EOS;
    if (code < 0) return failed(code, error);
    /* the filter counts in half ticks, to have room for fields: whole frames lie on whole ticks */
    frame->pts = av->av_rescale_q(frame->pts, av->av_buffersink_get_time_base(filter->out), filter->time_base);
    return FM_OK;
}
