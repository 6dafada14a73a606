/* SPDX-License-Identifier: MIT */
/* framemill probe, for people. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probe.h"

/* A line under a heading is a label and items with commas between them. */
static void label(FILE *to, const char *text)
{
    fprintf(to, "  %-10s", text);
}

static void item(FILE *to, bool *first, const char *text)
{
    if (!text || !text[0]) return;
    fprintf(to, "%s%s", *first ? "" : ", ", text);
    *first = false;
}

static const char *time_text(double s, char *text, size_t size)
{
    const long long ms = llround(fabs(s) * 1000);
    const char *sign = s < 0 && ms ? "-" : "";
    if (ms >= 3600000)
        snprintf(text, size, "%s%lld:%02lld:%02lld.%03lld", sign, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
    else
        snprintf(text, size, "%s%lld:%02lld.%03lld", sign, ms / 60000, ms / 1000 % 60, ms % 1000);
    return text;
}

static void bytes_item(FILE *to, bool *first, int64_t bytes)
{
    char text[32];
    if (bytes < 0) return;
    if (bytes < 1000000)
        snprintf(text, sizeof text, "%.1f kB", (double) bytes / 1e3);
    else
        snprintf(text, sizeof text, "%.1f MB", (double) bytes / 1e6);
    item(to, first, text);
}

static void rate_item(FILE *to, bool *first, int64_t bit_rate)
{
    char text[32];
    if (bit_rate <= 0) return;
    snprintf(text, sizeof text, "%.0f kb/s", (double) bit_rate / 1e3);
    item(to, first, text);
}

/* "h264 (High)" */
static void codec_item(FILE *to, bool *first, const struct fm_probe_stream *s)
{
    char text[128];
    snprintf(text, sizeof text, s->profile[0] ? "%s (%s)" : "%s", s->codec[0] ? s->codec : "unknown codec", s->profile);
    item(to, first, text);
}

static void frame_rate_items(FILE *to, bool *first, const struct fm_probe_stream *s)
{
    char text[64];
    if (!s->rate_num || !s->rate_den) return;
    const double average = (double) s->rate_num / s->rate_den,
                 real = s->real_rate_den ? (double) s->real_rate_num / s->real_rate_den : 0;
    if (s->rate_den == 1)
        snprintf(text, sizeof text, "%d fps", s->rate_num);
    else
        snprintf(text, sizeof text, "%.6g fps (%d/%d)", average, s->rate_num, s->rate_den);
    item(to, first, text);
    if (real > 0 && fabs(real - average) > 0.01 * average) {
        snprintf(text, sizeof text, "times in steps of 1/%.6g s", real);
        item(to, first, text);
    }
}

/* "tv bt709/bt709/bt709 left": range, matrix, primaries, transfer, siting, as far as they are said. */
static void colour_item(FILE *to, bool *first, const struct fm_probe_stream *s)
{
    char text[160];
    const char *parts[] = {s->range, s->matrix, s->primaries, s->transfer, s->siting};
    const bool same = !strcmp(s->matrix, s->primaries) && !strcmp(s->matrix, s->transfer);
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < 5; i++) {
        if (!parts[i][0] || (same && (i == 2 || i == 3))) continue;
        n += (size_t) snprintf(text + n, sizeof text - n, "%s%s", n ? (i == 2 || i == 3 ? "/" : " ") : "", parts[i]);
    }
    item(to, first, text);
}

static void hdr_line(FILE *to, const struct fm_probe_stream *s)
{
    bool first = true;
    char text[160];
    if (!s->hdr_mastering && !s->hdr_light && !s->hdr10plus && !s->dolby_vision) return;
    label(to, "  HDR");
    if (s->hdr_mastering) {
        snprintf(text, sizeof text, "made on a display of %g to %g cd/m2", s->min_luminance, s->max_luminance);
        item(to, &first, text);
        snprintf(text, sizeof text, "R %.4g %.4g G %.4g %.4g B %.4g %.4g white %.4g %.4g", s->red[0], s->red[1], s->green[0],
            s->green[1], s->blue[0], s->blue[1], s->white[0], s->white[1]);
        item(to, &first, text);
    }
    if (s->hdr_light) {
        snprintf(text, sizeof text, "MaxCLL %d, MaxFALL %d", s->max_cll, s->max_fall);
        item(to, &first, text);
    }
    if (s->hdr10plus) item(to, &first, "HDR10+");
    if (s->dolby_vision) item(to, &first, "Dolby Vision");
    fputc('\n', to);
}

static void video_items(FILE *to, bool *first, const struct fm_probe_stream *s)
{
    char text[64];
    snprintf(text, sizeof text, "%dx%d", s->width, s->height);
    item(to, first, text);
    item(to, first, s->pixel_format);
    colour_item(to, first, s);
    if (!s->cover) frame_rate_items(to, first, s);
    if (s->frames > 0) {
        snprintf(text, sizeof text, "%" PRId64 " frame%s", s->frames, s->frames == 1 ? "" : "s");
        item(to, first, text);
    }
    if (s->aspect_num && s->aspect_num != s->aspect_den) {
        snprintf(text, sizeof text, "samples %d:%d", s->aspect_num, s->aspect_den);
        item(to, first, text);
    }
    if (s->interlaced) item(to, first, s->top_first ? "interlaced, top field first" : "interlaced, bottom field first");
    if (s->flipped) item(to, first, "mirrored");
    if (s->rotation) {
        snprintf(text, sizeof text, "turned by %d degrees", s->rotation);
        item(to, first, text);
    }
}

static void stream_line(FILE *to, const fm_probe *probe, int index)
{
    static const char *const kinds[] = {"video", "audio", "subtitle", "data", "attachment"};
    struct fm_probe_stream s = {.size = sizeof s};
    char text[64];
    bool first = true;
    if (fm_probe_get_stream(probe, index, &s) < 0) return;
    label(to, s.cover ? "cover" : kinds[s.kind]);
    fprintf(to, "#%d ", index);
    codec_item(to, &first, &s);
    if (s.kind == FM_PROBE_STREAM_VIDEO) video_items(to, &first, &s);
    if (s.kind == FM_PROBE_STREAM_AUDIO) {
        snprintf(text, sizeof text, "%d Hz", s.sample_rate);
        item(to, &first, text);
        item(to, &first, s.channel_layout);
    }
    rate_item(to, &first, s.bit_rate);
    if (s.start_s != 0 && isfinite(s.start_s)) {
        char time[32];
        snprintf(text, sizeof text, "from %s", time_text(s.start_s, time, sizeof time));
        item(to, &first, text);
    }
    if (strcmp(s.language, "und") != 0) item(to, &first, s.language);
    if (s.title[0]) {
        fprintf(to, "%s\"%s\"", first ? "" : ", ", s.title);
        first = false;
    }
    item(to, &first, s.disposition);
    fputc('\n', to);
    if (s.kind == FM_PROBE_STREAM_VIDEO) hdr_line(to, &s);
}

static void picture_line(FILE *to, const struct fm_probe_info *info)
{
    static const char *const colours[] = {"", "grey", "grey and alpha", "RGB", "RGB and alpha"};
    bool first = true;
    char text[64];
    label(to, "picture");
    item(to, &first, info->format);
    snprintf(text, sizeof text, "%dx%d", info->width, info->height);
    item(to, &first, text);
    item(to, &first, info->channels >= 1 && info->channels <= 4 ? colours[info->channels] : "");
    snprintf(text, sizeof text, "%d bits", info->bits);
    item(to, &first, text);
    bytes_item(to, &first, info->bytes);
    fputc('\n', to);
}

static void container_line(FILE *to, const struct fm_probe_info *info)
{
    bool first = true;
    char text[64], time[32];
    label(to, "container");
    item(to, &first, info->format_name[0] ? info->format_name : info->format);
    if (isfinite(info->duration_s)) item(to, &first, time_text(info->duration_s, time, sizeof time));
    if (isfinite(info->start_s) && info->start_s != 0) {
        snprintf(text, sizeof text, "from %s", time_text(info->start_s, time, sizeof time));
        item(to, &first, text);
    }
    bytes_item(to, &first, info->bytes);
    rate_item(to, &first, info->bit_rate);
    if (info->live) item(to, &first, "live");
    fputc('\n', to);
}

/* A name can hold what a terminal would obey. */
static void heading(FILE *to, const char *path)
{
    for (const unsigned char *c = (const unsigned char *) path; *c; c++) {
        const bool c1 = *c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;
        fputc(*c < 0x20 || *c == 0x7f || c1 ? '?' : *c, to);
        if (c1) c++;
    }
    fputc('\n', to);
}

void probe_print(FILE *to, const char *path, const fm_probe *probe)
{
    struct fm_probe_info info = {.size = sizeof info};
    struct fm_probe_chapter chapter = {.size = sizeof chapter};
    const char *key, *value;
    char begin[32], end[32];
    fm_probe_get_info(probe, &info);
    heading(to, path);
    if (info.kind == FM_PROBE_PICTURE)
        picture_line(to, &info);
    else
        container_line(to, &info);
    for (int i = 0; i < info.n_streams; i++) stream_line(to, probe, i);
    for (int i = 0; i < info.n_chapters; i++) {
        if (fm_probe_get_chapter(probe, i, &chapter) < 0) continue;
        label(to, "chapter");
        fprintf(to, "%s to %s  %s\n", time_text(chapter.start_s, begin, sizeof begin), time_text(chapter.end_s, end, sizeof end),
            chapter.title);
    }
    for (int i = 0; fm_probe_get_tag(probe, -1, i, &key, &value) == FM_OK; i++) {
        label(to, "tag");
        fprintf(to, "%s = %s\n", key, value);
    }
    if (info.note[0]) {
        label(to, "note");
        fprintf(to, "%s\n", info.note);
    }
}

static void port_line(FILE *to, const char *kind, const struct fm_model_port *port)
{
    label(to, kind);
    fprintf(to, "%s %s ", port->name, port->dtype ? fm_dtype_name(port->dtype) : "");
    for (int i = 0; i < port->rank; i++) {
        if (port->dim[i] >= 0)
            fprintf(to, "%s%" PRId64, i ? "x" : "", port->dim[i]);
        else
            fprintf(to, "%s%s", i ? "x" : "", port->dim_name[i] && port->dim_name[i][0] ? port->dim_name[i] : "?");
    }
    fputc('\n', to);
}

void probe_print_network(FILE *to, const char *path, const fm_model *model, const struct fm_model_info *info)
{
    struct fm_model_port port;
    const char *key, *value;
    heading(to, path);
    label(to, "network");
    fprintf(to, "%s, %" PRId64 " parameters", info->format, info->parameters);
    if (info->scale_den > 0) fprintf(to, ", scale %.4g", (double) info->scale_num / info->scale_den);
    if (info->macs_per_pixel > 0) fprintf(to, ", %.0f MAC per input pixel", info->macs_per_pixel);
    fputc('\n', to);
    for (int i = 0; fm_model_input(model, i, &port) == FM_OK; i++) port_line(to, "input", &port);
    for (int i = 0; fm_model_output(model, i, &port) == FM_OK; i++) port_line(to, "output", &port);
    for (int i = 0; fm_model_metadata(model, i, &key, &value) == FM_OK; i++) {
        label(to, "tag");
        fprintf(to, "%s = %s\n", key, value);
    }
}
