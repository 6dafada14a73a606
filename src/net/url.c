/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strncasecmp */
#include "net/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/error.h"

/* Where the server's name begins, behind "https://"; 0: another protocol. */
static size_t scheme_length(const char *url)
{
    return !strncasecmp(url, "http://", 7) ? 7 : !strncasecmp(url, "https://", 8) ? 8 : 0;
}

bool net_is_url(const char *text)
{
    return strstr(text, "://") != NULL;
}

bool net_url_is_https(const char *url)
{
    return scheme_length(url) == 8;
}

int net_url_check(const char *url, struct fm_error *error)
{
    char shown[160];
    const size_t scheme = scheme_length(url);
    net_url_shown(url, shown, sizeof shown);
    if (!scheme) return core_fail(error, FM_ERR_ARGUMENT, "%s: only http and https addresses are followed", shown);
    if (strlen(url) >= NET_URL_MAX) return core_fail(error, FM_ERR_ARGUMENT, "%s: the address is too long", shown);
    if (!strcspn(url + scheme, "/?#")) return core_fail(error, FM_ERR_ARGUMENT, "%s: the address names no server", shown);
    for (const unsigned char *c = (const unsigned char *) url; *c; c++)
        if (*c <= ' ' || *c == 0x7f)
            return core_fail(error, FM_ERR_ARGUMENT, "%s: a blank or control character in the address", shown);
    return FM_OK;
}

const char *net_url_shown(const char *url, char *text, size_t size)
{
    const char *server = strstr(url, "://"), *end = url + strcspn(url, "?#");
    server = server && server < end ? server + 3 : url;
    const char *path = server + strcspn(server, "/?#"), *at = server;
    for (const char *c = server; c < path; c++) /* a password may hold an @ */
        if (*c == '@') at = c + 1;
    snprintf(text, size, "%.*s%.*s", (int) (server - url), url, (int) (end - at), at);
    return text;
}

/* The path of an address, from behind the server to before '?' and '#'. */
static const char *path_of(const char *url, size_t *length)
{
    const char *server = url + scheme_length(url), *path = server + strcspn(server, "/?#");
    *length = strcspn(path, "?#");
    return path;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The C1 control characters are two bytes in UTF-8: U+0080 is c2 80. */
static bool is_safe(unsigned char before, unsigned char c, bool first)
{
    if (first && c == '.') return false;
    if (before == 0xc2 && c < 0xa0 && c >= 0x80) return false;
    return c >= 0x20 && c != 0x7f && !strchr("/\\:*?\"<>|", c);
}

bool net_file_is_safe(const char *name)
{
    const size_t length = strlen(name);
    if (!length || length >= NET_NAME_MAX) return false;
    for (size_t i = 0; i < length; i++)
        if (!is_safe(i ? (unsigned char) name[i - 1] : 0, (unsigned char) name[i], i == 0)) return false;
    return true;
}

int net_url_file(const char *url, char name[NET_NAME_MAX], struct fm_error *error)
{
    char shown[160];
    size_t length, n = 0, from = 0;
    const char *path = path_of(url, &length);
    for (size_t i = 0; i < length; i++)
        if (path[i] == '/') from = i + 1;
    for (size_t i = from; i < length; i++) {
        unsigned char c = (unsigned char) path[i];
        if (c == '%' && i + 2 < length && hex(path[i + 1]) >= 0 && hex(path[i + 2]) >= 0) {
            c = (unsigned char) (hex(path[i + 1]) << 4 | hex(path[i + 2]));
            i += 2;
        }
        if (n + 1 == NET_NAME_MAX)
            return core_fail(error, FM_ERR_ARGUMENT, "%s: the file's name is too long", net_url_shown(url, shown, sizeof shown));
        name[n] = (char) (is_safe(n ? (unsigned char) name[n - 1] : 0, c, n == 0) ? c : '_');
        n++;
    }
    name[n] = 0;
    if (!n) return core_fail(error, FM_ERR_ARGUMENT, "%s: the address names no file", net_url_shown(url, shown, sizeof shown));
    return FM_OK;
}

int net_url_beside(const char *url, size_t cut, const char *ending, char out[NET_URL_MAX], struct fm_error *error)
{
    char shown[160];
    size_t length;
    const char *path = path_of(url, &length), *query = path + length;
    const size_t kept = length > cut ? (size_t) (query - url) - cut : (size_t) (path - url);
    const int n = snprintf(out, NET_URL_MAX, "%.*s%s%.*s", (int) kept, url, ending, (int) strcspn(query, "#"), query);
    if (n < NET_URL_MAX) return FM_OK;
    return core_fail(error, FM_ERR_ARGUMENT, "%s: the address is too long", net_url_shown(url, shown, sizeof shown));
}
