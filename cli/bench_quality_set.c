/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "bench_quality.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "framemill/upscale.h"
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
    int others; /* pairs of other scales */
    int status;
};

static bool fail(struct search *s, int status)
{
    s->status = status;
    return false;
}

static bool add(struct search *s, char *name, char *large, char *small, bool has_small)
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
    set->entry[set->n++] = (struct quality_entry){name, large, small};
    return true;
}

/* The other half of a pair: its name differs in one letter, `at` in the path. */
static bool add_pair(struct search *s, const char *path, size_t at, size_t name_at, size_t name_length)
{
    char *other = strdup(path);
    if (!other) return add(s, NULL, NULL, NULL, false);
    const bool large = path[at] == 'H';
    other[at] = large ? 'L' : 'H';
    if (access(other, F_OK) != 0) {
        fprintf(stderr, "framemill: %s: half a pair: %s is missing\n", path, other);
        free(other);
        return fail(s, EXIT_BAD_INPUT);
    }
    if (!large) { /* its large half brings it */
        free(other);
        return true;
    }
    return add(s, strndup(path + name_at, name_length), strdup(path), other, true);
}

static bool meet(void *user, const char *path, const char *below)
{
    struct search *s = user;
    (void) below;
    if (!fm_upscale_is_picture_name(path)) return true;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    const size_t length = dot ? (size_t) (dot - name) : strlen(name);
    const bool half = length > 3 && (!strncmp(name + length - 3, "_HR", 3) || !strncmp(name + length - 3, "_LR", 3));
    if (!half) return add(s, strndup(name, length), strdup(path), NULL, false);
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
    return add_pair(s, path, (size_t) (name - path) + length - 2, (size_t) (name - path), own);
}

static bool fault(void *user, const char *path, int error)
{
    fprintf(stderr, "framemill: %s: %s\n", path, strerror(error));
    return fail(user, EXIT_BAD_INPUT);
}

int quality_set_open(const char *folder, double scale, struct quality_set *set)
{
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
    if (!walk_folder(folder, NULL, &visitor, &hidden, &out_of_memory) && s.status == EXIT_DONE) {
        fprintf(stderr, "framemill: out of memory\n");
        s.status = EXIT_FAILED;
    }
    if (s.status != EXIT_DONE || set->n) return s.status;
    if (s.others)
        fprintf(stderr, "framemill: %s: no pairs of pictures for a scale of %g, only for others\n", folder, scale);
    else
        fprintf(stderr, "framemill: %s: no pictures\n", folder);
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

static int pair_fits(const struct quality_entry *e, const struct quality_picture *p, struct ratio r)
{
    if ((int64_t) p->small.width * r.up == (int64_t) p->large.width * r.down &&
        (int64_t) p->small.height * r.up == (int64_t) p->large.height * r.down)
        return EXIT_DONE;
    fprintf(stderr, "framemill: %s: %d x %d pixels are not %g times the %d x %d of %s\n", e->large, p->large.width, p->large.height,
        (double) r.up / r.down, p->small.width, p->small.height, e->small);
    return EXIT_BAD_INPUT;
}

int quality_picture_open(const struct quality_entry *e, struct ratio r, int border, struct quality_picture *p)
{
    *p = (struct quality_picture){.n_pans = 0};
    struct fm_error error = {0};
    if (fm_picture_read(e->large, &p->whole, &error) < 0) return report(&error);
    p->large = p->whole;
    if (e->small) {
        if (fm_picture_read(e->small, &p->small, &error) < 0) return report(&error);
        const int status = pair_fits(e, p, r);
        if (status != EXIT_DONE) return status;
    } else {
        const int w = p->whole.width / r.up * r.up, h = p->whole.height / r.up * r.up;
        if (w <= 2 * border + 10 || h <= 2 * border + 10) {
            fprintf(
                stderr, "framemill: %s: %d x %d pixels are too few to be measured\n", e->large, p->whole.width, p->whole.height);
            return EXIT_BAD_INPUT;
        }
        p->large = window(&p->whole, 0, 0, w, h);
        if (!shrink(&p->large, r, &p->small, &error)) return report(&error);
    }
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
