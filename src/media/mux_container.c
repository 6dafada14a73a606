/* SPDX-License-Identifier: MIT */
#include "media/mux_container.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/error.h"
#include "media/video_mux.h"

static bool is_named(const AVOutputFormat *format, const char *names)
{
    const size_t length = strlen(format->name);
    for (const char *at = names; (at = strstr(at, format->name)); at += length)
        if ((at == names || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0)) return true;
    return false;
}

/* Letters, digits, '+', '-', '.' and "://". */
static bool has_scheme(const char *url, char *scheme, size_t size)
{
    const size_t length = strcspn(url, ":/");
    if (length < 2 || length >= size || strncmp(url + length, "://", 3) != 0) return false;
    memcpy(scheme, url, length);
    scheme[length] = 0;
    return true;
}

static const char *scheme_format(const char *scheme)
{
    static const char *const known[][2] = {{"rtmp", "flv"}, {"rtmps", "flv"}, {"rtmpt", "flv"}, {"srt", "mpegts"},
        {"udp", "mpegts"}, {"tcp", "mpegts"}, {"rist", "mpegts"}, {"rtsp", "rtsp"}, {"rtsps", "rtsp"}, {"rtp", "rtp_mpegts"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(scheme, known[i][0]) == 0) return known[i][1];
    return NULL;
}

static void look_at_place(const struct av *av, const char *output, struct mux_container *c)
{
    char scheme[32];
    struct stat st;
    const char *rest = output;
    if (strcmp(output, "-") == 0 || strncmp(output, "pipe:", 5) == 0) {
        c->is_pipe = true;
        snprintf(c->url, sizeof c->url, "%s", strcmp(output, "-") == 0 ? "pipe:1" : output);
        return;
    }
    if (has_scheme(output, scheme, sizeof scheme) && strcasecmp(scheme, "file") != 0) {
        c->is_network = true;
        snprintf(c->url, sizeof c->url, "%s", output);
        return;
    }
    if (strncasecmp(rest, "file:", 5) == 0) rest += 5;
    c->is_pattern = av->av_filename_number_test(rest);
    c->is_file = !c->is_pattern;
    if (stat(rest, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) c->is_file = false, c->is_pipe = !S_ISBLK(st.st_mode);
    snprintf(c->url, sizeof c->url, "%s%s", c->is_pattern ? "" : "file:", rest);
}

int mux_container_find(
    const struct av *av, const char *output, const char *format, struct mux_container *out, struct fm_error *error)
{
    char scheme[32];
    const char *by_scheme = NULL;
    *out = (struct mux_container){0};
    if (strlen(output) + 16 > sizeof out->url) return core_fail(error, FM_ERR_ARGUMENT, "the output's name is too long");
    look_at_place(av, output, out);
    if (has_scheme(output, scheme, sizeof scheme)) by_scheme = scheme_format(scheme);
    if (format)
        out->format = av->av_guess_format(format, NULL, NULL);
    else if (by_scheme)
        out->format = av->av_guess_format(by_scheme, NULL, NULL);
    else if (strcmp(output, "-") == 0)
        out->format = av->av_guess_format("yuv4mpegpipe", NULL, NULL);
    else
        out->format = av->av_guess_format(NULL, output, NULL);
    if (!out->format && format) return core_fail(error, FM_ERR_UNSUPPORTED, "this FFmpeg has no container \"%s\"", format);
    if (!out->format)
        return core_fail(
            error, FM_ERR_UNSUPPORTED, "%s: no container is known by that name; .mp4, .mkv, .webm and .mov are", output);
    if (is_named(out->format, "image2") && !out->is_pattern)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: pictures of a video need a number in their name, as in out%%05d.png", output);
    if (out->is_pattern && !is_named(out->format, "image2")) { /* a percent sign in an ordinary name */
        out->is_pattern = false;
        out->is_file = true;
        snprintf(out->url, sizeof out->url, "file:%s", strncasecmp(output, "file:", 5) == 0 ? output + 5 : output);
    }
    if (out->format->flags & AVFMT_NOFILE) out->is_file = false;
    out->is_mov = is_named(out->format, "mp4 mov ipod 3gp 3g2 ismv psp f4v");
    out->is_mp4 = out->is_mov && !is_named(out->format, "mov");
    out->is_webm = is_named(out->format, "webm");
    out->is_matroska = is_named(out->format, "matroska") || out->is_webm;
    out->is_ts = is_named(out->format, "mpegts rtp_mpegts");
    out->is_rtp = is_named(out->format, "rtsp sap");
    return FM_OK;
}

const char *mux_container_title(const struct mux_container *c)
{
    if (c->is_webm) return "WebM";
    if (c->is_matroska) return "Matroska";
    if (c->is_mp4) return "MP4";
    if (c->is_mov) return "QuickTime";
    if (c->is_ts) return "MPEG-TS";
    if (c->is_rtp) return "RTSP";
    return c->format->name;
}

bool mux_container_holds_attachments(const struct mux_container *c)
{
    return c->is_matroska && !c->is_webm;
}

bool mux_container_holds_video(const struct av *av, const struct mux_container *c, enum AVCodecID codec)
{
    static const enum AVCodecID ts[] = {AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_MPEG4, AV_CODEC_ID_H264,
        AV_CODEC_ID_HEVC, AV_CODEC_ID_CAVS, AV_CODEC_ID_DIRAC, AV_CODEC_ID_VC1};
    if (c->is_ts) {
        for (size_t i = 0; i < sizeof ts / sizeof ts[0]; i++)
            if (ts[i] == codec) return true;
        return false;
    }
    return av->avformat_query_codec(c->format, codec, FF_COMPLIANCE_EXPERIMENTAL) != 0;
}

/* The muxer takes everything and calls most of it private data, which nobody reads. */
static bool ts_holds(enum AVCodecID codec)
{
    switch (codec) {
    case AV_CODEC_ID_MP2:
    case AV_CODEC_ID_MP3:
    case AV_CODEC_ID_AAC:
    case AV_CODEC_ID_AAC_LATM:
    case AV_CODEC_ID_AC3:
    case AV_CODEC_ID_EAC3:
    case AV_CODEC_ID_DTS:
    case AV_CODEC_ID_TRUEHD:
    case AV_CODEC_ID_OPUS:
    case AV_CODEC_ID_S302M:
    case AV_CODEC_ID_DVB_SUBTITLE:
    case AV_CODEC_ID_DVB_TELETEXT:
    case AV_CODEC_ID_HDMV_PGS_SUBTITLE:
    case AV_CODEC_ID_SMPTE_KLV:
    case AV_CODEC_ID_TIMED_ID3: return true;
    default: return false;
    }
}

/* Its header goes to the peer: nobody can be asked. What there is a payload format for; AAC has its setup in the session's description,
 * where an elementary stream brings none. */
static bool rtp_holds(const AVCodecParameters *p)
{
    switch (p->codec_id) {
    case AV_CODEC_ID_AAC: return p->extradata_size > 0;
    case AV_CODEC_ID_VORBIS: return p->extradata_size > 0;
    case AV_CODEC_ID_MP2:
    case AV_CODEC_ID_MP3:
    case AV_CODEC_ID_OPUS:
    case AV_CODEC_ID_PCM_MULAW:
    case AV_CODEC_ID_PCM_ALAW:
    case AV_CODEC_ID_PCM_S16BE:
    case AV_CODEC_ID_PCM_U8:
    case AV_CODEC_ID_ADPCM_G722:
    case AV_CODEC_ID_AMR_NB:
    case AV_CODEC_ID_AMR_WB: return true;
    default: return false;
    }
}

/* Whether a header with this stream in it can be written: into memory, thrown away. */
static bool try_header(const struct av *av, const struct mux_container *c, const AVStream *stream)
{
    AVFormatContext *trial = NULL;
    uint8_t *bytes = NULL;
    bool held = false;
    if (av->avformat_alloc_output_context2(&trial, c->format, NULL, NULL) < 0) return false;
    AVStream *s = av->avformat_new_stream(trial, NULL);
    trial->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
    if (s && av->avio_open_dyn_buf(&trial->pb) >= 0) {
        if (av->avcodec_parameters_copy(s->codecpar, stream->codecpar) >= 0) {
            s->codecpar->codec_tag = mux_container_tag(av, c, stream->codecpar);
            s->time_base = stream->time_base;
            s->disposition = stream->disposition;
            held = av->avformat_write_header(trial, NULL) >= 0;
            if (held) (void) av->av_write_trailer(trial);
        }
        (void) av->avio_close_dyn_buf(trial->pb, &bytes);
        av->av_free(bytes);
    }
    av->avformat_free_context(trial);
    return held;
}

uint32_t mux_container_tag(const struct av *av, const struct mux_container *c, const AVCodecParameters *p)
{
    unsigned tag;
    const struct AVCodecTag *const *tags = c->format->codec_tag;
    if (!tags || av->av_codec_get_id(tags, p->codec_tag) == p->codec_id || !av->av_codec_get_tag2(tags, p->codec_id, &tag))
        return p->codec_tag;
    return 0;
}

bool mux_container_holds(const struct av *av, const struct mux_container *c, const AVStream *stream)
{
    const AVCodecParameters *p = stream->codecpar;
    const bool is_video_only = c->format->audio_codec == AV_CODEC_ID_NONE && c->format->subtitle_codec == AV_CODEC_ID_NONE;
    if (is_video_only && !c->is_mov && !c->is_matroska)
        return false; /* pictures, Y4M: their muxers would take anything as one more */
    switch (p->codec_type) {
    case AVMEDIA_TYPE_ATTACHMENT: return mux_container_holds_attachments(c);
    case AVMEDIA_TYPE_VIDEO:
        if (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) return c->is_mov || mux_container_holds_attachments(c);
        if (c->is_rtp) return false;
        return c->is_ts ? mux_container_holds_video(av, c, p->codec_id) : try_header(av, c, stream);
    case AVMEDIA_TYPE_SUBTITLE:
        if (c->is_mov && p->codec_id == AV_CODEC_ID_DVD_SUBTITLE) return false; /* as 'mp4s' hardly any player reads it */
        break;
    case AVMEDIA_TYPE_AUDIO:
    case AVMEDIA_TYPE_DATA: break;
    default: return false;
    }
    if (c->is_ts) return ts_holds(p->codec_id);
    if (c->is_rtp) return p->codec_type == AVMEDIA_TYPE_AUDIO && rtp_holds(p);
    if (av->avformat_query_codec(c->format, p->codec_id, FF_COMPLIANCE_EXPERIMENTAL) == 0) return false;
    return try_header(av, c, stream);
}

enum AVCodecID mux_container_text(const struct mux_container *c)
{
    if (c->is_mov) return AV_CODEC_ID_MOV_TEXT;
    if (c->is_webm) return AV_CODEC_ID_WEBVTT;
    if (c->is_matroska) return AV_CODEC_ID_SUBRIP;
    return AV_CODEC_ID_NONE;
}

enum AVCodecID mux_container_audio(const struct av *av, const struct mux_container *c, int pcm)
{
    const enum AVCodecID wish[] = {pcm > 0 && c->is_mov ? AV_CODEC_ID_ALAC : AV_CODEC_ID_NONE,
        pcm > 0 && c->is_matroska && !c->is_webm ? AV_CODEC_ID_FLAC : AV_CODEC_ID_NONE,
        c->is_webm ? AV_CODEC_ID_OPUS : AV_CODEC_ID_AAC, c->format->audio_codec};
    for (size_t i = 0; i < sizeof wish / sizeof wish[0]; i++)
        if (wish[i] != AV_CODEC_ID_NONE && av->avcodec_find_encoder(wish[i]) &&
            (c->is_ts || wish[i] == c->format->audio_codec ||
                av->avformat_query_codec(c->format, wish[i], FF_COMPLIANCE_EXPERIMENTAL) > 0) &&
            c->format->audio_codec != AV_CODEC_ID_NONE)
            return wish[i];
    return AV_CODEC_ID_NONE;
}

/* The questions that need no mux. */

int video_mux_format(const char *output, const char *format, char *name, size_t size, struct fm_error *error)
{
    struct mux_container c;
    const struct av *av = av_load(error);
    if (!av) return FM_ERR_UNSUPPORTED;
    const int code = mux_container_find(av, output, format, &c, error);
    if (code == FM_OK) snprintf(name, size, "%s", c.format->name);
    return code;
}

bool video_mux_global_header(const char *output, const char *format)
{
    struct mux_container c;
    const struct av *av = av_load(NULL);
    return av && mux_container_find(av, output, format, &c, NULL) == FM_OK && (c.format->flags & AVFMT_GLOBALHEADER);
}

bool video_mux_holds_rotation(const char *output, const char *format)
{
    struct mux_container c;
    const struct av *av = av_load(NULL);
    return av && mux_container_find(av, output, format, &c, NULL) == FM_OK && c.is_mov;
}

int video_mux_policy_parse(const char *text, enum video_mux_policy *policy, struct fm_error *error)
{
    static const char *const names[] = {"convert", "keep", "drop", "refuse"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *policy = (enum video_mux_policy) i;
        return FM_OK;
    }
    return core_fail(error, FM_ERR_ARGUMENT, "\"%s\": convert, keep, drop or refuse is wanted", text);
}
