/* SPDX-License-Identifier: MIT */
/* fm_models_pull as a program calls it, against a server in a thread of this one: progress, cancelling and going on, several threads
 * at once, every allocation made to fail. What servers do wrong is tried in tests/e2e/test_models.py. */
#define _GNU_SOURCE
#include "check.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/sha256.h"
#include "framemill/models.h"

#define SIZE 400000

static uint8_t content[SIZE];
static char sha256[SHA256_TEXT], folder[64], address[64];
static atomic_int requests, ranges; /* for the content; those that ask for a part of it */

/* ---- the server: /net.onnx and its checksum, nothing else ---- */

static bool send_all(int fd, const void *data, size_t size)
{
    for (const char *at = data; size;) {
        const ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0) return false;
        at += n;
        size -= (size_t) n;
    }
    return true;
}

static void serve(int fd)
{
    char request[4096], head[512];
    size_t used = 0;
    ssize_t n;
    do {
        n = recv(fd, request + used, sizeof request - 1 - used, 0);
        if (n > 0) used += (size_t) n;
        request[used] = 0;
    } while (n > 0 && used < sizeof request - 1 && !strstr(request, "\r\n\r\n"));
    const char *range = strstr(request, "Range: bytes="), *end = "Connection: close\r\n\r\n";
    if (!strncmp(request, "GET /net.onnx ", 14)) {
        const size_t from = range ? (size_t) atol(range + 13) : 0;
        atomic_fetch_add(&requests, 1);
        if (range) atomic_fetch_add(&ranges, 1);
        if (range)
            snprintf(head, sizeof head,
                "HTTP/1.1 206 Partial\r\nETag: \"7\"\r\nContent-Range: bytes %zu-%d/%d\r\nContent-Length: %zu\r\n%s", from,
                SIZE - 1, SIZE, SIZE - from, end);
        else
            snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nETag: \"7\"\r\nContent-Length: %d\r\n%s", SIZE, end);
        if (send_all(fd, head, strlen(head))) send_all(fd, content + from, SIZE - from);
    } else if (!strncmp(request, "GET /net.onnx.sha256 ", 21)) {
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n%s%s", end, sha256);
        send_all(fd, head, strlen(head));
    } else {
        snprintf(head, sizeof head, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n%s", end);
        send_all(fd, head, strlen(head));
    }
    shutdown(fd, SHUT_WR);
    while (recv(fd, request, sizeof request, 0) > 0) continue; /* until the other side has it all */
    close(fd);
}

static void *serve_all(void *arg)
{
    const int listening = *(const int *) arg;
    for (int fd; (fd = accept(listening, NULL, NULL)) >= 0;) serve(fd);
    return NULL;
}

static int listen_here(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *) &name, sizeof name) || listen(fd, 16) ||
        getsockname(fd, (struct sockaddr *) &name, &length))
        return -1;
    snprintf(address, sizeof address, "http://127.0.0.1:%d/net.onnx", ntohs(name.sin_port));
    return fd;
}

/* ---- helpers ---- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void) st;
    (void) kind;
    (void) where;
    return remove(path);
}

static void empty_folder(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    atomic_store(&requests, 0);
    atomic_store(&ranges, 0);
}

static struct fm_models_pull_params params_for(const char *what)
{
    return (struct fm_models_pull_params){.size = sizeof(struct fm_models_pull_params), .what = what, .directory = folder};
}

static long size_of(const char *name)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &st) == 0 ? (long) st.st_size : -1;
}

static bool content_is_there(void)
{
    static uint8_t read_back[SIZE + 1];
    char path[128];
    snprintf(path, sizeof path, "%s/net.onnx", folder);
    FILE *stream = fopen(path, "rb");
    const size_t n = stream ? fread(read_back, 1, sizeof read_back, stream) : 0;
    if (stream) fclose(stream);
    return CHECK_INT(n, SIZE) && CHECK_MEM(read_back, content, SIZE);
}

/* Without libcurl there is nothing to test. */
static bool has_downloads(void)
{
    struct fm_error error = {0};
    char path[128];
    const struct fm_models_pull_params params = params_for(address);
    const int code = fm_models_pull(&params, path, sizeof path, &error);
    empty_folder();
    return code != FM_ERR_UNSUPPORTED;
}

/* ---- tests ---- */

struct watch {
    int calls;
    uint64_t last, total, stop_at;
    bool goes_back;
    char file[64];
};

static int watch(void *user, const char *file, uint64_t done, uint64_t total)
{
    struct watch *w = user;
    w->calls++;
    if (total) {
        w->goes_back = w->goes_back || done < w->last;
        w->last = done;
        w->total = total;
        snprintf(w->file, sizeof w->file, "%s", file);
    }
    return w->stop_at && done >= w->stop_at;
}

static void progress_is_told(void)
{
    struct watch w = {0};
    struct fm_models_pull_params params = params_for(address);
    char path[128], wanted[128];
    struct fm_error error = {0};
    if (!has_downloads()) SKIP("no libcurl");
    params.progress = watch;
    params.user = &w;
    CHECK_MSG(fm_models_pull(&params, path, sizeof path, &error) == FM_OK, "%s", error.message);
    snprintf(wanted, sizeof wanted, "%s/net.onnx", folder);
    CHECK_STR(path, wanted);
    CHECK(w.calls > 0 && !w.goes_back);
    CHECK_INT(w.last, SIZE);
    CHECK_INT(w.total, SIZE);
    CHECK_STR(w.file, "net.onnx");
    content_is_there();
    CHECK_INT(size_of("net.onnx.part"), -1);
    CHECK_INT(size_of("net.onnx.part.info"), -1);
    empty_folder();
}

static void cancelled_and_gone_on_with(void)
{
    struct watch w = {.stop_at = 1};
    struct fm_models_pull_params params = params_for(address);
    char path[128] = "x";
    struct fm_error error = {0};
    if (!has_downloads()) SKIP("no libcurl");
    params.progress = watch;
    params.user = &w;
    CHECK_INT(fm_models_pull(&params, path, sizeof path, &error), FM_ERR_CANCELLED);
    CHECK_INT(error.code, FM_ERR_CANCELLED);
    CHECK_STR(path, "");
    CHECK_INT(size_of("net.onnx"), -1);
    const long part = size_of("net.onnx.part");
    CHECK_MSG(part > 0 && part <= SIZE, "%ld bytes are left", part);
    params.progress = NULL;
    CHECK_INT(fm_models_pull(&params, path, sizeof path, &error), FM_OK);
    CHECK_INT(atomic_load(&ranges), part < SIZE);
    content_is_there();
    empty_folder();
}

static void *pull_once(void *arg)
{
    char path[128];
    const struct fm_models_pull_params params = params_for(address);
    *(int *) arg = fm_models_pull(&params, path, sizeof path, NULL);
    return NULL;
}

static void threads_take_turns(void)
{
    enum { N = 4 };
    pthread_t thread[N];
    int code[N];
    if (!has_downloads()) SKIP("no libcurl");
    for (int i = 0; i < N; i++) CHECK_INT(pthread_create(&thread[i], NULL, pull_once, &code[i]), 0);
    for (int i = 0; i < N; i++) {
        pthread_join(thread[i], NULL);
        CHECK_INT(code[i], FM_OK);
    }
    CHECK_INT(atomic_load(&requests), 1);
    content_is_there();
    empty_folder();
}

static void every_allocation_fails_once(void)
{
    const struct fm_models_pull_params params = params_for(address);
    const int64_t live = core_alloc_live();
    int fails = 0, code = FM_ERR_NOMEM;
    if (!has_downloads()) SKIP("no libcurl");
    for (uint64_t n = 1; n < 200; n++) {
        char path[128] = "x";
        struct fm_error error = {0};
        core_alloc_fail_after(n, true);
        code = fm_models_pull(&params, path, sizeof path, &error);
        core_alloc_fail_after(0, false);
        if (code == FM_OK) break;
        if (!CHECK_INT(code, FM_ERR_NOMEM)) break;
        CHECK_INT(error.code, FM_ERR_NOMEM);
        CHECK_STR(path, "");
        CHECK_INT(size_of("net.onnx"), -1);
        fails++;
    }
    CHECK_INT(code, FM_OK);
    CHECK_MSG(fails > 3, "only %d allocations", fails);
    content_is_there();
    CHECK_INT(core_alloc_live(), live);
    empty_folder();
}

int main(void)
{
    static int listening;
    pthread_t server;
    struct sha256 state;
    uint8_t digest[SHA256_SIZE];
    for (size_t i = 0; i < SIZE; i++) content[i] = (uint8_t) (i * 2654435761u >> 11);
    sha256_start(&state);
    sha256_add(&state, content, SIZE);
    sha256_end(&state, digest);
    sha256_text(digest, sha256);
    for (const char *const *proxy = (const char *const[]){"http_proxy", "all_proxy", "ALL_PROXY", NULL}; *proxy; proxy++)
        unsetenv(*proxy);
    snprintf(folder, sizeof folder, "/tmp/framemill-pull-%ld", (long) getpid());
    listening = listen_here();
    if (listening < 0 || pthread_create(&server, NULL, serve_all, &listening)) {
        perror("server");
        return EXIT_FAILURE;
    }
    RUN(progress_is_told);
    RUN(cancelled_and_gone_on_with);
    RUN(threads_take_turns);
    RUN(every_allocation_fails_once);
    shutdown(listening, SHUT_RDWR); /* wakes accept */
    pthread_join(server, NULL);
    close(listening);
    return check_report();
}
