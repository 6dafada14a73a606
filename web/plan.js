// SPDX-License-Identifier: MIT
// Runs a web plan (docs/web-plan.md): checks what the device can do, makes buffers and pipelines for a size, and encodes a frame.
// It knows nothing of networks: what is to be done stands in the plan.
//
//     const plan = await loadPlan('models/rt14.json');
//     const runner = await createRunner(device, plan, { width: 1280, height: 720 });
//     runner.encode(encoder, source, texture);   // source: GPUExternalTexture or GPUTexture; texture: rgba8unorm, storage
//     runner.destroy();
import { LUMA } from './colour.js';
import { fromBase64 } from './load.js';

export { fromBase64, loadPlan } from './load.js';
export { LUMA };

/**
 * @typedef {object} PlanBinding
 * @property {number} binding
 * @property {'frame'|'source'|'weights'|'buffer'|'target'} kind
 * @property {number} [offset] of weights, in numbers
 * @property {number} [count]
 * @property {string} [name] of a buffer
 * @property {'read'|'write'} [access]
 *
 * @typedef {object} PlanDispatch
 * @property {string} entry
 * @property {number[]} workgroup
 * @property {{per: 'input'|'output', tile: number[]}} grid
 * @property {string[]} layers
 * @property {PlanBinding[]} bindings
 *
 * @typedef {object} PlanForm
 * @property {string[]} features
 * @property {string} [shader] a file beside the plan
 * @property {string} [text]
 * @property {'f32'|'f16'} weights_type
 * @property {Record<string, number>} limits
 * @property {{name: string, per: 'input'|'output', bytes_per_pixel: number}[]} buffers
 * @property {PlanDispatch[]} dispatches
 * @property {{per_input_pixel: number, per_output_pixel: number}} bytes
 *
 * @typedef {object} Golden
 * @property {number} width
 * @property {number} height
 * @property {number} out_width
 * @property {number} out_height
 * @property {number[]} luma
 * @property {string} input
 * @property {string} output
 * @property {Record<string, number>} tolerance
 *
 * @typedef {object} Plan
 * @property {string} format
 * @property {number} version
 * @property {string} name
 * @property {{scale: number, before: string|null, ratio: number[], colour: string, macs: number, macs_per: string, layers: number}}
 *   network
 * @property {{file?: string, base64?: string, bytes: number}} weights
 * @property {[string, string][]} external
 * @property {number} frame_bytes
 * @property {Record<string, PlanForm>} forms
 * @property {{per_input_pixel: number, per_output_pixel: number}} floor
 * @property {Golden} golden
 * @property {Uint16Array} halves the weights; put there by loadPlan
 *
 * @typedef {object} Size
 * @property {number} width of the source
 * @property {number} height
 * @property {number} [outWidth] for plans that take any ratio
 * @property {number} [outHeight]
 *
 * @typedef {'texture'|'external'} SourceKind
 */

/** @param {number} h a half's bits @returns {number} */
function halfToFloat(h) {
  const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return exponent === 31 ? (fraction ? NaN : sign * Infinity) : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The form for a device. @param {GPUDevice} device @param {Plan} plan @returns {'f16'|'f32'} */
export function chooseForm(device, plan) {
  return plan.forms.f16?.features.every((f) => device.features.has(f)) ? 'f16' : 'f32';
}

/** Sizes, all four. @param {Plan} plan @param {Size} size @returns {Required<Size>} */
export function sizesFor(plan, size) {
  const { scale, ratio } = plan.network;
  const all = { ...size, outWidth: size.outWidth ?? size.width * scale, outHeight: size.outHeight ?? size.height * scale };
  for (const [from, to] of [[all.width, all.outWidth], [all.height, all.outHeight]]) {
    if (!Number.isInteger(from) || !Number.isInteger(to) || from < 1) throw new RangeError(`${from} to ${to} pixels: no size`);
    if (to < from * ratio[0] || to > from * ratio[1])
      throw new RangeError(`${plan.name} enlarges by ${ratio[0]} to ${ratio[1]}, not ${from} to ${to} pixels`);
  }
  return all;
}

/** @param {PlanForm['buffers'][0]} buffer @param {Required<Size>} size */
function bufferBytes(buffer, size) {
  return buffer.bytes_per_pixel * (buffer.per === 'input' ? size.width * size.height : size.outWidth * size.outHeight);
}

/**
 * Why a device cannot run a form at a size; '' when it can. Works on adapters too, to see what must be asked for.
 * @param {{limits: GPUSupportedLimits, features: {has(name: string): boolean}}} device
 * @param {Plan} plan @param {string} formName @param {Size} size
 * @returns {string}
 */
export function whyNot(device, plan, formName, size) {
  const form = plan.forms[formName], all = sizesFor(plan, size), limits = /** @type {any} */ (device.limits);
  for (const feature of form.features) if (!device.features.has(feature)) return `${feature} is missing`;
  const needs = { ...form.limits };
  const largest = Math.max(0, ...form.buffers.map((b) => bufferBytes(b, all)));
  needs.maxStorageBufferBindingSize = needs.maxBufferSize = largest;
  needs.maxTextureDimension2D = Math.max(all.width, all.height, all.outWidth, all.outHeight);
  for (const d of form.dispatches) {
    const groups = gridOf(d, all);
    needs.maxComputeWorkgroupsPerDimension = Math.max(needs.maxComputeWorkgroupsPerDimension ?? 0, ...groups);
  }
  for (const [name, least] of Object.entries(needs))
    if (!(limits[name] >= least)) return `${name} is ${limits[name]}, ${least} are needed`;
  return '';
}

/** @param {PlanDispatch} d @param {Required<Size>} size @returns {number[]} */
function gridOf(d, size) {
  const [w, h] = d.grid.per === 'input' ? [size.width, size.height] : [size.outWidth, size.outHeight];
  return [Math.ceil(w / d.grid.tile[0]), Math.ceil(h / d.grid.tile[1])];
}

/**
 * What does not depend on a size: weights on the device, pipelines. One per device, plan, form and kind of source.
 * @param {GPUDevice} device @param {Plan} plan @param {{form?: 'f16'|'f32', source?: SourceKind}} [options]
 */
export async function createPipelines(device, plan, { form: formName = chooseForm(device, plan), source = 'texture' } = {}) {
  const form = plan.forms[formName];
  let text = await /** @type {any} */ (form).read();
  if (source === 'external') {
    for (const [from, to] of plan.external) text = text.replaceAll(from, to);
    // Sampled in the middle of a pixel, brightness is that pixel's, and what 4:2:0 has less of is between its neighbours; a load would
    // take the nearest where the browser hands over planes. By shares of the picture: a texture has the size at which a video is
    // displayed, which with oblong pixels is not that of its frames.
    text = text.replaceAll('textureLoad(source, p)',
      'textureSampleBaseClampToEdge(source, linear, (vec2<f32>(p) + 0.5) / vec2<f32>(frame.in_size))') +
      '@group(0) @binding(7) var linear: sampler;';
  }
  const module = device.createShaderModule({ label: `${plan.name} ${formName}`, code: text });
  const bad = (await module.getCompilationInfo()).messages.filter((m) => m.type === 'error');
  if (bad.length) throw new Error(`${plan.name} ${formName}: line ${bad[0].lineNum}: ${bad[0].message}`);
  const numbers = form.weights_type === 'f16' ? plan.halves : Float32Array.from(plan.halves, halfToFloat);
  const weights = device.createBuffer({ label: 'weights', size: Math.ceil(numbers.byteLength / 4) * 4,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM, mappedAtCreation: true });
  new Uint8Array(weights.getMappedRange()).set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  weights.unmap();
  /** @type {Map<string, Promise<GPUComputePipeline>>} */
  const made = new Map();
  for (const d of form.dispatches)
    if (!made.has(d.entry)) made.set(d.entry,
      device.createComputePipelineAsync({ label: d.entry, layout: 'auto', compute: { module, entryPoint: d.entry } }));
  const pipelines = await Promise.all(form.dispatches.map((d) => /** @type {Promise<GPUComputePipeline>} */ (made.get(d.entry))));
  return { plan, form, formName, source, weights, pipelines, numberBytes: numbers.BYTES_PER_ELEMENT, text,
    linear: device.createSampler({ magFilter: 'linear', minFilter: 'linear' }),
    destroy: () => weights.destroy() };
}

/** One size of a plan on a device. */
export class Runner {
  #device; #p; #buffers; #frame; #groups; #own;

  /**
   * @param {GPUDevice} device @param {Awaited<ReturnType<typeof createPipelines>>} pipelines @param {Size} size
   * @param {{luma?: number[], own?: boolean}} [options] luma: shares (LUMA); own: destroys the pipelines with itself
   */
  constructor(device, pipelines, size, { luma = LUMA.bt601, own = false } = {}) {
    this.#device = device;
    this.#p = pipelines;
    this.#own = own;
    this.size = sizesFor(pipelines.plan, size);
    const why = whyNot(device, pipelines.plan, pipelines.formName, size);
    if (why) throw new Error(`${pipelines.plan.name}: ${why}`);
    /** @type {Map<string, GPUBuffer>} */
    this.#buffers = new Map();
    for (const b of pipelines.form.buffers)
      this.#buffers.set(b.name, device.createBuffer({ label: b.name, size: bufferBytes(b, this.size),
        usage: GPUBufferUsage.STORAGE }));
    this.#frame = device.createBuffer({ label: 'frame', size: pipelines.plan.frame_bytes,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
    this.setLuma(luma);
    // Groups that have neither source nor target never change; the others keep theirs as long as both stay.
    this.#groups = pipelines.form.dispatches.map((d) => {
      const fixed = !d.bindings.some((b) => b.kind === 'source' || b.kind === 'target');
      return { d, grid: gridOf(d, this.size), fixed, group: fixed ? this.#bind(d) : null, source: /** @type {any} */ (null),
        target: /** @type {any} */ (null) };
    });
  }

  get plan() { return this.#p.plan; }
  get form() { return this.#p.formName; }
  /** Bytes a frame moves, and the least there is. */
  get traffic() {
    const { width, height, outWidth, outHeight } = this.size;
    /** @param {{per_input_pixel: number, per_output_pixel: number}} b */
    const bytes = (b) => b.per_input_pixel * width * height + b.per_output_pixel * outWidth * outHeight;
    return { bytes: bytes(this.#p.form.bytes), floor: bytes(this.plan.floor) };
  }

  /** Other shares, from the next frame on. @param {number[]} luma */
  setLuma(luma) {
    const data = new ArrayBuffer(this.plan.frame_bytes), { width, height, outWidth, outHeight } = this.size;
    new Uint32Array(data, 0, 4).set([width, height, outWidth, outHeight]);
    new Float32Array(data, 16, 2).set([width / outWidth, height / outHeight]);
    new Float32Array(data, 32, 3).set(luma);
    this.#device.queue.writeBuffer(this.#frame, 0, data);
  }

  /** @param {PlanDispatch} d @param {any} [source] @param {any} [target] */
  #bind(d, source, target) {
    const size = this.#p.numberBytes;
    const resource = (/** @type {PlanBinding} */ b) => {
      switch (b.kind) {
        case 'frame': return { buffer: this.#frame };
        case 'source': return source;
        case 'weights': return { buffer: this.#p.weights, offset: /** @type {number} */ (b.offset) * size,
          size: /** @type {number} */ (b.count) * size };
        case 'buffer': return { buffer: this.#buffers.get(/** @type {string} */ (b.name)) };
        default: return target;
      }
    };
    const p = this.#p, entries = d.bindings.map((b) => ({ binding: b.binding, resource: resource(b) }));
    if (p.source === 'external' && d.bindings.some((b) => b.kind === 'source')) entries.push({ binding: 7, resource: p.linear });
    return this.#device.createBindGroup({ layout: p.pipelines[p.form.dispatches.indexOf(d)].getBindGroupLayout(0), entries });
  }

  /**
   * Encodes a frame.
   * @param {GPUCommandEncoder} encoder
   * @param {GPUExternalTexture|GPUTexture|GPUTextureView} source of the kind the pipelines were made for
   * @param {GPUTexture|GPUTextureView} target rgba8unorm with STORAGE_BINDING, of the output's size
   * @param {GPUComputePassTimestampWrites} [timestampWrites]
   */
  encode(encoder, source, target, timestampWrites) {
    const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : undefined);
    this.#groups.forEach((g, i) => {
      if (!g.fixed && (g.source !== source || g.target !== target)) {
        g.group = this.#bind(g.d, viewOf(source), viewOf(target));
        g.source = source;
        g.target = target;
      }
      pass.setPipeline(this.#p.pipelines[i]);
      pass.setBindGroup(0, g.group);
      pass.dispatchWorkgroups(g.grid[0], g.grid[1]);
    });
    pass.end();
  }

  destroy() {
    for (const b of this.#buffers.values()) b.destroy();
    this.#frame.destroy();
    if (this.#own) this.#p.destroy();
  }
}

/** @param {any} t a texture's view; what is none stays */
function viewOf(t) {
  return typeof t?.createView === 'function' ? t.createView() : t;
}

/**
 * Pipelines and a size in one.
 * @param {GPUDevice} device @param {Plan} plan
 * @param {Size & {form?: 'f16'|'f32', source?: SourceKind, luma?: number[]}} options
 */
export async function createRunner(device, plan, { form, source, luma, ...size }) {
  const pipelines = await createPipelines(device, plan, { form, source });
  try {
    return new Runner(device, pipelines, size, { luma, own: true });
  } catch (reason) {
    pipelines.destroy();
    throw reason;
  }
}

/**
 * An RGBA picture as a texture to run on.
 * @param {GPUDevice} device
 * @param {Uint8Array} rgba
 * @param {number} width
 * @param {number} height
 */
export function pictureTexture(device, rgba, width, height) {
  const texture = device.createTexture({ size: [width, height], format: 'rgba8unorm',
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST });
  device.queue.writeTexture({ texture }, /** @type {any} */ (rgba), { bytesPerRow: width * 4 }, [width, height]);
  return texture;
}

/** A texture to run into. @param {GPUDevice} device @param {number} width @param {number} height */
export function resultTexture(device, width, height) {
  const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_SRC;
  return device.createTexture({ size: [width, height], format: 'rgba8unorm', usage });
}

/**
 * Reads a result back.
 * @param {GPUDevice} device
 * @param {GPUTexture} texture
 * @returns {Promise<Uint8Array>} RGBA, rows without gaps
 */
export async function readTexture(device, texture) {
  const { width, height } = texture, pitch = Math.ceil(width / 64) * 256;
  const buffer = device.createBuffer({ size: pitch * height, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = device.createCommandEncoder();
  encoder.copyTextureToBuffer({ texture }, { buffer, bytesPerRow: pitch }, [width, height]);
  device.queue.submit([encoder.finish()]);
  await buffer.mapAsync(GPUMapMode.READ);
  const all = new Uint8Array(buffer.getMappedRange()), rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) rgba.set(all.subarray(y * pitch, y * pitch + width * 4), y * width * 4);
  buffer.destroy();
  return rgba;
}

/**
 * The golden tile: what the device makes of it, beside what the engine made.
 * @param {GPUDevice} device @param {Plan} plan @param {'f16'|'f32'} [form]
 * @param {Awaited<ReturnType<typeof createPipelines>>} [pipelines] to be tested; else some for textures are made. Those for
 *   external textures
 *   get the tile as a VideoFrame, whose way through the browser's colours may cost one level more
 * @returns {Promise<{good: boolean, difference: number, tolerance: number, form: string}>} difference: the largest, in levels of
 *   255
 */
export async function selfTest(device, plan, form = chooseForm(device, plan), pipelines = undefined) {
  const g = plan.golden, wanted = fromBase64(g.output), rgba = fromBase64(g.input), video = pipelines?.source === 'external';
  const size = { width: g.width, height: g.height, outWidth: g.out_width, outHeight: g.out_height };
  const runner = pipelines ? new Runner(device, pipelines, size, { luma: g.luma })
    : await createRunner(device, plan, { ...size, form, luma: g.luma });
  const target = resultTexture(device, g.out_width, g.out_height);
  const frame = video ? new VideoFrame(rgba, { format: 'RGBX', codedWidth: g.width, codedHeight: g.height, timestamp: 0,
    colorSpace: { primaries: 'bt709', transfer: 'iec61966-2-1', matrix: 'rgb', fullRange: true } }) : null;
  const source = frame ? null : pictureTexture(device, rgba, g.width, g.height);
  try {
    const encoder = device.createCommandEncoder();
    runner.encode(encoder, source ?? device.importExternalTexture({ source: /** @type {VideoFrame} */ (frame) }), target);
    device.queue.submit([encoder.finish()]);
    const got = await readTexture(device, target), tolerance = g.tolerance[pipelines?.formName ?? form] + (video ? 1 : 0);
    const difference = got.reduce((most, v, i) => Math.max(most, Math.abs(v - wanted[i])), 0);
    return { good: difference <= tolerance, difference, tolerance, form: pipelines?.formName ?? form };
  } finally {
    runner.destroy();
    frame?.close();
    source?.destroy();
    target.destroy();
  }
}
