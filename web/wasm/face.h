/* SPDX-License-Identifier: MIT */
/* What web/wasm_worker.js calls: a network out of memory, and RGBA pictures through it, rows at a time. All of it is for one thread, as
 * the module is. Functions that return 0, or NULL, where something else is promised leave a text in face_error. */
#ifndef FM_WASM_FACE_H
#define FM_WASM_FACE_H

#include <stddef.h>
#include <stdint.h>

#define FACE(name) __attribute__((export_name(#name))) name

struct face;

/* Memory for a network's file. It is freed by face_load. */
void *FACE(face_take)(size_t size);

/* An ONNX file in memory of face_take, which is the network's from here on, also on failure. `name`: for messages, zero-terminated; freed
 * by the caller. */
struct face *FACE(face_load)(void *bytes, size_t size, const char *name);
void FACE(face_give)(void *memory); /* gives back what face_take gave */
void FACE(face_close)(struct face *face);

int FACE(face_scale)(const struct face *face);
int FACE(face_is_luma)(const struct face *face);
/* Whether it works on the picture already enlarged, at any ratio (its scale is 1). */
int FACE(face_is_after_bilinear)(const struct face *face);

/* Makes ready for pictures of one size; shares: of R, G, B in brightness, all 0 for BT.601's. What is as it was stays ready. 1, or 0. */
int FACE(face_prepare)(struct face *face, int width, int height, int out_width, int out_height, float red, float green, float blue);
/* Whether a part of the result can be computed by itself. If not, only all of it. */
int FACE(face_has_parts)(const struct face *face);
/* The first row of the picture that rows [y0, y1) of the result read, and the row after the last. */
int FACE(face_first_row)(const struct face *face, int y0, int y1);
int FACE(face_end_row)(const struct face *face, int y0, int y1);
/* Where rows [y0, y1) of the picture are to be put, four bytes a pixel, without gaps. Valid until the next call of face_input. */
uint8_t *FACE(face_input)(struct face *face, int y0, int y1);
/* Computes rows [y0, y1) of the result; the input holds all rows that they read. Four bytes a pixel, without gaps, alpha 255; valid until
 * the next call of face_run. */
const uint8_t *FACE(face_run)(struct face *face, int y0, int y1);

/* What went wrong last, zero-terminated. */
const char *FACE(face_error)(void);

#endif
