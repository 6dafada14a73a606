/* SPDX-License-Identifier: MIT */
/* ONNX's messages as plain structs whose strings and lists point into the file. One thread at a time. */
#ifndef FM_MODEL_ONNX_PROTO_H
#define FM_MODEL_ONNX_PROTO_H

#include "core/arena.h"
#include "core/error.h"
#include "core/file.h"
#include "framemill/error.h"
#include "framemill/tensor.h"
#include "model/onnx_wire.h"

/* The numbers of TensorProto.DataType */
enum onnx_type { ONNX_UNDEFINED = 0, ONNX_FLOAT = 1, ONNX_UINT8 = 2, ONNX_INT8 = 3, ONNX_UINT16 = 4, ONNX_INT16 = 5, ONNX_INT32 = 6,
                 ONNX_INT64 = 7, ONNX_STRING = 8, ONNX_BOOL = 9, ONNX_FLOAT16 = 10, ONNX_DOUBLE = 11, ONNX_UINT32 = 12,
                 ONNX_UINT64 = 13, ONNX_BFLOAT16 = 16 };

/* AttributeProto.AttributeType */
enum onnx_attr_type { ATTR_UNDEFINED = 0, ATTR_FLOAT = 1, ATTR_INT = 2, ATTR_STRING = 3, ATTR_TENSOR = 4, ATTR_GRAPH = 5,
                      ATTR_FLOATS = 6, ATTR_INTS = 7, ATTR_STRINGS = 8 };

struct onnx_external { /* one external data file, mapped once */
    struct onnx_external *next;
    char *path;
    const struct core_file *file;
};

/* What every reading function needs: the file, where to put things and where to say what is wrong. */
struct onnx_file {
    struct onnx_view data;
    const char *source;    /* named in messages */
    const char *directory; /* of external data; NULL: refused */
    struct arena *arena;   /* what lives as long as the graph */
    struct arena *scratch; /* what is needed during the import only */
    struct fm_error *error;
    struct onnx_external *external;
    int n_external;
};

struct onnx_attr {
    struct onnx_view name, reference; /* reference: the attribute of the enclosing function that gives the value */
    enum onnx_attr_type type;
    bool is_used; /* some rule has read it */
    float f;
    int64_t i;
    struct onnx_view s, message; /* message: a tensor or a graph */
    int n;                       /* of floats or ints */
    float *floats;
    int64_t *ints;
    const uint8_t *at;
};

struct onnx_node {
    struct onnx_view name, type, domain, overload;
    int n_in, n_out, n_attr;
    struct onnx_view *in, *out;
    struct onnx_attr *attr;
    int index; /* in the list that holds it */
    const uint8_t *at;
};

struct onnx_opset {
    struct onnx_view domain;
    int64_t version;
};

struct onnx_value_info {
    struct onnx_view name;
    enum fm_dtype dtype;
    int rank; /* -1: not said */
    int64_t dim[FM_MAX_RANK];                 /* -1: open */
    struct onnx_view dim_name[FM_MAX_RANK];
};

/* Fails naming the file and the byte offset of `at`. */
int onnx_fail_at(struct onnx_file *file, const uint8_t *at, enum fm_err code, const char *format, ...) CORE_PRINTF(4, 5);
int onnx_fail_nomem(struct onnx_file *file, size_t bytes);

/* The next field of a message named `what`: 1, 0 at the end, or a negative code. */
int onnx_next(struct onnx_file *file, struct onnx_wire *wire, struct onnx_field *field, const char *what);
/* Checks a field's wire type. */
int onnx_want(struct onnx_file *file, const struct onnx_field *field, enum onnx_wire_type type, const char *what);

bool onnx_view_is(struct onnx_view view, const char *text);
bool onnx_view_same(struct onnx_view a, struct onnx_view b);
/* A terminated copy in the scratch arena; names with a zero byte inside are refused. */
int onnx_text(struct onnx_file *file, struct onnx_view view, const char **text);
/* printf("%.*s", ONNX_SHOW(view)): at most 100 bytes of it. */
#define ONNX_SHOW(view) (int) ((view).size < 100 ? (view).size : 100), (view).size ? (const char *) (view).at : ""

/* FM_DTYPE_NONE for types that do not exist here (strings, complex, 4- and 8-bit floats). */
enum fm_dtype onnx_dtype(int64_t type);
const char *onnx_type_name(int64_t type);

int onnx_read_node(struct onnx_file *file, const struct onnx_field *field, struct onnx_node *node);
int onnx_read_attr(struct onnx_file *file, const struct onnx_field *field, struct onnx_attr *attr);
int onnx_read_opset(struct onnx_file *file, const struct onnx_field *field, struct onnx_opset *opset);
int onnx_read_value_info(struct onnx_file *file, const struct onnx_field *field, struct onnx_value_info *info);
/* The name alone: outputs and inputs with a default need no more. */
int onnx_read_value_name(struct onnx_file *file, const struct onnx_field *field, struct onnx_view *name);
int onnx_read_entry(struct onnx_file *file, const struct onnx_field *field, struct onnx_view *key, struct onnx_view *value);
/* How many fields with this number the message has; it must be sound. */
int onnx_count(struct onnx_file *file, struct onnx_view message, uint32_t number, const char *what, int *count);

#endif
