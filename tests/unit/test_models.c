/* SPDX-License-Identifier: MIT */
/* Networks by name: where they are looked for, what is found first; addresses, catalogues and checksums before anything is
 * downloaded. */
#define _GNU_SOURCE
#include "check.h"

#include <ftw.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "framemill/models.h"
#include "model/find.h"
#include "net/catalogue.h"
#include "net/url.h"

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100"

/* ---- a folder of our own ---- */

static char root[64];

static const char *at(const char *part)
{
    static _Thread_local char path[8][512];
    static _Thread_local int turn;
    char *p = path[turn++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", root, part);
    return p;
}

static void folder(const char *part)
{
    CHECK_MSG(mkdir(at(part), 0777) == 0, "cannot make %s", part);
}

static void file(const char *part)
{
    FILE *stream = fopen(at(part), "w");
    if (CHECK_MSG(stream, "cannot make %s", part)) fclose(stream);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void) st;
    (void) kind;
    (void) where;
    return remove(path);
}

static void remove_root(void)
{
    CHECK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* given/: one.onnx, two.param + two.bin, deep/three.onnx, deep/deeper/four.onnx (too deep), what does not count
 * first/, second/ (FM_MODELS): one.onnx, only-second.onnx; cache/framemill/models: cached.onnx, one.param */
static void make_root(void)
{
    snprintf(root, sizeof root, "/tmp/framemill-models-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    static const char *const folders[] = {"given", "given/deep", "given/deep/deeper", "given/.hidden", "given/folder.onnx", "first",
        "second", "cache", "cache/framemill", "cache/framemill/models"};
    static const char *const files[] = {"given/one.onnx", "given/two.param", "given/two.bin", "given/deep/three.onnx",
        "given/deep/one.onnx", "given/deep/deeper/four.onnx", "given/.hidden/five.onnx", "given/.six.onnx", "given/seven.onnx.part",
        "given/eight.txt", "given/.onnx", "given/UPPER.ONNX", "given/folder.onnx/inside.param", "first/one.onnx",
        "second/only-second.onnx", "second/plain", "cache/framemill/models/cached.onnx", "cache/framemill/models/one.param"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) folder(folders[i]);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) file(files[i]);
    char list[256];
    snprintf(list, sizeof list, "%s::%s/:%s:/nowhere/at/all", at("first"), at("second"), at("first"));
    setenv("FM_MODELS", list, 1);
    setenv("XDG_CACHE_HOME", at("cache"), 1);
    unsetenv("HOME");
    unsetenv("FM_CATALOGUE");
}

/* ---- finding ---- */

static bool finds(const char *name, const char *dir, const char *wanted)
{
    char path[512];
    struct fm_error error = {0};
    const int code = fm_models_find(name, dir, path, sizeof path, &error);
    return CHECK_MSG(code == FM_OK && !strcmp(path, wanted), "%s: %s%s, must be %s", name, code ? error.message : "", path, wanted);
}

static void found_by_name_and_by_file(void)
{
    char given[512];
    snprintf(given, sizeof given, "%s", at("given"));
    finds("one", given, at("given/one.onnx"));
    finds("one", NULL, at("first/one.onnx"));
    finds("one.onnx", given, at("given/one.onnx"));
    finds("two", given, at("given/two.param"));
    finds("three", given, at("given/deep/three.onnx"));
    finds("deep/three", given, at("given/deep/three.onnx"));
    finds("deep/three.onnx", given, at("given/deep/three.onnx"));
    finds("deep/one", given, at("given/deep/one.onnx"));
    finds("UPPER", given, at("given/UPPER.ONNX"));
    finds("inside", given, at("given/folder.onnx/inside.param"));
    finds("only-second", given, at("second/only-second.onnx"));
    finds("cached", given, at("cache/framemill/models/cached.onnx"));
    finds("one.param", NULL, at("cache/framemill/models/one.param")); /* the ending says which */
    finds(at("given/deep/deeper/four.onnx"), NULL, at("given/deep/deeper/four.onnx"));
    finds(at("second/plain"), NULL, at("second/plain"));
    char here[512];
    if (!CHECK(getcwd(here, sizeof here)) || !CHECK(chdir(at("second")) == 0)) return;
    finds("plain", NULL, "plain"); /* a file that only its place tells */
    finds("only-second.onnx", NULL, "only-second.onnx");
    CHECK(chdir(at("given")) == 0);
    finds("one.onnx", at("first"), "one.onnx"); /* a file before a name */
    finds("deep/three.onnx", NULL, "deep/three.onnx");
    CHECK(chdir(here) == 0);
}

static void misses_are_explained(void)
{
    char path[512];
    struct fm_error error = {0};
    CHECK_INT(fm_models_find("tow", at("given"), path, sizeof path, &error), FM_ERR_IO);
    CHECK_INT(error.code, FM_ERR_IO);
    CHECK_STR(path, "");
    CHECK_HAS(error.message, "tow: no such network");
    CHECK_HAS(error.message, "two");
    CHECK_HAS(error.message, at("given"));
    static const char *const none[] = {"four", "five", "six", ".six", "seven", "seven.onnx.part", "eight", "folder", "one.txt",
        "deep/two", "", "given", "deep/deeper/four"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        const int code = fm_models_find(none[i], at("given"), path, sizeof path, &error);
        CHECK_MSG(code == (none[i][0] ? FM_ERR_IO : FM_ERR_ARGUMENT), "\"%s\" gives %d, %s", none[i], code, path);
        if (none[i][0]) CHECK_HAS(error.message, none[i]);
    }
    CHECK_INT(fm_models_find(at("given"), NULL, path, sizeof path, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "is a directory");
    CHECK_INT(fm_models_find("one", at("not-there"), path, sizeof path, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "not-there");
    CHECK_INT(fm_models_find("one", at("given/one.onnx"), path, sizeof path, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "not a folder");
    CHECK_INT(fm_models_find("one", at("given"), path, 12, &error), FM_ERR_ARGUMENT);
    CHECK_STR(path, "");
    CHECK_INT(fm_models_find(at("given/one.onnx"), NULL, path, 12, &error), FM_ERR_ARGUMENT);
    CHECK_STR(path, "");
    CHECK_INT(fm_models_find(NULL, NULL, path, sizeof path, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_models_find("one", NULL, NULL, 10, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_models_find("one", NULL, path, 0, NULL), FM_ERR_ARGUMENT);
    CHECK_INT(fm_models_each(NULL, NULL, NULL, &error), FM_ERR_ARGUMENT);
}

struct collected {
    char text[2048];
    int left; /* calls until it wants no more */
};

static int collect(void *user, const char *name, const char *path, const char *where, bool shadowed)
{
    struct collected *c = user;
    const size_t used = strlen(c->text);
    CHECK_HAS(path, name);
    if (strcmp(where, "shipped") != 0) /* what lies beside the test program is not this test's business */
        snprintf(c->text + used, sizeof c->text - used, "%s%s/%s ", shadowed ? "-" : "", where, path + strlen(root) + 1);
    return --c->left ? 0 : 77;
}

static void listed_in_order(void)
{
    struct collected all = {.left = -1}, some = {.left = 2};
    CHECK_INT(fm_models_each(at("given"), collect, &all, NULL), 0);
    CHECK_STR(all.text,
        "given/given/UPPER.ONNX given/given/one.onnx given/given/two.param -given/given/deep/one.onnx "
        "given/given/deep/three.onnx given/given/folder.onnx/inside.param -FM_MODELS/first/one.onnx "
        "FM_MODELS/second/only-second.onnx cache/cache/framemill/models/cached.onnx -cache/cache/framemill/models/one.param ");
    CHECK_INT(fm_models_each(at("given"), collect, &some, NULL), 77);
    CHECK_STR(some.text, "given/given/UPPER.ONNX given/given/one.onnx ");
    struct collected given = {.left = -1}; /* a folder that is in the list twice counts where it comes first */
    CHECK_INT(fm_models_each(at("second/"), collect, &given, NULL), 0);
    CHECK_HAS(given.text, "given/second/only-second.onnx ");
    CHECK(!strstr(given.text, "FM_MODELS/second"));
    struct fm_error error;
    CHECK_INT(fm_models_each(at("not-there"), collect, &given, &error), FM_ERR_IO);
}

static void cache_follows_the_environment(void)
{
    char path[512];
    struct fm_error error;
    CHECK_INT(find_cache_folder(path, sizeof path, NULL), FM_OK);
    CHECK_STR(path, at("cache/framemill/models"));
    setenv("XDG_CACHE_HOME", "relative", 1);
    CHECK_INT(find_cache_folder(path, sizeof path, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "HOME");
    setenv("HOME", at("home"), 1);
    CHECK_INT(find_cache_folder(path, sizeof path, NULL), FM_OK);
    CHECK_STR(path, at("home/.cache/framemill/models"));
    unsetenv("XDG_CACHE_HOME");
    CHECK_INT(find_cache_folder(path, sizeof path, NULL), FM_OK);
    CHECK_STR(path, at("home/.cache/framemill/models"));
    CHECK_INT(find_cache_folder(path, 8, &error), FM_ERR_IO);
    unsetenv("HOME");
    setenv("XDG_CACHE_HOME", at("cache"), 1);
}

static void every_allocation_fails_once(void)
{
    const int64_t live = core_alloc_live();
    int fails = 0;
    for (uint64_t n = 1;; n++) {
        char path[512];
        struct fm_error error = {0};
        core_alloc_fail_after(n, true);
        const int code = fm_models_find("cached", at("given"), path, sizeof path, &error);
        core_alloc_fail_after(0, false);
        if (code == FM_OK || n > 1000) break;
        CHECK_INT(code, FM_ERR_NOMEM);
        CHECK_INT(error.code, FM_ERR_NOMEM);
        fails++;
    }
    CHECK(fails > 1 && fails < 1000);
    CHECK_INT(core_alloc_live(), live);
}

static void distances(void)
{
    CHECK_INT(find_distance("", ""), 0);
    CHECK_INT(find_distance("kitten", "sitting"), 3);
    CHECK_INT(find_distance("abc", ""), 3);
    CHECK_INT(find_distance("", "abcd"), 4);
    CHECK_INT(find_distance("Flaw", "LAWN"), 2);
    CHECK_INT(find_distance("intention", "execution"), 5);
    char longest[97];
    memset(longest, 'x', sizeof longest);
    longest[96] = 0;
    CHECK_INT(find_distance(longest, "x"), -1);
    longest[95] = 0;
    CHECK_INT(find_distance("x", longest), 94);

    struct find_close close;
    char text[400];
    find_close_start(&close, "realesr-x2");
    static const char *const names[] = {
        "waifu", "realesr-x3", "realesr-animevideov3-x2", "real-esr-x2", "realesr-x3", "lanczos", "REALESR-X2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) find_close_add(&close, names[i]);
    find_close_text(&close, text, sizeof text);
    CHECK_STR(text, "; names that come close: REALESR-X2, realesr-x3, real-esr-x2");
    find_close_start(&close, "zzz");
    find_close_add(&close, "realesr");
    find_close_text(&close, text, sizeof text);
    CHECK_STR(text, "");
    find_close_start(&close, "anime");
    find_close_add(&close, "realesr-animevideov3-x2");
    CHECK_INT(close.n, 1);
}

/* ---- addresses ---- */

static void addresses_are_checked(void)
{
    static const char *const good[] = {"http://a/b", "https://a", "HTTPS://a.b:8/c?d#e", "http://u:p@h/x", "http://h/%20"};
    static const char *const bad[] = {"ftp://a/b", "file:///etc/passwd", "http://", "http:///x", "http://?x", "http:/a", "", "://",
        "http://a b/", "http://a/\n", "http://a/\x7f", "javascript://x", " http://a/"};
    struct fm_error error;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK_MSG(net_url_check(good[i], &error) == FM_OK, "%s: %s", good[i], error.message);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_MSG(net_url_check(bad[i], &error) == FM_ERR_ARGUMENT, "%s is taken", bad[i]);
    static char many[NET_URL_MAX + 1];
    memset(many, 'a', NET_URL_MAX);
    memcpy(many, "http://a/", 9);
    CHECK_INT(net_url_check(many, &error), FM_ERR_ARGUMENT);
    many[NET_URL_MAX - 1] = 0;
    CHECK_INT(net_url_check(many, &error), FM_OK);
    CHECK(net_url_is_https("https://a") && !net_url_is_https("http://a"));
    char shown[64];
    CHECK_STR(net_url_shown("https://user:se@cret@host:1/p/a?token=1#x", shown, sizeof shown), "https://host:1/p/a");
    CHECK_STR(net_url_shown("http://host/a@b", shown, sizeof shown), "http://host/a@b");
    CHECK_STR(net_url_shown("a.tsv", shown, sizeof shown), "a.tsv");
    CHECK_STR(net_url_shown("http://h?x://y", shown, sizeof shown), "http://h");
}

static void names_are_made_harmless(void)
{
    static const struct {
        const char *url, *name;
    } cases[] = {
        {"http://h/a/net.onnx", "net.onnx"},
        {"http://h/net.onnx?raw=1/2.onnx#/x", "net.onnx"},
        {"http://h/a%20b.onnx", "a b.onnx"},
        {"http://h/..%2f..%2fetc%2fpasswd.onnx", "_._.._etc_passwd.onnx"},
        {"http://h/a%5cb%3Ac.onnx", "a_b_c.onnx"},
        {"http://h/..onnx", "_.onnx"},
        {"http://h/a%00%0a%1b%7f.onnx", "a____.onnx"},
        {"http://h/%c2%9b%c3%a9.param", "\xc2_\xc3\xa9.param"},
        {"http://h/100%.onnx", "100%.onnx"},
        {"http://h/%zz%4.onnx", "%zz%4.onnx"},
        {"http://h/%", "%"},
        {"http://h/a?", "a"},
    };
    struct fm_error error;
    char name[NET_NAME_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_INT(net_url_file(cases[i].url, name, &error), FM_OK);
        CHECK_STR(name, cases[i].name);
        CHECK_MSG(net_file_is_safe(name), "%s is not safe", name);
    }
    static const char *const none[] = {"http://h", "http://h/", "http://h/a/", "http://h?a", "http://h/#a"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CHECK_MSG(net_url_file(none[i], name, &error) == FM_ERR_ARGUMENT, "%s has a name: %s", none[i], name);
    static const char *const unsafe[] = {"", ".a", "..", "a/b", "a\\b", "a\nb", "\x7f", "a\xc2\x80"};
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) CHECK_MSG(!net_file_is_safe(unsafe[i]), "%s is safe", unsafe[i]);
    char url[NET_NAME_MAX + 16];
    memset(url, 'n', sizeof url);
    memcpy(url, "http://h/", 9);
    url[9 + NET_NAME_MAX - 1] = 0;
    CHECK_INT(net_url_file(url, name, &error), FM_OK);
    CHECK_INT(strlen(name), NET_NAME_MAX - 1);
    url[9 + NET_NAME_MAX - 1] = 'n';
    url[9 + NET_NAME_MAX] = 0;
    CHECK_INT(net_url_file(url, name, &error), FM_ERR_ARGUMENT);
}

static void neighbours_of_an_address(void)
{
    char out[NET_URL_MAX];
    struct fm_error error;
    CHECK_INT(net_url_beside("http://h/a/n.onnx", 0, ".sha256", out, &error), FM_OK);
    CHECK_STR(out, "http://h/a/n.onnx.sha256");
    CHECK_INT(net_url_beside("http://h/a/n.param?k=/v#f", 6, ".bin", out, &error), FM_OK);
    CHECK_STR(out, "http://h/a/n.bin?k=/v");
    static char many[NET_URL_MAX];
    memset(many, 'a', sizeof many - 1);
    memcpy(many, "http://a/", 9);
    CHECK_INT(net_url_beside(many, 0, ".sha256", out, &error), FM_ERR_ARGUMENT);
}

/* ---- catalogues and checksums ---- */

#define LINE_A "net\tnet.onnx\thttps://h/net.onnx\t" HEX_A "\t1234\tMIT\n"

static void catalogues_are_read(void)
{
    static const char text[] =
        "# a comment\n\n" LINE_A "anime-x2\tanime-x2.param\thttp://h/1\t" HEX_B "\t-\tBSD-3-Clause\tfor drawings\r\n"
        "anime-x2\tshared.bin\thttp://h/2\t" HEX_A "\t0\t\t";
    struct net_catalogue *c = NULL;
    struct fm_error error = {0};
    const int64_t live = core_alloc_live();
    if (!CHECK_MSG(net_catalogue_parse(text, sizeof text - 1, "c.tsv", &c, &error) == FM_OK, "%s", error.message)) return;
    CHECK_INT(c->n, 3);
    CHECK_STR(c->entry[0].name, "net");
    CHECK_STR(c->entry[0].file, "net.onnx");
    CHECK_STR(c->entry[0].url, "https://h/net.onnx");
    CHECK_STR(c->entry[0].licence, "MIT");
    CHECK_STR(c->entry[0].note, "");
    CHECK_INT(c->entry[0].bytes, 1234);
    CHECK_INT(c->entry[0].sha256[1], 0x11);
    CHECK_STR(c->entry[1].note, "for drawings");
    CHECK_INT(c->entry[1].bytes, 0);
    CHECK_INT(c->entry[1].sha256[0], 0xff);
    CHECK_STR(c->entry[2].file, "shared.bin");
    CHECK_STR(c->entry[2].licence, "");
    net_catalogue_destroy(&c);
    CHECK(c == NULL);
    net_catalogue_destroy(&c);
    CHECK_INT(net_catalogue_parse("", 0, "c.tsv", &c, &error), FM_OK);
    CHECK_INT(c->n, 0);
    net_catalogue_destroy(&c);
    CHECK_INT(core_alloc_live(), live);
}

static void damaged_catalogues_say_where(void)
{
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"net\n", "fewer than 6"},
        {"net net.onnx http://h/ " HEX_A " 1 MIT\n", "fewer than 6"},
        {"a\ta.onnx\thttp://h/\t" HEX_A "\t1\tMIT\tnote\tmore\n", "more than 7"},
        {"\ta.onnx\thttp://h/\t" HEX_A "\t1\tMIT\n", "column 1"},
        {"../a\ta.onnx\thttp://h/\t" HEX_A "\t1\tMIT\n", "column 1"},
        {"a\t../a.onnx\thttp://h/\t" HEX_A "\t1\tMIT\n", "column 2"},
        {"a\t.a.onnx\thttp://h/\t" HEX_A "\t1\tMIT\n", "column 2"},
        {"a\tb.onnx\thttp://h/\t" HEX_A "\t1\tMIT\n", "named as"},
        {"a\tab.param\thttp://h/\t" HEX_A "\t1\tMIT\n", "named as"},
        {"a\ta.onnx\tfile:///etc/passwd\t" HEX_A "\t1\tMIT\n", "only http"},
        {"a\ta.onnx\thttp://h/\t1234\t1\tMIT\n", "column 4"},
        {"a\ta.onnx\thttp://h/\t" HEX_A "0\t1\tMIT\n", "column 4"},
        {"a\ta.onnx\thttp://h/\t" HEX_A "\t\tMIT\n", "column 5"},
        {"a\ta.onnx\thttp://h/\t" HEX_A "\t-1\tMIT\n", "column 5"},
        {"a\ta.onnx\thttp://h/\t" HEX_A "\t99999999999999999999\tMIT\n", "column 5"},
        {LINE_A, "already"},
        {"a\ta.onnx\thttp://h/\t" HEX_A "\t1\tMIT\x1b[2J\n", "control"},
    };
    const int64_t live = core_alloc_live();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        struct net_catalogue *c = NULL;
        struct fm_error error = {0};
        snprintf(text, sizeof text, "# one\n%s%s", LINE_A, cases[i].line);
        const int code = net_catalogue_parse(text, strlen(text), "c.tsv", &c, &error);
        CHECK_MSG(code == FM_ERR_FORMAT && !c, "case %zu gives %d", i, code);
        CHECK_HAS(error.message, "c.tsv:3: ");
        CHECK_HAS(error.message, cases[i].why);
    }
    struct net_catalogue *c;
    struct fm_error error;
    CHECK_INT(net_catalogue_parse("a\0b\n", 4, "c.tsv", &c, &error), FM_ERR_FORMAT);
    CHECK_INT(core_alloc_live(), live);
}

static void catalogues_without_memory(void)
{
    static char text[200 * 100];
    size_t used = 0;
    for (int i = 0; i < 200; i++)
        used += (size_t) snprintf(text + used, sizeof text - used, "n%d\tn%d.onnx\thttp://h/\t%s\t1\tMIT\n", i, i, HEX_A);
    const int64_t live = core_alloc_live();
    int fails = 0;
    for (uint64_t n = 1; n < 1000; n++) {
        struct net_catalogue *c = NULL;
        struct fm_error error;
        core_alloc_fail_after(n, true);
        const int code = net_catalogue_parse(text, used, "c.tsv", &c, &error);
        core_alloc_fail_after(0, false);
        if (code == FM_OK) {
            CHECK_INT(c->n, 200);
            CHECK_STR(c->entry[199].name, "n199");
            net_catalogue_destroy(&c);
            break;
        }
        CHECK_INT(code, FM_ERR_NOMEM);
        fails++;
    }
    CHECK_MSG(fails > 1 && fails < 999, "%d allocations", fails);
    CHECK_INT(core_alloc_live(), live);
}

static void checksum_files(void)
{
    static const char *const good[] = {HEX_B, HEX_B "\n", HEX_B "  net.onnx\n", "\n " HEX_B " *net.onnx\r\nmore"};
    static const char *const bad[] = {"", "\n", "net.onnx " HEX_B, "<html>", HEX_B "0", "00"};
    struct fm_error error;
    uint8_t digest[SHA256_SIZE];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        memset(digest, 0, sizeof digest);
        CHECK_INT(net_sidecar_parse(good[i], strlen(good[i]), "s", digest, &error), FM_OK);
        CHECK_INT(digest[1], 0xee);
        CHECK_INT(digest[31], 0x00);
        CHECK_INT(digest[30], 0x11);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(net_sidecar_parse(bad[i], strlen(bad[i]), "s.sha256", digest, &error), FM_ERR_FORMAT);
        CHECK_HAS(error.message, "s.sha256: ");
    }
}

/* ---- pulling, as far as no server is needed ---- */

static int pull(struct fm_models_pull_params params, struct fm_error *error)
{
    char path[256] = "untouched";
    params.size = sizeof params;
    const int code = fm_models_pull(&params, path, sizeof path, error);
    if (code < 0) CHECK_STR(path, "");
    return code;
}

static void pulls_that_cannot_be(void)
{
    struct fm_error error = {0};
    char path[8];
    CHECK_INT(fm_models_pull(NULL, path, sizeof path, &error), FM_ERR_ARGUMENT);
    CHECK_INT(fm_models_pull(&(struct fm_models_pull_params){.what = "x"}, path, sizeof path, &error), FM_ERR_ARGUMENT);
    CHECK_INT(
        fm_models_pull(&(struct fm_models_pull_params){.size = sizeof(struct fm_models_pull_params), .what = "x"}, NULL, 0, &error),
        FM_ERR_ARGUMENT);
    CHECK_INT(pull((struct fm_models_pull_params){.what = NULL}, &error), FM_ERR_ARGUMENT);
    CHECK_INT(pull((struct fm_models_pull_params){.what = ""}, &error), FM_ERR_ARGUMENT);
    CHECK_INT(pull((struct fm_models_pull_params){.what = "ftp://h/net.onnx"}, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "only http");
    CHECK_INT(pull((struct fm_models_pull_params){.what = "http://h/net.zip"}, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "neither");
    CHECK_INT(pull((struct fm_models_pull_params){.what = "http://h/"}, &error), FM_ERR_ARGUMENT);
    CHECK_INT(pull((struct fm_models_pull_params){.what = "http://h/net.onnx", .sha256 = "abc"}, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "abc");
    CHECK_INT(pull((struct fm_models_pull_params){.what = "net"}, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "no catalogue");
    CHECK_INT(pull((struct fm_models_pull_params){.what = "net", .catalogue = at("none.tsv")}, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "none.tsv");
    CHECK_INT(pull((struct fm_models_pull_params){.what = "net", .catalogue = "ftp://h/c"}, &error), FM_ERR_ARGUMENT);
    FILE *stream = fopen(at("first/catalogue.tsv"), "w");
    if (!CHECK(stream)) return;
    fputs("net\tnet.onnx\tnowhere\n", stream);
    fclose(stream);
    CHECK_INT(pull((struct fm_models_pull_params){.what = "net"}, &error), FM_ERR_FORMAT);
    CHECK_HAS(error.message, "first/catalogue.tsv:1: ");
    stream = fopen(at("first/catalogue.tsv"), "w");
    if (!CHECK(stream)) return;
    fputs(LINE_A "odd\todd.bin\thttp://h/\t" HEX_A "\t1\tMIT\n", stream);
    fclose(stream);
    CHECK_INT(pull((struct fm_models_pull_params){.what = "nett"}, &error), FM_ERR_ARGUMENT);
    CHECK_HAS(error.message, "come close: net");
    CHECK_INT(pull((struct fm_models_pull_params){.what = "odd"}, &error), FM_ERR_FORMAT);
    CHECK_HAS(error.message, "odd has neither");
    unsetenv("XDG_CACHE_HOME");
    CHECK_INT(pull((struct fm_models_pull_params){.what = "net"}, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "cache");
    setenv("XDG_CACHE_HOME", at("cache"), 1);
}

int main(void)
{
    make_root();
    RUN(found_by_name_and_by_file);
    RUN(misses_are_explained);
    RUN(listed_in_order);
    RUN(cache_follows_the_environment);
    RUN(every_allocation_fails_once);
    RUN(distances);
    RUN(addresses_are_checked);
    RUN(names_are_made_harmless);
    RUN(neighbours_of_an_address);
    RUN(catalogues_are_read);
    RUN(damaged_catalogues_say_where);
    RUN(catalogues_without_memory);
    RUN(checksum_files);
    RUN(pulls_that_cannot_be);
    RUN(remove_root);
    return check_report();
}
