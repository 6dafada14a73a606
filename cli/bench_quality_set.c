/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "bench_quality.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "walk.h"

#define RATIO_MAX 1000

bool ratio_of(double scale, struct ratio *ratio)
{
    for (int down = 1; down <= RATIO_MAX; down++) {
        const double up = floor(scale * down + 0.5);
        if (up > RATIO_MAX) return false;
        *ratio = (struct ratio){(int) up, down};
        if (up >= 1 && fabs(up / down - scale) < 1e-9 * scale) return true;
    }
    return false;
}

/* ---- folders ---- */

struct search {
    struct quality_set *set;
    double scale;
    bool is_file; /* that was named itself: halves need no other half */
    int others;   /* pairs of other scales */
    int status;
};

static bool fail(struct search *s, int status)
{
    s->status = status;
    return false;
}

static bool add(struct search *s, char *name, char *large, char *small, bool has_small, bool is_clip)
{
    struct quality_set *set = s->set;
    struct quality_entry *grown = NULL;
    if (name && large && (small || !has_small)) grown = realloc(set->entry, ((size_t) set->n + 1) * sizeof *grown);
    if (!grown) {
        free(name), free(large), free(small);
        fprintf(stderr, "framemill: out of memory\n");
        return fail(s, EXIT_FAILED);
    }
    set->entry = grown;
    set->entry[set->n++] = (struct quality_entry){name, large, small, is_clip};
    return true;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The other half of a pair: its name differs in one letter, `at` in the path; that of a clip may have another ending too. Returns how
 * many there are; *half: one of them, or the name with the same ending where there is none; NULL: out of memory. */
static int find_half(const char *path, size_t at, bool is_clip, char **half)
{
    char *other = *half = strdup(path);
    if (!other) return 0;
    other[at] = path[at] == 'H' ? 'L' : 'H';
    if (is_there(other)) return 1;
    const char *slash = strrchr(path, '/');
    const size_t name_at = slash ? (size_t) (slash - path) + 1 : 0, length = at + 2 - name_at;
    char *folder = slash ? strndup(path, name_at) : strdup(".");
    DIR *dir = folder && is_clip ? opendir(folder) : NULL;
    int n = 0;
    for (struct dirent *found; dir && (found = readdir(dir));) {
        if (strncmp(found->d_name, other + name_at, length) != 0 || found->d_name[length] != '.' ||
            !fm_video_is_name(found->d_name) || strchr(found->d_name + length + 1, '.'))
            continue;
        char *text = text_of("%.*s%s", (int) name_at, path, found->d_name);
        if (!text) break;
        if (n++) free(*half);
        *half = text;
    }
    if (n) free(other);
    if (dir) closedir(dir);
    free(folder);
    return n;
}

static bool add_pair(struct search *s, const char *path, size_t at, size_t name_at, size_t name_length, bool is_clip)
{
    char *other;
    const bool large = path[at] == 'H';
    const int n = find_half(path, at, is_clip, &other);
    if (!other) return add(s, NULL, NULL, NULL, false, is_clip);
    if (n == 0 || (n > 1 && large)) {
        if (n == 0)
            fprintf(stderr, "framemill: %s: half a pair: %s is missing\n", path, other);
        else
            fprintf(stderr, "framemill: %s: %s is not the only one that could be its other half\n", path, other);
        free(other);
        return fail(s, EXIT_BAD_INPUT);
    }
    if (!large) { /* its large half brings it */
        free(other);
        return true;
    }
    return add(s, strndup(path + name_at, name_length), strdup(path), other, true, is_clip);
}

/* Can a file that was named itself be taken as one of a pair? */
static bool has_half(const char *path, size_t at, bool is_clip)
{
    char *other;
    const bool has = path[at] == 'H' && find_half(path, at, is_clip, &other) > 0;
    if (path[at] == 'H') free(other);
    return has;
}

static bool meet(void *user, const char *path, const char *below)
{
    struct search *s = user;
    (void) below;
    const bool is_picture = fm_upscale_is_picture_name(path), is_clip = !is_picture && (s->is_file || fm_video_is_name(path));
    if (!is_picture && !is_clip) return true;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    const size_t length = dot ? (size_t) (dot - name) : strlen(name), letter = (size_t) (name - path) + length - 2;
    const bool half = length > 3 && (!strncmp(name + length - 3, "_HR", 3) || !strncmp(name + length - 3, "_LR", 3));
    if (!half || (s->is_file && !has_half(path, letter, is_clip)))
        return add(s, strndup(name, length), strdup(path), NULL, false, is_clip);
    size_t own = length - 3; /* without _HR, and without _SRF_2 */
    for (size_t i = own; i-- > 0;)
        if (!strncmp(name + i, "_SRF_", 5)) {
            char *end;
            const double scale = strtod(name + i + 5, &end);
            if (end != name + own) break;
            if (fabs(scale - s->scale) > 1e-9) return s->others++, true;
            own = i;
            break;
        }
    return add_pair(s, path, letter, (size_t) (name - path), own, is_clip);
}

static bool fault(void *user, const char *path, int error)
{
    fprintf(stderr, "framemill: %s: %s\n", path, strerror(error));
    return fail(user, EXIT_BAD_INPUT);
}

int quality_set_open(const char *folder, double scale, struct quality_set *set)
{
    struct stat st;
    *set = (struct quality_set){.n = 0};
    struct search s = {.set = set, .scale = scale, .status = EXIT_DONE};
    const struct walk_visitor visitor = {meet, fault, &s};
    int hidden = 0;
    bool out_of_memory = false;
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && folder[begin - 1] != '/') begin--;
    snprintf(set->name, sizeof set->name, "%.*s", (int) (end - begin < 120 ? end - begin : 120), folder + begin);
    s.is_file = stat(folder, &st) == 0 && S_ISREG(st.st_mode);
    if (s.is_file) {
        meet(&s, folder, folder);
    } else if (!walk_folder(folder, NULL, &visitor, &hidden, &out_of_memory) && s.status == EXIT_DONE) {
        fprintf(stderr, "framemill: out of memory\n");
        s.status = EXIT_FAILED;
    }
    if (s.status != EXIT_DONE || set->n) return s.status;
    if (s.others)
        fprintf(stderr, "framemill: %s: no pairs for a scale of %g, only for others\n", folder, scale);
    else
        fprintf(stderr, "framemill: %s: no pictures, no clips\n", folder);
    return EXIT_BAD_INPUT;
}

void quality_set_close(struct quality_set *set)
{
    for (int i = 0; i < set->n; i++) {
        free(set->entry[i].name);
        free(set->entry[i].large);
        free(set->entry[i].small);
    }
    free(set->entry);
    *set = (struct quality_set){.n = 0};
}

/* ---- pictures ---- */

static struct fm_picture window(const struct fm_picture *p, int x, int y, int w, int h)
{
    struct fm_picture part = *p;
    part.width = w;
    part.height = h;
    part.data = (char *) p->data + (size_t) y * p->stride + (size_t) x * (size_t) (p->channels * p->bits / 8);
    return part;
}

static bool shrink(const struct fm_picture *from, struct ratio r, struct fm_picture *to, struct fm_error *error)
{
    return fm_quality_bicubic(from, from->width / r.up * r.down, from->height / r.up * r.down, to, error) == FM_OK;
}

static bool make_pans(struct quality_picture *p, struct ratio r, int border, struct fm_error *error)
{
    const int room_w = p->large.width - (PAN_FRAMES - 1), room_h = p->large.height - (PAN_FRAMES - 1);
    const int w = (room_w < PAN_SIDE ? room_w : PAN_SIDE) / r.up * r.up, h = (room_h < PAN_SIDE ? room_h : PAN_SIDE) / r.up * r.up;
    if (w <= 2 * border || h <= 2 * border) return true;
    p->n_pans = 2;
    for (int k = 0; k < 2; k++)
        for (int t = 0; t < PAN_FRAMES; t++) {
            p->pan[k][t] = window(&p->large, (room_w - w) / 2 + t, (room_h - h) / 2 + (k ? t : 0), w, h);
            if (!shrink(&p->pan[k][t], r, &p->small_pan[k][t], error)) return false;
        }
    return true;
}

int quality_pair_fits(const struct quality_entry *e, const struct fm_picture *large, const struct fm_picture *small, struct ratio r)
{
    if ((int64_t) small->width * r.up == (int64_t) large->width * r.down &&
        (int64_t) small->height * r.up == (int64_t) large->height * r.down)
        return EXIT_DONE;
    fprintf(stderr, "framemill: %s: %d x %d pixels are not %g times the %d x %d of %s\n", e->large, large->width, large->height,
        (double) r.up / r.down, small->width, small->height, e->small);
    return EXIT_BAD_INPUT;
}

int quality_shrink(const struct quality_entry *e, const struct fm_picture *whole, struct ratio r, int border,
    struct fm_picture *large, struct fm_picture *small)
{
    struct fm_error error = {0};
    const int w = whole->width / r.up * r.up, h = whole->height / r.up * r.up;
    if (w <= 2 * border + 10 || h <= 2 * border + 10) {
        fprintf(stderr, "framemill: %s: %d x %d pixels are too few to be measured\n", e->large, whole->width, whole->height);
        return EXIT_BAD_INPUT;
    }
    *large = window(whole, 0, 0, w, h);
    return shrink(large, r, small, &error) ? EXIT_DONE : report(&error);
}

int quality_picture_open(const struct quality_entry *e, struct ratio r, int border, struct quality_picture *p)
{
    *p = (struct quality_picture){.n_pans = 0};
    struct fm_error error = {0};
    if (fm_picture_read(e->large, &p->whole, &error) < 0) return report(&error);
    int status = EXIT_DONE;
    p->large = p->whole;
    if (!e->small)
        status = quality_shrink(e, &p->whole, r, border, &p->large, &p->small);
    else if (fm_picture_read(e->small, &p->small, &error) < 0)
        status = report(&error);
    else
        status = quality_pair_fits(e, &p->large, &p->small, r);
    if (status != EXIT_DONE) return status;
    return make_pans(p, r, border, &error) ? EXIT_DONE : report(&error);
}

void quality_picture_close(struct quality_picture *p)
{
    for (int k = 0; k < 2; k++)
        for (int t = 0; t < PAN_FRAMES; t++) fm_picture_destroy(&p->small_pan[k][t]);
    fm_picture_destroy(&p->small);
    fm_picture_destroy(&p->whole);
    *p = (struct quality_picture){.n_pans = 0};
}
