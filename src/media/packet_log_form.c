/* SPDX-License-Identifier: MIT */
#include "media/packet_log_form.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        table[0][i] = c;
    }
    for (int t = 1; t < 8; t++)
        for (int i = 0; i < 256; i++) table[t][i] = table[0][table[t - 1][i] & 255] ^ (table[t - 1][i] >> 8);
}

/* Eight bytes at a time: table[t] holds what a byte does that is followed by t others. */
uint32_t form_crc(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    pthread_once(&table_once, make_table);
    crc = ~crc;
    for (; size >= 8; size -= 8, p += 8) {
        const uint32_t a = crc ^ form_get32(p), b = form_get32(p + 4);
        crc = table[7][a & 255] ^ table[6][a >> 8 & 255] ^ table[5][a >> 16 & 255] ^ table[4][a >> 24] ^ table[3][b & 255] ^
              table[2][b >> 8 & 255] ^ table[1][b >> 16 & 255] ^ table[0][b >> 24];
    }
    for (; size > 0; size--, p++) crc = table[0][(crc ^ *p) & 255] ^ (crc >> 8);
    return ~crc;
}

void form_put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) to[i] = (uint8_t) (value >> 8 * i);
}

void form_put64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++) to[i] = (uint8_t) (value >> 8 * i);
}

uint32_t form_get32(const uint8_t *from)
{
    return (uint32_t) from[0] | (uint32_t) from[1] << 8 | (uint32_t) from[2] << 16 | (uint32_t) from[3] << 24;
}

uint64_t form_get64(const uint8_t *from)
{
    return form_get32(from) | (uint64_t) form_get32(from + 4) << 32;
}

/* Writes to `data`, or only counts when that is NULL. */
struct writer {
    uint8_t *data;
    size_t used;
};

static void put_number(struct writer *w, uint32_t value)
{
    if (w->data) form_put32(w->data + w->used, value);
    w->used += 4;
}

static void put_long(struct writer *w, int64_t value)
{
    if (w->data) form_put64(w->data + w->used, (uint64_t) value);
    w->used += 8;
}

static void put_bytes(struct writer *w, const void *bytes, size_t size)
{
    put_number(w, (uint32_t) size);
    if (w->data && size > 0) memcpy(w->data + w->used, bytes, size);
    w->used += size;
}

static void put_text(struct writer *w, const char *text)
{
    put_bytes(w, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void put_sides(struct writer *w, const struct coded_side *side, int sides)
{
    put_number(w, (uint32_t) sides);
    for (int i = 0; i < sides; i++) {
        put_number(w, (uint32_t) side[i].type);
        put_bytes(w, side[i].data, side[i].size);
    }
}

static void put_ratio(struct writer *w, struct media_ratio r)
{
    put_number(w, (uint32_t) r.num);
    put_number(w, (uint32_t) r.den);
}

/* Every plain number of a stream, in the order in which it is written and read. */
#define STREAM_NUMBERS(X)                                                                                                          \
    X(width)                                                                                                                       \
    X(height)                                                                                                                      \
    X(profile) X(level) X(tag) X(bits_per_coded_sample) X(bits_per_raw_sample) X(video_delay) X(field_order) X(range) X(primaries) \
        X(transfer) X(matrix) X(siting)

size_t form_stream(const struct coded_stream *stream, uint8_t *to)
{
    struct writer w = {.data = to};
    put_text(&w, stream->codec);
    put_text(&w, stream->pixels);
    put_text(&w, stream->writer);
#define PUT(name) put_number(&w, (uint32_t) stream->name);
    STREAM_NUMBERS(PUT)
#undef PUT
    put_long(&w, stream->bit_rate);
    put_ratio(&w, stream->time_base);
    put_ratio(&w, stream->frame_rate);
    put_ratio(&w, stream->sample_aspect);
    put_bytes(&w, stream->extradata, stream->extradata_size);
    put_sides(&w, stream->side, stream->sides);
    return w.used;
}

size_t form_packet_head(const struct coded_packet *packet, uint8_t *to)
{
    struct writer w = {.data = to};
    put_long(&w, packet->pts);
    put_long(&w, packet->dts);
    put_long(&w, packet->duration);
    put_number(&w, packet->flags);
    put_sides(&w, packet->side, packet->sides);
    return w.used;
}

/* Reads from `data`; past its end everything is 0 and `is_bad` is set. */
struct reader {
    const uint8_t *data;
    size_t left;
    bool is_bad;
};

static const uint8_t *take(struct reader *r, size_t size)
{
    static const uint8_t nothing[8];
    if (r->is_bad || size > r->left) {
        r->is_bad = true;
        return nothing;
    }
    const uint8_t *at = r->data;
    r->data += size;
    r->left -= size;
    return at;
}

static uint32_t get_number(struct reader *r)
{
    return form_get32(take(r, 4));
}

static int64_t get_long(struct reader *r)
{
    return (int64_t) form_get64(take(r, 8));
}

static const uint8_t *get_bytes(struct reader *r, size_t *size)
{
    const uint32_t wanted = get_number(r);
    const uint8_t *at = take(r, wanted);
    *size = r->is_bad ? 0 : wanted;
    return at;
}

static const char *get_text(struct reader *r)
{
    size_t size;
    const char *text = (const char *) get_bytes(r, &size);
    if (size == 0 || memchr(text, 0, size) != text + size - 1) {
        r->is_bad = true;
        return "";
    }
    return text;
}

static int get_sides(struct reader *r, struct coded_side *side)
{
    const uint32_t sides = get_number(r);
    if (sides > CODED_SIDES_MAX) {
        r->is_bad = true;
        return 0;
    }
    for (uint32_t i = 0; i < sides; i++) {
        side[i].type = (int) get_number(r);
        side[i].data = get_bytes(r, &side[i].size);
    }
    return (int) sides;
}

static struct media_ratio get_ratio(struct reader *r)
{
    struct media_ratio ratio;
    ratio.num = (int) get_number(r);
    ratio.den = (int) get_number(r);
    return ratio;
}

bool form_read_stream(const uint8_t *data, size_t size, struct coded_stream *stream)
{
    struct reader r = {.data = data, .left = size};
    *stream = (struct coded_stream){0};
    stream->codec = get_text(&r);
    stream->pixels = get_text(&r);
    stream->writer = get_text(&r);
#define GET(name) stream->name = (__typeof__(stream->name)) get_number(&r);
    STREAM_NUMBERS(GET)
#undef GET
    stream->bit_rate = get_long(&r);
    stream->time_base = get_ratio(&r);
    stream->frame_rate = get_ratio(&r);
    stream->sample_aspect = get_ratio(&r);
    stream->extradata = get_bytes(&r, &stream->extradata_size);
    stream->sides = get_sides(&r, stream->side);
    return !r.is_bad && r.left == 0 && stream->width > 0 && stream->height > 0 && stream->time_base.num > 0 &&
           stream->time_base.den > 0;
}

bool form_read_packet(const uint8_t *data, size_t size, struct coded_packet *packet)
{
    struct reader r = {.data = data, .left = size};
    *packet = (struct coded_packet){0};
    packet->pts = get_long(&r);
    packet->dts = get_long(&r);
    packet->duration = get_long(&r);
    packet->flags = get_number(&r);
    packet->sides = get_sides(&r, packet->side);
    packet->data = r.data;
    packet->size = r.left;
    return !r.is_bad;
}
