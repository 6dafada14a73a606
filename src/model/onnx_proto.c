/* SPDX-License-Identifier: MIT */
#include "model/onnx_proto.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/half.h"

#define ATTRIBUTES_MAX 256 /* per node; more is an attack on the linear search for them */

int onnx_fail_at(struct onnx_file *file, const uint8_t *at, enum fm_err code, const char *format, ...)
{
    char text[FM_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return core_fail(file->error, code, "%s: byte %zu: %s", file->source, (size_t) (at - file->data.at), text);
}

int onnx_fail_nomem(struct onnx_file *file, size_t bytes)
{
    core_fail_nomem(file->error, bytes);
    return core_fail_prefix(file->error, "%s", file->source), FM_ERR_NOMEM;
}

int onnx_next(struct onnx_file *file, struct onnx_wire *wire, struct onnx_field *field, const char *what)
{
    const int rc = onnx_wire_next(wire, field);
    return rc >= 0 ? rc : onnx_fail_at(file, field->at, FM_ERR_FORMAT, "in %s: %s", what, wire->fault);
}

int onnx_want(struct onnx_file *file, const struct onnx_field *field, enum onnx_wire_type type, const char *what)
{
    if (field->type == type)
        return FM_OK;
    return onnx_fail_at(file, field->at, FM_ERR_FORMAT, "%s has wire type %d, must be %d", what, (int) field->type, (int) type);
}

bool onnx_view_is(struct onnx_view view, const char *text)
{
    return view.size == strlen(text) && (view.size == 0 || memcmp(view.at, text, view.size) == 0);
}

bool onnx_view_same(struct onnx_view a, struct onnx_view b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

int onnx_text(struct onnx_file *file, struct onnx_view view, const char **text)
{
    *text = "";
    if (view.size == 0)
        return FM_OK;
    if (memchr(view.at, 0, view.size))
        return onnx_fail_at(file, view.at, FM_ERR_FORMAT, "a name has a zero byte inside");
    *text = arena_strndup(file->scratch, (const char *) view.at, view.size);
    return *text ? FM_OK : onnx_fail_nomem(file, view.size);
}

enum fm_dtype onnx_dtype(int64_t type)
{
    switch (type) {
    case ONNX_FLOAT: return FM_F32;
    case ONNX_UINT8: return FM_U8;
    case ONNX_INT8: return FM_I8;
    case ONNX_UINT16: return FM_U16;
    case ONNX_INT16: return FM_I16;
    case ONNX_INT32: return FM_I32;
    case ONNX_INT64: return FM_I64;
    case ONNX_BOOL: return FM_BOOL;
    case ONNX_FLOAT16: return FM_F16;
    case ONNX_DOUBLE: return FM_F64;
    case ONNX_UINT32: return FM_U32;
    case ONNX_UINT64: return FM_U64;
    case ONNX_BFLOAT16: return FM_BF16;
    default: return FM_DTYPE_NONE;
    }
}

const char *onnx_type_name(int64_t type)
{
    static const char *const other[] = { [0] = "undefined", [8] = "string", [14] = "complex64", [15] = "complex128",
        [17] = "float8e4m3fn", [18] = "float8e4m3fnuz", [19] = "float8e5m2", [20] = "float8e5m2fnuz", [21] = "uint4", [22] = "int4",
        [23] = "float4e2m1", [24] = "float8e8m0", [25] = "uint2", [26] = "int2" };
    const enum fm_dtype dtype = onnx_dtype(type);
    if (dtype != FM_DTYPE_NONE)
        return fm_dtype_name(dtype);
    return type >= 0 && type < (int64_t) (sizeof(other) / sizeof(other[0])) && other[type] ? other[type] : "unknown";
}

int onnx_count(struct onnx_file *file, struct onnx_view message, uint32_t number, const char *what, int *count)
{
    struct onnx_wire wire = onnx_wire_open(message);
    struct onnx_field field;
    int rc;
    *count = 0;
    while ((rc = onnx_next(file, &wire, &field, what)) > 0)
        if (field.number == number && (*count)++ == INT_MAX / 4)
            return onnx_fail_at(file, field.at, FM_ERR_FORMAT, "in %s: too many entries", what);
    return rc;
}

int onnx_read_entry(struct onnx_file *file, const struct onnx_field *field, struct onnx_view *key, struct onnx_view *value)
{
    int rc = onnx_want(file, field, WIRE_BYTES, "a key and value");
    *key = *value = (struct onnx_view){ field->at, 0 };
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    while (!rc && (rc = onnx_next(file, &wire, &f, "a key and value")) > 0) {
        rc = FM_OK;
        if (f.number == 1 || f.number == 2) {
            rc = onnx_want(file, &f, WIRE_BYTES, "a key or value");
            *(f.number == 1 ? key : value) = f.bytes;
        }
    }
    return rc;
}

int onnx_read_opset(struct onnx_file *file, const struct onnx_field *field, struct onnx_opset *opset)
{
    int rc = onnx_want(file, field, WIRE_BYTES, "opset_import");
    *opset = (struct onnx_opset){ { field->at, 0 }, 0 };
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    while (!rc && (rc = onnx_next(file, &wire, &f, "opset_import")) > 0) {
        rc = FM_OK;
        if (f.number == 1 && !(rc = onnx_want(file, &f, WIRE_BYTES, "opset_import.domain")))
            opset->domain = f.bytes;
        else if (f.number == 2 && !(rc = onnx_want(file, &f, WIRE_VARINT, "opset_import.version")))
            opset->version = (int64_t) f.value;
    }
    if (!rc && onnx_view_is(opset->domain, "ai.onnx"))
        opset->domain.size = 0; /* the default domain's other name */
    return rc;
}

/* ---- attributes ---- */

static int append_list(struct onnx_file *file, const struct onnx_field *f, struct onnx_attr *attr, int cap)
{
    const bool is_float = f->number == 7;
    struct onnx_wire wire = onnx_wire_open(f->bytes);
    uint64_t value = f->value;
    uint32_t bits = (uint32_t) f->value;
    for (bool more = true; more;) {
        if (f->type == WIRE_BYTES && !(is_float ? onnx_wire_fixed32(&wire, &bits) : onnx_wire_varint(&wire, &value)))
            break;
        if (attr->n >= cap)
            return onnx_fail_at(file, f->at, FM_ERR_FORMAT, "an attribute mixes two lists");
        if (is_float)
            attr->floats[attr->n++] = half_bits_float(bits);
        else
            attr->ints[attr->n++] = (int64_t) value;
        more = f->type == WIRE_BYTES;
    }
    return wire.fault ? onnx_fail_at(file, f->at, FM_ERR_FORMAT, "in AttributeProto: %s", wire.fault) : FM_OK;
}

/* Room for the list, from a first pass: a packed list of floats has four bytes each, one of ints at least one byte each. */
static int list_room(struct onnx_file *file, struct onnx_view message, uint32_t number, size_t *cap)
{
    struct onnx_wire wire = onnx_wire_open(message);
    struct onnx_field f;
    int rc;
    *cap = 0;
    while ((rc = onnx_next(file, &wire, &f, "AttributeProto")) > 0) {
        if (f.number != number)
            continue;
        const enum onnx_wire_type single = number == 7 ? WIRE_FIXED32 : WIRE_VARINT;
        if (f.type != WIRE_BYTES && (rc = onnx_want(file, &f, single, "a list in AttributeProto")))
            return rc;
        size_t count = 1;
        if (f.type == WIRE_BYTES && number == 7)
            count = f.bytes.size / 4;
        else if (f.type == WIRE_BYTES) {
            count = 0;
            for (size_t i = 0; i < f.bytes.size; i++)
                count += !(f.bytes.at[i] & 0x80);
        }
        *cap += count;
    }
    return !rc && *cap > INT_MAX / 2 ? onnx_fail_at(file, message.at, FM_ERR_FORMAT, "a list in AttributeProto is too long") : rc;
}

static int read_lists(struct onnx_file *file, const struct onnx_field *field, struct onnx_attr *attr)
{
    const uint32_t number = attr->type == ATTR_FLOATS ? 7 : 8;
    size_t cap;
    int rc = list_room(file, field->bytes, number, &cap);
    if (rc)
        return rc;
    if (number == 7)
        attr->floats = arena_array(file->scratch, cap, sizeof(float));
    else
        attr->ints = arena_array(file->scratch, cap, sizeof(int64_t));
    if (!attr->floats && !attr->ints)
        return onnx_fail_nomem(file, cap * 8);
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    while ((rc = onnx_next(file, &wire, &f, "AttributeProto")) > 0)
        if (f.number == number && (rc = append_list(file, &f, attr, (int) cap)) < 0)
            return rc;
    return rc;
}

/* One field of an attribute; `seen` collects the kinds of value it has, as bits by enum onnx_attr_type. */
static int read_attr_field(struct onnx_file *file, const struct onnx_field *f, struct onnx_attr *attr, uint32_t *seen)
{
    int rc = FM_OK;
    switch (f->number) {
    case 1:
        rc = onnx_want(file, f, WIRE_BYTES, "AttributeProto.name");
        attr->name = f->bytes;
        break;
    case 2:
        rc = onnx_want(file, f, WIRE_FIXED32, "AttributeProto.f");
        attr->f = half_bits_float((uint32_t) f->value);
        *seen |= 1u << ATTR_FLOAT;
        break;
    case 3:
        rc = onnx_want(file, f, WIRE_VARINT, "AttributeProto.i");
        attr->i = (int64_t) f->value;
        *seen |= 1u << ATTR_INT;
        break;
    case 4:
        rc = onnx_want(file, f, WIRE_BYTES, "AttributeProto.s");
        attr->s = f->bytes;
        *seen |= 1u << ATTR_STRING;
        break;
    case 5:
    case 6:
        rc = onnx_want(file, f, WIRE_BYTES, f->number == 5 ? "AttributeProto.t" : "AttributeProto.g");
        attr->message = f->bytes;
        *seen |= 1u << (f->number == 5 ? ATTR_TENSOR : ATTR_GRAPH);
        break;
    case 7: *seen |= 1u << ATTR_FLOATS; break;
    case 8: *seen |= 1u << ATTR_INTS; break;
    case 9: *seen |= 1u << ATTR_STRINGS; break;
    case 20:
        rc = onnx_want(file, f, WIRE_VARINT, "AttributeProto.type");
        attr->type = f->value < 32 ? (enum onnx_attr_type) f->value : (enum onnx_attr_type) 31;
        break;
    case 21:
        rc = onnx_want(file, f, WIRE_BYTES, "AttributeProto.ref_attr_name");
        attr->reference = f->bytes;
        break;
    default: break;
    }
    return rc;
}

int onnx_read_attr(struct onnx_file *file, const struct onnx_field *field, struct onnx_attr *attr)
{
    int rc = onnx_want(file, field, WIRE_BYTES, "an attribute");
    const struct onnx_view nothing = { field->at, 0 };
    *attr = (struct onnx_attr){ .name = nothing, .reference = nothing, .s = nothing, .message = nothing, .at = field->at };
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    uint32_t seen = 0;
    while (!rc && (rc = onnx_next(file, &wire, &f, "AttributeProto")) > 0)
        rc = read_attr_field(file, &f, attr, &seen);
    if (rc)
        return rc;
    if (attr->name.size == 0)
        return onnx_fail_at(file, field->at, FM_ERR_FORMAT, "an attribute has no name");
    if (attr->type == ATTR_UNDEFINED && !attr->reference.size) /* files older than the type field say it by what is there */
        for (int type = ATTR_FLOAT; type <= ATTR_STRINGS; type++)
            if (seen == 1u << type)
                attr->type = (enum onnx_attr_type) type;
    if ((attr->type == ATTR_TENSOR || attr->type == ATTR_GRAPH) && !(seen & 1u << attr->type) && !attr->reference.size)
        return onnx_fail_at(file, field->at, FM_ERR_FORMAT, "attribute \"%.*s\" has no value", ONNX_SHOW(attr->name));
    if (seen && attr->type <= ATTR_STRINGS && seen != 1u << attr->type)
        return onnx_fail_at(file, field->at, FM_ERR_FORMAT, "attribute \"%.*s\" has a value of another type than it says",
                            ONNX_SHOW(attr->name));
    return attr->type == ATTR_FLOATS || attr->type == ATTR_INTS ? read_lists(file, field, attr) : FM_OK;
}

/* ---- nodes ---- */

static int size_node(struct onnx_file *file, const struct onnx_field *field, struct onnx_node *node)
{
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    int rc, n[6] = { 0 };
    while ((rc = onnx_next(file, &wire, &f, "NodeProto")) > 0)
        if (f.number < 6 && n[f.number]++ == 1 << 24)
            return onnx_fail_at(file, f.at, FM_ERR_FORMAT, "in NodeProto: too many entries");
    if (rc)
        return rc;
    if (n[5] > ATTRIBUTES_MAX)
        return onnx_fail_at(file, field->at, FM_ERR_FORMAT, "a node has %d attributes; no operator has so many", n[5]);
    node->in = arena_array(file->scratch, (size_t) n[1] + (size_t) n[2], sizeof(*node->in));
    node->attr = n[5] ? arena_array(file->scratch, (size_t) n[5], sizeof(*node->attr)) : NULL;
    if (!node->in || (n[5] && !node->attr))
        return onnx_fail_nomem(file, 0);
    node->out = node->in + n[1];
    return FM_OK;
}

static int add_attr(struct onnx_file *file, const struct onnx_field *f, struct onnx_node *node)
{
    struct onnx_attr *attr = &node->attr[node->n_attr];
    const int rc = onnx_read_attr(file, f, attr);
    if (rc)
        return rc;
    for (int i = 0; i < node->n_attr; i++)
        if (onnx_view_same(node->attr[i].name, attr->name))
            return onnx_fail_at(file, f->at, FM_ERR_FORMAT, "attribute \"%.*s\" is there twice", ONNX_SHOW(attr->name));
    node->n_attr++;
    return FM_OK;
}

static int read_node_field(struct onnx_file *file, const struct onnx_field *f, struct onnx_node *node)
{
    if (f->number > 8 && f->number != 9)
        return FM_OK;
    const int rc = onnx_want(file, f, WIRE_BYTES, "a field of NodeProto");
    if (rc)
        return rc;
    switch (f->number) {
    case 1: node->in[node->n_in++] = f->bytes; break;
    case 2: node->out[node->n_out++] = f->bytes; break;
    case 3: node->name = f->bytes; break;
    case 4: node->type = f->bytes; break;
    case 5: return add_attr(file, f, node);
    case 7: node->domain = f->bytes; break;
    case 8: node->overload = f->bytes; break;
    default: break;
    }
    return FM_OK;
}

int onnx_read_node(struct onnx_file *file, const struct onnx_field *field, struct onnx_node *node)
{
    const struct onnx_view nothing = { field->at, 0 };
    *node = (struct onnx_node){ .name = nothing, .type = nothing, .domain = nothing, .overload = nothing, .at = field->at };
    int rc = onnx_want(file, field, WIRE_BYTES, "a node");
    if (!rc)
        rc = size_node(file, field, node);
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    while (!rc && (rc = onnx_next(file, &wire, &f, "NodeProto")) > 0)
        rc = read_node_field(file, &f, node);
    if (rc)
        return rc;
    if (node->type.size == 0)
        return onnx_fail_at(file, field->at, FM_ERR_FORMAT, "a node has no operator");
    if (onnx_view_is(node->domain, "ai.onnx"))
        node->domain.size = 0;
    return FM_OK;
}

/* ---- types of graph inputs ---- */

static int read_dim(struct onnx_file *file, const struct onnx_field *field, struct onnx_value_info *info)
{
    int rc = onnx_want(file, field, WIRE_BYTES, "TensorShapeProto.dim");
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    int64_t size = -1;
    struct onnx_view name = { field->at, 0 };
    while (!rc && (rc = onnx_next(file, &wire, &f, "a dimension")) > 0) {
        rc = FM_OK;
        if (f.number == 1 && !(rc = onnx_want(file, &f, WIRE_VARINT, "dim_value")))
            size = (int64_t) f.value;
        else if (f.number == 2 && !(rc = onnx_want(file, &f, WIRE_BYTES, "dim_param")))
            name = f.bytes;
    }
    if (rc)
        return rc;
    if (size < -1) /* -1 is how some exporters write an open dimension */
        return onnx_fail_at(file, field->at, FM_ERR_FORMAT, "a dimension of \"%.*s\" is %" PRId64, ONNX_SHOW(info->name), size);
    if (info->rank == FM_MAX_RANK)
        return onnx_fail_at(file, field->at, FM_ERR_UNSUPPORTED, "\"%.*s\" has more than %d dimensions", ONNX_SHOW(info->name),
                            FM_MAX_RANK);
    info->dim[info->rank] = size;
    info->dim_name[info->rank++] = name;
    return FM_OK;
}

static int read_shape(struct onnx_file *file, const struct onnx_field *field, struct onnx_value_info *info)
{
    int rc = onnx_want(file, field, WIRE_BYTES, "TypeProto.Tensor.shape");
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    info->rank = 0;
    while (!rc && (rc = onnx_next(file, &wire, &f, "TensorShapeProto")) > 0)
        rc = f.number == 1 ? read_dim(file, &f, info) : FM_OK;
    return rc;
}

static int read_tensor_type(struct onnx_file *file, const struct onnx_field *field, struct onnx_value_info *info)
{
    int rc = onnx_want(file, field, WIRE_BYTES, "TypeProto.tensor_type");
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    int64_t type = 0;
    while (!rc && (rc = onnx_next(file, &wire, &f, "TypeProto.Tensor")) > 0) {
        rc = FM_OK;
        if (f.number == 1 && !(rc = onnx_want(file, &f, WIRE_VARINT, "elem_type")))
            type = (int64_t) f.value;
        else if (f.number == 2)
            rc = read_shape(file, &f, info);
    }
    if (rc)
        return rc;
    info->dtype = onnx_dtype(type);
    if (info->dtype == FM_DTYPE_NONE)
        return onnx_fail_at(file, field->at, type == ONNX_UNDEFINED ? FM_ERR_FORMAT : FM_ERR_UNSUPPORTED,
                            "\"%.*s\" has element type %s (%" PRId64 ")", ONNX_SHOW(info->name), onnx_type_name(type), type);
    return FM_OK;
}

static int read_type(struct onnx_file *file, struct onnx_view message, struct onnx_value_info *info)
{
    struct onnx_wire wire = onnx_wire_open(message);
    struct onnx_field f;
    int rc;
    while ((rc = onnx_next(file, &wire, &f, "TypeProto")) > 0) {
        if (f.number == 1 && (rc = read_tensor_type(file, &f, info)) < 0)
            return rc;
        if (f.number == 4 || f.number == 5 || f.number == 7 || f.number == 8 || f.number == 9)
            return onnx_fail_at(file, f.at, FM_ERR_UNSUPPORTED, "\"%.*s\" has type %s, only tensors are supported",
                                ONNX_SHOW(info->name),
                                f.number == 4 ? "sequence" : f.number == 5 ? "map" : f.number == 8 ? "sparse tensor"
                                : f.number == 9 ? "optional" : "opaque");
    }
    if (!rc && info->dtype == FM_DTYPE_NONE)
        return onnx_fail_at(file, message.at, FM_ERR_FORMAT, "\"%.*s\" has no type", ONNX_SHOW(info->name));
    return rc;
}

int onnx_read_value_name(struct onnx_file *file, const struct onnx_field *field, struct onnx_view *name)
{
    int rc = onnx_want(file, field, WIRE_BYTES, "ValueInfoProto");
    *name = (struct onnx_view){ field->at, 0 };
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    while (!rc && (rc = onnx_next(file, &wire, &f, "ValueInfoProto")) > 0) {
        rc = f.number == 1 ? onnx_want(file, &f, WIRE_BYTES, "ValueInfoProto.name") : FM_OK;
        if (f.number == 1)
            *name = f.bytes;
    }
    return rc;
}

int onnx_read_value_info(struct onnx_file *file, const struct onnx_field *field, struct onnx_value_info *info)
{
    *info = (struct onnx_value_info){ .rank = -1 };
    int rc = onnx_read_value_name(file, field, &info->name);
    struct onnx_wire wire = onnx_wire_open(field->bytes);
    struct onnx_field f;
    struct onnx_view type = { field->at, 0 };
    while (!rc && (rc = onnx_next(file, &wire, &f, "ValueInfoProto")) > 0) {
        rc = f.number == 2 ? onnx_want(file, &f, WIRE_BYTES, "ValueInfoProto.type") : FM_OK;
        if (f.number == 2)
            type = f.bytes;
    }
    return rc ? rc : read_type(file, type, info);
}
