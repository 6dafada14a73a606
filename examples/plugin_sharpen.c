/* SPDX-License-Identifier: MIT */
/* A plug-in for framemill upscale: takes noise out before enlarging and sharpens after.
 *
 *     framemill upscale in.png out.png --plugin ./plugin_sharpen.so:amount=0.6:radius=1.2:denoise=0.04
 *
 * amount     how much of the detail is added again (0.5; 0: no sharpening)
 * radius     what counts as detail: the standard deviation of the blur it is measured against, in pixels of the result (1.0; up to 10)
 * threshold  differences below this are left alone, so that noise is not sharpened (0.01)
 * denoise    strength of the bilateral filter before: how far apart two pixels may be and still be averaged (0: none; 0.05 is a lot)
 *
 * Every sum runs over the same neighbours in the same order wherever a piece begins, so pieces fit together without a seam. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <framemill/plugin.h>

#define RADIUS_MAX 10.0
#define TAPS_MAX 31 /* three standard deviations and the middle */
#define DENOISE_REACH 2

struct sharpen {
    float amount, threshold, denoise;
    int reach;
    float tap[TAPS_MAX]; /* tap[0] in the middle */
};

static int clamp(int v, int low, int high)
{
    return v < low ? low : v > high ? high : v;
}

static int read_options(
    const char *text, double *amount, double *radius, double *threshold, double *denoise, char *message, size_t size)
{
    const struct {
        const char *name;
        double *value, most;
    } known[] = {{"amount", amount, 10}, {"radius", radius, RADIUS_MAX}, {"threshold", threshold, 1}, {"denoise", denoise, 1}};
    while (*text) {
        const size_t length = strcspn(text, ":");
        int found = -1;
        for (int i = 0; i < 4; i++) {
            const size_t n = strlen(known[i].name);
            if (!strncmp(text, known[i].name, n) && text[n] == '=') found = i;
        }
        char *end = NULL;
        const double value = found < 0 ? 0 : strtod(text + strlen(known[found].name) + 1, &end);
        if (found < 0 || end != text + length || end == text + strlen(known[found].name) + 1 ||
            !(value >= 0 && value <= known[found].most)) {
            snprintf(message, size, "\"%.*s\": expected amount, radius, threshold or denoise = a number", (int) length, text);
            return 1;
        }
        *known[found].value = value;
        text += length + (text[length] == ':');
    }
    return 0;
}

static int sharpen_open(const char *options, void **state, char *message, size_t size)
{
    double amount = 0.5, radius = 1, threshold = 0.01, denoise = 0;
    if (read_options(options, &amount, &radius, &threshold, &denoise, message, size)) return 1;
    struct sharpen *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(message, size, "out of memory");
        return 1;
    }
    s->amount = (float) amount;
    s->threshold = (float) threshold;
    s->denoise = (float) denoise;
    s->reach = (int) ceil(3 * radius);
    double sum = 0;
    for (int i = 0; i <= s->reach; i++) sum += (i ? 2 : 1) * (radius > 0 ? exp(-0.5 * i * i / (radius * radius)) : 1);
    for (int i = 0; i <= s->reach; i++) s->tap[i] = (float) ((radius > 0 ? exp(-0.5 * i * i / (radius * radius)) : 1) / sum);
    *state = s;
    return 0;
}

static void sharpen_close(void *state)
{
    free(state);
}

static int sharpen_reach(void *state, enum fm_plugin_when when)
{
    const struct sharpen *s = state;
    if (when == FM_PLUGIN_BEFORE) return s->denoise > 0 ? DENOISE_REACH : -1;
    return s->amount > 0 ? s->reach : -1;
}

static const float *row_of(const struct fm_plugin_piece *p, int channel, int y)
{
    return p->data + channel * p->plane + (y - p->y) * p->row;
}

/* Unsharp mask: blurred down the columns into `line`, then along it. */
static void sharpen_row(const struct sharpen *s, const struct fm_plugin_call *call, int channel, int y, float *line)
{
    const struct fm_plugin_piece *in = call->in, *out = call->out;
    const int last = call->picture_height - 1;
    for (int x = 0; x < in->width; x++) line[x] = s->tap[0] * row_of(in, channel, y)[x];
    for (int i = 1; i <= s->reach; i++) {
        const float *above = row_of(in, channel, clamp(y - i, 0, last)), *below = row_of(in, channel, clamp(y + i, 0, last));
        for (int x = 0; x < in->width; x++) line[x] += s->tap[i] * (above[x] + below[x]);
    }
    const float *from = row_of(in, channel, y);
    float *to = out->data + channel * out->plane + (y - out->y) * out->row;
    for (int x = out->x; x < out->x + out->width; x++) {
        float blurred = s->tap[0] * line[x - in->x];
        for (int i = 1; i <= s->reach; i++)
            blurred += s->tap[i] * (line[clamp(x - i, 0, call->picture_width - 1) - in->x] +
                                       line[clamp(x + i, 0, call->picture_width - 1) - in->x]);
        const float value = from[x - in->x], detail = value - blurred;
        const float sharper = fabsf(detail) < s->threshold ? value : value + s->amount * detail;
        to[x - out->x] = sharper < 0 ? 0 : sharper > 1 ? 1 : sharper;
    }
}

/* Bilateral: neighbours count by how near they are and how alike in all channels. */
static void denoise_row(const struct sharpen *s, const struct fm_plugin_call *call, int y)
{
    const struct fm_plugin_piece *in = call->in, *out = call->out;
    const float strength = 1 / (2 * s->denoise * s->denoise);
    for (int x = out->x; x < out->x + out->width; x++) {
        float sum[3] = {0, 0, 0}, weight = 0;
        for (int dy = -DENOISE_REACH; dy <= DENOISE_REACH; dy++)
            for (int dx = -DENOISE_REACH; dx <= DENOISE_REACH; dx++) {
                const int ny = clamp(y + dy, 0, call->picture_height - 1), nx = clamp(x + dx, 0, call->picture_width - 1);
                float far = 0;
                for (int c = 0; c < call->channels; c++) {
                    const float d = row_of(in, c, ny)[nx - in->x] - row_of(in, c, y)[x - in->x];
                    far += d * d;
                }
                const float w = expf(-far * strength - (float) (dx * dx + dy * dy) * 0.25f);
                weight += w;
                for (int c = 0; c < call->channels; c++) sum[c] += w * row_of(in, c, ny)[nx - in->x];
            }
        for (int c = 0; c < call->channels; c++)
            out->data[c * out->plane + (y - out->y) * out->row + (x - out->x)] = sum[c] / weight;
    }
}

static int sharpen_process(void *state, const struct fm_plugin_call *call)
{
    const struct sharpen *s = state;
    const struct fm_plugin_piece *out = call->out;
    if (call->when == FM_PLUGIN_BEFORE) {
        for (int y = out->y; y < out->y + out->height; y++) denoise_row(s, call, y);
        return 0;
    }
    float *line = malloc((size_t) call->in->width * sizeof *line);
    if (!line) return 1;
    for (int c = 0; c < call->channels; c++)
        for (int y = out->y; y < out->y + out->height; y++) sharpen_row(s, call, c, y, line);
    free(line);
    return 0;
}

FM_PLUGIN_EXPORT const struct fm_plugin *framemill_plugin(void);

const struct fm_plugin *framemill_plugin(void)
{
    static const struct fm_plugin plugin = {
        .abi = FM_PLUGIN_ABI,
        .name = "sharpen",
        .help = "takes noise out before, sharpens after: amount=0.5:radius=1:threshold=0.01:denoise=0",
        .open = sharpen_open,
        .close = sharpen_close,
        .reach = sharpen_reach,
        .process = sharpen_process,
    };
    return &plugin;
}
