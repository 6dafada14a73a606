/* SPDX-License-Identifier: MIT */
/* SHA-256, piece by piece: start, add as often as needed, end. A state belongs to one thread at a time. */
#ifndef FM_CORE_SHA256_H
#define FM_CORE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_TEXT (2 * SHA256_SIZE + 1)

struct sha256 {
    uint32_t h[8];
    uint64_t bytes;    /* so far */
    uint8_t block[64]; /* [bytes % 64] wait for the rest of their block */
};

void sha256_start(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t size);
void sha256_end(struct sha256 *s, uint8_t digest[SHA256_SIZE]); /* the state is used up */

/* As people write it: 64 hexadecimal digits, of either case when read. `length`: of the text; it must be exactly 64. */
void sha256_text(const uint8_t digest[SHA256_SIZE], char text[SHA256_TEXT]);
bool sha256_parse(const char *text, size_t length, uint8_t digest[SHA256_SIZE]);

#endif
