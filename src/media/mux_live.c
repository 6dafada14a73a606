/* SPDX-License-Identifier: MIT */
/* What outputs over a network need: patience that ends, and a pace. */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/threads.h"
#include "media/av_coded.h"
#include "media/mux_core.h"

#define PATIENCE_MS 15000
#define SLICE_NS 20000000u
#define AHEAD_US 200000 /* packets leave this much before their time: a peer needs some to begin with */

int mux_live_interrupted(void *arg)
{
    struct video_mux *mux = arg;
    if (mux->params.cancelled && mux->params.cancelled(mux->params.cancelled_arg)) return 1;
    if (mux->until_ns && core_now_ns() > mux->until_ns) mux->is_expired = true;
    return mux->is_expired;
}

void mux_live_begin(struct video_mux *mux)
{
    const int ms = mux->params.timeout_ms ? mux->params.timeout_ms : PATIENCE_MS;
    if (mux->container.is_network && ms > 0) mux->until_ns = core_now_ns() + (uint64_t) ms * 1000000u;
}

double mux_live_patience_s(const struct video_mux *mux)
{
    return (mux->params.timeout_ms ? mux->params.timeout_ms : PATIENCE_MS) / 1e3;
}

/* Peers that show what comes as it comes. Others (HTTP, plain TCP) store it or hold it back themselves. */
static bool is_broadcast(const struct mux_container *c)
{
    static const char *const schemes[] = {"rtmp", "rtsp", "srt", "udp", "rtp", "rist"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (!strncasecmp(c->url, schemes[i], strlen(schemes[i]))) return c->is_network;
    return false;
}

bool video_mux_paces(const struct video_mux *mux)
{
    return mux->params.paced && is_broadcast(&mux->container);
}

void video_mux_wait(struct video_mux *mux, const struct coded_packet *packet, const atomic_bool *cancel)
{
    const int64_t time = packet->dts != CODED_NONE ? packet->dts : packet->pts;
    if (!video_mux_paces(mux) || time == CODED_NONE) return;
    const int64_t us = mux->av->av_rescale_q(time, mux->video_base, AV_TIME_BASE_Q);
    if (!mux->clock_ns) {
        mux->clock_ns = core_now_ns();
        mux->clock_us = us + AHEAD_US;
    }
    if (us <= mux->clock_us) return;
    const uint64_t due = mux->clock_ns + (uint64_t) (us - mux->clock_us) * 1000u;
    for (uint64_t now; !atomic_load(cancel) && (now = core_now_ns()) < due;) {
        const uint64_t rest = due - now < SLICE_NS ? due - now : SLICE_NS;
        nanosleep(&(struct timespec){.tv_nsec = (long) rest}, NULL);
    }
}
