/* SPDX-License-Identifier: MIT */
/* framemill probe, for programs. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "json.h"
#include "probe.h"

static void text(FILE *to, const char *name, const char *value)
{
    fputs(", ", to);
    json_member(to, name, value && value[0] ? value : NULL);
}

static void number(FILE *to, const char *name, double value)
{
    fprintf(to, ", \"%s\": ", name);
    json_number(to, value, 6);
}

/* 0 and less: not known. */
static void count(FILE *to, const char *name, int64_t value)
{
    if (value > 0)
        fprintf(to, ", \"%s\": %" PRId64, name, value);
    else
        fprintf(to, ", \"%s\": null", name);
}

static void flag(FILE *to, const char *name, bool value)
{
    fprintf(to, ", \"%s\": %s", name, value ? "true" : "false");
}

static void ratio(FILE *to, const char *name, int num, int den)
{
    if (num > 0 && den > 0)
        fprintf(to, ", \"%s\": \"%d/%d\"", name, num, den);
    else
        fprintf(to, ", \"%s\": null", name);
}

static void tags(FILE *to, const fm_probe *probe, int stream)
{
    const char *key, *value;
    fputs(", \"tags\": {", to);
    for (int i = 0; fm_probe_get_tag(probe, stream, i, &key, &value) == FM_OK; i++) {
        if (i) fputs(", ", to);
        json_member(to, key, value);
    }
    fputc('}', to);
}

static void point(FILE *to, const char *name, const double xy[2])
{
    fprintf(to, ", \"%s\": [", name);
    json_number(to, xy[0], 5);
    fputs(", ", to);
    json_number(to, xy[1], 5);
    fputc(']', to);
}

static void hdr(FILE *to, const struct fm_probe_stream *s)
{
    if (!s->hdr_mastering && !s->hdr_light && !s->hdr10plus && !s->dolby_vision) {
        fputs(", \"hdr\": null", to);
        return;
    }
    fprintf(to, ", \"hdr\": {\"hdr10plus\": %s", s->hdr10plus ? "true" : "false");
    flag(to, "dolby_vision", s->dolby_vision);
    if (s->hdr_mastering) {
        point(to, "red", s->red);
        point(to, "green", s->green);
        point(to, "blue", s->blue);
        point(to, "white", s->white);
        number(to, "min_luminance", s->min_luminance);
        number(to, "max_luminance", s->max_luminance);
    }
    if (s->hdr_light) fprintf(to, ", \"max_cll\": %d, \"max_fall\": %d", s->max_cll, s->max_fall);
    fputc('}', to);
}

static void video(FILE *to, const struct fm_probe_stream *s)
{
    fprintf(to, ", \"width\": %d, \"height\": %d", s->width, s->height);
    text(to, "pixel_format", s->pixel_format);
    ratio(to, "frame_rate", s->rate_num, s->rate_den);
    ratio(to, "real_frame_rate", s->real_rate_num, s->real_rate_den);
    ratio(to, "sample_aspect", s->aspect_num, s->aspect_den);
    text(to, "range", s->range);
    text(to, "matrix", s->matrix);
    text(to, "primaries", s->primaries);
    text(to, "transfer", s->transfer);
    text(to, "siting", s->siting);
    fprintf(to, ", \"rotation\": %d", s->rotation);
    flag(to, "mirrored", s->flipped);
    text(to, "fields", s->interlaced ? s->top_first ? "top first" : "bottom first" : NULL);
    flag(to, "cover", s->cover);
    hdr(to, s);
}

static void stream(FILE *to, const fm_probe *probe, int index)
{
    static const char *const kinds[] = {"video", "audio", "subtitle", "data", "attachment"};
    struct fm_probe_stream s = {.size = sizeof s};
    if (fm_probe_get_stream(probe, index, &s) < 0) return;
    fprintf(to, "%s{\"index\": %d, \"kind\": \"%s\"", index ? ", " : "", index, kinds[s.kind]);
    text(to, "codec", s.codec);
    text(to, "profile", s.profile);
    text(to, "tag", s.tag);
    text(to, "language", s.language);
    text(to, "title", s.title);
    text(to, "disposition", s.disposition);
    ratio(to, "time_base", s.time_base_num, s.time_base_den);
    number(to, "start_s", s.start_s);
    number(to, "duration_s", s.duration_s);
    count(to, "bit_rate", s.bit_rate);
    count(to, "frames", s.frames);
    if (s.kind == FM_PROBE_STREAM_VIDEO) video(to, &s);
    if (s.kind == FM_PROBE_STREAM_AUDIO) {
        count(to, "sample_rate", s.sample_rate);
        count(to, "channels", s.channels);
        text(to, "channel_layout", s.channel_layout);
        text(to, "sample_format", s.sample_format);
    }
    tags(to, probe, index);
    fputc('}', to);
}

static void chapters(FILE *to, const fm_probe *probe, int n)
{
    struct fm_probe_chapter chapter = {.size = sizeof chapter};
    fputs(", \"chapters\": [", to);
    for (int i = 0; i < n && fm_probe_get_chapter(probe, i, &chapter) == FM_OK; i++) {
        fprintf(to, "%s{\"start_s\": ", i ? ", " : "");
        json_number(to, chapter.start_s, 6);
        number(to, "end_s", chapter.end_s);
        text(to, "title", chapter.title);
        fputc('}', to);
    }
    fputc(']', to);
}

void probe_print_json(FILE *to, const char *path, const fm_probe *probe)
{
    static const char *const kinds[] = {[FM_PROBE_VIDEO] = "video", [FM_PROBE_PICTURE] = "picture", [FM_PROBE_OTHER] = "other"};
    struct fm_probe_info info = {.size = sizeof info};
    fm_probe_get_info(probe, &info);
    fputc('{', to);
    json_member(to, "file", path);
    fprintf(to, ", \"kind\": \"%s\"", kinds[info.kind]);
    text(to, "format", info.format);
    text(to, "note", info.note);
    fprintf(to, ", \"bytes\": ");
    json_number(to, info.bytes < 0 ? NAN : (double) info.bytes, 0);
    if (info.kind == FM_PROBE_PICTURE) {
        fprintf(to, ", \"width\": %d, \"height\": %d, \"channels\": %d, \"bits\": %d}\n", info.width, info.height, info.channels,
            info.bits);
        return;
    }
    text(to, "format_name", info.format_name);
    number(to, "start_s", info.start_s);
    number(to, "duration_s", info.duration_s);
    count(to, "bit_rate", info.bit_rate);
    flag(to, "live", info.live);
    if (info.video >= 0)
        fprintf(to, ", \"video\": %d", info.video);
    else
        fprintf(to, ", \"video\": null");
    fputs(", \"streams\": [", to);
    for (int i = 0; i < info.n_streams; i++) stream(to, probe, i);
    fputc(']', to);
    chapters(to, probe, info.n_chapters);
    tags(to, probe, -1);
    fputs("}\n", to);
}

static void port(FILE *to, const struct fm_model_port *port, bool first)
{
    fprintf(to, "%s{", first ? "" : ", ");
    json_member(to, "name", port->name);
    text(to, "type", port->dtype ? fm_dtype_name(port->dtype) : NULL);
    fputs(", \"dims\": [", to);
    for (int i = 0; i < port->rank; i++) {
        if (port->dim[i] >= 0)
            fprintf(to, "%s%" PRId64, i ? ", " : "", port->dim[i]);
        else
            fprintf(to, "%snull", i ? ", " : "");
    }
    fputs("]}", to);
}

void probe_print_network_json(FILE *to, const char *path, const fm_model *model, const struct fm_model_info *info)
{
    struct fm_model_port p;
    const char *key, *value;
    fputc('{', to);
    json_member(to, "file", path);
    fputs(", \"kind\": \"network\"", to);
    text(to, "format", info->format);
    fprintf(to, ", \"parameters\": %" PRId64, info->parameters);
    number(to, "scale", info->scale_den > 0 ? (double) info->scale_num / info->scale_den : NAN);
    number(to, "macs_per_pixel", info->macs_per_pixel > 0 ? info->macs_per_pixel : NAN);
    fputs(", \"inputs\": [", to);
    for (int i = 0; fm_model_input(model, i, &p) == FM_OK; i++) port(to, &p, i == 0);
    fputs("], \"outputs\": [", to);
    for (int i = 0; fm_model_output(model, i, &p) == FM_OK; i++) port(to, &p, i == 0);
    fputs("], \"tags\": {", to);
    for (int i = 0; fm_model_metadata(model, i, &key, &value) == FM_OK; i++) {
        if (i) fputs(", ", to);
        json_member(to, key, value);
    }
    fputs("}}\n", to);
}
