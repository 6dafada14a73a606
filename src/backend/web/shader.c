/* SPDX-License-Identifier: MIT */
#include "backend/web/shader.h"
#include "backend/web/weights.h"

/* The two forms differ in three aliases and two functions. */
void shader_head(struct text *text, enum web_form form, const struct web_network *network)
{
    text_add(text, "// %s, by framemill %s: docs/web-plan.md\n", network->name, FM_VERSION_STRING);
    if (form == WEB_F16) text_add(text, "enable f16;\n");
    const char *type = form == WEB_F16 ? "f16" : "f32";
    text_add(text, "alias h = %s;\nalias h2 = vec2<%s>;\nalias h3 = vec3<%s>;\nalias h4 = vec4<%s>;\n", type, type, type, type);
    text_add(text, "struct Frame { in_size: vec2<u32>, out_size: vec2<u32>, ratio: vec2<f32>, zero: vec2<u32>, luma: vec4<f32> }\n"
                   "@group(0) @binding(0) var<uniform> frame: Frame;\n"
                   "@group(0) @binding(1) var source: texture_2d<f32>;\n"
                   "@group(0) @binding(3) var<storage, read> before: array<vec2<u32>>;\n"
                   "@group(0) @binding(4) var<storage, read> plus: array<vec2<u32>>;\n"
                   "@group(0) @binding(5) var<storage, read_write> after: array<vec2<u32>>;\n"
                   "@group(0) @binding(6) var result: texture_storage_2d<rgba8unorm, write>;\n");
    text_add(text, "fn unpack_f(q: vec2<u32>) -> vec4<f32> { return vec4<f32>(unpack2x16float(q.x), unpack2x16float(q.y)); }\n");
    if (form == WEB_F16)
        text_add(text, "fn unpack(q: vec2<u32>) -> h4 { return bitcast<h4>(q); }\n"
                       "fn pack(v: h4) -> vec2<u32> { return bitcast<vec2<u32>>(v); }\n");
    else
        text_add(text, "fn unpack(q: vec2<u32>) -> h4 { return unpack_f(q); }\n"
                       "fn pack(v: h4) -> vec2<u32> { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }\n");
    /* Beyond its edge the picture goes on with the edge's samples. */
    text_add(text, "fn fetch(at: vec2<i32>) -> vec3<f32> {\n"
                   "  let p = clamp(at, vec2<i32>(0), vec2<i32>(frame.in_size) - 1);\n"
                   "  return textureLoad(source, p, 0).rgb;\n}\n");
    if (network->luma)
        text_add(text, "fn fetch_unit(at: vec2<i32>) -> vec2<u32> {\n"
                       "  let c = fetch(at);\n"
                       "  let y = dot(c, frame.luma.rgb);\n"
                       "  return vec2<u32>(bitcast<u32>(y), pack2x16float(c.rb - y));\n}\n");
}

const char *shader_lanes(int width)
{
    static const char *const lanes[] = {"", ".x", ".xy", ".xyz", ""};
    return lanes[width];
}

void shader_weight(const struct shader *s, const char *base, int n)
{
    const char *plus = base[0] ? " + " : "";
    if (s->form == WEB_F16)
        text_add(s->text, "bitcast<h4>(%s_weights[%s%s%du].%s)", s->entry, base, plus, n / 2, n % 2 ? "zw" : "xy");
    else
        text_add(s->text, "%s_weights[%s%s%du]", s->entry, base, plus, n);
}

void shader_load_buffer(const struct shader *s, const char *round)
{
    const struct web_group *g = s->group;
    const int area = g->w * g->h;
    text_add(s->text, "  for (var i = t; i < %du; i += %du) {\n", area * g->planes, g->threads);
    text_add(s->text, "    let c = i / %du; let r = i %% %du;\n", area, area);
    text_add(s->text, "    let p = corner + vec2<i32>(vec2<u32>(r %% %du, r / %du)) - %d;\n", g->w, g->w, g->halo);
    text_add(s->text,
        "    var q = vec2<u32>(0);\n    if (all(vec2<u32>(p) < size)) { q = before[(%s%sc) * size.x * size.y + u32(p.y) * size.x + "
        "u32(p.x)]; }\n",
        round, round[0] ? " + " : "");
    text_add(s->text, "    %s_tile[i] = q;\n  }\n  workgroupBarrier();\n", s->entry);
}

void shader_group(const struct shader *s)
{
    const struct web_group *g = s->group;
    struct text *t = s->text;
    int weights[WEB_STAGES_MAX + 2] = {0};
    for (int i = 0; i < g->count; i++) weights[i + 1] = weights[i] + web_layer_vectors(g->stage[i].layer);
    if (shader_is_exit(s) && s->layers->beside) weights[g->count + 1] += weights[g->count] + web_beside_vectors(s->layers->beside);
    const int vectors = weights[g->count + (shader_is_exit(s) && s->layers->beside ? 1 : 0)];
    text_add(t, "\nvar<workgroup> %s_tile: array<vec2<u32>, %d>;\n", s->entry, g->units);
    text_add(t, "@group(0) @binding(2) var<%s> %s_weights: array<%s, %d>;\n",
        4 * vectors <= WEB_UNIFORM_MAX ? "uniform" : "storage, read", s->entry, s->form == WEB_F16 ? "vec4<u32>" : "vec4<f32>",
        s->form == WEB_F16 ? vectors / 2 : vectors);
    if (s->network->enlarged_first && (shader_is_entry(s) || shader_is_exit(s))) shader_between_functions(s);
    if (shader_is_exit(s)) shader_exit_functions(s, weights[g->count]);
    text_add(t,
        "@compute @workgroup_size(%d)\nfn %s(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {\n",
        g->threads, s->entry);
    text_add(t, "  let size = frame.%s;\n", s->network->enlarged_first ? "out_size" : "in_size");
    text_add(t, "  let corner = vec2<i32>(group.xy * vec2<u32>(%du, %du));\n", g->tile_w, g->tile_h);
    if (shader_is_entry(s))
        shader_load_picture(s);
    else if (g->rounds == 1)
        shader_load_buffer(s, "");
    for (int i = 0; i < g->count; i++) shader_stage(s, i, weights[i]);
    text_add(t, "}\n");
}
