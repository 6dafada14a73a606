/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* flock, O_CLOEXEC, nanosleep */
#include "net/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "net/fetch.h"
#include "net/url.h"

#define DOWNLOAD_PATH_MAX 4096
#define TRIES_MAX 5 /* for connections that are cut */
#define WAIT_MS 100
#define PIECE ((size_t) 1 << 16)

struct net_download {
    const struct net_file *file; /* during net_download_get */
    char path[DOWNLOAD_PATH_MAX], part[DOWNLOAD_PATH_MAX + 8], info[DOWNLOAD_PATH_MAX + 16];
    int fd;                    /* of the part, locked; -1: none */
    bool is_there;             /* the file itself is there already, and right */
    bool has_waited;           /* for another download of it */
    char shown[256];           /* the address, for messages */
    char version[SHA256_TEXT]; /* of the address: it may hold secrets, so this is what is written down */
    char validator[NET_VALIDATOR_MAX];
};

static int disk_failed(const char *path, struct fm_error *error)
{
    return core_fail(error, FM_ERR_IO, "%s: %s", path, strerror(errno));
}

static int report_progress(const struct net_file *file, uint64_t done, uint64_t total)
{
    if (!file->progress || file->progress(file->user, done, total) == 0) return FM_OK;
    return FM_ERR_CANCELLED;
}

static void pause_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* ---- checksums ---- */

static int digest_of(int fd, const char *path, uint8_t digest[SHA256_SIZE], struct fm_error *error)
{
    struct sha256 state;
    uint8_t *piece = core_alloc(PIECE);
    ssize_t n;
    off_t at = 0;
    if (!piece) return core_fail_nomem(error, PIECE);
    sha256_start(&state);
    while ((n = pread(fd, piece, PIECE, at)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0) continue;
        sha256_add(&state, piece, (size_t) n);
        at += n;
    }
    const int code = n < 0 ? disk_failed(path, error) : FM_OK;
    sha256_end(&state, digest);
    core_free(piece);
    return code;
}

/* 1: the file has the checksum, 0: not, or an error. */
static int is_right(int fd, const char *path, const uint8_t *sha256, struct fm_error *error)
{
    uint8_t digest[SHA256_SIZE];
    const int code = digest_of(fd, path, digest, error);
    return code < 0 ? code : memcmp(digest, sha256, SHA256_SIZE) == 0;
}

/* ---- the file that may be there ---- */

/* 1: it is there and will do, 0: it is to be fetched, or an error. */
static int look_there(struct net_download *d, struct fm_error *error)
{
    struct stat st;
    const struct net_file *file = d->file;
    if (stat(d->path, &st) != 0) return errno == ENOENT ? 0 : disk_failed(d->path, error);
    if (!S_ISREG(st.st_mode)) return core_fail(error, FM_ERR_IO, "%s: is there, and no regular file", d->path);
    int right = d->has_waited && !file->sha256; /* the other download brought it */
    if (file->sha256) {
        const int fd = open(d->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return disk_failed(d->path, error);
        right = is_right(fd, d->path, file->sha256, error);
        close(fd);
    }
    if (right || file->overwrite) return right;
    if (!file->sha256) return core_fail(error, FM_ERR_ARGUMENT, "%s: is there already", d->path);
    return core_fail(error, FM_ERR_ARGUMENT, "%s: is there already, and not what %s says", d->path, file->sha256_source);
}

/* ---- the part, and its lock ---- */

/* Waits for the lock. The part may be renamed or removed by whoever held it: then the lock is on something else, and is tried
 * anew. */
static int lock_part(struct net_download *d, struct fm_error *error)
{
    for (;;) {
        struct stat mine, named;
        d->fd = open(d->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (d->fd < 0) return disk_failed(d->part, error);
        while (flock(d->fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EINTR) continue;
            if (errno != EWOULDBLOCK) return disk_failed(d->part, error);
            d->has_waited = true;
            if (fstat(d->fd, &mine) != 0) mine.st_size = 0;
            if (report_progress(d->file, (uint64_t) mine.st_size, 0))
                return core_fail(error, FM_ERR_CANCELLED, "%s: cancelled", d->shown);
            pause_ms(WAIT_MS);
        }
        if (fstat(d->fd, &mine) != 0) return disk_failed(d->part, error);
        if (!S_ISREG(mine.st_mode)) return core_fail(error, FM_ERR_IO, "%s: is there, and no regular file", d->part);
        if (stat(d->part, &named) == 0 && mine.st_dev == named.st_dev && mine.st_ino == named.st_ino) return FM_OK;
        close(d->fd);
        d->fd = -1;
    }
}

static uint64_t part_size(const struct net_download *d)
{
    struct stat st;
    return fstat(d->fd, &st) == 0 && st.st_size > 0 ? (uint64_t) st.st_size : 0;
}

static void remove_part(const struct net_download *d)
{
    unlink(d->info);
    unlink(d->part);
}

/* Two lines: the address's digest, and the version of the file. Damage means that the part is not gone on with. */
static void read_info(struct net_download *d)
{
    char url[SHA256_TEXT + 2] = "", validator[NET_VALIDATOR_MAX + 2] = "";
    FILE *stream = fopen(d->info, "re");
    d->validator[0] = 0;
    if (!stream) return;
    if (fgets(url, sizeof url, stream) && fgets(validator, sizeof validator, stream)) {
        const size_t length = strcspn(validator, "\n");
        url[strcspn(url, "\n")] = 0;
        bool good = validator[length] == '\n' && length < sizeof d->validator && !strcmp(url, d->version);
        for (size_t i = 0; i < length; i++) good = good && (unsigned char) validator[i] >= 0x20 && validator[i] != 0x7f;
        validator[length] = 0;
        if (good) memcpy(d->validator, validator, length + 1);
    }
    fclose(stream);
}

static int write_info(struct net_download *d, const char *validator, struct fm_error *error)
{
    FILE *stream = fopen(d->info, "we");
    if (!stream) return disk_failed(d->info, error);
    const bool written = fprintf(stream, "%s\n%s\n", d->version, validator) > 0;
    if (fclose(stream) != 0 || !written) return disk_failed(d->info, error);
    snprintf(d->validator, sizeof d->validator, "%s", validator);
    return FM_OK;
}

/* ---- fetching ---- */

static int part_begin(void *user, uint64_t offset, const struct net_answer *answer, struct fm_error *error)
{
    struct net_download *d = user;
    if (d->file->bytes && answer->total && answer->total != d->file->bytes)
        return core_fail(error, FM_ERR_FORMAT, "%s: has %llu bytes, %s says %llu", d->shown, (unsigned long long) answer->total,
            d->file->sha256_source, (unsigned long long) d->file->bytes);
    if (ftruncate(d->fd, (off_t) offset) != 0 || lseek(d->fd, (off_t) offset, SEEK_SET) < 0) return disk_failed(d->part, error);
    return offset ? FM_OK : write_info(d, answer->validator, error);
}

static int part_write(void *user, const void *data, size_t size, struct fm_error *error)
{
    struct net_download *d = user;
    const char *at = data;
    while (size) {
        const ssize_t n = write(d->fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return disk_failed(d->part, error);
        at += n;
        size -= (size_t) n;
    }
    return FM_OK;
}

static int part_progress(void *user, uint64_t done, uint64_t total)
{
    const struct net_download *d = user;
    return report_progress(d->file, done, total ? total : d->file->bytes);
}

/* A connection that is cut is taken up again as long as that brings something. */
static int fetch_part(struct net_download *d, long *status, struct fm_error *error)
{
    for (int i = 1;; i++) {
        struct net_answer answer;
        const uint64_t have = part_size(d);
        const struct net_request request = {.url = d->file->url,
            .have = have,
            .validator = d->validator,
            .limit = d->file->bytes,
            .begin = part_begin,
            .write = part_write,
            .progress = part_progress,
            .user = d};
        const int code = net_fetch(&request, &answer, error);
        if (answer.status) *status = answer.status;
        if (code != FM_ERR_IO || !answer.is_transient || !answer.status || i == TRIES_MAX || part_size(d) <= have) return code;
        pause_ms(WAIT_MS * i);
    }
}

static int wrong_checksum(struct net_download *d, struct fm_error *error)
{
    char is[SHA256_TEXT], wanted[SHA256_TEXT];
    uint8_t digest[SHA256_SIZE];
    const int code = digest_of(d->fd, d->part, digest, error);
    if (code < 0) return code;
    sha256_text(digest, is);
    sha256_text(d->file->sha256, wanted);
    return core_fail(error, FM_ERR_FORMAT, "%s: refused and removed: its SHA-256 is %s, %s says %s", d->shown, is,
        d->file->sha256_source, wanted);
}

/* What an earlier download left may be all of it, with nothing left to ask for. */
static int fill_part(struct net_download *d, long *status, struct fm_error *error)
{
    const struct net_file *file = d->file;
    const uint64_t have = part_size(d);
    int right = 0;
    read_info(d);
    if (have && file->sha256 && (!file->bytes || file->bytes == have)) right = is_right(d->fd, d->part, file->sha256, error);
    if (right < 0) return right;
    int code = right ? FM_OK : fetch_part(d, status, error);
    if (code == FM_OK && !right && file->bytes && part_size(d) != file->bytes)
        code = core_fail(error, FM_ERR_FORMAT, "%s: refused and removed: it has %llu bytes, %s says %llu", d->shown,
            (unsigned long long) part_size(d), file->sha256_source, (unsigned long long) file->bytes);
    if (code == FM_OK && !right && file->sha256) {
        right = is_right(d->fd, d->part, file->sha256, error);
        code = right < 0 ? right : right ? FM_OK : wrong_checksum(d, error);
    }
    if (code == FM_ERR_FORMAT) remove_part(d);
    if (code == FM_OK && fsync(d->fd) != 0) code = disk_failed(d->part, error);
    if (code == FM_OK && report_progress(file, part_size(d), part_size(d)))
        code = core_fail(error, FM_ERR_CANCELLED, "%s: cancelled", d->shown);
    return code;
}

int net_download_get(const struct net_file *file, struct net_download **out, long *status, struct fm_error *error)
{
    long ignored;
    uint8_t digest[SHA256_SIZE];
    struct sha256 state;
    struct net_download *d = core_calloc(1, sizeof *d);
    *out = NULL;
    if (!status) status = &ignored;
    *status = 0;
    if (!d) return core_fail_nomem(error, sizeof *d);
    d->file = file;
    d->fd = -1;
    net_url_shown(file->url, d->shown, sizeof d->shown);
    sha256_start(&state);
    sha256_add(&state, file->url, strlen(file->url));
    sha256_end(&state, digest);
    sha256_text(digest, d->version);
    int code = FM_OK;
    if (snprintf(d->path, sizeof d->path, "%s", file->path) >= (int) sizeof d->path)
        code = core_fail(error, FM_ERR_ARGUMENT, "%s: the path is too long", file->path);
    snprintf(d->part, sizeof d->part, "%s.part", d->path);
    snprintf(d->info, sizeof d->info, "%s.info", d->part);
    if (code == FM_OK) code = look_there(d, error);
    if (code == FM_OK) {
        code = lock_part(d, error);
        if (code == FM_OK) code = look_there(d, error); /* while the lock was waited for, it may have come */
        if (code == FM_OK)
            code = fill_part(d, status, error);
        else if (code == 1)
            remove_part(d);
    }
    d->is_there = code == 1;
    d->file = NULL;
    if (code < 0)
        net_download_drop(&d);
    else
        *out = d;
    return code < 0 ? code : FM_OK;
}

/* The new name is on the disk when the folder is. Some file systems do not sync folders; nothing is lost then but the promise. */
static void sync_folder(const char *path)
{
    char folder[DOWNLOAD_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) slash[slash == folder] = 0;
    const int fd = open(slash ? folder : ".", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0) return;
    (void) fsync(fd);
    close(fd);
}

int net_download_place(struct net_download **download, struct fm_error *error)
{
    struct net_download *d = *download;
    int code = FM_OK;
    if (!d->is_there && rename(d->part, d->path) != 0) code = disk_failed(d->path, error);
    if (!d->is_there && code == FM_OK) {
        unlink(d->info);
        sync_folder(d->path);
    }
    net_download_drop(download);
    return code;
}

void net_download_drop(struct net_download **download)
{
    struct net_download *d = *download;
    *download = NULL;
    if (!d) return;
    if (d->fd >= 0) {
        struct stat mine, named; /* an empty part is good for nothing; one that was placed has another name now */
        if (fstat(d->fd, &mine) == 0 && mine.st_size == 0 && stat(d->part, &named) == 0 && mine.st_ino == named.st_ino &&
            mine.st_dev == named.st_dev)
            remove_part(d);
        close(d->fd);
    }
    core_free(d);
}

int net_make_folders(const char *path, struct fm_error *error)
{
    char folder[DOWNLOAD_PATH_MAX];
    struct stat st;
    if (snprintf(folder, sizeof folder, "%s", path) >= (int) sizeof folder)
        return core_fail(error, FM_ERR_ARGUMENT, "%s: the path is too long", path);
    for (char *at = folder + 1; folder[0] && *at; at++) {
        if (*at != '/') continue;
        *at = 0;
        (void) mkdir(folder, 0777); /* what matters is whether the last one is there */
        *at = '/';
    }
    if (mkdir(folder, 0777) == 0 || (errno == EEXIST && stat(folder, &st) == 0 && S_ISDIR(st.st_mode))) return FM_OK;
    return disk_failed(folder, error);
}
