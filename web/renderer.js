// SPDX-License-Identifier: MIT
// One frame: source -> network -> result -> canvas. No frame waits for another, nothing is read back but a few numbers, later.
import { LUMA, Runner, chooseForm, createPipelines, resultTexture } from './plan.js';
import { BLIT, checkOf, judge } from './shaders.js';

/**
 * @typedef {import('./plan.js').Plan} Plan
 * @typedef {import('./screen.js').View} View
 * @typedef {Awaited<ReturnType<typeof createPipelines>>} Pipelines
 *
 * @typedef {object} Frame from a source of frames
 * @property {HTMLVideoElement|VideoFrame} image
 * @property {number} width of the frame in pixels, before it is turned
 * @property {number} height
 * @property {import('./colour.js').Space|null} colorSpace
 * @property {number} rotation degrees clockwise that are still to be done: 0, 90, 180, 270
 * @property {number} time of the media, in seconds
 * @property {number} due performance.now() when it must be on the screen
 * @property {() => void} close
 *
 * @typedef {object} Times of a frame, in milliseconds
 * @property {number} total on the GPU
 * @property {number} network
 * @property {number} blit
 * @property {boolean} exact by timestamps of the GPU; else by when it said that it was done
 *
 * @typedef {object} RendererOptions
 * @property {HTMLCanvasElement|OffscreenCanvas} canvas
 * @property {(times: Times) => void} [ontimes]
 * @property {() => void} [ondone] the GPU has finished a frame, or given it up
 * @property {(fault: string, tag: number) => void} [onverdict] of a check: '' or what is wrong
 * @property {(fault: string) => void} [onfault] the device refused something
 *
 * @typedef {object} Drawing
 * @property {number} [outWidth] of the result; of plans that take any ratio
 * @property {number} [outHeight]
 * @property {number[]} [luma]
 * @property {View} [view] what of it is shown; all
 * @property {'srgb'|'display-p3'} [colorSpace]
 * @property {number} [check] not 0: compares result and source this time; the verdict comes with this number
 * @property {boolean} [black] on purpose: nothing is calculated
 */

const SLOTS = 4;
/** Frames that may be on their way; another one would only come later still. */
export const IN_FLIGHT = 2;

export class Renderer {
  #device; #canvas; #context; #format; #listen; #blit; #check; #sampler; #blitData = new Float32Array(8); #blitBuffer;
  #blitKey = ''; #colorSpace = '';
  #pipelines = /** @type {Pipelines|null} */ (null); #made = /** @type {Map<string, Promise<Pipelines>>} */ (new Map());
  #runner = /** @type {Runner|null} */ (null); #target = /** @type {GPUTexture|null} */ (null);
  #view = /** @type {GPUTextureView|null} */ (null); #luma = '';
  // Browsers that cannot import frames copy them.
  #external; #copy = /** @type {GPUTexture|null} */ (null);
  #blitGroup = /** @type {GPUBindGroup|null} */ (null); #flying = 0; #gone = false; #sums; #queries; #slots;

  /** @param {GPUDevice} device @param {RendererOptions} options */
  static async create(device, options) {
    const format = navigator.gpu.getPreferredCanvasFormat(), module = device.createShaderModule({ label: 'blit', code: BLIT });
    const [blit, check] = await Promise.all([
      device.createRenderPipelineAsync({ layout: 'auto', vertex: { module }, fragment: { module, targets: [{ format }] } }),
      device.createComputePipelineAsync({ layout: 'auto', compute: {
        module: device.createShaderModule({ label: 'check', code: checkOf('importExternalTexture' in device) }) } })]);
    return new Renderer(device, options, format, blit, check);
  }

  /**
   * @param {GPUDevice} device
   * @param {RendererOptions} options
   * @param {GPUTextureFormat} format
   * @param {GPURenderPipeline} blit
   * @param {GPUComputePipeline} check
   */
  constructor(device, options, format, blit, check) {
    const { canvas } = options, timestamps = device.features.has('timestamp-query');
    this.#device = device;
    this.#canvas = canvas;
    this.#format = format;
    this.#external = 'importExternalTexture' in device;
    this.#blit = blit;
    this.#check = check;
    this.#listen = options;
    const context = canvas.getContext('webgpu');
    if (!context) throw new Error('the canvas cannot be drawn by WebGPU');
    this.#context = /** @type {GPUCanvasContext} */ (context);
    this.#sampler = device.createSampler({ magFilter: 'linear', minFilter: 'linear' });
    const { COPY_DST, COPY_SRC, MAP_READ, QUERY_RESOLVE, STORAGE, UNIFORM } = GPUBufferUsage;
    const buffer = (/** @type {number} */ size, /** @type {number} */ usage) => device.createBuffer({ size, usage });
    this.#blitBuffer = buffer(32, UNIFORM | COPY_DST);
    this.#sums = buffer(16, STORAGE | COPY_DST | COPY_SRC);
    this.#queries = timestamps ? device.createQuerySet({ type: 'timestamp', count: 4 * SLOTS }) : null;
    // What is read back later: four timestamps and four sums.
    this.#slots = Array.from({ length: SLOTS }, (_, i) => ({ busy: false, first: 4 * i,
      resolved: timestamps ? buffer(256, QUERY_RESOLVE | COPY_SRC) : null, read: buffer(48, MAP_READ | COPY_DST) }));
  }

  get plan() { return this.#pipelines?.plan ?? null; }
  get form() { return this.#pipelines?.formName ?? null; }
  get size() { return this.#runner?.size ?? null; }
  get traffic() { return this.#runner?.traffic ?? null; }
  /** Whether a frame would be drawn now: the GPU is not behind. */
  get free() { return !this.#gone && this.#pipelines !== null && this.#flying < IN_FLIGHT; }

  /** Makes a plan ready without changing to it. @param {Plan} plan @param {'f16'|'f32'} [form] @returns {Promise<Pipelines>} */
  prepare(plan, form = chooseForm(this.#device, plan)) {
    const key = `${plan.name} ${form}`, known = this.#made.get(key);
    if (known) return known;
    const made = createPipelines(this.#device, plan, { form, source: this.#external ? 'external' : 'texture' });
    this.#made.set(key, made);
    made.catch(() => this.#made.delete(key));
    return made;
  }

  /** Takes another plan from the next frame on. @param {Plan} plan @param {'f16'|'f32'} [form] */
  async setPlan(plan, form = chooseForm(this.#device, plan)) {
    const pipelines = await this.prepare(plan, form);
    if (this.#gone || pipelines === this.#pipelines) return;
    this.#pipelines = pipelines;
    this.#dropRunner();
  }

  #dropRunner() {
    this.#runner?.destroy();
    this.#target?.destroy();
    this.#runner = this.#target = this.#view = this.#blitGroup = null;
  }

  /** A runner for a size. @param {Frame} frame @param {Drawing} drawing @returns {Runner} */
  #runnerFor({ width, height }, { outWidth, outHeight, luma = LUMA.bt709 }) {
    const p = /** @type {Pipelines} */ (this.#pipelines), s = this.#runner?.size, { scale } = p.plan.network;
    const w = outWidth ?? width * scale, h = outHeight ?? height * scale;
    if (!this.#runner || !s || s.width !== width || s.height !== height || s.outWidth !== w || s.outHeight !== h) {
      this.#dropRunner();
      this.#device.pushErrorScope('out-of-memory');
      try {
        this.#runner = new Runner(this.#device, p, { width, height, outWidth: w, outHeight: h }, { luma });
        this.#target = resultTexture(this.#device, w, h);
        this.#view = this.#target.createView();
        this.#blitGroup = this.#device.createBindGroup({ layout: this.#blit.getBindGroupLayout(0),
          entries: [{ binding: 0, resource: { buffer: this.#blitBuffer } }, { binding: 1, resource: this.#view }] });
      } finally {
        this.#device.popErrorScope().then((e) => { if (e && !this.#gone) this.#listen.onfault?.('the GPU has too little memory'); },
          () => {});
      }
      this.#luma = luma.join();
    } else if (this.#luma !== luma.join()) {
      this.#runner.setLuma(luma);
      this.#luma = luma.join();
    }
    return /** @type {Runner} */ (this.#runner);
  }

  /** @param {View} view @param {number} turn quarters clockwise */
  #setView({ crop, width, height }, turn) {
    const key = `${crop} ${width} ${height} ${turn}`;
    if (key === this.#blitKey) return;
    this.#blitKey = key;
    this.#blitData.set([...crop, width, height]);
    new Uint32Array(this.#blitData.buffer, 24, 1)[0] = turn;
    this.#device.queue.writeBuffer(this.#blitBuffer, 0, this.#blitData);
  }

  /** @param {{width: number, height: number}} view */
  #resize({ width, height }) {
    const canvas = this.#canvas;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
  }

  /** @param {string} colorSpace */
  #configure(colorSpace) {
    if (colorSpace === this.#colorSpace) return;
    this.#context.configure({ device: this.#device, format: this.#format, alphaMode: 'opaque',
      colorSpace: /** @type {any} */ (colorSpace) });
    this.#colorSpace = colorSpace;
  }

  /**
   * Draws a frame, unless the GPU is behind. Throws what the import says (a video of another origin, for one); the frame stays the
   * caller's.
   * @param {Frame} frame @param {Drawing} [drawing]
   * @returns {{submitted: boolean}}
   */
  render(frame, drawing = {}) {
    if (!this.free) return { submitted: false };
    const { colorSpace = 'srgb', check = 0, black = false } = drawing;
    if (black) this.#dropRunner(); // a new texture is all zeros
    const runner = this.#runnerFor(frame, drawing),
      view = drawing.view ?? { ...this.#whole(), crop: [0, 0, 1, 1], fullWidth: 0, fullHeight: 0 };
    this.#resize(view);
    this.#configure(colorSpace);
    const source = this.#external ? this.#device.importExternalTexture({ source: frame.image, colorSpace })
      : this.#copyOf(frame, colorSpace);
    this.#setView(view, (frame.rotation / 90) & 3);
    const encoder = this.#device.createCommandEncoder(), slot = this.#slots.find((s) => !s.busy), queries = slot && this.#queries;
    /** @param {number} at */
    const times = (at) => queries ? { querySet: queries, beginningOfPassWriteIndex: slot.first + at,
      endOfPassWriteIndex: slot.first + at + 1 } : undefined;
    if (!black) runner.encode(encoder, source, /** @type {GPUTextureView} */ (this.#view), times(0));
    const pass = encoder.beginRenderPass({ timestampWrites: times(2),
      colorAttachments: [{ view: this.#context.getCurrentTexture().createView(), loadOp: 'clear', storeOp: 'store' }] });
    pass.setPipeline(this.#blit);
    pass.setBindGroup(0, this.#blitGroup);
    pass.draw(3);
    pass.end();
    if (check && slot) this.#encodeCheck(encoder, source, slot.read);
    if (queries && slot.resolved) {
      encoder.resolveQuerySet(queries, slot.first, 4, slot.resolved, 0);
      encoder.copyBufferToBuffer(slot.resolved, 0, slot.read, 0, 32);
    }
    const start = performance.now();
    this.#device.queue.submit([encoder.finish()]);
    this.#flying++;
    const done = () => {
      this.#flying--;
      this.#listen.ondone?.();
    };
    this.#device.queue.onSubmittedWorkDone().then(() => {
      if (!queries && !this.#gone) this.#listen.ontimes?.({ total: performance.now() - start, network: NaN, blit: NaN,
        exact: false });
      done();
    }, done);
    if (slot && (queries || check)) this.#read(slot, !!queries, check);
    return { submitted: true };
  }

  /** All of the result on all of the canvas. */
  #whole() {
    return { width: this.#canvas.width, height: this.#canvas.height };
  }

  /** @param {Frame} frame @param {'srgb'|'display-p3'} colorSpace */
  #copyOf({ image, width, height }, colorSpace) {
    const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT;
    if (this.#copy?.width !== width || this.#copy?.height !== height) {
      this.#copy?.destroy();
      this.#copy = this.#device.createTexture({ size: [width, height], format: 'rgba8unorm', usage });
    }
    this.#device.queue.copyExternalImageToTexture({ source: image }, { texture: this.#copy, colorSpace }, [width, height]);
    return this.#copy;
  }

  /** @param {GPUCommandEncoder} encoder @param {GPUExternalTexture|GPUTexture} source @param {GPUBuffer} read */
  #encodeCheck(encoder, source, read) {
    encoder.clearBuffer(this.#sums);
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#check);
    pass.setBindGroup(0, this.#device.createBindGroup({ layout: this.#check.getBindGroupLayout(0), entries: [
      { binding: 0, resource: { buffer: this.#sums } }, { binding: 1, resource: /** @type {GPUTextureView} */ (this.#view) },
      { binding: 2, resource: this.#sampler }, { binding: 3, resource: 'createView' in source ? source.createView() : source }] }));
    pass.dispatchWorkgroups(1, 64);
    pass.end();
    encoder.copyBufferToBuffer(this.#sums, 0, read, 32, 16);
  }

  /** @param {{busy: boolean, read: GPUBuffer}} slot @param {boolean} timed @param {number} checked */
  #read(slot, timed, checked) {
    slot.busy = true;
    slot.read.mapAsync(GPUMapMode.READ).then(() => {
      const data = slot.read.getMappedRange(), [a, b, c, d] = new BigUint64Array(data, 0, 4), sums = new Uint32Array(data, 32, 4);
      const fault = checked ? judge(sums) : '',
        ms = (/** @type {bigint} */ from, /** @type {bigint} */ to) => (to > from ? Number(to - from) / 1e6 : 0);
      const times = { total: ms(a || c, d), network: ms(a, b), blit: ms(c, d), exact: true };
      slot.read.unmap();
      slot.busy = false;
      if (this.#gone) return;
      if (timed) this.#listen.ontimes?.(times);
      if (checked) this.#listen.onverdict?.(fault, checked);
    }, () => { slot.busy = false; });
  }

  destroy() {
    if (this.#gone) return;
    this.#gone = true;
    this.#dropRunner();
    this.#copy?.destroy();
    for (const made of this.#made.values()) made.then((p) => p.destroy(), () => {});
    for (const s of this.#slots) {
      s.read.destroy();
      s.resolved?.destroy();
    }
    for (const b of [this.#blitBuffer, this.#sums, this.#queries]) b?.destroy();
    try {
      if (this.#colorSpace) this.#context.unconfigure();
    } catch { /* the device is gone */ }
  }
}
