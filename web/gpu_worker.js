// SPDX-License-Identifier: MIT
// The page's worker that draws (engine_worker.js): a device, and an engine with a canvas for each player. Messages are those of
// helper.js; news of an engine are {engine, event, ...}.
import { GpuEngine } from './engine_gpu.js';
import { takeGpu } from './gpu.js';
import { IN_FLIGHT } from './renderer.js';
import { wordsOf } from './words.js';

/**
 * @typedef {import('./models.js').Rung} Rung
 * @typedef {{engine: number, rung: number, plan?: {name: string, from: any}}} Asked
 */

/** @param {any} message */
const say = (message) => globalThis.postMessage(message);

class Place {
  #number; #engine = /** @type {GpuEngine|null} */ (null); #rungs = /** @type {Map<number, Rung>} */ (new Map()); #use = 0;
  #times = /** @type {import('./renderer.js').Times[]} */ ([]); #size = /** @type {any} */ (null);
  #fetches = /** @type {Map<number, (answer: any) => void>} */ (new Map()); #fetched = 0;

  /** @param {number} number */
  constructor(number) {
    this.#number = number;
  }

  /** @param {string} event @param {object} [more] */
  #tell(event, more) {
    say({ engine: this.#number, event, ...more });
  }

  /** @param {{canvas: OffscreenCanvas, power?: GPUPowerPreference}} options */
  async open({ canvas, power }) {
    const engine = GpuEngine.open({ canvas, power, fetch: /** @type {any} */ ((/** @type {URL} */ url) => this.#fetch(url)),
      onlost: (reason) => this.#tell('lost', { reason }),
      onfault: (fault) => this.#tell('fault', { fault }),
      onverdict: (fault, tag) => this.#tell('verdict', { fault, tag }),
      ontimes: (times) => this.#times.push(times),
      ondone: () => this.#done() });
    this.#engine = await engine.finally(held.pop());
  }

  get #its() {
    if (!this.#engine) throw new Error('the player was detached');
    return this.#engine;
  }

  /** @param {Asked} asked */
  #rungOf({ rung, plan }) {
    if (plan) this.#rungs.set(rung, { ...plan, cost: 0 });
    return /** @type {Rung} */ (this.#rungs.get(rung));
  }

  /** @param {Asked} asked */
  async prepare(asked) {
    const { plan: { name, network }, form } = await this.#its.prepare(this.#rungOf(asked));
    return { plan: { name, network }, form, rung: asked.rung };
  }

  #now() {
    const engine = this.#its, { name, network } = /** @type {import('./plan.js').Plan} */ (engine.plan);
    return { plan: { name, network }, form: engine.form, use: ++this.#use };
  }

  /** @param {Asked} asked */
  async use(asked) {
    await this.#its.use(this.#rungOf(asked));
    return this.#now();
  }

  /** @param {Asked} asked */
  async otherForm(asked) {
    return (await this.#its.otherForm(this.#rungOf(asked))) ? this.#now() : null;
  }

  /** @param {Asked & {size: import('./plan.js').Size}} asked */
  async whyNot(asked) {
    const engine = this.#its;
    return engine.whyNot(await engine.prepare(this.#rungOf(asked)), asked.size);
  }

  /**
   * @param {{use: number, image: VideoFrame, width: number, height: number, rotation: number, drawing:
   *   import('./renderer.js').Drawing}} frame
   */
  draw({ use, image, drawing, ...size }) {
    let drawn = false;
    try {
      if (use === this.#use) drawn = this.#its.render({ image, ...size, colorSpace: null, time: 0, due: 0, close: () => {} },
        drawing).submitted;
    } catch (reason) {
      // InvalidStateError: the frame has gone
      if (/** @type {any} */ (reason).name !== 'InvalidStateError') this.#tell('fault', { fault: wordsOf(reason) });
    } finally {
      image.close();
    }
    if (!drawn) this.#done();
  }

  // Once for each frame. Times are known a little later than that: they come with the next.
  #done() {
    const size = this.#engine?.size ?? null, times = this.#times, fresh = size !== this.#size;
    this.#times = [];
    this.#size = size;
    this.#tell('done', { times, ...(fresh && size ? { size, traffic: this.#engine?.traffic } : {}) });
  }

  /** @param {URL} url @returns {Promise<any>} a Response, as far as plan.js needs one */
  async #fetch(url) {
    const key = ++this.#fetched, answered = new Promise((done) => this.#fetches.set(key, done));
    this.#tell('fetch', { key, url: String(url) });
    const { error, ok, status, statusText, body } = await answered;
    if (error !== undefined) throw new Error(error);
    return ok ? new Response(body) : { ok, status, statusText };
  }

  /** @param {{key: number}} answer */
  fetched(answer) {
    this.#fetches.get(answer.key)?.(answer);
    this.#fetches.delete(answer.key);
  }

  close() {
    this.#engine?.destroy();
    this.#engine = null;
  }
}

const places = /** @type {Map<number, Place>} */ (new Map());
/** Devices that were found and are not an engine's yet. @type {(() => void)[]} */
const held = [];

/** Whether players can be here. @param {{power?: GPUPowerPreference}} options */
async function gpu({ power }) {
  if (!('GPUDevice' in globalThis && 'importExternalTexture' in GPUDevice.prototype))
    throw new Error('workers of this browser cannot import frames');
  if (!new OffscreenCanvas(1, 1).getContext('webgpu')) throw new Error('canvases in workers cannot be drawn by WebGPU');
  const { name, software, release } = await takeGpu(power);
  held.push(release);
  return { name, software, inFlight: IN_FLIGHT };
}

/** @param {any} message */
async function answer({ id, op, engine, ...message }) {
  try {
    if (op === 'gpu') return say({ id, result: await gpu(message) });
    if (op === 'open') places.set(engine, new Place(engine));
    const place = places.get(engine);
    if (op === 'close') places.delete(engine);
    say({ id, result: await /** @type {any} */ (place)?.[op](message) });
  } catch (reason) {
    say({ id, error: wordsOf(reason) });
  }
}

globalThis.onmessage = ({ data }) => {
  if (data.op !== 'draw') return void answer(data);
  const place = places.get(data.engine);
  if (place) place.draw(data);
  else data.image.close();
};
