// SPDX-License-Identifier: MIT
// A player's way to draw without a GPU: the C engine in workers (wasm.js), small videos only. Frames go through two canvases of two
// dimensions.
import { createWasm } from './wasm.js';
import { wordsOf } from './words.js';

/** More than this no processor does in time. */
const MOST = 640 * 360;

// A canvas of two dimensions ignores a video's primaries in Chromium, while the page shows them rightly: SMPTE C to sRGB, in linear
// light.
const SMPTE_C = [0.93954, 0.05018, 0.01028, 0.01777, 0.96579, 0.01643, -0.00162, -0.00437, 1.00599];
const toLinear = Float32Array.from({ length: 256 },
  (_, i) => (i / 255 <= 0.04045 ? i / 255 / 12.92 : ((i / 255 + 0.055) / 1.055) ** 2.4));
const toCode = Uint8Array.from({ length: 4097 },
  (_, i) => Math.round(255 * (i / 4096 <= 0.0031308 ? (i / 4096) * 12.92 : 1.055 * (i / 4096) ** (1 / 2.4) - 0.055)));

/** @param {Uint8ClampedArray} rgba of SMPTE C; becomes sRGB */
function primariesToSrgb(rgba) {
  const m = SMPTE_C, code = (/** @type {number} */ v) => toCode[v <= 0 ? 0 : v >= 1 ? 4096 : (v * 4096 + 0.5) | 0];
  for (let i = 0; i < rgba.length; i += 4) {
    const r = toLinear[rgba[i]], g = toLinear[rgba[i + 1]], b = toLinear[rgba[i + 2]];
    rgba[i] = code(m[0] * r + m[1] * g + m[2] * b);
    rgba[i + 1] = code(m[3] * r + m[4] * g + m[5] * b);
    rgba[i + 2] = code(m[6] * r + m[7] * g + m[8] * b);
  }
}

/** @typedef {import('./engine_gpu.js').EngineOptions & {base?: string|URL, threads?: number}} Options */

/** @param {Options} options */
const startWasm = ({ base, threads, fetch }) => createWasm({ base, threads, fetch });
/** @param {string} plan */
const onnxOf = (plan) => new URL(plan.replace(/\.json$/, '.onnx'));

export class WasmEngine {
  /** @type {'wasm'} */
  backend = 'wasm';
  software = true;
  inWorker = false; // its canvas is not
  heardMs = 0;
  form = null;
  plan = null;
  traffic = null;
  network = '';
  size = /** @type {{width: number, height: number, outWidth: number, outHeight: number}|null} */ (null);
  #wasm; #options; #context; #net = /** @type {any} */ (null); #from = ''; #busy = false; #gone = false; #restarted = false;
  #small = document.createElement('canvas'); #large = document.createElement('canvas');
  #chromium = !!(/** @type {any} */ (navigator).userAgentData?.brands ?? []).some((/** @type {any} */ b) => b.brand === 'Chromium');

  /** @param {Options} options */
  static async open(options) {
    return new WasmEngine(await startWasm(options), options);
  }

  /** @param {Awaited<ReturnType<typeof createWasm>>} wasm @param {Options} options */
  constructor(wasm, options) {
    this.#wasm = wasm;
    this.#options = options;
    this.#context = /** @type {CanvasRenderingContext2D} */ (options.canvas.getContext('2d', { alpha: false }));
  }

  get name() { return `CPU, ${this.#wasm.threads} thread${this.#wasm.threads > 1 ? 's' : ''}`; }
  get free() { return !this.#busy && !this.#gone && this.#net !== null; }

  /** @param {import('./models.js').Rung} rung */
  async use(rung) {
    const from = String(rung.from);
    if (!/\.json$/.test(from)) throw new Error(`${rung.name}: no ONNX file is known for the CPU`);
    const net = await this.#wasm.load(onnxOf(from));
    this.#net?.destroy();
    this.#net = net;
    this.#from = from;
    this.network = rung.name;
    return null;
  }

  /** @param {number} width @param {number} height */
  static whyNot(width, height) {
    return width * height > MOST ? `${width}x${height} is too large for the CPU` : '';
  }

  /** @param {import('./models.js').Rung} _ @returns {Promise<import('./engine_gpu.js').Ready|null>} */
  async prepare(_) {
    return null;
  }

  async otherForm() {
    return false;
  }

  whyNot(/** @type {any} */ _, /** @type {{width: number, height: number}} */ { width, height }) {
    return WasmEngine.whyNot(width, height);
  }

  /**
   * Throws where the picture may not be read.
   * @param {import('./renderer.js').Frame} frame
   * @param {import('./renderer.js').Drawing} drawing
   */
  render(frame, { view, luma, check, black }) {
    if (!this.free) return { submitted: false };
    const small = this.#small, { image } = frame, turned = frame.rotation % 180 !== 0;
    // the browser draws frames as they are to be seen: upright, with square pixels
    const width = 'videoWidth' in image ? image.videoWidth : turned ? frame.height : frame.width;
    const height = 'videoWidth' in image ? image.videoHeight : turned ? frame.width : frame.height;
    if (small.width !== width || small.height !== height) Object.assign(small, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (small.getContext('2d', { willReadFrequently: true }));
    context.drawImage(image, 0, 0, width, height);
    const picture = context.getImageData(0, 0, width, height), start = performance.now();
    if (this.#chromium && /smpte170m|smpte240m/.test(frame.colorSpace?.primaries ?? '')) primariesToSrgb(picture.data);
    const mean = check ? meanOf(picture.data) : 0;
    this.#busy = true;
    this.#net.upscale(picture.data, width, height, { luma }).then((/** @type {any} */ out) => {
      this.#busy = false;
      if (this.#gone) return;
      if (black) out.data.fill(0);
      this.#show(out, view);
      this.size = { width, height, outWidth: out.width, outHeight: out.height };
      const total = performance.now() - start;
      this.#options.ontimes({ total, network: out.ms ?? total, blit: NaN, exact: false });
      if (check) this.#options.onverdict(mean > 6 && meanOf(out.data) < mean / 10 ? 'black result' : '', check);
    }, (/** @type {any} */ reason) => {
      if (this.#gone) return;
      if (reason?.broken && !this.#restarted) return void this.#restart();
      this.#busy = false;
      this.#options.onfault(wordsOf(reason));
    });
    return { submitted: true };
  }

  // A worker that has trapped cannot be trusted any more: all are started anew, once. The frame is left out.
  async #restart() {
    this.#restarted = true;
    this.#wasm.destroy();
    try {
      const wasm = await startWasm(this.#options);
      if (this.#gone) return wasm.destroy();
      this.#wasm = wasm;
      this.#net = await wasm.load(onnxOf(this.#from));
      this.#busy = false;
    } catch (reason) {
      if (!this.#gone) this.#options.onfault(wordsOf(reason));
    }
  }

  /** @param {{data: Uint8ClampedArray, width: number, height: number}} out @param {import('./screen.js').View|undefined} view */
  #show({ data, width, height }, view) {
    const large = this.#large, canvas = this.#context.canvas, [l, t, r, b] = view?.crop ?? [0, 0, 1, 1];
    if (large.width !== width || large.height !== height) Object.assign(large, { width, height });
    /** @type {CanvasRenderingContext2D} */ (large.getContext('2d', { alpha: false })).putImageData(
      new ImageData(/** @type {any} */ (data), width, height), 0, 0);
    if (view && (canvas.width !== view.width || canvas.height !== view.height))
      Object.assign(canvas, { width: view.width, height: view.height });
    this.#context.imageSmoothingQuality = 'high';
    this.#context.drawImage(large, l * width, t * height, (r - l) * width, (b - t) * height, 0, 0, canvas.width, canvas.height);
  }

  destroy() {
    this.#gone = true;
    this.#net?.destroy();
    this.#wasm.destroy();
  }
}

/** Brightness of some pixels, from 0 to 255. @param {Uint8ClampedArray} rgba */
function meanOf(rgba) {
  let sum = 0, count = 0;
  for (let i = 1; i < rgba.length; i += 4 * 97, count++) sum += rgba[i];
  return sum / count;
}
