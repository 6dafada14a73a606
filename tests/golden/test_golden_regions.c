/* SPDX-License-Identifier: MIT */
/* Regions: any rectangle of the output, made from exactly the window of the input that it is said to need, is bit for bit what a whole run
 * gives there. The window is copied out into an array of its own, with guards around it. */
#include "backend/cpu/program.h"
#include "golden.h"
#include "model/model.h"
#include "net_random.h"

#define NETS 160
#define REGIONS 10

struct subject {
    const char *name;
    const struct fm_tensor *in;
    struct fm_tensor whole; /* what one run of everything gives */
    struct prepared *ready;
    int width, height; /* of the output */
    int in_width, in_height;
    int pool; /* of as many threads as it was planned for */
};

static const float poison = NAN;

static float *guarded(size_t n)
{
    float *room = core_alloc((n + 2 * GOLDEN_GUARD) * sizeof *room);
    for (size_t i = 0; i < n + 2 * GOLDEN_GUARD; i++) room[i] = poison;
    return room;
}

/* in[channel][window] of a dense picture. */
static float *cut(const struct fm_tensor *from, struct rect window)
{
    const int64_t channels = from->dim[1], height = from->dim[2], width = from->dim[3];
    float *room = guarded((size_t) channels * (size_t) window.w * (size_t) window.h), *to = room + GOLDEN_GUARD;
    for (int64_t c = 0; c < channels; c++)
        for (int y = 0; y < window.h; y++, to += window.w)
            memcpy(to, (const float *) from->data + (c * height + window.y + y) * width + window.x, (size_t) window.w * 4);
    return room;
}

static int run_region(
    struct session_work *work, const struct subject *s, struct rect out, struct rect in, float *to, struct fm_error *error)
{
    float *from = cut(s->in, in);
    const int code = session_region_run(work, out, in, from + GOLDEN_GUARD, to, NULL, error);
    core_free(from);
    return code;
}

static void try_region(struct session_work *work, const struct subject *s, struct rect out, struct rect in, const char *what)
{
    struct fm_error error = {0};
    const size_t n = (size_t) s->whole.dim[1] * (size_t) out.w * (size_t) out.h;
    float *room = guarded(n), *truth = cut(&s->whole, out), *made = room + GOLDEN_GUARD, *right = truth + GOLDEN_GUARD;
    const int code = run_region(work, s, out, in, made, &error);
    if (CHECK_MSG(code == FM_OK, "%s, %s, %d x %d at %d, %d: %s", s->name, what, out.w, out.h, out.x, out.y, error.message)) {
        size_t at = 0;
        while (at < n && memcmp(made + at, right + at, 4) == 0) at++;
        CHECK_MSG(at == n, "%s, %s, %d x %d at %d, %d: differs at channel %d, row %d, column %d: %g, not %g", s->name, what, out.w,
            out.h, out.x, out.y, (int) (at / (size_t) (out.w * out.h)), (int) (at / (size_t) out.w) % out.h,
            (int) (at % (size_t) out.w), at < n ? (double) made[at] : 0, at < n ? (double) right[at] : 0);
        bool clean = true;
        for (size_t i = 0; i < GOLDEN_GUARD; i++)
            clean = clean && memcmp(&room[i], &poison, 4) == 0 && memcmp(&made[n + i], &poison, 4) == 0;
        CHECK_MSG(clean, "%s, %s, %d x %d at %d, %d: written beside the output", s->name, what, out.w, out.h, out.x, out.y);
    }
    core_free(room);
    core_free(truth);
}

/* A region from exactly what it needs; then from a little more. */
static void try_need(struct session_work *work, const struct subject *s, struct rect out, const char *what)
{
    const struct rect need = session_region_need(s->ready, out), all = rect_whole(s->in_width, s->in_height);
    if (!CHECK_MSG(!rect_is_empty(need) && rect_contains(all, need), "%s: needs %d x %d at %d, %d", s->name, need.w, need.h, need.x,
            need.y))
        return;
    try_region(work, s, out, need, what);
    if (net_pick(4) == 0) try_region(work, s, out, rect_grow(need, 1 + net_pick(9), s->in_width, s->in_height), what);
}

static struct rect random_part(int width, int height, int most)
{
    struct rect r = {.w = 1 + net_pick(width < most ? width : most), .h = 1 + net_pick(height < most ? height : most)};
    r.x = net_pick(width - r.w + 1), r.y = net_pick(height - r.h + 1);
    return r;
}

static void try_places(struct session_work *work, const struct subject *s, int random, const char *what)
{
    const int w = s->width, h = s->height;
    const struct rect places[] = {{0, 0, 1, 1}, {w - 1, 0, 1, 1}, {0, h - 1, 1, 1}, {w - 1, h - 1, 1, 1}, {w / 2, h / 3, 1, 1},
        {0, 0, w, 1}, {0, h - 1, w, 1}, {0, h / 2, w, h - h / 2}, {w / 2, 0, w - w / 2, h}, {w - 1, 0, 1, h}, {0, 0, w, h}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) try_need(work, s, places[i], what);
    for (int i = 0; i < random; i++) try_need(work, s, random_part(w, h, i % 2 ? 40 : 4096), what);
}

/* What a session holds is no more than was foretold. */
static void try_held(const struct session_work *work, const struct subject *s, int w, int h, const char *what)
{
    const struct backend_session *held = session_work_backend(work);
    const size_t bytes = held->memory_bytes + held->zero_bytes + held->scratch_stride * (size_t) golden_threads[s->pool];
    const size_t foretold = session_region_bytes(s->ready, w, h);
    CHECK_MSG(
        bytes <= foretold, "%s, %s: regions of %d x %d hold %zu bytes, %zu were foretold", s->name, what, w, h, bytes, foretold);
}

/* A column from top to bottom in regions of random heights. The second time nothing is planned any more. Returns how many regions were
 * not made as part of a strip. */
static int try_column(const struct subject *s, int pool, int x, int w, const char *what)
{
    struct session_work *work = NULL;
    if (!CHECK_INT(session_work_create(s->ready, golden_pool[pool], true, &work, NULL), FM_OK)) return 0;
    const struct backend_session *held = session_work_backend(work);
    const int most = 1 + net_pick(s->height < 40 ? s->height : 40);
    int heights[512], n = 0, alone = 0;
    for (int y = 0; y < s->height && n < 512; y += heights[n++]) {
        heights[n] = 1 + net_pick(most);
        if (n == 511 || heights[n] > s->height - y) heights[n] = s->height - y;
    }
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0, y = 0; i < n; y += heights[i++]) {
            const struct rect out = {x, y, w, heights[i]};
            try_region(work, s, out, session_region_need(s->ready, out), what);
            if (cpu_can_strip(held->program) && n > 1 && (!held->is_strip || held->strip_y != y + heights[i])) alone++;
        }
        if (pool == s->pool) try_held(work, s, w, most, what);
    }
    session_work_destroy(&work);
    return alone;
}

static void try_columns(const struct subject *s, int pool, const char *what)
{
    int alone = try_column(s, pool, 0, s->width, what);
    CHECK_MSG(alone == 0, "%s, %s: %d bands were made alone", s->name, what, alone);
    const struct rect part = random_part(s->width, s->height, 4096);
    alone = try_column(s, pool, part.x, part.w, what);
    CHECK_MSG(alone <= 4, "%s, %s: %d regions of a column were made alone", s->name, what, alone);
}

/* Too little input is refused, and so is what lies outside. */
static void try_refusals(struct session_work *work, const struct subject *s)
{
    float one[1] = {0};
    struct fm_error error = {0};
    const struct rect out = random_part(s->width, s->height, 16), need = session_region_need(s->ready, out);
    const struct rect less[] = {{need.x + 1, need.y, need.w - 1, need.h}, {need.x, need.y + 1, need.w, need.h - 1},
        {need.x, need.y, need.w - 1, need.h}, {need.x, need.y, need.w, need.h - 1}};
    for (size_t i = 0; i < 4; i++) CHECK_INT(session_region_run(work, out, less[i], one, one, NULL, &error), FM_ERR_ARGUMENT);
    for (int side = 0; side < 2; side++) {
        const int w = side ? s->in_width : s->width, h = side ? s->in_height : s->height;
        const struct rect outside[] = {{-1, 0, 2, 2}, {0, -1, 2, 2}, {0, 0, 0, 1}, {0, 0, 1, 0}, {w, 0, 1, 1}, {0, h, 1, 1},
            {1, 0, w, 1}, {0, 1, 1, h}, {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX}, {0, 0, INT32_MAX, INT32_MAX}};
        for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
            if (!side) CHECK(rect_is_empty(session_region_need(s->ready, outside[i])));
            CHECK_INT(session_region_run(work, side ? out : outside[i], side ? outside[i] : need, one, one, NULL, &error),
                FM_ERR_ARGUMENT);
        }
    }
}

/* The second run of a region asks nothing of the heap, nor does one that needs less; and what a session holds was foretold. */
static void try_heap(const struct subject *s, int pool)
{
    struct session_work *work = NULL;
    struct fm_error error = {0};
    const int64_t live = core_alloc_live();
    if (!CHECK_INT(session_work_create(s->ready, golden_pool[pool], true, &work, &error), FM_OK)) return;
    const struct rect out = random_part(s->width, s->height, 64), need = session_region_need(s->ready, out);
    float *from = cut(s->in, need), *to = guarded((size_t) s->whole.dim[1] * (size_t) out.w * (size_t) out.h);
    CHECK_INT(session_region_run(work, out, need, from, to, NULL, &error), FM_OK);
    const uint64_t count = core_alloc_count();
    for (int i = 0; i < 3; i++) CHECK_INT(session_region_run(work, out, need, from, to, NULL, &error), FM_OK);
    CHECK_MSG(core_alloc_count() == count, "%s: %d allocations in three runs", s->name, (int) (core_alloc_count() - count));
    if (pool == s->pool) try_held(work, s, out.w, out.h, "a region");
    core_free(from);
    core_free(to);
    session_work_destroy(&work);
    CHECK_MSG(core_alloc_live() == live, "%s: %d blocks leak", s->name, (int) (core_alloc_live() - live));
}

/* Every allocation of a region's run fails once: the answer is NOMEM, and the work can be used again. */
static void try_failing(const struct subject *s, struct rect out)
{
    const struct rect need = session_region_need(s->ready, out);
    const size_t n = (size_t) s->whole.dim[1] * (size_t) out.w * (size_t) out.h;
    float *from = cut(s->in, need), *to = guarded(n), *truth = cut(&s->whole, out);
    const struct rect one = {out.x, out.y, 1, 1};
    int code = FM_ERR_NOMEM;
    for (uint64_t i = 1; code != FM_OK && i < 1000; i++) {
        struct session_work *work = NULL;
        struct fm_error error = {0};
        const int64_t live = core_alloc_live();
        CHECK_INT(session_work_create(s->ready, golden_pool[0], true, &work, &error), FM_OK);
        core_alloc_fail_after(i, i % 2);
        code = session_region_run(work, out, need, from + GOLDEN_GUARD, to + GOLDEN_GUARD, NULL, &error);
        core_alloc_fail_after(0, false);
        if (code != FM_OK) {
            CHECK_MSG(code == FM_ERR_NOMEM && error.code == code, "%s: allocation %d: %d", s->name, (int) i, code);
            try_need(work, s, one, "after a failure");
            CHECK_INT(session_region_run(work, out, need, from + GOLDEN_GUARD, to + GOLDEN_GUARD, NULL, &error), FM_OK);
        }
        CHECK_MEM(to + GOLDEN_GUARD, truth + GOLDEN_GUARD, n * 4);
        session_work_destroy(&work);
        if (!CHECK_MSG(
                core_alloc_live() == live, "%s: allocation %d: %d blocks leak", s->name, (int) i, (int) (core_alloc_live() - live)))
            break;
    }
    CHECK_INT(code, FM_OK);
    core_alloc_fail_after(1, true);
    CHECK(session_region_bytes(s->ready, 10, 10) == SIZE_MAX);
    core_alloc_fail_after(0, false);
    core_free(from);
    core_free(to);
    core_free(truth);
}

/* A band in the middle of a strip is cancelled: it can be made after all, and so can what follows. */
static void try_cancelled(const struct subject *s)
{
    struct session_work *work = NULL;
    struct fm_error error = {0};
    atomic_bool cancel = true;
    if (!CHECK_INT(session_work_create(s->ready, golden_pool[1], true, &work, NULL), FM_OK)) return;
    const int h = (s->height + 3) / 4;
    for (int y = 0; y < s->height; y += h) {
        const struct rect out = {0, y, s->width, s->height - y < h ? s->height - y : h}, need = session_region_need(s->ready, out);
        if (y == h) {
            float *from = cut(s->in, need), *to = guarded((size_t) s->whole.dim[1] * (size_t) out.w * (size_t) out.h);
            CHECK_INT(
                session_region_run(work, out, need, from + GOLDEN_GUARD, to + GOLDEN_GUARD, &cancel, &error), FM_ERR_CANCELLED);
            core_free(from);
            core_free(to);
        }
        try_region(work, s, out, need, "after a cancel");
    }
    session_work_destroy(&work);
}

/* One network on one ISA: prepared for `threads`, run by pools of other sizes too. */
static void try_flags(const char *name, const struct graph *g, const struct fm_tensor *in, uint32_t flags, int pool, int random)
{
    struct fm_tensor whole[GOLDEN_OUTPUTS];
    struct backend_info info;
    struct fm_error error = {0};
    char what[64];
    struct subject s = {.name = name, .in = in, .in_width = (int) in->dim[3], .in_height = (int) in->dim[2]};
    if (!CHECK_MSG(golden_run(name, g, in, &(struct golden_way){.flags = flags}, whole, &info, &error) == FM_OK, "%s: %s", name,
            error.message))
        return;
    s.whole = whole[0];
    s.width = (int) whole[0].dim[3], s.height = (int) whole[0].dim[2];
    const struct prepare_options options = {.threads = golden_threads[pool], .cpu_flags = flags, .regions = random % 2 == 0};
    s.pool = pool;
    if (CHECK_MSG(session_prepare(g, in, &options, &s.ready, &error) == FM_OK, "%s: %s", name, error.message)) {
        CHECK_MSG(session_can_region(s.ready), "%s: %s", name, s.ready->field.reason);
        for (int p = pool; p < 3; p += 2) { /* a pool of as many threads as planned for, and one of more */
            struct session_work *work = NULL;
            snprintf(what, sizeof what, "%s, for %d threads on %d", cpu_best_name(flags), golden_threads[pool], golden_threads[p]);
            if (!CHECK_INT(session_work_create(s.ready, golden_pool[p], true, &work, &error), FM_OK)) break;
            try_places(work, &s, p == pool ? random : random / 4, what);
            if (p == pool) try_refusals(work, &s);
            try_columns(&s, p, what);
            session_work_destroy(&work);
        }
        if (pool == 0) {
            try_heap(&s, 0);
            try_heap(&s, 1);
            try_failing(&s, random_part(s.width, s.height, 64));
            try_failing(&s, (struct rect){0, 0, s.width, (s.height + 1) / 2}); /* as the first of a strip */
            try_cancelled(&s);
        }
    }
    session_prepared_destroy(&s.ready);
    golden_free(whole);
}

static void try_net(const char *name, const struct graph *g, const struct fm_tensor *in, int random)
{
    static const uint32_t all[] = {CPU_AVX512 | CPU_AVX2, CPU_AVX2, CPU_NEON, 0};
    const int64_t live = core_alloc_live();
    bool best = true;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] & ~cpu_detect()) continue;
        try_flags(name, g, in, all[i], best ? 0 : 1, best ? random : random / 2);
        if (best) try_flags(name, g, in, all[i], 1, random / 2 + 1);
        best = false;
    }
    packs_trim(g->packs, 0);
    CHECK_MSG(core_alloc_live() == live, "%s: %lld blocks leak", name, (long long) (core_alloc_live() - live));
}

/* ---- networks ---- */

struct published {
    const char *path;
    int channels, height, width;
};

static const struct published nets[] = {
    {"data/models/acnet/acnet_gan.onnx", 1, 61, 83},
    {"data/models/acnet/acnet_hdn1.onnx", 1, 45, 71},
    {"data/models/acnet/arnet_b4_le.onnx", 1, 45, 71},
    {"data/models/acnet/arnet_b16_le.onnx", 1, 45, 71},
    {"data/models/realesr-animevideov3/realesr-animevideov3-x2.param", 3, 33, 41},
    {"data/models/realesr-animevideov3/realesr-animevideov3-x3.param", 3, 33, 41},
    {"data/models/realesr-animevideov3/realesr-animevideov3-x4.param", 3, 33, 41},
    {"data/models/waifu2x_photo/scale2.0x_model.param", 3, 45, 61},
    {"bench/piper.onnx", 3, 33, 41},
    {"bench/sesr_m5.onnx", 1, 61, 83},
};

static void published(void)
{
    const size_t last = (size_t) check_cases(sizeof nets / sizeof nets[0]);
    int tried = 0;
    for (size_t i = 0; i < last; i++) {
        const char *found = check_shared(nets[i].path);
        struct fm_error error;
        struct graph *g = NULL;
        if (!found) continue;
        tried++;
        if (!CHECK_MSG(model_load(found, &g, &error) == FM_OK, "%s", error.message)) continue;
        net_state = (uint32_t) i + 1;
        struct fm_tensor in = net_tensor(NET_DIMS(1, nets[i].channels, nets[i].height, nets[i].width));
        try_net(nets[i].path, g, &in, check_cases(REGIONS));
        core_free(in.data);
        graph_destroy(&g);
    }
    if (!tried) SKIP("no networks beside the project");
}

static void shipped(void)
{
    struct fm_error error;
    struct graph *g = NULL;
    if (!CHECK_MSG(model_load("models/lanczos2x.onnx", &g, &error) == FM_OK, "%s", error.message)) return;
    struct fm_tensor in = net_tensor(NET_DIMS(1, 3, 57, 79));
    try_net("lanczos2x", g, &in, 3 * REGIONS);
    core_free(in.data);
    graph_destroy(&g);
}

static int tried_seeds;

static void try_seed(uint32_t seed)
{
    char name[64];
    net_state = seed * 2654435761u + 7;
    struct graph *g = graph_create();
    if (!CHECK(g != NULL)) return;
    const int64_t channels = 1 + net_pick(16), h = 8 + 2 * net_pick(30), w = 8 + 2 * net_pick(40);
    struct net_pool pool = {.limit = 2 * h, .any_size = false};
    net_pool_add(&pool, net_picture(g, channels), channels, h, w);
    for (int i = 3 + net_pick(12); i > 0; i--) net_random_step(g, &pool);
    int last = pool.value[pool.n - 1];
    if (pool.n == 1) last = net_conv(g, last, channels, 3, 3, 1, true);
    net_output(g, last);
    struct fm_tensor in = net_tensor(NET_DIMS(1, channels, h, w));
    snprintf(name, sizeof name, "seed %u", (unsigned) seed);
    if (golden_exact(g, &in)) {
        tried_seeds++;
        try_net(name, g, &in, REGIONS);
    }
    core_free(in.data);
    graph_destroy(&g);
}

static void random_networks(void)
{
    const int last = check_cases(NETS);
    for (uint32_t seed = 1; seed <= (uint32_t) last; seed++) try_seed(seed);
    CHECK_MSG(tried_seeds > last / 4, "only %d networks of %d were bounded", tried_seeds, last);
}

/* A network that sees everything is run whole or not at all. */
static void unbounded(void)
{
    struct graph *g = graph_create();
    struct fm_error error = {0};
    struct prepared *ready = NULL;
    struct session_work *work = NULL;
    net_state = 3;
    const int x = net_picture(g, 3), y = net_conv(g, x, 3, 8, 3, 1, true);
    net_output(g, NET_NODE(g, OP_MUL, y, NET_NODE(g, OP_GLOBAL_AVERAGE_POOL, y)));
    struct fm_tensor in = net_tensor(NET_DIMS(1, 3, 20, 30)), whole[GOLDEN_OUTPUTS];
    struct backend_info info;
    CHECK_INT(golden_run("unbounded", g, &in, &(struct golden_way){.flags = cpu_flags()}, whole, &info, &error), FM_OK);
    const struct prepare_options options = {.threads = 2, .cpu_flags = cpu_flags(), .regions = true};
    if (CHECK_INT(session_prepare(g, &in, &options, &ready, &error), FM_OK) &&
        CHECK_INT(session_work_create(ready, golden_pool[1], true, &work, &error), FM_OK)) {
        const struct rect all = {0, 0, 30, 20}, part = {0, 0, 29, 20};
        CHECK(!session_can_region(ready));
        CHECK(ready->field.reason[0] != 0);
        const struct rect need = session_region_need(ready, all);
        CHECK(rect_contains(need, all) && rect_contains(all, need));
        float *out = core_alloc(8 * 600 * sizeof *out);
        for (int i = 0; i < 2; i++) {
            CHECK_INT(session_region_run(work, all, all, in.data, out, NULL, &error), FM_OK);
            CHECK_MEM(out, whole[0].data, 8 * 600 * sizeof *out);
        }
        CHECK_INT(session_region_run(work, part, all, in.data, out, NULL, &error), FM_ERR_UNSUPPORTED);
        CHECK_HAS(error.message, ready->field.reason);
        CHECK_INT(session_region_run(work, all, part, in.data, out, NULL, &error), FM_ERR_UNSUPPORTED);
        CHECK(session_region_bytes(ready, 30, 20) > 0 && session_region_bytes(ready, 30, 20) < SIZE_MAX);
        core_free(out);
    }
    session_work_destroy(&work);
    session_prepared_destroy(&ready);
    golden_free(whole);
    core_free(in.data);
    graph_destroy(&g);
}

int main(int argc, char **argv)
{
    if (!golden_begin()) return 1;
    if (argc > 1) { /* FIRST [LAST]: these seeds alone */
        for (uint32_t seed = (uint32_t) atoi(argv[1]), last = argc > 2 ? (uint32_t) atoi(argv[2]) : seed; seed <= last; seed++)
            try_seed(seed);
        golden_end();
        return atomic_load(&check_faults) != 0;
    }
    RUN(unbounded);
    RUN(shipped);
    RUN(published);
    RUN(random_networks);
    golden_end();
    return check_report();
}
