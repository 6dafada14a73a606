/* SPDX-License-Identifier: MIT */
/* The inside of the ncnn importer, shared by src/model/ncnn_*.c only.
 *
 *     text ---ncnn_text.c---> layers (names, counts, parameters)
 *     layers + .bin ---ncnn_import.c---> one call per layer ---ncnn_<family>.c---> nodes of the graph (ncnn_build.c)
 *
 * An ncnn blob has one to four dimensions and no batch: [w], [h][w], [c][h][w] or [c][d][h][w]. In the graph it is a value with one
 * more dimension in front, always 1, so that axis k of a blob is axis k + 1 of its value, and every rank follows ONNX's rules.
 *
 * Failure is sticky: the first error is written down with the layer it belongs to, every later call does nothing and gives 0, and
 * the import looks at `code` once per layer. */
#ifndef FM_MODEL_NCNN_READER_H
#define FM_MODEL_NCNN_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "graph/graph.h"

#define NCNN_PARAM_COUNT 32
#define NCNN_RANK_MAX 4
#define NCNN_NAME_MAX 255 /* longest name or word in a .param file */
#define NCNN_OPEN (-233)  /* ncnn's mark for "the rest", "to the end", "SAME" */
#define NCNN_OPEN_LOWER (-234)
#define NCNN_VALUE_MAX 16 /* most dimensions or axes that one helper takes */

enum ncnn_kind { NCNN_ABSENT, NCNN_NUMBER, NCNN_ARRAY, NCNN_TEXT };

struct ncnn_param {
    enum ncnn_kind kind;
    bool read; /* an importer looked at it */
    double number;
    int n;
    const double *element; /* [n] */
};

struct ncnn_blob {
    const char *name;
    int value;                  /* of the graph; -1: not made yet */
    int rank;                   /* 1..4, without the batch */
    int64_t dim[NCNN_RANK_MAX]; /* outermost first; -1: open */
    int input;                  /* graph input whose channel count this blob's outermost dimension follows; -1: none */
    int64_t factor;             /* that many times */
    bool used;
};

struct ncnn_layer {
    const char *type, *name;
    int line;
    int n_in, n_out;
    const char **in_name;     /* [n_in] */
    int *out;                 /* [n_out] blob indices */
    const char *params, *end; /* the rest of the line */
};

struct ncnn_reader {
    struct graph *graph;
    struct arena *scratch; /* gone when the import is done */
    struct fm_error *error;
    int code; /* FM_OK or the first failure */

    const char *param_source, *bin_source;
    const uint8_t *bin;
    size_t bin_size, bin_at;

    struct ncnn_layer *layer;
    int n_layers;
    struct ncnn_blob *blob;
    int n_blobs;
    int *by_name; /* [n_blobs] blob indices, names ascending */

    const struct ncnn_layer *now; /* the layer being read */
    struct ncnn_blob **in;        /* [now->n_in] */
    struct ncnn_param param[NCNN_PARAM_COUNT];
};

/* ncnn_text.c: reads the whole text into r->layer and r->blob (names only); params are parsed per layer by ncnn_parse_params. */
void ncnn_parse(struct ncnn_reader *r, const char *text, size_t size);
void ncnn_parse_params(struct ncnn_reader *r);
int ncnn_find_blob(const struct ncnn_reader *r, const char *name); /* index or -1 */

/* ncnn_import.c: the first failure wins; the message is put behind "file:line: type 'name': ". */
void ncnn_fail(struct ncnn_reader *r, enum fm_err code, const char *format, ...) CORE_PRINTF(3, 4);
void ncnn_fail_nomem(struct ncnn_reader *r);
void *ncnn_scratch(struct ncnn_reader *r, size_t count, size_t size); /* NULL: failed */

/* Parameters of the current layer. A whole number where one is needed, 32 bit; text is refused. */
int64_t ncnn_int(struct ncnn_reader *r, int id, int64_t otherwise);
float ncnn_float(struct ncnn_reader *r, int id, float otherwise);
int ncnn_array(struct ncnn_reader *r, int id, const double **element);   /* element count, 0 when absent */
int ncnn_ints(struct ncnn_reader *r, int id, int64_t *element, int max); /* the same, checked to be whole */
void ncnn_ignore(struct ncnn_reader *r, int id);                         /* known to say nothing about the result */

/* Weights: the next `count` elements of the .bin file. tagged: a storage flag comes first. */
struct ncnn_weights {
    enum fm_dtype dtype;
    const uint8_t *data;
};
bool ncnn_weights(struct ncnn_reader *r, int64_t count, bool tagged, const char *what, struct ncnn_weights *out);
/* The same as a constant of the graph named "layer.what"; dims multiply to the count. */
int ncnn_constant(struct ncnn_reader *r, const char *what, bool tagged, int rank, const int64_t *dim);
int ncnn_wrap(struct ncnn_reader *r, const char *what, const struct ncnn_weights *w, int rank, const int64_t *dim);

/* ncnn_build.c: nodes. All give a value index. */
int ncnn_emit(struct ncnn_reader *r, enum op_kind op, const union op_params *p, int n_in, const int *in);
#define NCNN_EMIT(r, op, p, ...)                                                                                                   \
    ncnn_emit(r, op, p, (int) (sizeof((const int[]){__VA_ARGS__}) / sizeof(int)), (const int[]){__VA_ARGS__})
int ncnn_i64s(struct ncnn_reader *r, int n, const int64_t *element);
int ncnn_i64(struct ncnn_reader *r, int64_t element); /* rank 1, one element */
int ncnn_f32(struct ncnn_reader *r, float element);   /* a scalar */
int ncnn_unsqueeze(struct ncnn_reader *r, int value, int n, const int64_t *axis);
int ncnn_squeeze(struct ncnn_reader *r, int value, int n, const int64_t *axis);
int ncnn_reshape(struct ncnn_reader *r, int value, int n, const int64_t *dim); /* 0: copy, -1: the rest */
int ncnn_transpose(struct ncnn_reader *r, int value, int n, const int *perm);
int ncnn_slice(struct ncnn_reader *r, int value, int axis, int start, int end); /* one axis of the value, bounds are values */
int ncnn_dim(struct ncnn_reader *r, int value, int axis);                       /* size of one axis of the value: int64 [1] */
int ncnn_lift(struct ncnn_reader *r, const struct ncnn_blob *blob, int rank);   /* more trailing dimensions of 1 */
int ncnn_flat(struct ncnn_reader *r, int value);                                /* [1][everything] */

/* Outputs of the current layer. ncnn_set_like copies rank, dimensions and channel source. */
struct ncnn_blob *ncnn_set(struct ncnn_reader *r, int k, int value, int rank);
struct ncnn_blob *ncnn_set_like(struct ncnn_reader *r, int k, int value, const struct ncnn_blob *like);

/* axis as the file gives it -> 0..rank-1; fails outside. */
int ncnn_axis(struct ncnn_reader *r, int64_t axis, int rank);
/* The outermost dimension of `blob` must be n: checked where it is known, learnt for the graph's input where it is not. */
void ncnn_expect_channels(struct ncnn_reader *r, struct ncnn_blob *blob, int64_t n);
bool ncnn_expect_rank(struct ncnn_reader *r, const struct ncnn_blob *blob, int low, int high);
/* activation_type (parameter `type`) with its parameters (array `params`) on a value */
int ncnn_activation(struct ncnn_reader *r, int value, int type, int params);

/* One entry per layer type; `arg` is what a shared reader needs to know. Ends with a NULL name. */
struct ncnn_type {
    const char *name;
    void (*read)(struct ncnn_reader *r, int arg);
    int arg;
    int min_in, max_in, min_out, max_out;
};
extern const struct ncnn_type ncnn_types_elementwise[], ncnn_types_conv[], ncnn_types_cut[], ncnn_types_shape[],
    ncnn_types_resize[], ncnn_types_norm[];

#endif
