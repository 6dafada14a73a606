/* SPDX-License-Identifier: MIT */
#include "tasks/upscale/upscale.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/cpu.h"
#include "core/error.h"
#include "model/find.h"
#include "tasks/upscale/job.h"
#include "tasks/upscale/shipped.h"

#define DEFAULT_SCALE 2.0
#define DEFAULT_OVERLAP 10
#define WORKER_BUDGET ((size_t) 1 << 30) /* bytes: below, several workers would only make each other's tiles small */

static void note(struct upscale *u, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct upscale *u, const char *format, ...)
{
    char text[FM_ERROR_MESSAGE_MAX + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (u->n_notes < UPSCALE_NOTES_MAX && (u->note[u->n_notes] = core_strdup(text))) u->n_notes++;
}

/* ---- networks ---- */

/* A fallback takes the place of a network of the same scale only. */
static bool scale_suits(const struct upscale *u, const struct network *n)
{
    if (u->n_networks) return n->scale == u->network[0]->scale;
    return true;
}

static int open_networks(struct upscale *u, const char *const *models, struct fm_error *error)
{
    const double scale = u->params.scale > 0 ? u->params.scale : DEFAULT_SCALE;
    const char *shipped[] = {NULL, NULL};
    if (!models || !models[0]) {
        models = shipped;
        shipped[0] = shipped_for(scale, SHIPPED_STILLS, u->params.model_dir);
        if (!shipped[0] && u->params.strict)
            return core_fail(error, FM_ERR_IO, "no network was named, and none that came with framemill was found");
        if (!shipped[0]) note(u, "no network was named, and none that came with framemill was found: plain Lanczos");
    }
    bool missing = false;
    for (int i = 0; models[i] && strcmp(models[i], SHIPPED_PLAIN) != 0; i++) {
        char path[FIND_PATH_MAX];
        struct fm_error why = {0};
        struct network *n = NULL;
        int code = find_network(models[i], u->params.model_dir, path, sizeof path, &why);
        if (code == FM_OK) code = network_open(path, u->pool, u->cpu_flags, &n, &why);
        if (code < 0 && (u->params.strict || code == FM_ERR_NOMEM)) {
            if (error) *error = why;
            return code;
        }
        if (code < 0) {
            note(u, "%s", why.message);
            missing = true;
        } else if (!scale_suits(u, n) || u->n_networks == UPSCALE_NETWORKS_MAX) {
            note(u, "%s: x%d, not x%d: no stand-in for %s", n->name, n->scale, u->network[0]->scale, u->network[0]->name);
            network_close(&n);
        } else {
            if (n->said[0]) note(u, "%s", n->said);
            u->network[u->n_networks++] = n;
        }
    }
    if (missing && u->n_networks) note(u, "%s takes its place", u->network[0]->name);
    if (missing && !u->n_networks) note(u, "no network is left: plain Lanczos takes its place");
    return FM_OK;
}

double upscale_scale(const struct upscale *u)
{
    if (u->params.scale > 0) return u->params.scale;
    return u->n_networks && !u->network[0]->enlarged_first ? u->network[0]->scale : DEFAULT_SCALE;
}

struct chain_params upscale_chain_params(const struct job *job, const struct network *network)
{
    const struct upscale *u = job->upscale;
    const struct fm_upscale_params *p = &u->params;
    return (struct chain_params){.width = job->info.width,
        .height = job->info.height,
        .colours = pixel_colours(job->info.format),
        .alpha = pixel_has_alpha(job->info.format),
        .network = network,
        .scale = upscale_scale(u),
        .plugins = network || !job->chain ? u->plugin : NULL, /* the plain half of a comparison goes without */
        .n_plugins = network || !job->chain ? u->n_plugins : 0,
        .ensemble = p->ensemble && network,
        .feather_tile = p->tile,
        .overlap = p->overlap < 0 ? 0
                   : p->overlap   ? p->overlap
                                  : DEFAULT_OVERLAP,
        .threads = u->threads,
        .cpu_flags = u->cpu_flags};
}

/* A chain that was made for a picture of the same size, or a new one, kept for the next. */
static int kept_chain(struct upscale *u, const struct chain_params *params, struct chain **out, struct fm_error *error)
{
    for (int i = 0; i < UPSCALE_CHAINS_KEPT; i++) {
        struct chain *c = u->kept[i];
        if (!c || !chain_fits(c, params)) continue;
        memmove(&u->kept[1], &u->kept[0], (size_t) i * sizeof u->kept[0]);
        u->kept[0] = c;
        *out = chain_ref(c);
        return FM_OK;
    }
    const int code = chain_create(params, out, error);
    if (code < 0) return code;
    chain_unref(&u->kept[UPSCALE_CHAINS_KEPT - 1]);
    memmove(&u->kept[1], &u->kept[0], (UPSCALE_CHAINS_KEPT - 1) * sizeof u->kept[0]);
    u->kept[0] = chain_ref(*out);
    return FM_OK;
}

int upscale_chain(struct job *job, struct fm_error *error)
{
    struct upscale *u = job->upscale;
    const bool shrinks = upscale_scale(u) < 1;
    for (int i = 0; i < u->n_networks && !shrinks; i++) {
        const struct chain_params params = upscale_chain_params(job, u->network[i]);
        const int code = kept_chain(u, &params, &job->chain, error);
        if (code == FM_OK || code == FM_ERR_NOMEM || u->params.strict) return code;
        job_warn(job, "%s cannot do this picture: %s", u->network[i]->name, error->message);
    }
    if (u->n_networks && shrinks) job_warn(job, "made smaller: by plain Lanczos, without the network");
    const struct chain_params plain = upscale_chain_params(job, NULL);
    return kept_chain(u, &plain, &job->chain, error);
}

/* ---- life ---- */

/* Half of what the machine has free; what it does not say is taken for 2 GiB. */
static size_t default_memory(void)
{
    static const char name[] = "MemAvailable:";
    unsigned long long kib = 2 << 20;
    FILE *f = fopen("/proc/meminfo", "r");
    char line[128];
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, name, sizeof name - 1)) {
            kib = strtoull(line + sizeof name - 1, NULL, 10);
            break;
        }
    if (f) fclose(f);
    return (size_t) kib / 2 * 1024;
}

/* Many pictures: one for each thread at a time, so that no thread ever waits for another. Few, or little memory: all threads work on one. */
int upscale_staff(struct upscale *u, int n_files, struct fm_error *error)
{
    const int threads = pool_threads(u->pool);
    int workers = u->params.workers;
    if (!workers) workers = n_files >= 2 * threads && u->budget / (size_t) threads >= WORKER_BUDGET ? threads : 1;
    u->workers = workers < UPSCALE_WORKERS_MAX ? workers : UPSCALE_WORKERS_MAX;
    u->writers = u->params.writers > 0 ? u->params.writers : threads;
    if (u->writers > UPSCALE_WORKERS_MAX) u->writers = UPSCALE_WORKERS_MAX;
    u->lone = n_files == 1;
    u->slots =
        u->lone ? u->workers + 2 : u->workers + u->writers + 2; /* one being read, those computed, those written, one to spare */
    u->threads = threads / u->workers > 1 ? threads / u->workers : 1;
    for (int i = 0; i < u->workers && u->workers > 1; i++) {
        if (u->worker_pool[i] && pool_threads(u->worker_pool[i]) == u->threads) continue;
        pool_destroy(&u->worker_pool[i]);
        const int code = pool_create(u->threads, &u->worker_pool[i], error);
        if (code < 0) return code;
    }
    return FM_OK;
}

static int load_plugins(struct upscale *u, const char *const *names, struct fm_error *error)
{
    int n = 0;
    while (names && names[n]) n++;
    u->plugin = core_calloc((size_t) n + 1, sizeof(struct plugin *));
    if (!u->plugin) return core_fail_nomem(error, 0);
    for (; u->n_plugins < n; u->n_plugins++) {
        const int code = plugin_open(names[u->n_plugins], &u->plugin[u->n_plugins], error);
        if (code < 0) return code;
    }
    return FM_OK;
}

static int check(const struct fm_upscale_params *p, struct fm_error *error)
{
    if (!(p->scale >= 0 && p->scale <= 64))
        return core_fail(error, FM_ERR_ARGUMENT, "a scale of %g: not between 0 and 64", p->scale);
    if (p->tile < 0 || (p->tile > 0 && p->tile < 16))
        return core_fail(error, FM_ERR_ARGUMENT, "a tile of %d pixels: 16 is the least", p->tile);
    if (p->quality < 0 || p->quality > 100)
        return core_fail(error, FM_ERR_ARGUMENT, "a quality of %d: not between 1 and 100", p->quality);
    if (p->compression > 9) return core_fail(error, FM_ERR_ARGUMENT, "a compression of %d: 9 is the most", p->compression);
    if (p->overlap > 1024) return core_fail(error, FM_ERR_ARGUMENT, "an overlap of %d pixels: 1024 is the most", p->overlap);
    return FM_OK;
}

int upscale_create(
    const struct fm_upscale_params *params, struct pool *pool, uint32_t cpu_flags, struct upscale **out, struct fm_error *error)
{
    *out = NULL;
    int code = check(params, error);
    if (code < 0) return code;
    struct upscale *u = core_calloc(1, sizeof *u);
    if (!u) return core_fail_nomem(error, sizeof *u);
    u->params = *params;
    u->pool = pool;
    u->cpu_flags = cpu_flags;
    atomic_init(&u->cancel, false);
    const size_t memory = params->memory ? params->memory : default_memory();
    const size_t base = memory / 8 < (32u << 20) ? memory / 8 : 32u << 20; /* the program itself and libvips */
    u->budget = memory - base;
    code = load_plugins(u, params->plugins, error);
    if (code == FM_OK) code = open_networks(u, params->models, error);
    /* Only what is copied stays. */
    u->params.models = u->params.plugins = NULL;
    u->params.model_dir = NULL;
    if (code < 0) upscale_destroy(&u);
    *out = u;
    return code;
}

void upscale_destroy(struct upscale **upscale)
{
    struct upscale *u = *upscale;
    *upscale = NULL;
    if (!u) return;
    upscale_picture_forget(u);
    for (int i = 0; i < UPSCALE_CHAINS_KEPT; i++) chain_unref(&u->kept[i]);
    for (int i = 0; i < u->n_networks; i++) network_close(&u->network[i]);
    for (int i = 0; i < u->n_plugins; i++) plugin_close(&u->plugin[i]);
    for (int i = 0; i < u->n_notes; i++) core_free(u->note[i]);
    for (int i = 0; i < UPSCALE_WORKERS_MAX; i++) pool_destroy(&u->worker_pool[i]);
    core_free(u->plugin);
    core_free(u);
}

int upscale_describe(
    struct upscale *u, const struct fm_upscale_file *file, fm_upscale_report_fn report, void *user, struct fm_error *error)
{
    struct job *job;
    int code = upscale_staff(u, 1, error);
    if (code < 0) return code;
    code = job_create(u, file, 0, 1, &job);
    if (code < 0) return core_fail_nomem(error, 0);
    job->code = code = job_open(job);
    if (code < 0 && error) *error = job->error;
    job_report(job, report, user);
    job_destroy(&job);
    return code;
}
