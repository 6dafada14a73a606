/* SPDX-License-Identifier: MIT */
/* What a page does not have, and says so: files beside a network's file, and libraries that are loaded. They stand for
 * src/model/onnx_external.c and src/tasks/upscale/plugin.c. */
#include "core/error.h"
#include "model/onnx_tensor.h"
#include "tasks/upscale/plugin.h"

int onnx_open_external(struct onnx_file *file, const uint8_t *at, struct onnx_view location, struct onnx_view *data)
{
    (void) data;
    return onnx_fail_at(file, at, FM_ERR_UNSUPPORTED, "external data file \"%.*s\": a network in a page has no files beside it",
        ONNX_SHOW(location));
}

int plugin_run(const struct plugin *plugin, enum fm_plugin_when when, int width, int height, const struct window *in,
    struct window *out, struct fm_error *error)
{
    (void) plugin, (void) when, (void) width, (void) height, (void) in, (void) out;
    return core_fail(error, FM_ERR_UNSUPPORTED, "a page has no plug-ins");
}
