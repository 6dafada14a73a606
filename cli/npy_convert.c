/* SPDX-License-Identifier: MIT */
/* One element type to another. Integers travel as 64 bits with a sign apart, floats as double: every type goes through exactly. */
#include "npy.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_float(enum fm_dtype t)
{
    return t == FM_F32 || t == FM_F16 || t == FM_BF16 || t == FM_F64;
}
static bool is_unsigned(enum fm_dtype t)
{
    return t >= FM_U8 && t <= FM_BOOL;
}

struct number {
    double f;
    uint64_t magnitude;
    bool negative;
};

/* ---- 16-bit floats ---- */

static double from_half(uint16_t h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 31 ? (fraction ? NAN : INFINITY)
               : exponent     ? ldexp(1024 + fraction, exponent - 25)
                              : ldexp(fraction, -24);
    return h & 0x8000 ? -v : v;
}

/* Rounds to nearest even: the value is scaled so that one unit of the result is 1, where rint does it. */
static uint16_t to_half(double v)
{
    const uint16_t sign = signbit(v) ? 0x8000 : 0;
    if (isnan(v)) return sign | 0x7e00;
    v = fabs(v);
    if (v >= 65520.0) return sign | 0x7c00;
    int exponent;
    frexp(v, &exponent); /* v in [2^(exponent-1), 2^exponent) */
    exponent = v < 0x1p-14 ? -14 : exponent - 1;
    const unsigned units = (unsigned) rint(ldexp(v, 10 - exponent));         /* 1024 and more unless subnormal */
    return (uint16_t) (sign | (units + ((unsigned) (exponent + 14) << 10))); /* a carry goes into the exponent */
}

static double from_bf16(uint16_t b)
{
    const uint32_t bits = (uint32_t) b << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double) f;
}

static uint16_t to_bf16(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    if (isnan(f)) return (uint16_t) (bits >> 16 | 0x40);
    return (uint16_t) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* ---- one element ---- */

#define GET(type)                                                                                                                  \
    {                                                                                                                              \
        type v;                                                                                                                    \
        memcpy(&v, p, sizeof v);                                                                                                   \
        n.negative = v < 0;                                                                                                        \
        n.magnitude = n.negative ? 0 - (uint64_t) v : (uint64_t) v;                                                                \
        break;                                                                                                                     \
    }

static struct number get(enum fm_dtype type, const uint8_t *p)
{
    struct number n = {0};
    float f32;
    uint16_t f16;
    switch (type) {
    case FM_F32:
        memcpy(&f32, p, sizeof f32);
        n.f = (double) f32;
        return n;
    case FM_F64: memcpy(&n.f, p, sizeof n.f); return n;
    case FM_F16:
    case FM_BF16:
        memcpy(&f16, p, sizeof f16);
        n.f = type == FM_F16 ? from_half(f16) : from_bf16(f16);
        return n;
    case FM_I8: GET(int8_t)
    case FM_I16: GET(int16_t)
    case FM_I32: GET(int32_t)
    case FM_I64: GET(int64_t)
    case FM_U16:
        memcpy(&f16, p, sizeof f16);
        n.magnitude = f16;
        break;
    case FM_U32: {
        uint32_t v;
        memcpy(&v, p, sizeof v);
        n.magnitude = v;
        break;
    }
    case FM_U64: memcpy(&n.magnitude, p, sizeof n.magnitude); break;
    default: n.magnitude = *p; break; /* uint8, bool */
    }
    n.f = n.negative ? -(double) n.magnitude : (double) n.magnitude;
    return n;
}

/* Largest magnitude of an integer type, on the side of the number's sign. */
static bool fits(const struct number *n, enum fm_dtype to)
{
    const unsigned bits = 8 * (unsigned) fm_dtype_size(to);
    if (is_unsigned(to)) return !n->negative && (bits == 64 || n->magnitude < (uint64_t) 1 << bits);
    return n->magnitude < ((uint64_t) 1 << (bits - 1)) + n->negative;
}

static void put(enum fm_dtype to, const struct number *n, uint8_t *p)
{
    /* out of float's range becomes infinity, as NumPy does it; the conversion itself would be undefined */
    const float f32 = fabs(n->f) > 0x1.ffffffp+127 ? (n->f > 0 ? INFINITY : -INFINITY) : (float) n->f;
    const uint64_t bits = n->negative ? 0 - n->magnitude : n->magnitude;
    const uint16_t b16 = (uint16_t) bits, f16 = to == FM_F16 ? to_half(n->f) : to_bf16(f32);
    const uint32_t b32 = (uint32_t) bits;
    switch (to) {
    case FM_F32: memcpy(p, &f32, sizeof f32); break;
    case FM_F64: memcpy(p, &n->f, sizeof n->f); break;
    case FM_F16:
    case FM_BF16: memcpy(p, &f16, sizeof f16); break;
    default:
        switch (fm_dtype_size(to)) {
        case 1: *p = (uint8_t) bits; break;
        case 2: memcpy(p, &b16, sizeof b16); break;
        case 4: memcpy(p, &b32, sizeof b32); break;
        default: memcpy(p, &bits, sizeof bits); break;
        }
        break;
    }
}

/* ---- arrays ---- */

static int refuse(struct fm_error *error, enum fm_err code, const char *name, enum fm_dtype from, enum fm_dtype to, const char *why)
{
    if (!error) return code;
    error->code = code;
    snprintf(error->message, sizeof error->message, "%.300s: %s array where %s belongs%s", name, fm_dtype_name(from),
        fm_dtype_name(to), why);
    return code;
}

int npy_convert(struct fm_tensor *tensor, enum fm_dtype to, const char *name, struct fm_error *error)
{
    const enum fm_dtype from = tensor->dtype;
    if (to == FM_DTYPE_NONE || to == from) return FM_OK;
    const size_t size_from = fm_dtype_size(from), size_to = fm_dtype_size(to);
    const int64_t n = fm_tensor_count(tensor);
    if (!size_from || !size_to || n < 0 || to == FM_BOOL || (is_float(from) && !is_float(to)))
        return refuse(error, FM_ERR_UNSUPPORTED, name, from, to, "");
    if ((uint64_t) n > (uint64_t) PTRDIFF_MAX / size_to) return refuse(error, FM_ERR_NOMEM, name, from, to, ": too large");
    uint8_t *data = malloc((size_t) n * size_to + !n);
    if (!data) return refuse(error, FM_ERR_NOMEM, name, from, to, ": out of memory");
    for (size_t i = 0; i < (size_t) n; i++) {
        const struct number v = get(from, (const uint8_t *) tensor->data + i * size_from);
        if (!is_float(to) && !fits(&v, to)) {
            free(data);
            return refuse(error, FM_ERR_FORMAT, name, from, to, ", with a value that does not fit");
        }
        put(to, &v, data + i * size_to);
    }
    free(tensor->data);
    tensor->data = data;
    tensor->dtype = to;
    return FM_OK;
}
