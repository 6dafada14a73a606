/* SPDX-License-Identifier: MIT */
/* Chosen pixels: what spreading leaves unmarked keeps every bit when the input changes, and a run of chosen pixels gives them the bits of a
 * whole run, though all that the session remembers is no numbers. */
#include "golden.h"
#include "model/model.h"
#include "net_random.h"

#define NETS 120
#define TURNS 8

struct subject {
    const char *name;
    char what[64];
    struct fm_tensor in, before, after,
        poison; /* input that changes; what whole runs give before and after; an input of no numbers */
    struct bitmap changed, differs, only;
    float *out;
};

static size_t pixels(const struct fm_tensor *t)
{
    return (size_t) t->dim[2] * (size_t) t->dim[3];
}

static bool is_set(const struct bitmap *b, int x, int y)
{
    return bitmap_row(b, y)[x / 64] >> (x % 64) & 1;
}

static struct rect random_part(int width, int height)
{
    struct rect r = {.w = 1 + net_pick(width), .h = 1 + net_pick(height)};
    if (net_pick(3)) r.w = 1 + net_pick(width < 12 ? width : 12), r.h = 1 + net_pick(height < 12 ? height : 12);
    r.x = net_pick(width - r.w + 1), r.y = net_pick(height - r.h + 1);
    return r;
}

static void mark(struct bitmap *b, struct rect r)
{
    for (int y = r.y; y < r.y + r.h; y++) bits_set(bitmap_row(b, y), r.x, r.x + r.w);
}

/* Changes some pixels, of one channel each, and says which. */
static void change(struct subject *s)
{
    const int w = s->changed.width, h = s->changed.height;
    bitmap_clear(&s->changed);
    for (int n = net_pick(4); n > 0; n--) {
        const struct rect r = random_part(w, h);
        const bool dense = net_pick(2);
        for (int y = r.y; y < r.y + r.h; y++)
            for (int x = r.x; x < r.x + r.w; x++) {
                if (!dense && net_pick(6)) continue;
                const size_t at = (size_t) net_pick((int) s->in.dim[1]) * pixels(&s->in) + (size_t) y * (size_t) w + (size_t) x;
                ((float *) s->in.data)[at] = net_random();
                bits_set(bitmap_row(&s->changed, y), x, x + 1);
            }
    }
}

static void whole(struct session_work *work, const struct fm_tensor *in, struct fm_tensor *out)
{
    struct fm_error error = {0};
    CHECK_MSG(session_work_run(work, &(struct backend_call){.inputs = in, .outputs = out}, &error) == FM_OK, "%s", error.message);
}

/* The pixels of `which` (or, `inverse`, the others) are the same. */
static void same(
    const struct subject *s, const float *a, const float *b, const struct bitmap *which, bool inverse, const char *what)
{
    const int w = which->width, h = which->height;
    for (int64_t c = 0; c < s->after.dim[1]; c++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                const size_t at = (size_t) c * pixels(&s->after) + (size_t) y * (size_t) w + (size_t) x;
                if (is_set(which, x, y) == inverse || !memcmp(&a[at], &b[at], sizeof *a)) continue;
                CHECK_MSG(false, "%s, %s: %s: channel %d, row %d, column %d of %d x %d: %g, not %g", s->name, s->what, what,
                    (int) c, y, x, w, h, (double) a[at], (double) b[at]);
                return;
            }
}

static void choose(struct subject *s, struct session_work *work, const struct bitmap *only, const char *what)
{
    struct fm_error error = {0};
    struct fm_tensor nothing = s->after;
    nothing.data = s->out;
    whole(work, &s->poison, &nothing);
    const int code = session_choice_run(work, only, s->in.data, s->out, NULL, &error);
    if (CHECK_MSG(code == FM_OK, "%s, %s: %s", s->name, s->what, error.message)) same(s, s->out, s->after.data, only, false, what);
}

static void turn(struct subject *s, struct session_work *work)
{
    struct fm_error error = {0};
    change(s);
    memcpy(s->before.data, s->after.data, golden_bytes(&s->after));
    whole(work, &s->in, &s->after);
    CHECK_MSG(session_spread(work, &s->changed, &s->differs, &error) == FM_OK, "%s", error.message);
    same(s, s->after.data, s->before.data, &s->differs, true, "kept");
    choose(s, work, &s->differs, "what may differ");
    bitmap_clear(&s->only);
    for (int n = net_pick(4); n > 0; n--) mark(&s->only, random_part(s->only.width, s->only.height));
    choose(s, work, &s->only, "chosen");
}

/* Regions, by themselves and below one another, where `after` is what a whole run gives. */
static void regions(const struct subject *s, struct prepared *ready)
{
    struct session_work *work = NULL;
    struct fm_error error = {0};
    const int w = s->differs.width, h = s->differs.height;
    const struct rect all = rect_whole(s->changed.width, s->changed.height);
    if (!session_can_region(ready) || !CHECK_INT(session_work_create(ready, golden_pool[1], true, &work, &error), FM_OK)) return;
    for (int i = 0, y = 0; i < 12; i++) {
        struct rect r = random_part(w, h);
        if (i >= 4 && h < 8) break;
        if (i >= 4) r = (struct rect){0, y, w, i == 11 ? h - y : h / 8}, y += h / 8;
        CHECK_MSG(session_region_run(work, r, all, s->in.data, s->out, NULL, &error) == FM_OK, "%s", error.message);
        for (int64_t c = 0; c < s->after.dim[1]; c++)
            for (int row = 0; row < r.h; row++) {
                const float *made = s->out + ((size_t) c * (size_t) r.h + (size_t) row) * (size_t) r.w;
                const float *right =
                    (const float *) s->after.data + (size_t) c * pixels(&s->after) + (size_t) (r.y + row) * (size_t) w + r.x;
                if (!memcmp(made, right, (size_t) r.w * sizeof *made)) continue;
                CHECK_MSG(false, "%s, %s: region of %d x %d at %d, %d: row %d", s->name, s->what, r.w, r.h, r.x, r.y, row);
                row = r.h, c = s->after.dim[1];
            }
    }
    session_work_destroy(&work);
}

/* The third run of a kind asks nothing of the heap. */
static void heap(struct subject *s, struct session_work *work)
{
    const uint64_t count = core_alloc_count();
    CHECK_INT(session_spread(work, &s->changed, &s->differs, NULL), FM_OK);
    CHECK_INT(session_choice_run(work, &s->differs, s->in.data, s->out, NULL, NULL), FM_OK);
    CHECK(core_alloc_count() == count);
}

static void failing(struct subject *s, struct prepared *ready)
{
    for (uint64_t i = 1, failed = true; failed && i < 1000; i++) {
        struct session_work *work = NULL;
        struct fm_error error = {0};
        const int64_t live = core_alloc_live();
        CHECK_INT(session_work_create(ready, golden_pool[0], true, &work, &error), FM_OK);
        core_alloc_fail_after(i, i % 2);
        int code = session_spread(work, &s->changed, &s->differs, &error);
        if (code == FM_OK) code = session_choice_run(work, &s->differs, s->in.data, s->out, NULL, &error);
        core_alloc_fail_after(0, false);
        failed = code != FM_OK;
        if (failed) CHECK_INT(code, FM_ERR_NOMEM);
        CHECK_INT(session_spread(work, &s->changed, &s->differs, &error), FM_OK);
        choose(s, work, &s->differs, "after a failure");
        session_work_destroy(&work);
        CHECK_MSG(core_alloc_live() == live, "%s: allocation %d leaks", s->name, (int) i);
    }
}

static void refusals(struct subject *s, struct session_work *work)
{
    struct bitmap other;
    struct fm_error error = {0};
    if (!CHECK_INT(bitmap_make(&other, s->differs.width + 1, s->differs.height), FM_OK)) return;
    CHECK_INT(session_spread(work, &other, &s->differs, &error), FM_ERR_ARGUMENT);
    CHECK_INT(session_spread(work, &s->changed, &other, &error), FM_ERR_ARGUMENT);
    CHECK_INT(session_choice_run(work, &other, s->in.data, s->out, NULL, &error), FM_ERR_ARGUMENT);
    bitmap_release(&other);
    atomic_bool cancel = true;
    mark(&s->only, (struct rect){0, 0, 1, 1});
    CHECK_INT(session_choice_run(work, &s->only, s->in.data, s->out, &cancel, &error), FM_ERR_CANCELLED);
}

static int chosen; /* networks and ISAs that could be tried */

/* One network on one ISA, for as many threads as pool has. */
static void try_flags(struct subject *s, const struct graph *g, uint32_t flags, int pool, int turns)
{
    struct fm_error error = {0};
    struct prepared *ready = NULL;
    struct session_work *work = NULL;
    snprintf(s->what, sizeof s->what, "%s, %d threads", cpu_best_name(flags), golden_threads[pool]);
    const struct prepare_options options = {.threads = golden_threads[pool], .cpu_flags = flags, .regions = turns % 2 == 0};
    if (!CHECK_MSG(session_prepare(g, &s->in, &options, &ready, &error) == FM_OK, "%s: %s", s->name, error.message)) return;
    const struct graph_value *y = &ready->specialised->value[ready->specialised->output[0]];
    s->before = s->after = (struct fm_tensor){.dtype = FM_F32, .rank = 4, .dim = {1, y->dim[1], y->dim[2], y->dim[3]}};
    s->before.data = core_alloc(golden_bytes(&s->after));
    s->after.data = core_alloc(golden_bytes(&s->after));
    s->out = core_alloc(golden_bytes(&s->after));
    CHECK_INT(bitmap_make(&s->changed, (int) s->in.dim[3], (int) s->in.dim[2]), FM_OK);
    CHECK_INT(bitmap_make(&s->differs, (int) y->dim[3], (int) y->dim[2]), FM_OK);
    CHECK_INT(bitmap_make(&s->only, (int) y->dim[3], (int) y->dim[2]), FM_OK);
    if (session_can_choose(ready) && CHECK_INT(session_work_create(ready, golden_pool[pool], true, &work, &error), FM_OK)) {
        whole(work, &s->in, &s->after);
        for (int i = 0; i < turns; i++) turn(s, work);
        heap(s, work);
        refusals(s, work);
        session_work_destroy(&work);
        regions(s, ready);
        if (pool == 0) failing(s, ready);
        chosen++;
    }
    bitmap_release(&s->changed);
    bitmap_release(&s->differs);
    bitmap_release(&s->only);
    core_free(s->before.data);
    core_free(s->after.data);
    core_free(s->out);
    session_prepared_destroy(&ready);
}

static void try_net(const char *name, const struct graph *g, int64_t channels, int64_t h, int64_t w, int turns)
{
    static const uint32_t all[] = {CPU_AVX512 | CPU_AVX2, CPU_AVX2, CPU_NEON, 0};
    const int64_t live = core_alloc_live();
    struct subject s = {
        .name = name, .in = net_tensor(NET_DIMS(1, channels, h, w)), .poison = net_tensor(NET_DIMS(1, channels, h, w))};
    for (size_t i = 0; i < (size_t) channels * pixels(&s.in); i++) ((float *) s.poison.data)[i] = NAN;
    bool best = true;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] & ~cpu_detect()) continue;
        try_flags(&s, g, all[i], best ? 0 : 2, best ? turns : turns / 2);
        if (best) try_flags(&s, g, all[i], 1, turns / 2 + 1);
        best = false;
    }
    core_free(s.in.data);
    core_free(s.poison.data);
    packs_trim(g->packs, 0);
    CHECK_MSG(core_alloc_live() == live, "%s: %lld blocks leak", name, (long long) (core_alloc_live() - live));
}

/* ---- networks ---- */

static void shipped(void)
{
    static const struct {
        const char *path;
        int channels, height, width;
        /* the first two are so large that grids begin before the picture */
    } nets[] = {{"models/rt9.onnx", 1, 245, 262}, {"models/rt14.onnx", 1, 121, 250}, {"models/rt9.onnx", 1, 61, 83},
        {"models/rt14.onnx", 1, 90, 160}, {"models/rt14-x3.onnx", 1, 47, 70}, {"models/rt27.onnx", 1, 64, 65},
        {"models/piper.onnx", 3, 33, 41}, {"models/lanczos2x.onnx", 3, 57, 79}};
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        struct fm_error error;
        struct graph *g = NULL;
        net_state = (uint32_t) i + 1;
        if (!CHECK_MSG(model_load(nets[i].path, &g, &error) == FM_OK, "%s", error.message)) continue;
        try_net(nets[i].path, g, nets[i].channels, nets[i].height, nets[i].width, check_cases(TURNS));
        graph_destroy(&g);
    }
}

static int tried_seeds;

static void try_seed(uint32_t seed)
{
    char name[64];
    net_state = seed * 2654435761u + 11;
    struct graph *g = graph_create();
    if (!CHECK(g != NULL)) return;
    const int64_t channels = 1 + net_pick(16), h = 8 + 2 * net_pick(30), w = 8 + 2 * net_pick(40);
    struct net_pool pool = {.limit = 2 * h, .any_size = false};
    net_pool_add(&pool, net_picture(g, channels), channels, h, w);
    const bool wide = seed % 2; /* layers that are worth the methods with large cells */
    if (wide) net_pool_add(&pool, net_conv(g, pool.value[0], channels, 16, 3, 1, true), 16, h, w);
    for (int i = 3 + net_pick(8); i > 0; i--) {
        const int64_t *last = pool.dim[pool.n - 1];
        if (wide && last[0] == 16 && net_pick(3))
            net_pool_add(&pool, net_conv(g, pool.value[pool.n - 1], 16, 16, 1 + 2 * net_pick(3), 1, true), 16, last[1], last[2]);
        else
            net_random_step(g, &pool);
    }
    net_output(g, net_conv(g, pool.value[pool.n - 1], pool.dim[pool.n - 1][0], 3, 3, 1, true));
    struct fm_tensor in = net_tensor(NET_DIMS(1, channels, h, w));
    snprintf(name, sizeof name, "seed %u", (unsigned) seed);
    if (golden_exact(g, &in)) {
        tried_seeds++;
        try_net(name, g, channels, h, w, TURNS / 2);
    }
    core_free(in.data);
    graph_destroy(&g);
}

static void random_networks(void)
{
    const int last = check_cases(NETS);
    for (int seed = 1; seed <= last; seed++) try_seed((uint32_t) seed);
    CHECK_MSG(tried_seeds > last / 4 && chosen > tried_seeds, "%d networks of %d were bounded, %d runs chosen", tried_seeds, last,
        chosen);
}

/* A pixel in the middle of a large picture changes a part of the result no larger than cells of six pixels explain: the network looks 8 pixels
 * far, and each of its six layers in cells widens what changed by one cell in all. */
static void far_is_kept(void)
{
    struct fm_error error = {0};
    struct graph *g = NULL;
    struct prepared *ready = NULL;
    struct session_work *work = NULL;
    struct bitmap changed, differs;
    const struct fm_tensor in = {.dtype = FM_F32, .rank = 4, .dim = {1, 1, 360, 640}};
    if (!CHECK_MSG(model_load("models/rt14.onnx", &g, &error) == FM_OK, "%s", error.message)) return;
    const struct prepare_options options = {.threads = 1, .cpu_flags = cpu_flags(), .regions = true};
    CHECK_INT(session_prepare(g, &in, &options, &ready, &error), FM_OK);
    CHECK_INT(session_work_create(ready, golden_pool[0], true, &work, &error), FM_OK);
    CHECK_INT(bitmap_make(&changed, 640, 360), FM_OK);
    CHECK_INT(bitmap_make(&differs, 1280, 720), FM_OK);
    for (int i = 0; i < 12; i++) {
        const int x = 301 + i, y = 170 + 7 * i;
        bitmap_clear(&changed);
        bits_set(bitmap_row(&changed, y), x, x + 1);
        CHECK_INT(session_spread(work, &changed, &differs, &error), FM_OK);
        int x0 = 1280, x1 = 0, y0 = 720, y1 = 0;
        for (int row = 0; row < 720; row++) {
            int a, b;
            if (!bits_run(bitmap_row(&differs, row), differs.words, 0, &a, &b)) continue;
            if (row < y0) y0 = row;
            y1 = row + 1;
            if (a < x0) x0 = a;
            if (b > x1) x1 = b;
        }
        CHECK_MSG(x0 <= 2 * (x - 8) && x1 >= 2 * (x + 9) && x1 - x0 <= 2 * 52, "columns %d to %d for %d", x0, x1, x);
        CHECK_MSG(y0 <= 2 * (y - 8) && y1 >= 2 * (y + 9) && y1 - y0 <= 2 * 52, "rows %d to %d for %d", y0, y1, y);
    }
    bitmap_release(&changed);
    bitmap_release(&differs);
    session_work_destroy(&work);
    session_prepared_destroy(&ready);
    graph_destroy(&g);
}

/* A network that sees everything cannot. */
static void unbounded(void)
{
    struct graph *g = graph_create();
    struct fm_error error = {0};
    struct prepared *ready = NULL;
    struct session_work *work = NULL;
    struct bitmap b = {.width = 30, .height = 20};
    net_state = 3;
    const int x = net_picture(g, 3), y = net_conv(g, x, 3, 8, 3, 1, true);
    net_output(g, NET_NODE(g, OP_MUL, y, NET_NODE(g, OP_GLOBAL_AVERAGE_POOL, y)));
    const struct fm_tensor in = {.dtype = FM_F32, .rank = 4, .dim = {1, 3, 20, 30}};
    const struct prepare_options options = {.threads = 2, .cpu_flags = cpu_flags(), .regions = true};
    CHECK_INT(session_prepare(g, &in, &options, &ready, &error), FM_OK);
    CHECK_INT(session_work_create(ready, golden_pool[1], true, &work, &error), FM_OK);
    CHECK(!session_can_choose(ready));
    CHECK_INT(session_spread(work, &b, &b, &error), FM_ERR_UNSUPPORTED);
    CHECK_INT(session_choice_run(work, &b, NULL, NULL, NULL, &error), FM_ERR_UNSUPPORTED);
    session_work_destroy(&work);
    session_prepared_destroy(&ready);
    graph_destroy(&g);
}

int main(int argc, char **argv)
{
    if (!golden_begin()) return 1;
    if (argc > 1) { /* FIRST [LAST]: these seeds alone */
        for (uint32_t seed = (uint32_t) atoi(argv[1]), last = argc > 2 ? (uint32_t) atoi(argv[2]) : seed; seed <= last; seed++)
            try_seed(seed);
    } else {
        RUN(shipped);
        RUN(far_is_kept);
        RUN(unbounded);
        RUN(random_networks);
    }
    golden_end();
    return check_report();
}
