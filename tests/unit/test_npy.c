/* SPDX-License-Identifier: MIT */
/* Reading, writing and converting .npy files of the command line. The files are spelled out byte by byte here, as NumPy's format
 * description gives them. */
#define _GNU_SOURCE /* mkdtemp */
#include "check.h"

#include "../../cli/npy.c" /* the program's own files are in no library */
#include "../../cli/npy_convert.c"

#include <unistd.h>

static char folder[] = "/tmp/fm_npy_XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A whole file: magic, version, length, header text (a newline is added), elements. */
static size_t make(uint8_t *file, int version, const char *header, const void *data, size_t size)
{
    const size_t n = strlen(header) + 1, prefix = version == 1 ? 10 : 12;
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (uint8_t) version;
    file[7] = 0;
    file[8] = (uint8_t) n;
    file[9] = (uint8_t) (n >> 8);
    if (version > 1) file[10] = file[11] = 0;
    memcpy(file + prefix, header, n - 1);
    file[prefix + n - 1] = '\n';
    if (size) memcpy(file + prefix + n, data, size);
    return prefix + n + size;
}

static int parse(const uint8_t *file, size_t size, struct fm_tensor *out, struct fm_error *error)
{
    uint8_t *exact = malloc(size + !size);
    memcpy(exact, file, size);
    memset(error, 0, sizeof *error);
    const int rc = npy_parse(exact, size, "a.npy", out, error);
    free(exact);
    if (rc) CHECK(!out->data && error->code == (enum fm_err) rc);
    return rc;
}

/* Parses from memory and from a file; both must answer the same. */
static int both(const uint8_t *file, size_t size, struct fm_tensor *out, struct fm_error *error)
{
    struct fm_tensor again;
    struct fm_error same = {0};
    const int rc = parse(file, size, out, error);
    FILE *stream = fopen(in_folder("both.npy"), "wb");
    if (!CHECK(stream && fwrite(file, 1, size, stream) == size)) return rc;
    fclose(stream);
    CHECK_INT(npy_read(in_folder("both.npy"), &again, &same), rc);
    if (rc) {
        CHECK(!again.data);
        CHECK_HAS(same.message, "both.npy: ");
    } else if (CHECK_INT(again.rank, out->rank) && CHECK_INT(again.dtype, out->dtype)) {
        CHECK_MEM(again.data, out->data, (size_t) fm_tensor_count(out) * fm_dtype_size(out->dtype));
    }
    npy_free(&again);
    return rc;
}

static void versions(void)
{
    const float v[6] = {1, 2, 3, 4, 5, 6};
    for (int version = 1; version <= 3; version++) {
        uint8_t file[256];
        struct fm_tensor t;
        struct fm_error error;
        const size_t n = make(file, version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }     ", v, sizeof v);
        if (!CHECK_INT(both(file, n, &t, &error), FM_OK)) continue;
        CHECK_INT(t.dtype, FM_F32);
        CHECK_INT(t.rank, 2);
        CHECK_INT(t.dim[0], 2);
        CHECK_INT(t.dim[1], 3);
        CHECK_MEM(t.data, v, sizeof v);
        npy_free(&t);
        CHECK(!t.data);
    }
}

/* Element (i, j, k) of a [2][3][4] array is 100 i + 10 j + k; Fortran order has the first index running fastest. */
static void orders(void)
{
    uint8_t file[512];
    struct fm_tensor t;
    struct fm_error error;
    int16_t v[24];
    for (int big = 0; big < 2; big++)
        for (int fortran = 0; fortran < 2; fortran++) {
            for (int n = 0; n < 24; n++) {
                const int value = fortran ? 100 * (n % 2) + 10 * (n / 2 % 3) + n / 6 : 100 * (n / 12) + 10 * (n / 4 % 3) + n % 4;
                const uint8_t bytes[2] = {(uint8_t) (big ? value >> 8 : value), (uint8_t) (big ? value : value >> 8)};
                memcpy(&v[n], bytes, 2);
            }
            char header[128];
            snprintf(header, sizeof header, "{\"shape\":(2L,3L,4L),'fortran_order':%s,'descr':'%ci2'}", fortran ? "True" : "False",
                big ? '>' : '<');
            if (!CHECK_INT(both(file, make(file, 1, header, v, sizeof v), &t, &error), FM_OK)) continue;
            CHECK_INT(t.rank, 3);
            for (int n = 0; n < 24; n++) CHECK_INT(((int16_t *) t.data)[n], 100 * (n / 12) + 10 * (n / 4 % 3) + n % 4);
            npy_free(&t);
        }
}

static void shapes(void)
{
    static const struct {
        const char *shape;
        int rank;
        int64_t n;
    } all[] = {{"()", 0, 1}, {"(5,)", 1, 5}, {"( 5 , )", 1, 5}, {"(5)", 1, 5}, {"(0,)", 1, 0}, {"(3, 0, 2)", 3, 0},
        {"(1,1,1,1,1,1,1,2)", 8, 2}};
    const uint8_t v[8] = {0, 1, 2, 7, 0};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint8_t file[256];
        char header[128];
        struct fm_tensor t;
        struct fm_error error;
        snprintf(header, sizeof header, "{'descr': '|b1', 'fortran_order': False, 'shape': %s}", all[i].shape);
        if (!CHECK_INT(both(file, make(file, 1, header, v, (size_t) all[i].n), &t, &error), FM_OK)) continue;
        CHECK_INT(t.rank, all[i].rank);
        CHECK_INT(fm_tensor_count(&t), all[i].n);
        CHECK(t.data != NULL);
        for (int k = 0; k < all[i].n; k++) CHECK_INT(((uint8_t *) t.data)[k], v[k] != 0);
        npy_free(&t);
    }
}

static void damage(void)
{
    static const struct {
        const char *header;
        int bytes, code;
        const char *part;
    } all[] = {{"", 0, FM_ERR_FORMAT, "dictionary"}, {"{", 0, FM_ERR_FORMAT, "key"}, {"{}", 0, FM_ERR_FORMAT, "missing"},
        {"{'descr'}", 0, FM_ERR_FORMAT, "key"}, {"{'descr': '<f4', 'fortran_order': False}", 0, FM_ERR_FORMAT, "missing"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", 4, FM_ERR_FORMAT, "follows"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, FM_ERR_FORMAT, "twice"},
        {"{'other': '<f4', 'fortran_order': False, 'shape': (1,)}", 4, FM_ERR_FORMAT, "unknown"},
        {"{'descr': '<f4', 'fortran_order': false, 'shape': (1,)}", 4, FM_ERR_FORMAT, "fortran_order"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", 4, FM_ERR_FORMAT, "tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 4, FM_ERR_FORMAT, "number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1", 4, FM_ERR_FORMAT, "end"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 4, FM_ERR_FORMAT, "too large"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", 4, FM_ERR_FORMAT, "too many"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,)}", 4, FM_ERR_FORMAT, "too many"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000,)}", 4, FM_ERR_FORMAT, "4 bytes of elements"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 7, FM_ERR_FORMAT, "needs 8"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", 5, FM_ERR_FORMAT, "4"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", 8, FM_ERR_UNSUPPORTED, "<c8"},
        {"{'descr': '<U4', 'fortran_order': False, 'shape': (1,)}", 8, FM_ERR_UNSUPPORTED, "<U4"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", 8, FM_ERR_UNSUPPORTED, "|O"},
        {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", 8, FM_ERR_UNSUPPORTED, "''"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4, FM_ERR_UNSUPPORTED, "records"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", 4, FM_ERR_UNSUPPORTED, "dimensions"}};
    static const uint8_t zero[16];
    uint8_t file[512];
    struct fm_tensor t;
    struct fm_error error;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CHECK_MSG(both(file, make(file, 1, all[i].header, zero, (size_t) all[i].bytes), &t, &error) == all[i].code, "%s: %d %s",
            all[i].header, error.code, error.message);
        CHECK_HAS(error.message, all[i].part);
        CHECK_HAS(error.message, "a.npy: ");
    }
    /* every shorter file is damaged */
    const size_t n = make(file, 2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", zero, 8);
    for (size_t k = 0; k < n; k++) CHECK_INT(parse(file, k, &t, &error), FM_ERR_FORMAT);
    CHECK_INT(parse(file, n, &t, &error), FM_OK);
    npy_free(&t);
    file[6] = 4;
    CHECK_INT(both(file, n, &t, &error), FM_ERR_UNSUPPORTED);
    file[6] = 2;
    file[11] = 0x7f; /* a header of 2 GB */
    CHECK_INT(both(file, n, &t, &error), FM_ERR_FORMAT);
    CHECK_INT(npy_read(in_folder("nothing.npy"), &t, &error), FM_ERR_IO);
    CHECK_HAS(error.message, "nothing.npy");
    CHECK_INT(npy_read(folder, &t, &error), FM_ERR_IO);
}

static void round_trip(void)
{
    for (int dtype = FM_F32; dtype < FM_DTYPE_COUNT; dtype++)
        for (int rank = 0; rank <= FM_MAX_RANK; rank += 2) {
            uint8_t data[6 * 8];
            struct fm_tensor t = {.dtype = (enum fm_dtype) dtype, .rank = rank, .data = data}, back;
            struct fm_error error = {0};
            for (int i = 0; i < rank; i++) t.dim[i] = i == 0 ? 2 : i == 1 ? 3 : 1;
            for (int i = 0; i < 48; i++) data[i] = dtype == FM_BOOL ? i & 1 : (uint8_t) (i * 5 + 1);
            if (!CHECK_MSG(npy_write(in_folder("round.npy"), &t, &error) == FM_OK, "%s", error.message)) continue;
            if (!CHECK_MSG(npy_read(in_folder("round.npy"), &back, &error) == FM_OK, "%s", error.message)) continue;
            CHECK_INT(back.rank, rank);
            for (int i = 0; i < rank; i++) CHECK_INT(back.dim[i], t.dim[i]);
            if (dtype == FM_BF16) {
                CHECK_INT(back.dtype, FM_F32);
                for (int i = 0; i < fm_tensor_count(&t); i++) {
                    CHECK_MEM((uint8_t *) back.data + 4 * i + 2, data + 2 * i, 2); /* little endian: the upper half */
                    CHECK_INT(((uint8_t *) back.data)[4 * i], 0);
                }
            } else {
                CHECK_INT(back.dtype, dtype);
                CHECK_MEM(back.data, data, (size_t) fm_tensor_count(&t) * fm_dtype_size(t.dtype));
            }
            npy_free(&back);
        }
    /* the bytes that numpy.save writes */
    const int32_t v[3] = {1, -1, 7};
    const struct fm_tensor t = {.dtype = FM_I32, .rank = 1, .dim = {3}, .data = (void *) (uintptr_t) v};
    struct fm_error error;
    uint8_t got[256], want[256];
    CHECK_INT(npy_write(in_folder("exact.npy"), &t, &error), FM_OK);
    FILE *stream = fopen(in_folder("exact.npy"), "rb");
    if (CHECK(stream)) {
        char header[256];
        snprintf(header, sizeof header, "%-117s", "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }");
        const size_t n = make(want, 1, header, v, sizeof v);
        CHECK_INT(n, 140);
        if (CHECK_INT(fread(got, 1, sizeof got, stream), n)) CHECK_MEM(got, want, n);
        fclose(stream);
    }
    CHECK(access(in_folder("exact.npy.part"), F_OK) != 0);
}

static void failed_writes(void)
{
    float v = 1;
    struct fm_tensor t = {.dtype = FM_F32, .rank = 1, .dim = {1}, .data = &v};
    struct fm_error error;
    CHECK_INT(npy_write(in_folder("no/such/folder.npy"), &t, &error), FM_ERR_IO);
    t.dtype = FM_DTYPE_NONE;
    CHECK_INT(npy_write(in_folder("a.npy"), &t, &error), FM_ERR_ARGUMENT);
    t.dtype = FM_F32;
    t.dim[0] = -1;
    CHECK_INT(npy_write(in_folder("a.npy"), &t, &error), FM_ERR_ARGUMENT);
}

static int convert(enum fm_dtype from, const void *data, int n, enum fm_dtype to, struct fm_tensor *t)
{
    struct fm_error error = {0};
    *t = (struct fm_tensor){.dtype = from, .rank = 1, .dim = {n}, .data = malloc((size_t) n * fm_dtype_size(from))};
    memcpy(t->data, data, (size_t) n * fm_dtype_size(from));
    const int rc = npy_convert(t, to, "a.npy", &error);
    CHECK_INT(error.code, rc);
    CHECK_INT(t->dtype, rc || to == FM_DTYPE_NONE ? from : to);
    if (rc) CHECK_HAS(error.message, "a.npy: ");
    return rc;
}

static void conversions(void)
{
    struct fm_tensor t;
    const double d[6] = {1.5, -2.25, 1e300, -1e300, 65519.999, 5.960464477539063e-8};
    if (CHECK_INT(convert(FM_F64, d, 6, FM_F32, &t), FM_OK)) {
        const float *f = t.data;
        CHECK(f[0] == 1.5f && f[1] == -2.25f && isinf(f[2]) && isinf(f[3]) && f[3] < 0);
    }
    npy_free(&t);
    if (CHECK_INT(convert(FM_F64, d, 6, FM_F16, &t), FM_OK))
        CHECK_MEM(t.data, ((const uint16_t[]){0x3e00, 0xc080, 0x7c00, 0xfc00, 0x7bff, 0x0001}), 12);
    npy_free(&t);
    const float f[4] = {1.0f, 1.00390625f, 1.01171875f, NAN}; /* halfway between two bfloat16: to even, down and up */
    if (CHECK_INT(convert(FM_F32, f, 4, FM_BF16, &t), FM_OK)) {
        CHECK_MEM(t.data, ((const uint16_t[]){0x3f80, 0x3f80, 0x3f82}), 6);
        CHECK((((uint16_t *) t.data)[3] & 0x7fff) > 0x7f80);
    }
    npy_free(&t);
    const uint16_t h[5] = {0x3c00, 0x0001, 0x83ff, 0x7c00, 0x7e00};
    if (CHECK_INT(convert(FM_F16, h, 5, FM_F64, &t), FM_OK)) {
        const double *v = t.data;
        CHECK(v[0] == 1 && v[1] == 0x1p-24 && v[2] == -1023 * 0x1p-24 && isinf(v[3]) && isnan(v[4]));
    }
    npy_free(&t);
    const uint8_t b[3] = {0, 200, 255};
    if (CHECK_INT(convert(FM_U8, b, 3, FM_F32, &t), FM_OK)) CHECK_MEM(t.data, ((const float[]){0, 200, 255}), 12);
    npy_free(&t);
    if (CHECK_INT(convert(FM_U8, b, 3, FM_I64, &t), FM_OK)) CHECK_MEM(t.data, ((const int64_t[]){0, 200, 255}), 24);
    npy_free(&t);
    CHECK_INT(convert(FM_U8, b, 3, FM_I8, &t), FM_ERR_FORMAT);
    npy_free(&t);
    const int64_t i[3] = {INT32_MIN, INT32_MAX, -1};
    if (CHECK_INT(convert(FM_I64, i, 3, FM_I32, &t), FM_OK)) CHECK_MEM(t.data, ((const int32_t[]){INT32_MIN, INT32_MAX, -1}), 12);
    npy_free(&t);
    CHECK_INT(convert(FM_I64, i, 3, FM_U64, &t), FM_ERR_FORMAT);
    npy_free(&t);
    const uint64_t u[2] = {UINT64_MAX, (uint64_t) INT64_MAX};
    CHECK_INT(convert(FM_U64, u, 2, FM_I64, &t), FM_ERR_FORMAT);
    npy_free(&t);
    if (CHECK_INT(convert(FM_U64, u + 1, 1, FM_I64, &t), FM_OK)) CHECK_INT(*(int64_t *) t.data, INT64_MAX);
    npy_free(&t);
    const int64_t lowest = INT64_MIN;
    if (CHECK_INT(convert(FM_I64, &lowest, 1, FM_F64, &t), FM_OK)) CHECK(*(double *) t.data == -0x1p63);
    npy_free(&t);
    CHECK_INT(convert(FM_F32, f, 3, FM_I32, &t), FM_ERR_UNSUPPORTED);
    npy_free(&t);
    CHECK_INT(convert(FM_U8, b, 3, FM_BOOL, &t), FM_ERR_UNSUPPORTED);
    npy_free(&t);
    CHECK_INT(convert(FM_F32, f, 3, FM_DTYPE_NONE, &t), FM_OK);
    npy_free(&t);
}

int main(void)
{
    if (!mkdtemp(folder)) return EXIT_FAILURE;
    RUN(versions);
    RUN(orders);
    RUN(shapes);
    RUN(damage);
    RUN(round_trip);
    RUN(failed_writes);
    RUN(conversions);
    for (const char *const *name = (const char *const[]){"both.npy", "round.npy", "exact.npy", NULL}; *name; name++)
        unlink(in_folder(*name));
    CHECK(rmdir(folder) == 0);
    return check_report();
}
