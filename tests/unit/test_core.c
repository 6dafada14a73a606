/* SPDX-License-Identifier: MIT */
/* The ground floor: allocation, arenas, errors, files, processors, element types. */
#define _GNU_SOURCE
#include "check.h"

#include <float.h>
#include <pthread.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/file.h"
#include "core/half.h"
#include "framemill/tensor.h"

static void alloc_contract(void)
{
    const int64_t live = core_alloc_live();
    const uint64_t count = core_alloc_count();
    CHECK(core_alloc(0) == NULL);
    CHECK(core_alloc(SIZE_MAX) == NULL);
    CHECK(core_alloc(SIZE_MAX / 2) == NULL);
    CHECK(core_calloc(SIZE_MAX / 2, 3) == NULL);
    CHECK(core_calloc(0, 3) == NULL);
    CHECK_INT(core_alloc_count() - count, 0);
    for (size_t size = 1; size < 5000; size = size * 3 + 1) {
        unsigned char *memory = core_alloc(size);
        if (!CHECK(memory)) return;
        CHECK_INT((uintptr_t) memory % CORE_CACHE_LINE, 0);
        memset(memory, 0xa5, size);
        core_free(memory);
        memory = core_calloc(size, 3);
        if (!CHECK(memory)) return;
        size_t dirty = 0;
        for (size_t i = 0; i < size * 3; i++) dirty += memory[i] != 0;
        CHECK_INT(dirty, 0);
        core_free(memory);
    }
    char *copy = core_strdup("mill");
    CHECK_STR(copy, "mill");
    CHECK_INT(core_alloc_live() - live, 1);
    core_free(copy);
    core_free(NULL);
    CHECK_INT(core_alloc_live() - live, 0);
}

static void pages_contract(void)
{
    const size_t sizes[] = {1, 4096, 100000, ((size_t) 2 << 20) - 1, (size_t) 2 << 20, ((size_t) 5 << 20) + 17};
    const int64_t live = core_alloc_live();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *memory = core_alloc_pages(sizes[i]);
        if (!CHECK(memory)) return;
        CHECK_INT((uintptr_t) memory % 4096, 0);
        size_t dirty = 0;
        for (size_t k = 0; k < sizes[i]; k++) dirty += memory[k] != 0;
        CHECK_INT(dirty, 0);
        memory[0] = memory[sizes[i] - 1] = 1;
        CHECK_INT(core_alloc_live() - live, 1);
        core_free_pages(memory, sizes[i]);
    }
    CHECK(core_alloc_pages(0) == NULL);
    CHECK(core_alloc_pages(SIZE_MAX) == NULL);
    CHECK(core_alloc_pages(SIZE_MAX - 5000) == NULL);
    core_free_pages(NULL, 10);
    CHECK_INT(core_alloc_live() - live, 0);
}

/* Which of six allocations are refused, as bits. */
static unsigned alloc_refused(void)
{
    unsigned refused = 0;
    for (unsigned i = 0; i < 6; i++) {
        void *memory = i % 2 ? core_alloc(8) : core_alloc_pages(8);
        if (!memory) refused |= 1u << i;
        if (i % 2) core_free(memory);
        else core_free_pages(memory, 8);
    }
    return refused;
}

static void alloc_injection(void)
{
    CHECK_INT(alloc_refused(), 0);
    core_alloc_fail_after(1, false);
    CHECK_INT(alloc_refused(), 1);
    CHECK_INT(alloc_refused(), 0);
    core_alloc_fail_after(4, false);
    CHECK_INT(alloc_refused(), 8);
    core_alloc_fail_after(5, true);
    CHECK_INT(alloc_refused(), 0x30);
    CHECK_INT(alloc_refused(), 0x3f);
    core_alloc_fail_after(0, true);
    CHECK_INT(alloc_refused(), 0);
}

static void *alloc_worker(void *refused)
{
    for (int i = 0; i < 1000; i++) {
        void *memory = core_alloc(16);
        if (!memory) atomic_fetch_add((atomic_int *) refused, 1);
        core_free(memory);
    }
    return NULL;
}

/* With several threads exactly one allocation is the n-th. */
static void alloc_injection_threads(void)
{
    atomic_int refused = 0;
    const int64_t live = core_alloc_live();
    const uint64_t count = core_alloc_count();
    pthread_t thread[4];
    core_alloc_fail_after(1500, false);
    for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&thread[i], NULL, alloc_worker, &refused), 0);
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    core_alloc_fail_after(0, false);
    CHECK_INT(refused, 1);
    CHECK_INT(core_alloc_count() - count, 3999);
    CHECK_INT(core_alloc_live() - live, 0);
}

static void overflow_arithmetic(void)
{
    size_t s;
    int64_t i;
    CHECK(core_mul_size(0, SIZE_MAX, &s) && s == 0);
    CHECK(core_mul_size(SIZE_MAX / 3, 3, &s) && s == SIZE_MAX / 3 * 3);
    CHECK(!core_mul_size(SIZE_MAX / 2 + 1, 2, &s));
    CHECK(core_add_size(SIZE_MAX, 0, &s) && s == SIZE_MAX);
    CHECK(!core_add_size(SIZE_MAX, 1, &s));
    CHECK(core_mul_i64(INT64_MIN, 1, &i) && i == INT64_MIN);
    CHECK(!core_mul_i64(INT64_MIN, -1, &i));
    CHECK(!core_mul_i64((int64_t) 1 << 32, (int64_t) 1 << 31, &i));
    CHECK(core_add_i64(INT64_MAX, INT64_MIN, &i) && i == -1);
    CHECK(!core_add_i64(INT64_MAX, 1, &i));
    CHECK(!core_add_i64(INT64_MIN, -1, &i));
}

static int released[3], releases;

static void note_release(void *object)
{
    if (releases < 3) released[releases] = *(int *) object;
    releases++;
}

static void arena_contract(void)
{
    const int64_t live = core_alloc_live();
    struct arena *arena = arena_create();
    if (!CHECK(arena)) return;
    unsigned char *block[400];
    size_t size[400], total = 0;
    for (size_t i = 0; i < 400; i++) {
        size[i] = i % 50 == 49 ? 100000 + i : i * 7 % 300;
        block[i] = arena_alloc(arena, size[i]);
        if (!CHECK(block[i])) return;
        CHECK_INT((uintptr_t) block[i] % 64, 0);
        for (size_t k = 0; k < size[i]; k++)
            if (!CHECK_INT(block[i][k], 0)) return;
        memset(block[i], (int) (i % 255 + 1), size[i]);
        total += size[i];
    }
    for (size_t i = 0; i < 400; i++) /* nobody wrote into another's block */
        for (size_t k = 0; k < size[i]; k++)
            if (!CHECK_INT(block[i][k], i % 255 + 1)) return;
    CHECK(arena_bytes(arena) >= total);
    CHECK(arena_alloc(arena, 0) != arena_alloc(arena, 0));
    CHECK(arena_alloc(arena, SIZE_MAX) == NULL);
    CHECK(arena_array(arena, SIZE_MAX / 4, 8) == NULL);
    CHECK(arena_array(arena, 3, 5) != NULL);
    CHECK_STR(arena_strdup(arena, "abc"), "abc");
    CHECK_STR(arena_strndup(arena, "abcdef", 2), "ab");
    CHECK_STR(arena_strndup(arena, "", 0), "");
    CHECK_STR(arena_printf(arena, "%s-%d", "node", 12), "node-12");
    int objects[3] = {1, 2, 3};
    for (int i = 0; i < 3; i++) CHECK_INT(arena_defer(arena, note_release, &objects[i]), FM_OK);
    CHECK_INT(releases, 0);
    arena_destroy(&arena);
    CHECK(arena == NULL);
    CHECK(releases == 3 && released[0] == 3 && released[1] == 2 && released[2] == 1);
    arena_destroy(&arena);
    CHECK_INT(core_alloc_live() - live, 0);
}

static void arena_out_of_memory(void)
{
    const int64_t live = core_alloc_live();
    core_alloc_fail_after(1, false);
    CHECK(arena_create() == NULL);
    struct arena *arena = arena_create();
    if (!CHECK(arena)) return;
    core_alloc_fail_after(1, true);
    int object = 7;
    releases = 0;
    CHECK(arena_alloc(arena, 5000000) == NULL);
    CHECK(arena_strdup(arena, "x") == NULL);
    CHECK_INT(arena_defer(arena, note_release, &object), FM_ERR_NOMEM);
    CHECK_INT(releases, 1);
    core_alloc_fail_after(0, false);
    CHECK(arena_alloc(arena, 5000000) != NULL);
    arena_destroy(&arena);
    CHECK_INT(core_alloc_live() - live, 0);
}

static void error_messages(void)
{
    struct fm_error error = {0};
    CHECK_INT(core_fail(&error, FM_ERR_FORMAT, "node \"%s\": bad %d", "a\nb\x1b[31m\x7f", 5), FM_ERR_FORMAT);
    CHECK_INT(error.code, FM_ERR_FORMAT);
    CHECK_STR(error.message, "node \"a?b?[31m?\": bad 5");
    core_fail(&error, FM_ERR_IO, "\xc2\x9b" "31m \xc3\xa9 \xe2\x82\xac");
    CHECK_STR(error.message, "??31m \xc3\xa9 \xe2\x82\xac");
    CHECK_INT(core_fail(NULL, FM_ERR_SHAPE, "nobody listens"), FM_ERR_SHAPE);
    core_fail(&error, FM_ERR_SHAPE, "3 is not 4");
    CHECK_INT(core_fail_prefix(&error, "%s", "net.onnx"), FM_ERR_SHAPE);
    CHECK_STR(error.message, "net.onnx: 3 is not 4");
    core_fail_prefix(NULL, "x");
    CHECK_INT(core_fail_nomem(&error, 123), FM_ERR_NOMEM);
    CHECK_HAS(error.message, "123");
    CHECK_INT(core_fail_nomem(&error, 0), FM_ERR_NOMEM);
    CHECK_STR(error.message, "out of memory");
}

static void error_long_messages(void)
{
    struct fm_error error = {0};
    char big[2 * FM_ERROR_MESSAGE_MAX];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = 0;
    core_fail(&error, FM_ERR_IO, "%s", big);
    CHECK_INT(strlen(error.message), FM_ERROR_MESSAGE_MAX - 1);
    core_fail_prefix(&error, "prefix");
    CHECK_INT(strlen(error.message), FM_ERROR_MESSAGE_MAX - 1);
    CHECK_INT(strncmp(error.message, "prefix: aaa", 11), 0);
    core_fail_prefix(&error, "%s", big);
    CHECK_INT(strlen(error.message), FM_ERROR_MESSAGE_MAX - 1);
    for (size_t cut = 1; cut <= 3; cut++) { /* a three-byte character across the end is dropped, one that ends there stays */
        memset(big, 'a', sizeof big - 1);
        memcpy(big + FM_ERROR_MESSAGE_MAX - 1 - cut, "\xe2\x82\xac", 3);
        core_fail(&error, FM_ERR_IO, "%s", big);
        CHECK_INT(strlen(error.message), cut == 3 ? FM_ERROR_MESSAGE_MAX - 1 : FM_ERROR_MESSAGE_MAX - 1 - cut);
    }
}

static void error_names(void)
{
    for (int a = 0; a >= FM_ERR_EOS; a--)
        for (int b = 0; b > a; b--) CHECK_MSG(strcmp(fm_err_name(a), fm_err_name(b)) != 0, "codes %d and %d share a name", a, b);
    CHECK_STR(fm_err_name(FM_ERR_NOMEM), "out of memory");
    CHECK_STR(fm_err_name(-1000), fm_err_name(1));
}

static void file_mapping(void)
{
    const int64_t live = core_alloc_live();
    struct fm_error error = {0};
    struct core_file *file = NULL;
    char folder[] = "/tmp/fm_test_XXXXXX", path[64];
    if (!CHECK(mkdtemp(folder))) return;
    CHECK_INT(core_file_map(folder, &file, &error), FM_ERR_IO);
    CHECK(file == NULL);
    CHECK_HAS(error.message, folder);
    CHECK_HAS(error.message, "directory");
    snprintf(path, sizeof path, "%s/data", folder);
    CHECK_INT(core_file_map(path, &file, &error), FM_ERR_IO);
    CHECK_HAS(error.message, path);
    CHECK_INT(core_file_map("/dev/null", &file, &error), FM_ERR_IO);
    FILE *stream = fopen(path, "wb");
    if (!CHECK(stream)) return;
    fclose(stream);
    CHECK_INT(core_file_map(path, &file, &error), FM_OK);
    CHECK(file && file->size == 0 && file->data != NULL);
    core_file_unmap(&file);
    CHECK(file == NULL);
    core_file_unmap(&file);
    stream = fopen(path, "wb");
    if (!CHECK(stream)) return;
    fputs("some bytes", stream);
    fclose(stream);
    if (!CHECK_INT(core_file_map(path, &file, &error), FM_OK)) return;
    CHECK_INT(file->size, 10);
    CHECK_MEM(file->data, "some bytes", 10);
    struct arena *arena = arena_create();
    CHECK_INT(arena_defer(arena, core_file_release, file), FM_OK);
    arena_destroy(&arena);
    core_alloc_fail_after(1, false);
    CHECK_INT(core_file_map(path, &file, &error), FM_ERR_NOMEM);
    core_alloc_fail_after(0, false);
    unlink(path);
    if (CHECK_INT(mkfifo(path, 0600), 0)) CHECK_INT(core_file_map(path, &file, &error), FM_ERR_IO);
    unlink(path);
    rmdir(folder);
    CHECK_INT(core_alloc_live() - live, 0);
}

static void cpu_masks(void)
{
    uint32_t mask = 99;
    CHECK(cpu_parse_mask("c", &mask) == FM_OK && mask == 0);
    CHECK(cpu_parse_mask("avx2", &mask) == FM_OK && mask == CPU_AVX2);
    CHECK(cpu_parse_mask("avx512", &mask) == FM_OK && mask == (CPU_AVX2 | CPU_AVX512));
    CHECK(cpu_parse_mask("neon", &mask) == FM_OK && mask == CPU_NEON);
    CHECK(cpu_parse_mask("all", &mask) == FM_OK && mask == UINT32_MAX);
    CHECK(cpu_parse_mask("0x5", &mask) == FM_OK && mask == 5);
    CHECK(cpu_parse_mask("4294967295", &mask) == FM_OK && mask == UINT32_MAX);
    mask = 99;
    const char *wrong[] = {"", "sse9", "-1", "4294967296", "3x", " 3", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CHECK_MSG(cpu_parse_mask(wrong[i], &mask) == FM_ERR_ARGUMENT && mask == 99, "\"%s\" was taken as a mask", wrong[i]);
    CHECK_STR(cpu_best_name(0), "c");
    CHECK_STR(cpu_best_name(CPU_AVX2), "avx2");
    CHECK_STR(cpu_best_name(CPU_AVX2 | CPU_AVX512), "avx512");
    CHECK_STR(cpu_best_name(CPU_NEON), "neon");
    cpu_set_mask(0);
    CHECK_INT(cpu_flags(), 0);
    cpu_set_mask(UINT32_MAX);
    CHECK_INT(cpu_flags(), cpu_detect());
#if defined(__aarch64__)
    CHECK_INT(cpu_detect(), CPU_NEON);
#elif defined(__x86_64__)
    CHECK_INT((cpu_detect() & CPU_AVX2) != 0, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
#endif
}

static void cpu_facts(void)
{
    char name[128] = "", tiny[4] = "";
    cpu_model_name(name, sizeof name);
    CHECK(strlen(name) > 0);
    CHECK(strchr(name, '\n') == NULL);
    cpu_model_name(tiny, sizeof tiny);
    CHECK(strlen(tiny) <= 3);
    cpu_model_name(NULL, 0);
    CHECK(cpu_count() >= 1);
    CHECK(cpu_count() <= sysconf(_SC_NPROCESSORS_CONF));
}

static void half_floats(void)
{
    for (uint32_t h = 0; h < 0x10000; h++) { /* every half survives the way there and back (NaNs stay NaNs) */
        const float f = half_to_f32((uint16_t) h);
        const bool is_nan = (h & 0x7fff) > 0x7c00;
        if (is_nan ? !CHECK(isnan(f) && isnan(half_to_f32(half_from_f32(f)))) : !CHECK_INT(half_from_f32(f), h)) return;
    }
    CHECK_NEAR(half_to_f32(0x3c00), 1, 0);
    CHECK_NEAR(half_to_f32(0x0001), 0x1p-24, 0);
    CHECK_NEAR(half_to_f32(0x7bff), 65504, 0);
    CHECK_INT(half_from_f32(65519.99f), 0x7bff);
    CHECK_INT(half_from_f32(65520), 0x7c00);
    CHECK_INT(half_from_f32(1 + 0x1p-11f), 0x3c00);             /* a tie goes to the even neighbour */
    CHECK_INT(half_from_f32(1 + 3 * 0x1p-11f), 0x3c02);
    CHECK_INT(half_from_f32(-0x1p-25f), 0x8000);
    CHECK_INT(half_from_f32(0x1.8p-24f), 0x0002);
    CHECK_INT(bf16_from_f32(1 + 0x1p-8f), 0x3f80);
    CHECK_INT(bf16_from_f32(1 + 3 * 0x1p-8f), 0x3f82);
    CHECK_INT(bf16_from_f32(FLT_MAX), 0x7f80);
    CHECK(isnan(bf16_to_f32(bf16_from_f32(NAN))));
    CHECK_NEAR(bf16_to_f32(0xc040), -3, 0);
}

static void element_types(void)
{
    const size_t size[FM_DTYPE_COUNT] = {0, 4, 2, 2, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1};
    for (int i = 0; i < FM_DTYPE_COUNT; i++) CHECK_INT(fm_dtype_size((enum fm_dtype) i), size[i]);
    CHECK_INT(fm_dtype_size((enum fm_dtype) 99), 0);
    CHECK_INT(fm_dtype_size((enum fm_dtype) -1), 0);
    CHECK_STR(fm_dtype_name(FM_BF16), "bfloat16");
    CHECK_STR(fm_dtype_name(FM_BOOL), "bool");
    CHECK_STR(fm_dtype_name((enum fm_dtype) 99), "unknown");
    struct fm_tensor t = {.dtype = FM_F32, .rank = 3, .dim = {2, 3, 5}};
    CHECK_INT(fm_tensor_count(&t), 30);
    t.rank = 0;
    CHECK_INT(fm_tensor_count(&t), 1);
    t.rank = FM_MAX_RANK + 1;
    CHECK_INT(fm_tensor_count(&t), -1);
    t = (struct fm_tensor) {.rank = 2, .dim = {3, -1}};
    CHECK_INT(fm_tensor_count(&t), -1);
    t = (struct fm_tensor) {.rank = 3, .dim = {INT64_MAX, INT64_MAX, 0}};
    CHECK_INT(fm_tensor_count(&t), 0);
    t = (struct fm_tensor) {.rank = 2, .dim = {(int64_t) 1 << 32, (int64_t) 1 << 31}};
    CHECK_INT(fm_tensor_count(&t), -1);
}

/* 1e-40 times one: itself, or zero while subnormals are flushed; afterwards itself again. */
static void floats_flush_and_come_back(void)
{
#if defined(__SSE2__) || defined(__aarch64__)
    volatile float tiny = 1e-40f, one = 1.0f;
    CHECK(tiny * one > 0);
    const unsigned before = cpu_floats_flush();
    volatile float flushed = tiny * one;
    cpu_floats_restore(before);
    volatile float zero = 0;
    CHECK(flushed == zero);
    CHECK(tiny * one > 0);
#endif
}

int main(void)
{
    RUN(floats_flush_and_come_back);
    RUN(alloc_contract);
    RUN(pages_contract);
    RUN(alloc_injection);
    RUN(alloc_injection_threads);
    RUN(overflow_arithmetic);
    RUN(arena_contract);
    RUN(arena_out_of_memory);
    RUN(error_messages);
    RUN(error_long_messages);
    RUN(error_names);
    RUN(file_mapping);
    RUN(cpu_masks);
    RUN(cpu_facts);
    RUN(half_floats);
    RUN(element_types);
    return check_report();
}
