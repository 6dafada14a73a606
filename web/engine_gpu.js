// SPDX-License-Identifier: MIT
// A player's way to draw by WebGPU: the page's device, plans that have passed their self-test in the best form that is right, a
// renderer.
import { takeGpu } from './gpu.js';
import { chooseForm, loadPlan, selfTest, whyNot } from './plan.js';
import { Renderer } from './renderer.js';
import { wordsOf } from './words.js';

/**
 * @typedef {import('./models.js').Rung} Rung
 * @typedef {import('./plan.js').Plan} Plan
 * @typedef {{plan: Plan, form: 'f16'|'f32'}} Ready
 *
 * @typedef {object} EngineOptions
 * @property {any} canvas an HTMLCanvasElement; in workers an OffscreenCanvas
 * @property {GPUPowerPreference} [power]
 * @property {typeof globalThis.fetch} [fetch]
 * @property {(reason: string) => void} onlost
 * @property {(times: import('./renderer.js').Times) => void} ontimes
 * @property {(fault: string, tag: number) => void} onverdict
 * @property {(fault: string) => void} onfault
 * @property {() => void} [ondone] the GPU has finished a frame
 */

export class GpuEngine {
  /** @type {'webgpu'} */
  backend = 'webgpu';
  inWorker = false;
  heardMs = 0;
  #gpu; #renderer; #options; #ready = /** @type {Map<Rung, Promise<Ready>>} */ (new Map());
  #now = /** @type {Ready|null} */ (null); #refuse;
  /** Forms that were seen to go wrong on real frames. */
  #bad = new Set();

  /** @param {EngineOptions} options */
  static async open(options) {
    const gpu = await takeGpu(options.power);
    try {
      return new GpuEngine(gpu, await Renderer.create(gpu.device, options), options);
    } catch (reason) {
      gpu.release();
      throw reason;
    }
  }

  /** @param {import('./gpu.js').Gpu} gpu @param {Renderer} renderer @param {EngineOptions} options */
  constructor(gpu, renderer, options) {
    this.#gpu = gpu;
    this.#renderer = renderer;
    this.#options = options;
    // Errors of the device that belong to nobody's scope; other users of this device may be the cause, but right pictures come
    // first.
    this.#refuse = (/** @type {any} */ event) => options.onfault(event.error?.message ?? 'the GPU refused a command');
    gpu.device.addEventListener('uncapturederror', this.#refuse);
    gpu.onlost.add(options.onlost);
  }

  get name() { return this.#gpu.name; }
  get software() { return this.#gpu.software; }
  get free() { return this.#renderer.free; }
  get network() { return this.#renderer.plan?.name ?? ''; }
  get form() { return this.#renderer.form; }
  get plan() { return this.#renderer.plan; }
  get size() { return this.#renderer.size; }
  get traffic() { return this.#renderer.traffic; }

  /** Loads, compiles and tests; once for each rung. @param {Rung} rung @returns {Promise<Ready>} */
  prepare(rung) {
    const known = this.#ready.get(rung);
    if (known) return known;
    const ready = this.#find(rung);
    this.#ready.set(rung, ready);
    ready.catch(() => {});
    return ready;
  }

  /** @param {Rung} rung @returns {Promise<Ready>} */
  async #find(rung) {
    const { device } = this.#gpu, plan = await loadPlan(rung.from, this.#options.fetch ? { fetch: this.#options.fetch } : {}),
      g = plan.golden;
    let why = '';
    for (const form of /** @type {('f16'|'f32')[]} */ ([...new Set([chooseForm(device, plan), 'f32'])])) {
      if (this.#bad.has(`${plan.name} ${form}`)) continue;
      why = whyNot(device, plan, form, { width: g.width, height: g.height, outWidth: g.out_width, outHeight: g.out_height });
      if (why) continue;
      const test = await this.#test(plan, form);
      if (!test) return { plan, form };
      why = test;
    }
    throw new Error(`${rung.name}: ${why || 'no form of it is right on this GPU'}`);
  }

  /** @param {Plan} plan @param {'f16'|'f32'} form @returns {Promise<string>} */
  async #test(plan, form) {
    const { device } = this.#gpu, faults = /** @type {string[]} */ ([]);
    try {
      const pipelines = await this.#renderer.prepare(plan, form);
      const { good, difference } = await selfTest(device, plan, form, pipelines.source === 'external' &&
        typeof VideoFrame === 'undefined' ? undefined : pipelines);
      if (!good) faults.push(`the self-test failed in ${form}, by ${difference} of 255`);
    } catch (reason) {
      faults.push(`${form}: ${wordsOf(reason)}`);
    }
    return faults.join();
  }

  /** Draws by this rung from the next frame on. @param {Rung} rung @returns {Promise<Plan>} */
  async use(rung) {
    const ready = await this.prepare(rung);
    await this.#renderer.setPlan(ready.plan, ready.form);
    this.#now = ready;
    return ready.plan;
  }

  /** What is drawn is wrong: another form of the same network, if there is one. @param {Rung} rung @returns {Promise<boolean>} */
  async otherForm(rung) {
    if (!this.#now) return false;
    this.#bad.add(`${this.#now.plan.name} ${this.#now.form}`);
    this.#ready.delete(rung);
    return this.use(rung).then(() => true, () => false);
  }

  /** Why a rung that is ready cannot be run at a size; ''. @param {Ready} ready @param {import('./plan.js').Size} size */
  whyNot({ plan, form }, size) {
    return whyNot(this.#gpu.device, plan, form, size);
  }

  /** @param {import('./renderer.js').Frame} frame @param {import('./renderer.js').Drawing} drawing */
  render(frame, drawing) {
    return this.#renderer.render(frame, drawing);
  }

  destroy() {
    this.#gpu.onlost.delete(this.#options.onlost);
    this.#gpu.device.removeEventListener('uncapturederror', this.#refuse);
    this.#renderer.destroy();
    this.#gpu.release();
  }
}
