/* SPDX-License-Identifier: MIT */
/* A small protobuf writer, so that tests make the ONNX files they need, sound or not. Everything lives in growing buffers; a test
 * builds one model at a time.
 *
 *     begin(13);
 *     input("x", 1, "1,3,h,w");
 *     node("Relu", "x", "y");
 *     output("y");
 *     finish() -> struct bytes */
#ifndef FM_TESTS_ONNX_WRITER_H
#define FM_TESTS_ONNX_WRITER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITER_UNUSED __attribute__((unused))

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

/* The model being built, and the attributes waiting for the next node. */
static struct {
    struct bytes model, graph, attrs;
    struct bytes saved_graph, saved_attrs; /* while a subgraph is built */
} writer;

WRITER_UNUSED static void put(struct bytes *b, const void *data, size_t size)
{
    if (b->size + size > b->capacity) {
        b->capacity = (b->size + size) * 2 + 64;
        b->data = realloc(b->data, b->capacity);
        if (!b->data)
            abort();
    }
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

WRITER_UNUSED static void put_varint(struct bytes *b, uint64_t value)
{
    do {
        const uint8_t byte = (uint8_t) ((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        put(b, &byte, 1);
        value >>= 7;
    } while (value);
}

WRITER_UNUSED static void put_int(struct bytes *b, unsigned field, int64_t value)
{
    put_varint(b, (uint64_t) field << 3);
    put_varint(b, (uint64_t) value);
}

WRITER_UNUSED static void put_bytes(struct bytes *b, unsigned field, const void *data, size_t size)
{
    put_varint(b, (uint64_t) field << 3 | 2);
    put_varint(b, size);
    put(b, data, size);
}

WRITER_UNUSED static void put_text(struct bytes *b, unsigned field, const char *text) { put_bytes(b, field, text, strlen(text)); }

WRITER_UNUSED static void put_float(struct bytes *b, unsigned field, float value)
{
    put_varint(b, (uint64_t) field << 3 | 5);
    put(b, &value, 4);
}

/* Takes the message's buffer back. */
WRITER_UNUSED static void put_message(struct bytes *b, unsigned field, struct bytes *message)
{
    put_bytes(b, field, message->data, message->size);
    free(message->data);
    *message = (struct bytes){ NULL, 0, 0 };
}

/* Calls put_text for every part of a comma-separated list; "a,,b" has an empty part, "" has none. */
WRITER_UNUSED static void put_names(struct bytes *b, unsigned field, const char *list)
{
    while (*list) {
        const size_t n = strcspn(list, ",");
        put_bytes(b, field, list, n);
        list += n;
        if (*list == ',' && *++list == 0)
            put_bytes(b, field, "", 0);
    }
}

WRITER_UNUSED static void begin(int64_t opset)
{
    struct bytes id = { NULL, 0, 0 };
    writer.model.size = writer.graph.size = writer.attrs.size = 0;
    put_int(&writer.model, 1, 8); /* ir_version */
    put_text(&writer.model, 2, "test");
    put_text(&id, 1, "");
    put_int(&id, 2, opset);
    put_message(&writer.model, 8, &id);
    put_text(&writer.graph, 2, "g");
}

WRITER_UNUSED static void opset_of(const char *domain, int64_t version)
{
    struct bytes id = { NULL, 0, 0 };
    put_text(&id, 1, domain);
    put_int(&id, 2, version);
    put_message(&writer.model, 8, &id);
}

/* Value info: "1,3,h,w": numbers, names, "?" for neither. */
WRITER_UNUSED static void value_info(unsigned field, const char *name, int type, const char *shape)
{
    struct bytes dims = { NULL, 0, 0 }, tensor = { NULL, 0, 0 }, kind = { NULL, 0, 0 }, info = { NULL, 0, 0 };
    char part[64];
    while (*shape) {
        struct bytes dim = { NULL, 0, 0 };
        const size_t n = strcspn(shape, ",");
        snprintf(part, sizeof(part), "%.*s", (int) n, shape);
        if ((part[0] >= '0' && part[0] <= '9') || part[0] == '-')
            put_int(&dim, 1, strtoll(part, NULL, 10));
        else if (part[0] != '?')
            put_text(&dim, 2, part);
        put_message(&dims, 1, &dim);
        shape += n + (shape[n] == ',');
    }
    put_int(&tensor, 1, type);
    put_message(&tensor, 2, &dims);
    put_message(&kind, 1, &tensor);
    put_text(&info, 1, name);
    put_message(&info, 2, &kind);
    put_message(&writer.graph, field, &info);
}

WRITER_UNUSED static void input(const char *name, int type, const char *shape) { value_info(11, name, type, shape); }

WRITER_UNUSED static void output(const char *name)
{
    struct bytes info = { NULL, 0, 0 };
    put_text(&info, 1, name);
    put_message(&writer.graph, 12, &info);
}

/* TensorProto with raw data; dims "2,3", "" a scalar. */
WRITER_UNUSED static struct bytes tensor(const char *name, int type, const char *dims, const void *data, size_t size)
{
    struct bytes t = { NULL, 0, 0 };
    while (*dims) {
        char *end;
        put_int(&t, 1, strtoll(dims, &end, 10));
        dims = end + (*end == ',');
    }
    put_int(&t, 2, type);
    put_text(&t, 8, name);
    if (data)
        put_bytes(&t, 9, data, size);
    return t;
}

WRITER_UNUSED static void initializer(const char *name, int type, const char *dims, const void *data, size_t size)
{
    struct bytes t = tensor(name, type, dims, data, size);
    put_message(&writer.graph, 5, &t);
}

#define F32S(name, dims, ...) initializer(name, 1, dims, (const float[]){ __VA_ARGS__ }, sizeof((const float[]){ __VA_ARGS__ }))
#define I64S(name, dims, ...) initializer(name, 7, dims, (const int64_t[]){ __VA_ARGS__ }, sizeof((const int64_t[]){ __VA_ARGS__ }))

/* ---- attributes: they go to the next node ---- */

WRITER_UNUSED static void end_attr(struct bytes *a, const char *name, int type)
{
    put_text(a, 1, name);
    put_int(a, 20, type);
    put_message(&writer.attrs, 5, a);
}

WRITER_UNUSED static void attr_float(const char *name, float value)
{
    struct bytes a = { NULL, 0, 0 };
    put_float(&a, 2, value);
    end_attr(&a, name, 1);
}

WRITER_UNUSED static void attr_int(const char *name, int64_t value)
{
    struct bytes a = { NULL, 0, 0 };
    put_int(&a, 3, value);
    end_attr(&a, name, 2);
}

WRITER_UNUSED static void attr_text(const char *name, const char *text)
{
    struct bytes a = { NULL, 0, 0 };
    put_text(&a, 4, text);
    end_attr(&a, name, 3);
}

WRITER_UNUSED static void attr_tensor(const char *name, struct bytes t)
{
    struct bytes a = { NULL, 0, 0 };
    put_message(&a, 5, &t);
    end_attr(&a, name, 4);
}

WRITER_UNUSED static void attr_graph(const char *name, struct bytes graph)
{
    struct bytes a = { NULL, 0, 0 };
    put_message(&a, 6, &graph);
    end_attr(&a, name, 5);
}

WRITER_UNUSED static void attr_float_list(const char *name, int n, const float *list)
{
    struct bytes a = { NULL, 0, 0 };
    for (int i = 0; i < n; i++)
        put_float(&a, 7, list[i]);
    end_attr(&a, name, 6);
}

WRITER_UNUSED static void attr_int_list(const char *name, int n, const int64_t *list)
{
    struct bytes a = { NULL, 0, 0 }, packed = { NULL, 0, 0 };
    for (int i = 0; i < n; i++)
        put_varint(&packed, (uint64_t) list[i]);
    put_message(&a, 8, &packed);
    end_attr(&a, name, 7);
}

/* The attribute of the enclosing function under its own name. */
WRITER_UNUSED static void attr_reference(const char *name, int type, const char *of)
{
    struct bytes a = { NULL, 0, 0 };
    put_text(&a, 21, of);
    end_attr(&a, name, type);
}

#define ATTR_I64S(name, ...) \
    attr_int_list(name, (int) (sizeof((const int64_t[]){ __VA_ARGS__ }) / 8), (const int64_t[]){ __VA_ARGS__ })
#define ATTR_F32S(name, ...) \
    attr_float_list(name, (int) (sizeof((const float[]){ __VA_ARGS__ }) / 4), (const float[]){ __VA_ARGS__ })

WRITER_UNUSED static void node_to(struct bytes *to, unsigned field, const char *domain, const char *type, const char *in,
                                  const char *out)
{
    struct bytes n = { NULL, 0, 0 };
    char name[80];
    put_names(&n, 1, in);
    put_names(&n, 2, out);
    snprintf(name, sizeof(name), "%s_node", type);
    put_text(&n, 3, name);
    put_text(&n, 4, type);
    put(&n, writer.attrs.data, writer.attrs.size);
    writer.attrs.size = 0;
    if (*domain)
        put_text(&n, 7, domain);
    put_message(to, field, &n);
}

WRITER_UNUSED static void node(const char *type, const char *in, const char *out) { node_to(&writer.graph, 1, "", type, in, out); }

/* Between these two, nodes and outputs go to a graph of their own, which is given back. */
WRITER_UNUSED static void begin_subgraph(void)
{
    writer.saved_graph = writer.graph;
    writer.saved_attrs = writer.attrs;
    writer.graph = writer.attrs = (struct bytes){ NULL, 0, 0 };
}

WRITER_UNUSED static struct bytes end_subgraph(void)
{
    struct bytes graph = writer.graph;
    free(writer.attrs.data);
    writer.graph = writer.saved_graph;
    writer.attrs = writer.saved_attrs;
    return graph;
}

/* Lent until the next begin. */
WRITER_UNUSED static struct bytes finish(void)
{
    put_bytes(&writer.model, 7, writer.graph.data, writer.graph.size);
    return writer.model;
}

WRITER_UNUSED static void writer_free(void)
{
    free(writer.model.data);
    free(writer.graph.data);
    free(writer.attrs.data);
    memset(&writer, 0, sizeof(writer));
}

#endif
