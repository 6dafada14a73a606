/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "api/objects.h"
#include "core/alloc.h"
#include "core/error.h"
#include "kernels/rows.h"

const char *fm_version(void)
{
    return FM_VERSION_STRING;
}

int fm_engine_create(const struct fm_engine_params *params, fm_engine **out, struct fm_error *error)
{
    if (!out) return core_fail(error, FM_ERR_ARGUMENT, "fm_engine_create: no place for the engine");
    *out = NULL;
    struct fm_engine_params p = {.size = sizeof p};
    if (params) {
        if (params->size < sizeof(size_t)) return core_fail(error, FM_ERR_ARGUMENT, "fm_engine_create: params->size is not set");
        memcpy(&p, params, params->size < sizeof p ? params->size : sizeof p);
    }
    if (p.threads < 0 || p.threads > 1024)
        return core_fail(error, FM_ERR_ARGUMENT, "%d threads: not between 1 and 1024", p.threads);
    uint32_t flags = cpu_flags();
    if (p.cpu_mask) {
        uint32_t mask;
        if (cpu_parse_mask(p.cpu_mask, &mask) < 0)
            return core_fail(
                error, FM_ERR_ARGUMENT, "\"%s\" is no processor mask (c, avx2, avx512, neon, all or a number)", p.cpu_mask);
        flags = cpu_detect() & mask;
    }
    fm_engine *engine = core_calloc(1, sizeof *engine);
    if (!engine) return core_fail_nomem(error, sizeof *engine);
    atomic_init(&engine->references, 1);
    engine->cpu_flags = flags;
    cpu_model_name(engine->cpu, sizeof engine->cpu);
    const int code = pool_create(p.threads ? p.threads : cpu_count(), &engine->pool, error);
    if (code < 0) {
        core_free(engine);
        return code;
    }
    *out = engine;
    return FM_OK;
}

fm_engine *fm_engine_ref(fm_engine *engine)
{
    if (engine) atomic_fetch_add(&engine->references, 1);
    return engine;
}

void fm_engine_unref(fm_engine **engine)
{
    if (!engine || !*engine) return;
    fm_engine *e = *engine;
    *engine = NULL;
    if (atomic_fetch_sub(&e->references, 1) != 1) return;
    pool_destroy(&e->pool);
    core_free(e);
}

int fm_engine_get_info(const fm_engine *engine, struct fm_engine_info *info)
{
    if (!engine || !info || info->size < sizeof(size_t)) return FM_ERR_ARGUMENT;
    const struct fm_engine_info full = {.size = info->size,
        .threads = pool_threads(engine->pool),
        .processors = cpu_count(),
        .cpu = engine->cpu,
        .isa = kernel_set_for(engine->cpu_flags)->isa};
    memcpy(info, &full, info->size < sizeof full ? info->size : sizeof full);
    return FM_OK;
}

double fm_engine_measure_gflops(fm_engine *engine)
{
    if (!engine) return 0;
    const struct kernel_set *set = kernel_set_for(engine->cpu_flags);
    double best = 0;
    for (int round = 0; round < 5; round++) {
        const int turns = 200000;
        const uint64_t start = core_now_ns();
        const double operations = set->rows->peak(turns);
        const double seconds = (double) (core_now_ns() - start) * 1e-9;
        if (seconds > 0 && operations / seconds > best) best = operations / seconds;
    }
    return best * 1e-9;
}
