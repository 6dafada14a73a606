/* SPDX-License-Identifier: MIT */
/* By libcurl's easy interface. What the server answers is judged when the first byte of its body comes (or, without a body, when
 * all is over): by then the head is whole, and it is the head of the last answer, behind all redirects. */
#define _GNU_SOURCE /* strncasecmp */
#include "net/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/error.h"
#include "net/curl.h"
#include "net/url.h"

#define REDIRECTS_MAX 10
#define TIMEOUT_S 30 /* without a connection, or without data; FM_TIMEOUT says otherwise */

struct fetch {
    const struct net_request *request;
    struct net_answer *answer;
    struct fm_error *error;
    const struct net_curl *curl;
    CURL *easy;
    uint64_t have;                              /* asked to go on from here */
    uint64_t at;                                /* where the next byte goes */
    int code;                                   /* of a failure found here; FM_OK otherwise */
    bool has_begun, is_judged, is_rest_useless; /* the last: ask again, for the whole file */
    /* the head of the latest answer */
    char etag[NET_VALIDATOR_MAX], modified[NET_VALIDATOR_MAX];
    uint64_t length, range_from, range_total;
    bool has_range, has_length;
    char shown[256], reason[CURL_ERROR_SIZE];
};

/* ---- the answer's head ---- */

/* The value of a header line when it has that name, blanks cut off. */
static const char *value_of(const char *line, size_t size, const char *name, size_t *length)
{
    const size_t n = strlen(name);
    if (size <= n || strncasecmp(line, name, n) != 0 || line[n] != ':') return NULL;
    size_t from = n + 1, to = size;
    while (from < to && (line[from] == ' ' || line[from] == '\t')) from++;
    while (to > from && (unsigned char) line[to - 1] <= ' ') to--;
    *length = to - from;
    return line + from;
}

static void keep_value(char *to, const char *value, size_t length)
{
    to[0] = 0;
    if (length >= NET_VALIDATOR_MAX) return;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char) value[i] < 0x20 || value[i] == 0x7f) return;
    memcpy(to, value, length);
    to[length] = 0;
}

static bool read_number(const char **at, const char *end, uint64_t *number)
{
    const char *from = *at;
    *number = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        if (*number > UINT64_MAX / 16) return false;
        *number = *number * 10 + (uint64_t) (**at - '0');
    }
    return *at > from;
}

/* "bytes 100-199/200", "bytes 100-199/" and a star where the total is not known, and with a star before the slash when refused */
static void read_range(struct fetch *f, const char *value, size_t length)
{
    const char *at = value, *end = value + length;
    uint64_t to;
    f->has_range = false;
    if (length < 6 || strncasecmp(at, "bytes ", 6) != 0) return;
    at += 6;
    f->range_from = f->range_total = 0;
    if (at < end && *at == '*')
        at++;
    else if (!read_number(&at, end, &f->range_from) || at == end || *at++ != '-' || !read_number(&at, end, &to) ||
             to < f->range_from)
        return;
    if (at == end || *at++ != '/') return;
    f->has_range = (at + 1 == end && *at == '*') || (read_number(&at, end, &f->range_total) && at == end);
}

static size_t on_header(char *line, size_t one, size_t n, void *user)
{
    struct fetch *f = user;
    const size_t size = one * n;
    size_t length;
    const char *value;
    if (f->is_judged) return size;                    /* trailers */
    if (size > 5 && !strncasecmp(line, "HTTP/", 5)) { /* another answer */
        f->etag[0] = f->modified[0] = 0;
        f->has_range = f->has_length = false;
    } else if ((value = value_of(line, size, "ETag", &length)) != NULL) {
        if (strncmp(value, "W/", 2) != 0) keep_value(f->etag, value, length); /* a weak one does not promise the same bytes */
    } else if ((value = value_of(line, size, "Last-Modified", &length)) != NULL) {
        keep_value(f->modified, value, length);
    } else if ((value = value_of(line, size, "Content-Range", &length)) != NULL) {
        read_range(f, value, length);
    } else if ((value = value_of(line, size, "Content-Length", &length)) != NULL) {
        const char *at = value;
        f->has_length = read_number(&at, value + length, &f->length) && at == value + length;
    }
    return size;
}

/* ---- judging it ---- */

static uint64_t limit_of(const struct fetch *f)
{
    return f->request->limit ? f->request->limit : NET_BYTES_MAX;
}

static int too_long(struct fetch *f)
{
    return f->code =
               core_fail(f->error, FM_ERR_FORMAT, "%s: has more than the %" PRIu64 " bytes it may have", f->shown, limit_of(f));
}

static int begin(struct fetch *f, uint64_t offset)
{
    if (f->answer->total > limit_of(f)) return too_long(f);
    f->at = offset;
    f->has_begun = true;
    if (f->request->begin) f->code = f->request->begin(f->request->user, offset, f->answer, f->error);
    return f->code;
}

/* After this f->code says no, f->is_rest_useless wants another try, or the body goes to f->at. */
static void judge(struct fetch *f)
{
    struct net_answer *answer = f->answer;
    f->is_judged = true;
    f->curl->getinfo(f->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    snprintf(answer->validator, sizeof answer->validator, "%s", f->etag[0] ? f->etag : f->modified);
    answer->total = 0;
    if (answer->status == 206 && f->have) {
        const bool changed = answer->validator[0] && strcmp(answer->validator, f->request->validator) != 0;
        f->is_rest_useless = changed || !f->has_range || f->range_from != f->have;
        answer->total = f->range_total;
        if (!f->is_rest_useless) begin(f, f->have);
    } else if (answer->status == 416 && f->have) { /* nothing behind what is there: then it is all, if that is the file's size */
        f->is_rest_useless = !f->has_range || f->range_total != f->have;
        answer->total = f->have;
        if (!f->is_rest_useless) begin(f, f->have);
    } else if (answer->status == 200) {
        answer->total = f->has_length ? f->length : 0;
        begin(f, 0);
    } else {
        f->code = core_fail(f->error, FM_ERR_IO, "%s: the server answered %ld", f->shown, answer->status);
    }
}

static size_t on_body(char *data, size_t one, size_t n, void *user)
{
    struct fetch *f = user;
    const size_t size = one * n;
    if (!f->is_judged) judge(f);
    if (f->code < 0 || f->is_rest_useless) return 0; /* stops */
    if (f->answer->status == 416) return size;       /* the server's regrets */
    if (size > limit_of(f) - f->at) {
        too_long(f);
        return 0;
    }
    f->code = f->request->write(f->request->user, data, size, f->error);
    f->at += size;
    return f->code < 0 ? 0 : size;
}

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    struct fetch *f = user;
    (void) total;
    (void) now;
    (void) up_total;
    (void) up_now;
    if (!f->request->progress) return 0;
    return f->request->progress(f->request->user, f->has_begun ? f->at : f->have, f->answer->total) != 0;
}

/* ---- asking ---- */

static long timeout_s(void)
{
    const char *text = getenv("FM_TIMEOUT");
    char *end;
    const long seconds = text ? strtol(text, &end, 10) : 0;
    return text && end != text && !*end && seconds >= 1 && seconds <= 86400 ? seconds : TIMEOUT_S;
}

static CURLcode set_up(struct fetch *f, struct curl_slist *headers)
{
    CURL *easy = f->easy;
    __typeof__(curl_easy_setopt) *set = f->curl->setopt;
    const long web = CURLPROTO_HTTP | CURLPROTO_HTTPS, seconds = timeout_s();
    char range[32];
    snprintf(range, sizeof range, "%" PRIu64 "-", f->have);
    const CURLcode codes[] = {
        set(easy, CURLOPT_URL, f->request->url),
        set(easy, CURLOPT_PROTOCOLS, web),
        set(easy, CURLOPT_REDIR_PROTOCOLS, net_url_is_https(f->request->url) ? (long) CURLPROTO_HTTPS : web),
        set(easy, CURLOPT_FOLLOWLOCATION, 1L),
        set(easy, CURLOPT_MAXREDIRS, (long) REDIRECTS_MAX),
        set(easy, CURLOPT_NOSIGNAL, 1L),
        set(easy, CURLOPT_USERAGENT, "framemill/" FM_VERSION_STRING),
        set(easy, CURLOPT_CONNECTTIMEOUT, seconds),
        set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L),
        set(easy, CURLOPT_LOW_SPEED_TIME, seconds),
        set(easy, CURLOPT_ERRORBUFFER, f->reason),
        set(easy, CURLOPT_HEADERFUNCTION, on_header),
        set(easy, CURLOPT_HEADERDATA, f),
        set(easy, CURLOPT_WRITEFUNCTION, on_body),
        set(easy, CURLOPT_WRITEDATA, f),
        set(easy, CURLOPT_NOPROGRESS, 0L),
        set(easy, CURLOPT_XFERINFOFUNCTION, on_progress),
        set(easy, CURLOPT_XFERINFODATA, f),
        f->have ? set(easy, CURLOPT_RANGE, range) : CURLE_OK,
        headers ? set(easy, CURLOPT_HTTPHEADER, headers) : CURLE_OK,
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] != CURLE_OK) return codes[i];
    return CURLE_OK;
}

static int explain(struct fetch *f, CURLcode code)
{
    if (code == CURLE_OUT_OF_MEMORY) return core_fail_nomem(f->error, 0);
    if (code == CURLE_ABORTED_BY_CALLBACK) return core_fail(f->error, FM_ERR_CANCELLED, "%s: cancelled", f->shown);
    f->answer->is_transient = code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
                              code == CURLE_GOT_NOTHING || code == CURLE_OPERATION_TIMEDOUT || code == CURLE_HTTP2 ||
                              code == CURLE_HTTP2_STREAM;
    return core_fail(f->error, FM_ERR_IO, "%s: %s", f->shown, f->reason[0] ? f->reason : f->curl->strerror(code));
}

/* One request, for the rest or for the whole. */
static int ask(struct fetch *f)
{
    char condition[NET_VALIDATOR_MAX + 16];
    struct curl_slist *headers = NULL;
    int code;
    f->easy = f->curl->init();
    snprintf(condition, sizeof condition, "If-Range: %s", f->have ? f->request->validator : "");
    if (f->have) headers = f->curl->slist_append(NULL, condition);
    if (!f->easy || (f->have && !headers)) {
        code = core_fail_nomem(f->error, 0);
    } else {
        CURLcode done = set_up(f, headers);
        if (done == CURLE_OK) done = f->curl->perform(f->easy);
        if (done == CURLE_OK && !f->is_judged) judge(f);
        code = f->code < 0 ? f->code : f->is_rest_useless || done == CURLE_OK ? FM_OK : explain(f, done);
    }
    f->curl->cleanup(f->easy);
    f->curl->slist_free_all(headers);
    return code;
}

int net_fetch(const struct net_request *request, struct net_answer *answer, struct fm_error *error)
{
    struct fetch f = {.request = request, .answer = answer, .error = error};
    *answer = (struct net_answer){.status = 0};
    f.curl = net_curl_load(error);
    if (!f.curl) return FM_ERR_UNSUPPORTED;
    net_url_shown(request->url, f.shown, sizeof f.shown);
    f.have = request->have && request->validator && request->validator[0] ? request->have : 0;
    const int code = ask(&f);
    if (code < 0 || !f.is_rest_useless) return code;
    f.have = 0;
    f.is_judged = f.is_rest_useless = false;
    return ask(&f);
}

/* ---- into memory ---- */

struct text {
    char *data; /* [limit + 1] */
    size_t size;
    int (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
};

static int text_progress(void *user, uint64_t done, uint64_t total)
{
    struct text *text = user;
    return text->progress ? text->progress(text->user, done, total) : 0;
}

static int text_write(void *user, const void *data, size_t size, struct fm_error *error)
{
    struct text *text = user;
    (void) error;
    memcpy(text->data + text->size, data, size); /* the limit was looked after */
    text->size += size;
    return FM_OK;
}

int net_fetch_text(const char *url, size_t limit, int (*progress)(void *user, uint64_t done, uint64_t total), void *user,
    char **text, size_t *size, struct net_answer *answer, struct fm_error *error)
{
    struct text t = {core_alloc(limit + 1), 0, progress, user};
    const struct net_request request = {.url = url, .limit = limit, .write = text_write, .progress = text_progress, .user = &t};
    *text = NULL;
    *answer = (struct net_answer){.status = 0};
    const int code = t.data ? net_fetch(&request, answer, error) : core_fail_nomem(error, limit + 1);
    if (code < 0) {
        core_free(t.data);
        return code;
    }
    t.data[t.size] = 0;
    *text = t.data;
    *size = t.size;
    return FM_OK;
}
