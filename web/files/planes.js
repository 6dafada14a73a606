// SPDX-License-Identifier: MIT
// Decoded frames as the stream has them (planes of Y', Cb, Cr) to R'G'B' and back, by the stream's own matrix and range and
// nothing else: no primaries, no transfer curve, so that a saved clip keeps its tags. On the GPU, and the way back also without
// one.
import { colourOf } from '../colour.js';

/**
 * @typedef {object} Colour
 * @property {number[]} luma shares of R, G, B in Y'
 * @property {boolean} full range 0 to 255
 * @property {VideoColorSpaceInit} tags for what is made
 */

/**
 * What a frame's numbers mean. Untagged: as browsers decide, by size.
 * @param {VideoColorSpaceInit|VideoColorSpace|null|undefined} space @param {number} width @param {number} height @returns {Colour}
 */
export function codedColour(space, width, height) {
  const { luma, matrix } = colourOf(space, width, height), full = !!space?.fullRange && space.matrix !== 'rgb';
  const plain = matrix === 'bt709' ? 'bt709' : 'smpte170m', tag = matrix === 'bt2020' ? 'bt2020-ncl' : matrix === 'bt709' ? 'bt709'
    : space?.matrix === 'bt470bg' ? 'bt470bg' : plain;
  return { luma: [...luma], full, tags: /** @type {any} */ ({ matrix: tag, fullRange: full, primaries: space?.primaries ?? plain,
    transfer: space?.transfer ?? plain }) };
}

const common = /* wgsl */`
// range: black, span of Y, span of colour; size: w, h, shifts or stride
struct Colour { luma: vec4<f32>, range: vec4<f32>, size: vec4<u32>, };
`;

// Bilinear between samples of colour that lie on even columns and between rows, as H.264, HEVC and VP9 have them unless told.
const toRgb = common + /* wgsl */`
@group(0) @binding(0) var<uniform> c: Colour;
@group(0) @binding(1) var plane_y: texture_2d<f32>;
@group(0) @binding(2) var plane_u: texture_2d<f32>;
@group(0) @binding(3) var plane_v: texture_2d<f32>;
@group(0) @binding(4) var result: texture_storage_2d<rgba16float, write>;
fn colour_at(p: vec2<i32>) -> vec2<f32> {
  let q = clamp(p, vec2<i32>(0), vec2<i32>(textureDimensions(plane_u)) - 1);
  let u = textureLoad(plane_u, q, 0);
  return vec2<f32>(u.r, select(textureLoad(plane_v, q, 0).r, u.g, c.range.w > 0.5));
}
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (any(id.xy >= c.size.xy)) { return; }
  let p = vec2<f32>(id.xy);
  var at = p;
  if (c.size.z == 1u) { at.x = p.x * 0.5; }
  if (c.size.w == 1u) { at.y = p.y * 0.5 - 0.25; }
  let first = floor(at);
  let f = at - first;
  let i = vec2<i32>(first);
  let upper = mix(colour_at(i), colour_at(i + vec2<i32>(1, 0)), f.x);
  let uv = mix(upper, mix(colour_at(i + vec2<i32>(0, 1)), colour_at(i + 1), f.x), f.y);
  let y = (textureLoad(plane_y, vec2<i32>(id.xy), 0).r * 255.0 - c.range.x) / c.range.y;
  let d = (uv * 255.0 - 128.0) / c.range.z;
  let r = y + 2.0 * (1.0 - c.luma.r) * d.y;
  let b = y + 2.0 * (1.0 - c.luma.b) * d.x;
  textureStore(result, id.xy, vec4<f32>(r, (y - c.luma.r * r - c.luma.b * b) / c.luma.g, b, 1.0));
}`;

// A thread makes 8 x 2 samples of Y' and the 4 + 4 of colour in them, in whole words.
const toPlanes = common + /* wgsl */`
@group(0) @binding(0) var<uniform> c: Colour;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var<storage, read_write> words: array<u32>;
fn rgb(x: i32, y: i32) -> vec3<f32> {
  return textureLoad(picture, clamp(vec2<i32>(x, y), vec2<i32>(0), vec2<i32>(c.size.xy) - 1), 0).rgb;
}
fn put(v: vec4<f32>) -> u32 {
  let n = vec4<u32>(clamp(floor(v + 0.5), vec4<f32>(0.0), vec4<f32>(255.0)));
  return n.x | (n.y << 8u) | (n.z << 16u) | (n.w << 24u);
}
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let stride = c.size.z / 4u;
  let rows = (c.size.y + 1u) / 2u;
  if (id.x * 8u >= c.size.z || id.y >= rows) { return; }
  let x0 = i32(id.x * 8u);
  let y0 = i32(id.y * 2u);
  var sum: array<vec3<f32>, 9>;   // of two rows; one column more on the left
  for (var k = 0; k < 9; k++) { sum[k] = rgb(x0 + k - 1, y0) + rgb(x0 + k - 1, y0 + 1); }
  for (var j = 0; j < 2; j++) {
    if (u32(y0 + j) >= c.size.y) { continue; }
    for (var w = 0; w < 2; w++) {
      var y = vec4<f32>(0.0);
      for (var k = 0; k < 4; k++) { y[k] = dot(rgb(x0 + 4 * w + k, y0 + j), c.luma.rgb) * c.range.y + c.range.x; }
      words[u32(y0 + j) * stride + id.x * 2u + u32(w)] = put(y);
    }
  }
  var u = vec4<f32>(0.0);
  var v = vec4<f32>(0.0);
  for (var k = 0; k < 4; k++) {
    let m = (sum[2 * k] + 2.0 * sum[2 * k + 1] + sum[2 * k + 2]) / 8.0;
    let y = dot(m, c.luma.rgb);
    u[k] = (m.b - y) / (2.0 * (1.0 - c.luma.b)) * c.range.z + 128.0;
    v[k] = (m.r - y) / (2.0 * (1.0 - c.luma.r)) * c.range.z + 128.0;
  }
  let at = stride * c.size.y + id.y * (stride / 2u) + id.x;
  words[at] = put(u);
  words[at + rows * (stride / 2u)] = put(v);
}`;

/** @param {Colour} colour @param {number[]} size @param {boolean} [pair] */
function uniformOf({ luma, full }, size, pair = false) {
  const data = new ArrayBuffer(48);
  new Float32Array(data).set([...luma, 0, full ? 0 : 16, full ? 255 : 219, full ? 255 : 224, pair ? 1 : 0]);
  new Uint32Array(data, 32).set(size);
  return data;
}

/** @param {GPUDevice} device @param {string} label @param {string} code */
const pipelineOf = (device, label, code) => device.createComputePipelineAsync({ label, layout: 'auto',
  compute: { module: device.createShaderModule({ label, code }) } });

/** @type {Record<string, [number, number]>} by how much colour is less, as shifts */
const shifts = { I420: [1, 1], NV12: [1, 1], I422: [1, 0], I444: [0, 0] };

/** Whether a frame is one that FrameLoader converts itself. @param {VideoFrame} frame */
export function isPlanar({ format, visibleRect: rect, displayWidth, displayHeight }) {
  return (format ?? '') in shifts && rect?.width === displayWidth && rect?.height === displayHeight;
}

/** Decoded frames to a texture that networks take. */
export class FrameLoader {
  #device; #pipeline; #size; #planes = /** @type {GPUTexture[]} */ ([]); #made = ''; #uniform;
  #group = /** @type {GPUBindGroup|null} */ (null); #bytes = new Uint8Array(0);

  /** @param {GPUDevice} device @param {number} width @param {number} height */
  static async create(device, width, height) {
    return new FrameLoader(device, await pipelineOf(device, 'planes to R, G, B', toRgb), width, height);
  }

  /** @param {GPUDevice} device @param {GPUComputePipeline} pipeline @param {number} width @param {number} height */
  constructor(device, pipeline, width, height) {
    this.#device = device;
    this.#pipeline = pipeline;
    this.#size = [width, height];
    const { STORAGE_BINDING, TEXTURE_BINDING, COPY_DST, RENDER_ATTACHMENT } = GPUTextureUsage;
    this.texture = device.createTexture({ size: [width, height], format: 'rgba16float',
      usage: STORAGE_BINDING | TEXTURE_BINDING | COPY_DST | RENDER_ATTACHMENT });
    this.#uniform = device.createBuffer({ size: 48, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  }

  /**
   * Uploads a frame and encodes what makes R, G, B of it into this.texture.
   * @param {GPUCommandEncoder} encoder @param {VideoFrame} frame @param {Colour} colour
   * @returns {Promise<void>}
   */
  async load(encoder, frame, colour) {
    const [width, height] = this.#size, format = frame.format ?? '', shift = shifts[format];
    if (!isPlanar(frame)) {
      // Other kinds of frames, and pixels that are no squares: the browser's own conversion.
      this.#device.queue.copyExternalImageToTexture({ source: frame }, { texture: this.texture }, [width, height]);
      return;
    }
    const size = frame.allocationSize();
    if (this.#bytes.byteLength < size) this.#bytes = new Uint8Array(size);
    const layout = await frame.copyTo(this.#bytes), small = [Math.ceil(width / 2 ** shift[0]), Math.ceil(height / 2 ** shift[1])];
    if (this.#made !== format) {
      for (const p of this.#planes) p.destroy();
      const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
      this.#planes = layout.map((_, i) => this.#device.createTexture({ size: i ? small : [width, height],
        format: format === 'NV12' && i ? 'rg8unorm' : 'r8unorm', usage }));
      const views = [0, 1, layout.length - 1].map((i) => this.#planes[i].createView());
      this.#group = this.#device.createBindGroup({ layout: this.#pipeline.getBindGroupLayout(0),
        entries: [{ binding: 0, resource: { buffer: this.#uniform } },
        ...views.map((resource, i) => ({ binding: i + 1, resource })), { binding: 4, resource: this.texture.createView() }] });
      this.#made = format;
    }
    layout.forEach(({ offset, stride }, i) => this.#device.queue.writeTexture({ texture: this.#planes[i] }, this.#bytes,
      { offset, bytesPerRow: stride }, i ? small : [width, height]));
    this.#device.queue.writeBuffer(this.#uniform, 0, uniformOf(colour, [width, height, ...shift], format === 'NV12'));
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#group);
    pass.dispatchWorkgroups(Math.ceil(width / 8), Math.ceil(height / 8));
    pass.end();
  }

  destroy() {
    for (const t of [this.texture, ...this.#planes]) t.destroy();
    this.#uniform.destroy();
  }
}

/** Where the planes of I420 lie. Rows of colour are whole words. @param {number} width @param {number} height */
export function planesLayout(width, height) {
  const stride = Math.ceil(width / 8) * 8, rows = Math.ceil(height / 2), y = stride * height, c = (stride / 2) * rows;
  return { stride, bytes: y + 2 * c, layout: [{ offset: 0, stride }, { offset: y, stride: stride / 2 },
    { offset: y + c, stride: stride / 2 }] };
}

/** Results to planes of I420 in memory. */
export class FrameStore {
  #device; #pipeline; #width; #height; #bytes; #uniform; #words; #read; #groups = new WeakMap();

  /** @param {GPUDevice} device @param {number} width @param {number} height */
  static async create(device, width, height) {
    return new FrameStore(device, await pipelineOf(device, 'R, G, B to planes', toPlanes), width, height);
  }

  /** @param {GPUDevice} device @param {GPUComputePipeline} pipeline @param {number} width @param {number} height */
  constructor(device, pipeline, width, height) {
    const { bytes } = planesLayout(width, height);
    this.#device = device;
    this.#pipeline = pipeline;
    [this.#width, this.#height, this.#bytes] = [width, height, bytes];
    this.#uniform = device.createBuffer({ size: 48, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    this.#words = device.createBuffer({ size: bytes, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
    this.#read = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  }

  /** @param {GPUCommandEncoder} encoder @param {GPUTexture} picture @param {Colour} colour */
  encode(encoder, picture, colour) {
    let group = this.#groups.get(picture);
    if (!group) {
      group = this.#device.createBindGroup({ layout: this.#pipeline.getBindGroupLayout(0),
        entries: [{ binding: 0, resource: { buffer: this.#uniform } },
        { binding: 1, resource: picture.createView() }, { binding: 2, resource: { buffer: this.#words } }] });
      this.#groups.set(picture, group);
    }
    this.#device.queue.writeBuffer(this.#uniform, 0, uniformOf(colour,
      [this.#width, this.#height, planesLayout(this.#width, this.#height).stride, 0]));
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(Math.ceil(Math.ceil(this.#width / 8) / 8), Math.ceil(Math.ceil(this.#height / 2) / 8));
    pass.end();
    encoder.copyBufferToBuffer(this.#words, 0, this.#read, 0, this.#bytes);
  }

  /** What was encoded and submitted last, once it is done. @returns {Promise<Uint8Array>} */
  async read() {
    await this.#read.mapAsync(GPUMapMode.READ);
    const bytes = new Uint8Array(this.#read.getMappedRange()).slice();
    this.#read.unmap();
    return bytes;
  }

  destroy() {
    for (const b of [this.#uniform, this.#words, this.#read]) b.destroy();
  }
}

/**
 * What FrameLoader does, without a GPU.
 * @param {VideoFrame} frame of a kind that isPlanar
 * @param {Colour} colour
 * @returns {Promise<Uint8ClampedArray>} RGBA
 */
export async function rgbaOf(frame, { luma: [kr, kg, kb], full }) {
  const bytes = new Uint8Array(frame.allocationSize()), layout = await frame.copyTo(bytes),
    { displayWidth: width, displayHeight: height } = frame;
  const [sx, sy] = shifts[frame.format ?? ''], pair = frame.format === 'NV12', cw = Math.ceil(width / 2 ** sx),
    ch = Math.ceil(height / 2 ** sy), out = new Uint8ClampedArray(width * height * 4);
  const [black, span, wide] = full ? [0, 255, 255] : [16, 219, 224], u = layout[1], v = pair
    ? { offset: u.offset + 1, stride: u.stride } : layout[2], step = pair ? 2 : 1;
  const at = (/** @type {PlaneLayout} */ p, /** @type {number} */ x, /** @type {number} */ y) =>
    bytes[p.offset + Math.min(Math.max(y, 0), ch - 1) * p.stride + Math.min(x, cw - 1) * step];
  for (let y = 0, o = 0; y < height; y++) {
    const cy = sy ? y / 2 - 0.25 : y, y0 = Math.floor(cy), fy = cy - y0;
    for (let x = 0; x < width; x++, o += 4) {
      const x0 = x >> sx, fx = sx ? (x & 1) / 2 : 0;
      const between = (/** @type {PlaneLayout} */ p) => (at(p, x0, y0) * (1 - fx) + at(p, x0 + 1, y0) * fx) * (1 - fy) + (at(p, x0,
        y0 + 1) * (1 - fx) + at(p, x0 + 1, y0 + 1) * fx) * fy;
      const l = ((bytes[layout[0].offset + y * layout[0].stride + x] - black) * 255) / span,
        cb = ((between(u) - 128) * 255) / wide, cr = ((between(v) - 128) * 255) / wide;
      const r = l + 2 * (1 - kr) * cr, b = l + 2 * (1 - kb) * cb;
      out[o] = r;
      out[o + 1] = (l - kr * r - kb * b) / kg;
      out[o + 2] = b;
      out[o + 3] = 255;
    }
  }
  return out;
}

/**
 * What FrameStore does, without a GPU.
 * @param {Uint8Array|Uint8ClampedArray} rgba
 * @param {number} width
 * @param {number} height
 * @param {Colour} colour
 * @returns {Uint8Array}
 */
export function planesOf(rgba, width, height, { luma: [kr, kg, kb], full }) {
  const { stride, bytes, layout } = planesLayout(width, height), out = new Uint8ClampedArray(bytes), [black, span, wide] = full
    ? [0, 255, 255] : [16, 219, 224];
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++,
      i += 4) out[y * stride + x] = black + (span / 255) * (kr * rgba[i] + kg * rgba[i + 1] + kb * rgba[i + 2]);
  const at = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ c) =>
    rgba[(Math.min(y, height - 1) * width + Math.min(Math.max(x, 0), width - 1)) * 4 + c];
  for (let y = 0; y < Math.ceil(height / 2); y++)
    for (let x = 0; x < Math.ceil(width / 2); x++) {
      const mean = [0, 1, 2].map((c) => {
        let sum = 0;
        for (let j = 0; j < 2; j++) sum += at(2 * x - 1, 2 * y + j, c) + 2 * at(2 * x, 2 * y + j, c) + at(2 * x + 1, 2 * y + j, c);
        return sum / 8;
      });
      const l = kr * mean[0] + kg * mean[1] + kb * mean[2];
      out[layout[1].offset + y * layout[1].stride + x] = 128 + ((mean[2] - l) / (2 * (1 - kb)) / 255) * wide;
      out[layout[2].offset + y * layout[2].stride + x] = 128 + ((mean[0] - l) / (2 * (1 - kr)) / 255) * wide;
    }
  return new Uint8Array(out.buffer);
}
