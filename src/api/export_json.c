/* SPDX-License-Identifier: MIT */
#include "api/export_json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "api/objects.h"

const char *const export_form_names[WEB_FORMS] = {[WEB_F32] = "f32", [WEB_F16] = "f16"};

/* Names come from files and may hold anything: what is no UTF-8 becomes '?'. */
static void put_string(struct text *to, const char *s)
{
    text_put(to, "\"", 1);
    for (const unsigned char *c = (const unsigned char *) s; *c;) {
        size_t length = *c < 0x80 ? 1 : *c >= 0xc2 && *c < 0xe0 ? 2 : *c >= 0xe0 && *c < 0xf0 ? 3 : *c >= 0xf0 && *c < 0xf5 ? 4 : 0;
        for (size_t i = 1; i < length; i++)
            if ((c[i] & 0xc0) != 0x80) length = 0;
        if (*c == '\n')
            text_put(to, "\\n", 2), c++;
        else if (*c < 0x20 || *c == 0x7f)
            text_add(to, "\\u%04x", *c), c++;
        else if (!length)
            text_put(to, "?", 1), c++;
        else {
            if (*c == '"' || *c == '\\') text_put(to, "\\", 1);
            text_put(to, (const char *) c, length);
            c += length;
        }
    }
    text_put(to, "\"", 1);
}

static void put_base64(struct text *to, const uint8_t *data, size_t size)
{
    static const char letter[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text_put(to, "\"", 1);
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const uint32_t bits =
            (uint32_t) data[i] << 16 | (uint32_t) (left > 1 ? data[i + 1] : 0) << 8 | (left > 2 ? data[i + 2] : 0);
        const char four[4] = {letter[bits >> 18], letter[bits >> 12 & 63], left > 1 ? letter[bits >> 6 & 63] : '=',
            left > 2 ? letter[bits & 63] : '='};
        text_put(to, four, 4);
    }
    text_put(to, "\"", 1);
}

/* With alpha, as canvases and textures have it. */
static void put_picture(struct text *to, const struct fm_picture *p)
{
    struct text rgba = {.data = NULL};
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++) {
            const uint8_t *from = (const uint8_t *) p->data + (size_t) y * p->stride + (size_t) x * 3;
            const char four[4] = {(char) from[0], (char) from[1], (char) from[2], (char) 255};
            text_put(&rgba, four, 4);
        }
    put_base64(to, (const uint8_t *) rgba.data, rgba.size);
    to->failed |= rgba.failed;
    text_free(&rgba);
}

/* Three digits are enough for bytes and shares; no locale has a say. */
static void put_number(struct text *to, double value)
{
    const int64_t thousandths = (int64_t) (value * 1000 + 0.5);
    text_add(to, "%lld.%03d", (long long) (thousandths / 1000), (int) (thousandths % 1000));
}

static void put_dispatch(
    struct text *to, const struct web_plan *plan, const struct web_form_plan *form, const struct web_dispatch *d, bool enlarged)
{
    text_add(to,
        "        { \"entry\": \"%s\", \"workgroup\": [%d, 1, 1], \"grid\": { \"per\": \"%s\", \"tile\": [%d, %d] },\n          "
        "\"layers\": [",
        d->entry, d->threads, enlarged ? "output" : "input", d->tile_w, d->tile_h);
    for (int i = 0; i < d->count; i++) {
        if (i) text_add(to, ", ");
        put_string(to, plan->layer[d->first + i]);
    }
    text_add(to, "],\n          \"bindings\": [");
    for (int i = 0; i < d->n_bindings; i++) {
        const struct web_binding *b = &d->binding[i];
        static const char *const kinds[] = {"frame", "source", "weights", "buffer", "target"};
        text_add(to, "%s{ \"binding\": %d, \"kind\": \"%s\"", i ? ", " : "", b->binding, kinds[b->kind]);
        if (b->kind == WEB_WEIGHTS)
            text_add(to, ", \"offset\": %lld, \"count\": %lld, \"access\": \"%s\"", (long long) b->offset, (long long) b->count,
                b->uniform ? "uniform" : "read");
        if (b->kind == WEB_BUFFER)
            text_add(to, ", \"name\": \"%s\", \"access\": \"%s\"", form->buffer[b->buffer].name, b->write ? "write" : "read");
        text_add(to, " }");
    }
    text_add(to, "] }");
}

static void put_form(struct text *to, const struct export_files *f, enum web_form kind)
{
    const struct web_form_plan *form = &f->plan->form[kind];
    const bool enlarged = f->network->enlarged_first;
    text_add(to, "    \"%s\": {\n      \"features\": [%s],\n", export_form_names[kind], kind == WEB_F16 ? "\"shader-f16\"" : "");
    if (f->embed) {
        text_add(to, "      \"text\": ");
        put_string(to, form->text);
        text_add(to, ",\n");
    } else {
        char name[192];
        snprintf(name, sizeof name, "%s.%s.wgsl", f->network->name, export_form_names[kind]);
        text_add(to, "      \"shader\": ");
        put_string(to, name);
        text_add(to, ",\n");
    }
    text_add(to,
        "      \"weights_type\": \"%s\",\n      \"limits\": { \"maxComputeWorkgroupStorageSize\": %d, "
        "\"maxComputeInvocationsPerWorkgroup\": %d, ",
        export_form_names[kind], form->workgroup_bytes, form->threads);
    text_add(to,
        "\"maxComputeWorkgroupSizeX\": %d, \"maxStorageBuffersPerShaderStage\": %d, \"maxStorageTexturesPerShaderStage\": 1 },\n",
        form->threads, form->storage_buffers);
    text_add(to, "      \"buffers\": [");
    for (int i = 0; i < form->n_buffers; i++)
        text_add(to, "%s{ \"name\": \"%s\", \"per\": \"%s\", \"bytes_per_pixel\": %d }", i ? ", " : "", form->buffer[i].name,
            enlarged ? "output" : "input", form->buffer[i].bytes_per_pixel);
    text_add(to, "],\n      \"dispatches\": [\n");
    for (int i = 0; i < form->n_dispatches; i++) {
        if (i) text_add(to, ",\n");
        put_dispatch(to, f->plan, form, &form->dispatch[i], enlarged);
    }
    text_add(to, "\n      ],\n      \"bytes\": { \"per_input_pixel\": ");
    put_number(to, form->bytes_in);
    text_add(to, ", \"per_output_pixel\": ");
    put_number(to, form->bytes_out);
    text_add(to, " }\n    }");
}

void export_json(struct text *to, const struct export_files *f)
{
    const struct network *n = f->network;
    text_add(to, "{\n  \"format\": \"framemill-web-plan\", \"version\": 1,\n  \"name\": ");
    put_string(to, n->name);
    text_add(to, ", \"made_by\": \"framemill %s\",\n", fm_version());
    text_add(to, "  \"network\": {\n    \"scale\": %d, \"before\": %s, \"ratio\": [%d, %d],\n", n->scale,
        n->enlarged_first ? "\"bilinear\"" : "null", n->scale, n->enlarged_first ? EXPORT_RATIO_MAX : n->scale);
    text_add(to, "    \"colour\": \"%s\", \"macs\": %lld, \"macs_per\": \"%s\", \"layers\": %d, \"reach\": %d\n  },\n",
        n->colour == NETWORK_LUMA ? "luma" : "rgb", (long long) f->plan->macs, n->enlarged_first ? "output" : "input",
        f->plan->n_layers, f->plan->reach);
    const size_t bytes = (size_t) f->plan->n_weights * 2;
    text_add(to, "  \"weights\": { ");
    if (f->embed) {
        text_add(to, "\"base64\": ");
        put_base64(to, (const uint8_t *) f->plan->weights, bytes);
    } else {
        char name[192];
        snprintf(name, sizeof name, "%s.bin", n->name);
        text_add(to, "\"file\": ");
        put_string(to, name);
    }
    text_add(to, ", \"bytes\": %zu },\n", bytes);
    text_add(to, "  \"external\": [[\"texture_2d<f32>\", \"texture_external\"], [\"textureLoad(source, p, 0)\", "
                 "\"textureLoad(source, p)\"]],\n");
    text_add(to, "  \"frame_bytes\": 48,\n  \"forms\": {\n");
    for (int kind = 0; kind < WEB_FORMS; kind++) {
        put_form(to, f, (enum web_form) kind);
        text_add(to, kind < WEB_FORMS - 1 ? ",\n" : "\n");
    }
    text_add(to, "  },\n  \"floor\": { \"per_input_pixel\": 4, \"per_output_pixel\": 4 },\n");
    text_add(to,
        "  \"golden\": {\n    \"width\": %d, \"height\": %d, \"out_width\": %d, \"out_height\": %d, \"luma\": [0.299, 0.587, "
        "0.114],\n    \"input\": ",
        f->in.width, f->in.height, f->out.width, f->out.height);
    put_picture(to, &f->in);
    text_add(to, ",\n    \"output\": ");
    put_picture(to, &f->out);
    text_add(to, ",\n    \"tolerance\": { \"f32\": 1, \"f16\": 2 }\n  }\n}");
}
