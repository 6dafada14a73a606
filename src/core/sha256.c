/* SPDX-License-Identifier: MIT */
/* Straight from FIPS 180-4. A gigabyte takes a few seconds, which is short beside its download. */
#include "core/sha256.h"

#include <string.h>

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t sha256_k[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1,
    0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354,
    0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585,
    0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee,
    0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t sha256_turn(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha256_block(uint32_t h[8], const uint8_t *block)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] =
            (uint32_t) block[4 * i] << 24 | (uint32_t) block[4 * i + 1] << 16 | (uint32_t) block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (sha256_turn(a, 7) ^ sha256_turn(a, 18) ^ a >> 3) +
               (sha256_turn(b, 17) ^ sha256_turn(b, 19) ^ b >> 10);
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        const uint32_t a = v[0], e = v[4];
        const uint32_t choose = (e & v[5]) ^ (~e & v[6]), majority = (a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]);
        const uint32_t t = v[7] + (sha256_turn(e, 6) ^ sha256_turn(e, 11) ^ sha256_turn(e, 25)) + choose + sha256_k[i] + w[i];
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t;
        v[0] = t + (sha256_turn(a, 2) ^ sha256_turn(a, 13) ^ sha256_turn(a, 22)) + majority;
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
}

void sha256_start(struct sha256 *s)
{
    /* the square roots of the first 8 primes, likewise */
    static const uint32_t first[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, first, sizeof first);
    s->bytes = 0;
}

void sha256_add(struct sha256 *s, const void *data, size_t size)
{
    const uint8_t *at = data;
    const size_t waiting = (size_t) (s->bytes % 64), room = 64 - waiting;
    s->bytes += size;
    if (waiting && size >= room) {
        memcpy(s->block + waiting, at, room);
        sha256_block(s->h, s->block);
        at += room;
        size -= room;
    } else if (waiting) {
        if (size) memcpy(s->block + waiting, at, size);
        return;
    }
    for (; size >= 64; at += 64, size -= 64) sha256_block(s->h, at);
    if (size) memcpy(s->block, at, size);
}

void sha256_end(struct sha256 *s, uint8_t digest[SHA256_SIZE])
{
    const uint64_t bits = s->bytes * 8;
    uint8_t tail[72] = {0x80}; /* a one, zeros up to 8 bytes before a block's end, the length */
    const size_t zeros = (size_t) ((119 - s->bytes % 64) % 64);
    for (int i = 0; i < 8; i++) tail[1 + zeros + (size_t) i] = (uint8_t) (bits >> (56 - 8 * i));
    sha256_add(s, tail, zeros + 9);
    for (int i = 0; i < 32; i++) digest[i] = (uint8_t) (s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_text(const uint8_t digest[SHA256_SIZE], char text[SHA256_TEXT])
{
    for (int i = 0; i < SHA256_SIZE; i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    text[2 * SHA256_SIZE] = 0;
}

static int sha256_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool sha256_parse(const char *text, size_t length, uint8_t digest[SHA256_SIZE])
{
    if (length != 2 * SHA256_SIZE) return false;
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        const int high = sha256_digit(text[2 * i]), low = sha256_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        digest[i] = (uint8_t) (high << 4 | low);
    }
    return true;
}
