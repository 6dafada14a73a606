// SPDX-License-Identifier: MIT
// The two shaders that are no network: the last step to the canvas, and the look whether a result can be right.

/**
 * Result to canvas: the part that is to be seen, turned, at any scale. Catmull-Rom, made as wide as the pixels of the canvas when
 * it has fewer
 * than the result; where both have the same the pixel itself is taken.
 */
export const BLIT = `
struct Blit { crop: vec4<f32>, canvas: vec2<f32>, turn: u32, zero: u32 }
@group(0) @binding(0) var<uniform> blit: Blit;
@group(0) @binding(1) var result: texture_2d<f32>;
@vertex fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
  return vec4<f32>(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}
fn weight(x: f32) -> f32 {
  let a = abs(x);
  if (a < 1.0) { return (1.5 * a - 2.5) * a * a + 1.0; }
  if (a < 2.0) { return ((2.5 - 0.5 * a) * a - 4.0) * a + 2.0; }
  return 0.0;
}
@fragment fn pixel(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
  let size = vec2<f32>(textureDimensions(result));
  let part = blit.crop.zw - blit.crop.xy;
  var uv = blit.crop.xy + at.xy / blit.canvas * part;
  var step = part / blit.canvas;
  switch (blit.turn) {
    case 1u: { uv = vec2<f32>(uv.y, 1.0 - uv.x); step = step.yx; }
    case 2u: { uv = 1.0 - uv; }
    case 3u: { uv = vec2<f32>(1.0 - uv.y, uv.x); step = step.yx; }
    default: {}
  }
  let c = uv * size - 0.5;
  step *= size;
  let last = vec2<i32>(size) - 1;
  let near = round(c);
  if (all(abs(step - 1.0) < vec2<f32>(1e-3)) && all(abs(c - near) < vec2<f32>(0.02))) {
    return vec4<f32>(textureLoad(result, clamp(vec2<i32>(near), vec2<i32>(0), last), 0).rgb, 1.0);
  }
  let wide = clamp(step, vec2<f32>(1.0), vec2<f32>(4.0));
  let first = vec2<i32>(ceil(c - 2.0 * wide));
  let end = vec2<i32>(floor(c + 2.0 * wide));
  var sum = vec3<f32>(0.0);
  var all_weights = 0.0;
  for (var y = first.y; y <= end.y; y++) {
    let wy = weight((f32(y) - c.y) / wide.y);
    for (var x = first.x; x <= end.x; x++) {
      let w = wy * weight((f32(x) - c.x) / wide.x);
      sum += w * textureLoad(result, clamp(vec2<i32>(x, y), vec2<i32>(0), last), 0).rgb;
      all_weights += w;
    }
  }
  return vec4<f32>(sum / all_weights, 1.0);
}`;

/** Points at which result and source are compared: 64 on each axis. */
export const CHECK_POINTS = 4096;

/**
 * Brightness of result and source at 64 x 64 points: sums, the sum of differences, points that are black though the source is not.
 * What is no number counts as black. Sums in 1/1024.
 * @param {boolean} external the source is an external texture; else a plain one
 */
export const checkOf = (external) => `
struct Sums { source: atomic<u32>, result: atomic<u32>, difference: atomic<u32>, black: atomic<u32> }
@group(0) @binding(0) var<storage, read_write> sums: Sums;
@group(0) @binding(1) var result: texture_2d<f32>;
@group(0) @binding(2) var linear: sampler;
@group(0) @binding(3) var source: texture_${external ? 'external' : '2d<f32>'};
fn light(c: vec3<f32>) -> f32 {
  let y = dot(c, vec3<f32>(0.25, 0.5, 0.25));
  return select(0.0, y, y >= 0.0 && y <= 1.0);
}
@compute @workgroup_size(64) fn check(@builtin(global_invocation_id) id: vec3<u32>) {
  let uv = (vec2<f32>(id.xy) + 0.5) / 64.0;
  let s = light(textureSample${external ? 'BaseClampToEdge(source, linear, uv' : 'Level(source, linear, uv, 0.0'}).rgb);
  let r = light(textureSampleLevel(result, linear, uv, 0.0).rgb);
  atomicAdd(&sums.source, u32(s * 1024.0));
  atomicAdd(&sums.result, u32(r * 1024.0));
  atomicAdd(&sums.difference, u32(abs(s - r) * 1024.0));
  if (r < 0.02 && s > 0.1) { atomicAdd(&sums.black, 1u); }
}`;

/**
 * What the sums say; '' when the result can be right. @param {ArrayLike<number> & Iterable<number>} sums of checkOf
 * @returns {string}
 */
export function judge(sums) {
  const [source, result, difference, black] = sums, all = CHECK_POINTS * 1024;
  if (black > CHECK_POINTS / 4) return `black result (${Math.round((100 * black) / CHECK_POINTS)} % of it)`;
  if (source > 0.02 * all && result < 0.1 * source) return 'black result';
  return difference > 0.15 * all ? 'the result is another picture than the video' : '';
}
