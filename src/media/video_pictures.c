/* SPDX-License-Identifier: MIT */
/* Pictures of a folder, or by number, as the packets of a video. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/error.h"
#include "media/still.h"
#include "media/video_parts.h"

struct picture {
    char *path;
    uint64_t number; /* of a pattern */
};

struct video_pictures {
    struct arena *arena;
    struct picture *list;
    int64_t n, capacity, next;
};

/* shot%05d.png: text, one % with an optional 0 and a width, d, text. Sets where the number is. */
static bool pattern_parts(const char *path, size_t *before, const char **after, int *width)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *percent = strchr(base, '%');
    if (!percent) return false;
    char *end;
    const long digits = isdigit((unsigned char) percent[1]) ? strtol(percent + 1, &end, 10) : (end = (char *) percent + 1, 0);
    if (*end != 'd' || digits > 18 || strchr(end, '%')) return false;
    *before = (size_t) (percent - base);
    *after = end + 1;
    *width = percent[1] == '0' ? (int) digits : 0;
    return true;
}

bool video_pictures_is_pattern(const char *path)
{
    size_t before;
    const char *after;
    int width;
    return pattern_parts(path, &before, &after, &width);
}

/* The number of `name` under the pattern, or false. A width means at least so many digits. */
static bool number_of(const char *name, const char *base, size_t before, const char *after, int width, uint64_t *number)
{
    if (strncmp(name, base, before) != 0) return false;
    const char *digits = name + before;
    const size_t n = strspn(digits, "0123456789");
    if (n == 0 || n > 18 || (int) n < width || ((int) n > width && n > 1 && digits[0] == '0')) return false;
    if (strcmp(digits + n, after) != 0) return false;
    *number = strtoull(digits, NULL, 10);
    return true;
}

/* Natural order: runs of digits compare as numbers, the rest as bytes; equal numbers by their zeros. */
static int natural(const char *a, const char *b)
{
    const char *const a0 = a, *const b0 = b;
    while (*a && *b) {
        if (isdigit((unsigned char) *a) && isdigit((unsigned char) *b)) {
            while (*a == '0') a++;
            while (*b == '0') b++;
            const size_t n = strspn(a, "0123456789"), m = strspn(b, "0123456789");
            if (n != m) return n < m ? -1 : 1;
            const int order = strncmp(a, b, n);
            if (order) return order;
            a += n;
            b += m;
        } else {
            if (*a != *b) return (unsigned char) *a < (unsigned char) *b ? -1 : 1;
            a++;
            b++;
        }
    }
    return *a ? 1 : *b ? -1 : strcmp(a0, b0);
}

static int by_name(const void *a, const void *b)
{
    return natural(((const struct picture *) a)->path, ((const struct picture *) b)->path);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t m = ((const struct picture *) a)->number, n = ((const struct picture *) b)->number;
    return m < n ? -1 : m > n;
}

static int add(struct video_pictures *p, const char *folder, const char *name, uint64_t number, struct fm_error *error)
{
    if (p->n == p->capacity) {
        const int64_t capacity = p->capacity ? 2 * p->capacity : 256;
        struct picture *list = core_alloc((size_t) capacity * sizeof *list);
        if (!list) return core_fail_nomem(error, (size_t) capacity * sizeof *list);
        if (p->n) memcpy(list, p->list, (size_t) p->n * sizeof *list);
        core_free(p->list);
        p->list = list;
        p->capacity = capacity;
    }
    char *path = arena_printf(p->arena, "%s%s%s", folder, folder[0] && folder[strlen(folder) - 1] != '/' ? "/" : "", name);
    if (!path) return core_fail_nomem(error, strlen(folder) + strlen(name));
    p->list[p->n++] = (struct picture){path, number};
    return FM_OK;
}

/* A number left out, or twice there ("7" and "07" under %d). */
static int check_numbers(const struct video_pictures *p, const char *name, struct fm_error *error)
{
    for (int64_t i = 1; i < p->n; i++) {
        if (p->list[i].number == p->list[i - 1].number + 1) continue;
        if (p->list[i].number == p->list[i - 1].number)
            return core_fail(error, FM_ERR_FORMAT, "%s: %s and %s have one number", name, p->list[i - 1].path, p->list[i].path);
        return core_fail(error, FM_ERR_FORMAT, "%s: number %llu is missing (%s is there); without a gap, or as a folder", name,
            (unsigned long long) (p->list[i - 1].number + 1), p->list[i].path);
    }
    return FM_OK;
}

/* One video has one kind of picture. */
static int check_kinds(const struct video_pictures *p, const char *name, struct fm_error *error)
{
    const char *first = p->n ? still_format_of(p->list[0].path) : NULL;
    for (int64_t i = 1; i < p->n; i++) {
        const char *format = still_format_of(p->list[i].path);
        if (format == first || (format && first && !strcmp(format, first))) continue;
        return core_fail(error, FM_ERR_UNSUPPORTED, "%s: pictures of one video must be of one kind: %s and %s", name,
            p->list[0].path, p->list[i].path);
    }
    return FM_OK;
}

int video_pictures_open(const char *path, const char *name, struct video_pictures **out, struct fm_error *error)
{
    size_t before = 0;
    const char *after = "", *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    int width = 0, code = FM_OK;
    struct stat st;
    const bool is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    struct video_pictures *p = core_calloc(1, sizeof *p);
    DIR *dir = NULL;
    *out = NULL;
    if (!p || !(p->arena = arena_create())) {
        core_free(p);
        return core_fail_nomem(error, sizeof *p);
    }
    char *folder = is_folder ? arena_strdup(p->arena, path) : arena_strndup(p->arena, path, (size_t) (base - path));
    if (!folder) {
        code = core_fail_nomem(error, strlen(path));
        goto done;
    }
    if (!is_folder) pattern_parts(path, &before, &after, &width);
    dir = opendir(folder[0] ? folder : ".");
    if (!dir) {
        code = core_fail(error, FM_ERR_IO, "%s: %s", name, strerror(errno));
        goto done;
    }
    for (struct dirent *entry; code == FM_OK && (entry = readdir(dir));) {
        uint64_t number = 0;
        const bool fits = is_folder ? entry->d_name[0] != '.' && still_is_picture_name(entry->d_name)
                                    : number_of(entry->d_name, base, before, after, width, &number);
        if (fits) code = add(p, folder, entry->d_name, number, error);
    }
    if (code == FM_OK && p->n == 0)
        code = core_fail(error, is_folder ? FM_ERR_FORMAT : FM_ERR_IO,
            is_folder ? "%s: no pictures in this folder" : "%s: no such pictures", name);
    if (code == FM_OK) {
        qsort(p->list, (size_t) p->n, sizeof *p->list, is_folder ? by_name : by_number);
        code = is_folder ? FM_OK : check_numbers(p, name, error);
    }
    if (code == FM_OK) code = check_kinds(p, name, error);
done:
    if (dir) closedir(dir);
    if (code == FM_OK)
        *out = p;
    else
        video_pictures_close(&p);
    return code;
}

void video_pictures_close(struct video_pictures **pictures)
{
    struct video_pictures *p = *pictures;
    *pictures = NULL;
    if (!p) return;
    arena_destroy(&p->arena);
    core_free(p->list);
    core_free(p);
}

const char *video_pictures_path(const struct video_pictures *pictures, int64_t index)
{
    return index >= 0 && index < pictures->n ? pictures->list[index].path : NULL;
}

int64_t video_pictures_count(const struct video_pictures *pictures)
{
    return pictures->n;
}

void video_pictures_seek(struct video_pictures *pictures, int64_t index)
{
    pictures->next = index < 0 ? 0 : index > pictures->n ? pictures->n : index;
}

static int read_all(int fd, uint8_t *to, int64_t size)
{
    while (size > 0) {
        const ssize_t n = read(fd, to, (size_t) size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? AVERROR(errno) : AVERROR(EIO);
        to += n;
        size -= n;
    }
    return 0;
}

int video_pictures_read(struct video_pictures *pictures, const struct av *av, AVPacket *packet)
{
    if (pictures->next >= pictures->n) return AVERROR_EOF;
    const int fd = open(pictures->list[pictures->next].path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0) return AVERROR(errno);
    int code = fstat(fd, &st) < 0 ? AVERROR(errno) : 0;
    if (!code && (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE))
        code = AVERROR_INVALIDDATA;
    if (!code) code = av->av_new_packet(packet, (int) st.st_size);
    if (!code) code = read_all(fd, packet->data, st.st_size);
    close(fd);
    if (code) {
        av->av_packet_unref(packet);
        return code;
    }
    packet->stream_index = 0;
    packet->pts = packet->dts = pictures->next++;
    packet->duration = 1;
    packet->flags |= AV_PKT_FLAG_KEY;
    return 0;
}
