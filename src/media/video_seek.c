/* SPDX-License-Identifier: MIT */
/* Finding a place. Seeking by FFmpeg is by decoding time and by what an index says; what was found is known only once a frame is
 * decoded. So every jump is checked by the first frame after it, and made again from further back when that came too late. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "media/video_parts.h"

#define TRIES 10

static int jump(struct video_source *s, int64_t time)
{
    video_source_flush(s);
    s->jumped = true;
    s->first_pts = INT64_MIN;
    if (s->input.pictures) {
        video_pictures_seek(s->input.pictures, time);
        return 0;
    }
    av_load_listen();
    video_wait_begin(&s->input.wait);
    return s->av->avformat_seek_file(s->input.container, s->stream->index, INT64_MIN, time, time, 0);
}

/* Decodes the first frame after a jump, or finds the end. */
static int first_frame(struct video_source *s, struct fm_error *error)
{
    while (s->first_pts == INT64_MIN) {
        const int code = video_source_step(s, error);
        if (code == FM_ERR_EOS) return FM_OK;
        if (code < 0) return code;
    }
    return FM_OK;
}

int video_seek_start(struct video_source *s, struct fm_error *error)
{
    const AVRational base = s->stream->time_base;
    if (s->info.from_us == INT64_MIN || s->info.live || !s->info.seekable) return FM_OK; /* decoded and left out */
    const int64_t from = s->av->av_rescale_q_rnd(s->info.from_us, AV_TIME_BASE_Q, base, AV_ROUND_DOWN);
    const int64_t begin = s->stream->start_time != AV_NOPTS_VALUE ? s->stream->start_time : 0;
    const int64_t second = s->av->av_rescale_q(AV_TIME_BASE, AV_TIME_BASE_Q, base);
    bool moved = false;
    int64_t back = 0;
    for (int i = 0; i < TRIES && from - back > begin; i++) {
        moved = true;
        if (jump(s, from - back) < 0) break;
        const int code = first_frame(s, error);
        if (code < 0) return code;
        if (s->first_pts != INT64_MIN && s->first_pts <= from) return FM_OK;
        back = back ? 2 * back : second > 0 ? second : 1;
    }
    if (!moved) return FM_OK;
    video_source_stop(s); /* nothing that certainly comes before: from the beginning */
    return video_source_start(s, false, error);
}

/* H.264: an IDR picture, not a mere recovery point. HEVC: any picture that decoding may begin at. */
static bool has_key_unit(const AVCodecParameters *p, const AVPacket *packet)
{
    const bool hevc = p->codec_id == AV_CODEC_ID_HEVC;
    const bool lengths = p->extradata_size > 4 && p->extradata[0] == 1;
    const int place = hevc ? 21 : 4, width = lengths && p->extradata_size > place ? (p->extradata[place] & 3) + 1 : 0;
    const uint8_t *d = packet->data;
    const int n = packet->size;
    for (int i = 0; i + 4 < n;) {
        int unit;
        if (width) {
            uint32_t size = 0;
            for (int k = 0; k < width; k++) size = size << 8 | d[i + k];
            unit = i + width;
            if (unit >= n || size > (uint32_t) (n - unit)) return false;
            i = unit + (int) size;
        } else {
            if (d[i] || d[i + 1] || d[i + 2] != 1) {
                i++;
                continue;
            }
            unit = i = i + 3;
        }
        const int type = hevc ? d[unit] >> 1 & 63 : d[unit] & 31;
        if (hevc ? type >= 16 && type <= 21 : type == 5) return true;
        if (hevc ? type < 16 : type == 1) return false; /* another picture's slice */
    }
    return false;
}

bool video_seek_is_certain(const struct video_source *s, const AVPacket *packet)
{
    const AVCodecParameters *p = s->stream->codecpar;
    const AVCodecDescriptor *codec = s->av->avcodec_descriptor_get(p->codec_id);
    if (!(packet->flags & AV_PKT_FLAG_KEY) || packet->pts == AV_NOPTS_VALUE) return false;
    if (codec && (codec->props & AV_CODEC_PROP_INTRA_ONLY)) return true;
    switch (p->codec_id) {
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_HEVC: return has_key_unit(p, packet);
    case AV_CODEC_ID_VP8:
    case AV_CODEC_ID_VP9:
    case AV_CODEC_ID_AV1:
    case AV_CODEC_ID_MPEG2VIDEO:
    case AV_CODEC_ID_FFV1: return true;
    default: return false;
    }
}

/* Containers whose index tells key frames and exact times. */
static bool container_is_certain(const struct video_source *s)
{
    const char *name = s->input.container->iformat->name;
    return s->input.pictures || (s->info.seekable && (!strncmp(name, "mov,", 4) || !strncmp(name, "matroska", 8)));
}

/* From a key frame: done when the frame of last_pts came and everything on the way was sound. */
static int skip_by_jump(struct video_source *s, int64_t frames, int64_t last_pts, bool *done, struct fm_error *error)
{
    int64_t time = last_pts;
    *done = false;
    for (int i = 0; i < TRIES; i++) {
        if (jump(s, time) < 0) return FM_OK;
        s->skip_until = last_pts;
        s->next_index = frames;
        const int code = first_frame(s, error);
        if (code < 0) return code;
        if (s->first_pts == INT64_MIN || !s->key_certain) return FM_OK;
        if (s->first_pts <= last_pts) break;
        time -= s->first_pts - last_pts; /* frames are shown later than decoded: an earlier key frame */
    }
    if (s->first_pts > last_pts) return FM_OK;
    const int code = video_source_peek(s, error);
    if (code < 0 && code != FM_ERR_EOS) return code;
    *done = s->skipped_pts == last_pts && s->trouble == 0;
    s->skip_until = INT64_MIN;
    return FM_OK;
}

/* From the beginning, of which some may be in the queue. */
static int skip_by_count(struct video_source *s, int64_t frames, int64_t last_pts, struct fm_error *error)
{
    struct video_item item;
    int64_t left = frames;
    while (left > 0 && video_queue_get(&s->queue, &item)) {
        if (item.kind == VIDEO_ITEM_FRAME) {
            s->skipped_pts = item.frame.pts;
            left--;
        }
        video_item_release(&item);
    }
    s->skip_frames = left;
    const int code = video_source_peek(s, error);
    if (code < 0 && code != FM_ERR_EOS) return code;
    if (s->skip_frames > 0 || s->skipped_pts != last_pts)
        return core_fail(
            error, FM_ERR_FORMAT, "%s: it is not the video that it was: frame %lld is another", s->name, (long long) frames);
    return FM_OK;
}

int video_source_skip_to(
    struct video_source *s, int64_t frames, int64_t last_pts, void (*tick)(void *user), void *user, struct fm_error *error)
{
    bool done = false;
    int code = FM_OK;
    if (frames <= 0) return FM_OK;
    if (s->info.live) return core_fail(error, FM_ERR_UNSUPPORTED, "%s: a live source cannot be resumed", s->name);
    if (s->failed.code) return core_fail(error, s->failed.code, "%s", s->failed.message);
    s->tick = tick;
    s->tick_user = user;
    if (container_is_certain(s)) {
        code = skip_by_jump(s, frames, last_pts, &done, error);
        if (code == FM_OK && !done) {
            const struct video_info info = s->info;
            video_source_stop(s);
            code = video_source_start(s, true, error);
            s->info = info; /* which knows more than the container tells */
        }
    }
    if (code == FM_OK && !done) code = skip_by_count(s, frames, last_pts, error);
    s->tick = NULL;
    if (code < 0) core_fail(&s->failed, code, "%s", error ? error->message : "skipping failed");
    return code;
}
