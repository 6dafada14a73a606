/* SPDX-License-Identifier: MIT */
/* SHA-256 against the vectors that its standard publishes, in one piece and in many. */
#include "check.h"

#include "core/sha256.h"

static const char *text_of(const void *data, size_t size, size_t piece)
{
    static char text[SHA256_TEXT];
    uint8_t digest[SHA256_SIZE];
    struct sha256 s;
    sha256_start(&s);
    for (size_t at = 0; at < size; at += piece) sha256_add(&s, (const char *) data + at, piece < size - at ? piece : size - at);
    sha256_end(&s, digest);
    sha256_text(digest, text);
    return text;
}

static void published_vectors(void)
{
    static const struct {
        const char *message, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t size = strlen(cases[i].message);
        for (size_t piece = 1; piece <= size + 1; piece++) CHECK_STR(text_of(cases[i].message, size, piece), cases[i].digest);
    }
}

static void a_million(void)
{
    static char many[1000000];
    memset(many, 'a', sizeof many);
    const size_t pieces[] = {1, 7, 63, 64, 65, 127, 4096, sizeof many};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        CHECK_STR(text_of(many, sizeof many, pieces[i]), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Every length around a block's end, where padding takes one block or two: digests of the digests, made with another program. */
static void every_length(void)
{
    static const char wanted[] = "3275febb4612d86d586eb9f11cd21e648a9fc7d95e0f6b8d362786e28c9c5b79";
    uint8_t message[200], digest[SHA256_SIZE];
    for (int i = 0; i < 200; i++) message[i] = (uint8_t) (i * 7 + 3);
    struct sha256 all;
    sha256_start(&all);
    for (size_t size = 0; size <= 200; size++) {
        struct sha256 s;
        sha256_start(&s);
        sha256_add(&s, message, size / 3);
        sha256_add(&s, NULL, 0);
        sha256_add(&s, message + size / 3, size - size / 3);
        sha256_end(&s, digest);
        sha256_add(&all, digest, sizeof digest);
    }
    char text[SHA256_TEXT];
    sha256_end(&all, digest);
    sha256_text(digest, text);
    CHECK_STR(text, wanted);
}

static void text_there_and_back(void)
{
    const char lower[] = "00ff12ab34cd56ef78907856341200ff00000000000000000000000000000080";
    char upper[SHA256_TEXT], text[SHA256_TEXT];
    uint8_t digest[SHA256_SIZE], other[SHA256_SIZE];
    for (int i = 0; i < SHA256_TEXT; i++) upper[i] = (char) (lower[i] >= 'a' ? lower[i] - 'a' + 'A' : lower[i]);
    CHECK(sha256_parse(lower, 64, digest));
    CHECK(sha256_parse(upper, 64, other));
    CHECK_MEM(digest, other, sizeof digest);
    CHECK_INT(digest[1], 0xff);
    CHECK_INT(digest[31], 0x80);
    sha256_text(digest, text);
    CHECK_STR(text, lower);
    CHECK(!sha256_parse(lower, 63, digest));
    CHECK(!sha256_parse(lower, 65, digest));
    const char wrong[] = {'g', '/', ':', '@', 'G', '`', ' ', '\0', '\n'};
    for (size_t i = 0; i < sizeof wrong; i++) {
        memcpy(text, lower, sizeof text);
        text[i * 7] = wrong[i];
        CHECK_MSG(!sha256_parse(text, 64, digest), "character %d taken", wrong[i]);
    }
}

int main(void)
{
    RUN(published_vectors);
    RUN(a_million);
    RUN(every_length);
    RUN(text_there_and_back);
    return check_report();
}
