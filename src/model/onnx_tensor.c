/* SPDX-License-Identifier: MIT */
#include "model/onnx_tensor.h"

#include <inttypes.h>
#include <string.h>

#include "core/alloc.h"

/* TensorProto's field numbers */
enum { T_DIMS = 1, T_TYPE = 2, T_SEGMENT = 3, T_FLOATS = 4, T_INT32S = 5, T_STRINGS = 6, T_INT64S = 7, T_NAME = 8, T_RAW = 9,
       T_DOUBLES = 10, T_UINT64S = 11, T_EXTERNAL = 13, T_LOCATION = 14 };

struct reading {
    struct onnx_view message;
    int64_t type;
    bool has_raw, is_external, has_segment;
    struct onnx_view raw;
    struct onnx_view location;
    int64_t offset, length; /* of external data; length -1: to the end of the file */
};

static int fail(struct onnx_file *file, const struct reading *r, const struct onnx_tensor *t, enum fm_err code, const char *what)
{
    return onnx_fail_at(file, r->message.at, code, "tensor \"%.*s\": %s", ONNX_SHOW(t->name), what);
}

static int add_dim(struct onnx_file *file, const struct onnx_field *f, struct onnx_tensor *t, uint64_t value)
{
    if (t->rank == FM_MAX_RANK)
        return onnx_fail_at(file, f->at, FM_ERR_UNSUPPORTED, "a tensor has more than %d dimensions", FM_MAX_RANK);
    if (value > INT64_MAX)
        return onnx_fail_at(file, f->at, FM_ERR_FORMAT, "a dimension of a tensor is %" PRId64, (int64_t) value);
    t->dim[t->rank++] = (int64_t) value;
    return FM_OK;
}

static int read_dims(struct onnx_file *file, const struct onnx_field *f, struct onnx_tensor *t)
{
    if (f->type != WIRE_BYTES) {
        const int rc = onnx_want(file, f, WIRE_VARINT, "TensorProto.dims");
        return rc ? rc : add_dim(file, f, t, f->value);
    }
    struct onnx_wire wire = onnx_wire_open(f->bytes);
    uint64_t value;
    int rc = FM_OK;
    while (!rc && onnx_wire_varint(&wire, &value))
        rc = add_dim(file, f, t, value);
    return !rc && wire.fault ? onnx_fail_at(file, f->at, FM_ERR_FORMAT, "in TensorProto.dims: %s", wire.fault) : rc;
}

static bool read_decimal(struct onnx_view text, int64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || !core_mul_i64(*value, 10, value) ||
            !core_add_i64(*value, text.at[i] - '0', value))
            return false;
    }
    return text.size > 0;
}

static int read_external_entry(struct onnx_file *file, const struct onnx_field *f, struct reading *r)
{
    struct onnx_view key, value;
    const int rc = onnx_read_entry(file, f, &key, &value);
    if (rc)
        return rc;
    if (onnx_view_is(key, "location"))
        r->location = value;
    else if ((onnx_view_is(key, "offset") && !read_decimal(value, &r->offset)) ||
             (onnx_view_is(key, "length") && !read_decimal(value, &r->length)))
        return onnx_fail_at(file, f->at, FM_ERR_FORMAT, "external data: %.*s is \"%.*s\", must be a whole number", ONNX_SHOW(key),
                            ONNX_SHOW(value));
    return FM_OK;
}

static int read_field(struct onnx_file *file, const struct onnx_field *f, struct reading *r, struct onnx_tensor *t)
{
    int rc = FM_OK;
    switch (f->number) {
    case T_DIMS: rc = read_dims(file, f, t); break;
    case T_TYPE:
        rc = onnx_want(file, f, WIRE_VARINT, "TensorProto.data_type");
        r->type = (int64_t) f->value;
        break;
    case T_SEGMENT: r->has_segment = true; break;
    case T_NAME:
        rc = onnx_want(file, f, WIRE_BYTES, "TensorProto.name");
        t->name = f->bytes;
        break;
    case T_RAW:
        rc = onnx_want(file, f, WIRE_BYTES, "TensorProto.raw_data");
        r->raw = f->bytes;
        r->has_raw = true;
        break;
    case T_EXTERNAL: rc = read_external_entry(file, f, r); break;
    case T_LOCATION:
        rc = onnx_want(file, f, WIRE_VARINT, "TensorProto.data_location");
        r->is_external = f->value == 1;
        break;
    default: break;
    }
    return rc;
}

/* Which repeated field carries a type's elements. */
static uint32_t typed_field(enum fm_dtype dtype)
{
    switch (dtype) {
    case FM_F32: return T_FLOATS;
    case FM_F64: return T_DOUBLES;
    case FM_I64: return T_INT64S;
    case FM_U32:
    case FM_U64: return T_UINT64S;
    default: return T_INT32S;
    }
}

static void store(uint8_t *to, enum fm_dtype dtype, uint64_t value)
{
    const size_t size = fm_dtype_size(dtype);
    if (dtype == FM_BOOL)
        value = value != 0;
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t) (value >> (8 * i));
}

static bool next_packed(struct onnx_wire *wire, uint32_t number, uint64_t *value)
{
    uint32_t bits;
    if (number == T_DOUBLES)
        return onnx_wire_fixed64(wire, value);
    if (number != T_FLOATS)
        return onnx_wire_varint(wire, value);
    if (!onnx_wire_fixed32(wire, &bits))
        return false;
    *value = bits;
    return true;
}

/* Goes through the typed elements; with `to` NULL it only counts them. */
static int typed_pass(struct onnx_file *file, const struct reading *r, enum fm_dtype dtype, uint8_t *to, int64_t *count)
{
    const uint32_t number = typed_field(dtype);
    const enum onnx_wire_type single = number == T_FLOATS ? WIRE_FIXED32 : number == T_DOUBLES ? WIRE_FIXED64 : WIRE_VARINT;
    const size_t size = fm_dtype_size(dtype);
    struct onnx_wire wire = onnx_wire_open(r->message);
    struct onnx_field f;
    int rc;
    *count = 0;
    while ((rc = onnx_next(file, &wire, &f, "TensorProto")) > 0) {
        if (f.number != number)
            continue;
        struct onnx_wire list = onnx_wire_open(f.bytes);
        uint64_t value = f.value;
        if (f.type != WIRE_BYTES && (rc = onnx_want(file, &f, single, "TensorProto's elements")))
            return rc;
        while (f.type != WIRE_BYTES || next_packed(&list, number, &value)) {
            if (to)
                store(to + (size_t) *count * size, dtype, value);
            ++*count;
            if (f.type != WIRE_BYTES)
                break;
        }
        if (list.fault)
            return onnx_fail_at(file, f.at, FM_ERR_FORMAT, "in TensorProto: %s", list.fault);
    }
    return rc;
}

static int count_mismatch(struct onnx_file *file, const struct reading *r, const struct onnx_tensor *t, int64_t got,
                          const char *unit)
{
    return onnx_fail_at(file, r->message.at, FM_ERR_FORMAT,
                        "tensor \"%.*s\": its shape asks for %" PRId64 " elements of %s, but there are %" PRId64 " %s",
                        ONNX_SHOW(t->name), t->count, fm_dtype_name(t->dtype), got, unit);
}

static int read_typed(struct onnx_file *file, const struct reading *r, struct onnx_tensor *t)
{
    int64_t count;
    int rc = typed_pass(file, r, t->dtype, NULL, &count);
    if (rc)
        return rc;
    if (count != t->count)
        return count_mismatch(file, r, t, count, "in the file");
    uint8_t *data = arena_array(file->arena, (size_t) count, fm_dtype_size(t->dtype));
    if (!data)
        return onnx_fail_nomem(file, (size_t) count * fm_dtype_size(t->dtype));
    t->data = data;
    return typed_pass(file, r, t->dtype, data, &count);
}

/* Raw bools other than 0 and 1 would break what everyone assumes of FM_BOOL: those are copied and made 1. */
static int clean_bools(struct onnx_file *file, struct onnx_tensor *t)
{
    const uint8_t *from = t->data;
    int64_t i = 0;
    while (i < t->count && from[i] <= 1)
        i++;
    if (i == t->count)
        return FM_OK;
    uint8_t *to = arena_alloc(file->arena, (size_t) t->count);
    if (!to)
        return onnx_fail_nomem(file, (size_t) t->count);
    for (i = 0; i < t->count; i++)
        to[i] = from[i] != 0;
    t->data = to;
    return FM_OK;
}

static int read_external(struct onnx_file *file, struct reading *r, const struct onnx_tensor *t, size_t need)
{
    struct onnx_view data;
    if (r->length >= 0 && (uint64_t) r->length != need)
        return count_mismatch(file, r, t, r->length, "bytes of external data");
    if (need == 0) /* nothing to read: no file is opened */
        return r->raw = r->message, FM_OK;
    int rc = onnx_open_external(file, r->message.at, r->location, &data);
    if (rc)
        return rc;
    if ((uint64_t) r->offset > data.size || need > data.size - (size_t) r->offset)
        return onnx_fail_at(file, r->message.at, FM_ERR_FORMAT,
                            "tensor \"%.*s\": %zu bytes at offset %" PRId64 " are past the end of \"%.*s\" (%zu bytes)",
                            ONNX_SHOW(t->name), need, r->offset, ONNX_SHOW(r->location), data.size);
    r->raw = (struct onnx_view){ data.at + r->offset, need };
    return FM_OK;
}

static int resolve(struct onnx_file *file, struct reading *r, struct onnx_tensor *t)
{
    t->dtype = onnx_dtype(r->type);
    if (t->dtype == FM_DTYPE_NONE)
        return onnx_fail_at(file, r->message.at, r->type == ONNX_UNDEFINED ? FM_ERR_FORMAT : FM_ERR_UNSUPPORTED,
                            "tensor \"%.*s\" has element type %s (%" PRId64 ")", ONNX_SHOW(t->name), onnx_type_name(r->type),
                            r->type);
    if (r->has_segment)
        return fail(file, r, t, FM_ERR_UNSUPPORTED, "tensors in segments are not supported");
    struct fm_tensor shape = { .dtype = t->dtype, .rank = t->rank };
    memcpy(shape.dim, t->dim, sizeof(t->dim));
    size_t need = 0;
    t->count = fm_tensor_count(&shape);
    if (t->count < 0 || (uint64_t) t->count > SIZE_MAX || !core_mul_size((size_t) t->count, fm_dtype_size(t->dtype), &need))
        return fail(file, r, t, FM_ERR_FORMAT, "its dimensions overflow");
    if (r->is_external) {
        const int rc = r->has_raw ? fail(file, r, t, FM_ERR_FORMAT, "data is both here and external")
                                  : read_external(file, r, t, need);
        if (rc)
            return rc;
    } else if (!r->has_raw) {
        return read_typed(file, r, t);
    } else {
        int64_t typed;
        const int rc = typed_pass(file, r, t->dtype, NULL, &typed);
        if (rc || typed)
            return rc ? rc : fail(file, r, t, FM_ERR_FORMAT, "data is there both raw and typed");
        if (r->raw.size != need)
            return count_mismatch(file, r, t, (int64_t) r->raw.size, "bytes of raw data");
    }
    t->data = r->raw.at;
    return t->dtype == FM_BOOL ? clean_bools(file, t) : FM_OK;
}

int onnx_read_tensor(struct onnx_file *file, struct onnx_view view, struct onnx_tensor *tensor)
{
    const struct onnx_view nothing = { view.at, 0 };
    struct reading r = { .message = view, .raw = nothing, .location = nothing, .length = -1 };
    *tensor = (struct onnx_tensor){ .name = nothing };
    struct onnx_wire wire = onnx_wire_open(view);
    struct onnx_field f;
    int rc;
    while ((rc = onnx_next(file, &wire, &f, "TensorProto")) > 0)
        if ((rc = read_field(file, &f, &r, tensor)) < 0)
            return rc;
    return rc ? rc : resolve(file, &r, tensor);
}
