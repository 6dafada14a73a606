/* SPDX-License-Identifier: MIT */
/* Plug-ins: a shared library that changes pictures before they are enlarged, after, or both.
 *
 * A plug-in is a filter with a reach: to make a pixel it may look at pixels up to `reach` away, so pictures of any size pass through
 * it piece by piece, and the result does not depend on the pieces. It exports one function,
 *
 *     const struct fm_plugin *framemill_plugin(void);
 *
 * A picture's samples are floats in [0, 1] in planes, in the encoding of the picture's own profile: R, G, B, or one plane of grey.
 * Transparency is not shown to plug-ins. examples/plugin_sharpen.c is a whole one. */
#ifndef FRAMEMILL_PLUGIN_H
#define FRAMEMILL_PLUGIN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FM_PLUGIN_ABI 1

enum fm_plugin_when { FM_PLUGIN_BEFORE = 0, FM_PLUGIN_AFTER = 1 };

/* A piece of a picture. Plane c starts at data + c * plane, row y of the piece at + y * row; columns are next to each other. */
struct fm_plugin_piece {
    int x, y, width, height;   /* which pixels of the picture */
    ptrdiff_t row, plane;      /* floats */
    float *data;
};

struct fm_plugin_call {
    size_t size;
    enum fm_plugin_when when;
    int picture_width, picture_height, channels; /* 1 or 3 */
    const struct fm_plugin_piece *in;  /* the piece of `out` grown by the reach, as far as the picture goes; read only */
    const struct fm_plugin_piece *out; /* to be filled: every sample */
};

struct fm_plugin {
    int abi;            /* FM_PLUGIN_ABI */
    const char *name;   /* "sharpen" */
    const char *help;   /* one line: what it does and its options */
    /* Reads the options ("amount=0.5:radius=2", or "" for none). 0, or non-zero after writing why into message. *state is the plug-in's own and
     * handed back to every call; several threads may call process with the same state at once. */
    int (*open)(const char *options, void **state, char *message, size_t message_size);
    void (*close)(void *state);
    /* How far process looks, in pixels of the picture at that moment, 0..64; negative: it does nothing then. */
    int (*reach)(void *state, enum fm_plugin_when when);
    /* 0, or non-zero: the picture fails. No allocation is needed for a local filter; if the plug-in does allocate, it frees. */
    int (*process)(void *state, const struct fm_plugin_call *call);
};

#if defined(_WIN32)
#define FM_PLUGIN_EXPORT __declspec(dllexport)
#else
#define FM_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
}
#endif
#endif
