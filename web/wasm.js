// SPDX-License-Identifier: MIT
// The C engine on the CPU, for pages without WebGPU: web/dist/engine.wasm, one instance in each of some workers. A picture is cut
// into bands of rows with the rows around them that the network reads; the engine's parts are bit for bit those of the whole, so
// the number of workers changes nothing but the time. Nothing here waits on the page's thread.
import { Helper } from './helper.js';

/**
 * @typedef {{luma?: number[], outWidth?: number, outHeight?: number, into?: Uint8ClampedArray}} UpscaleOptions
 * luma: shares of R, G and B in brightness (BT.601's unless given); outWidth, outHeight: of the result (the network's scale, twice
 * for
 *   networks that take any ratio); into: where the result is to go instead of into a new array.
 * @typedef {{data: Uint8ClampedArray, width: number, height: number, ms: number}} Upscaled
 */

const BT601 = [0.299, 0.587, 0.114];
const PART_ROWS = 32; // of the result: a lower band is mostly halo
const FREE_SCALE = 2; // of networks that take any
const THREADS_MAX = 8;
const SIDE_MAX = 32768;
const CUTS_MAX = 16; // sizes whose bands are remembered
const SPARE_MAX = 4; // shared blocks kept for the next frames

/** Answers are those of wasm_worker.js. */
async function startHelper() {
  const at = new URL('./wasm_worker.js', import.meta.url);
  if (globalThis.Worker) return new Helper(new Worker(new URL('./wasm_worker.js', import.meta.url), { type: 'module' }),
    'the engine');
  // in Node; bundlers for pages are not to see that name
  const { Worker: NodeWorker } = await import(['node', 'worker_threads'].join(':'));
  return new Helper(new NodeWorker(at), 'the engine');
}

/** Shared memory that frames use in turn. */
class Spare {
  #blocks = [];

  take(size) {
    const i = this.#blocks.findIndex((block) => block.byteLength >= size && block.byteLength < 2 * size + 4096);
    return i < 0 ? new SharedArrayBuffer(size) : this.#blocks.splice(i, 1)[0];
  }

  give(block) {
    if (block && this.#blocks.push(block) > SPARE_MAX) this.#blocks.shift();
  }
}

const isSide = (n) => Number.isInteger(n) && n >= 1 && n <= SIDE_MAX;

/** A network in all workers. */
class Net {
  #crew;
  #number;
  #cuts = new Map(); // sizes -> bands of rows
  #gone = false;

  /** @param {object} about what the engine says of the network */
  constructor(crew, number, about) {
    this.#crew = crew;
    this.#number = number;
    /** How much it enlarges on both axes, unless told otherwise. */
    this.scale = about.before ? FREE_SCALE : about.scale;
    /** 'luma' or 'rgb' */
    this.colour = about.colour;
    /** 'bilinear': it works on the picture already enlarged, at any ratio; null: at its scale */
    this.before = about.before;
  }

  #size(width, height, options) {
    const size = { width, height, outWidth: options.outWidth ?? width * this.scale, outHeight: options.outHeight ??
      height * this.scale,
      luma: [...(options.luma ?? BT601)] };
    if (![width, height, size.outWidth, size.outHeight].every(isSide))
      throw new RangeError(`${width} x ${height} to ${size.outWidth} x ${size.outHeight} pixels: ` +
        `sides are whole, from 1 to ${SIDE_MAX}`);
    if (size.luma.length !== 3 || !size.luma.every(Number.isFinite))
      throw new RangeError('luma: three shares of R, G and B are needed');
    return size;
  }

  /** Bands of rows that were asked for already, or undefined. */
  #knownBands(size) {
    return this.#cuts.get(JSON.stringify(size));
  }

  async #bands(size) {
    const known = this.#knownBands(size);
    if (known) return known;
    const parts = Math.max(1, Math.min(this.#crew.threads, Math.floor(size.outHeight / PART_ROWS)));
    const bands = await this.#crew.any().ask('cut', { net: this.#number, size, parts });
    if (this.#cuts.size >= CUTS_MAX) this.#cuts.clear();
    this.#cuts.set(JSON.stringify(size), bands);
    return bands;
  }

  /**
   * Enlarges a picture: RGBA, rows without gaps. The result's alpha is 255.
   * @param {Uint8ClampedArray | Uint8Array} rgba read before this returns a promise, unless its memory is shared
   * @param {UpscaleOptions} [options]
   * @returns {Promise<Upscaled>}
   */
  async upscale(rgba, width, height, options = {}) {
    const begun = performance.now();
    if (this.#gone) throw new Error('the network was destroyed');
    const size = this.#size(width, height, options);
    if (!ArrayBuffer.isView(rgba) || rgba.byteLength !== width * height * 4)
      throw new RangeError(`${width} x ${height} pixels of RGBA are ${width * height * 4} bytes, not ${rgba?.byteLength}`);
    const bytes = size.outWidth * size.outHeight * 4;
    if (options.into && options.into.byteLength !== bytes) throw new RangeError(`into: ${bytes} bytes are needed`);
    const source = new Uint8Array(rgba.buffer, rgba.byteOffset, rgba.byteLength);
    const data = this.#crew.shares ? await this.#runShared(source, size, bytes, options.into)
                                   : await this.#runCopied(source, size, bytes, options.into);
    return { data, width: size.outWidth, height: size.outHeight, ms: performance.now() - begun };
  }

  /**
   * Every band takes its rows along and brings its result back; nothing is copied for that but on the way in and out of the engine.
   */
  async #runCopied(source, size, bytes, into) {
    const known = this.#knownBands(size);
    const picture = known ? source : source.slice(); // the caller may change it while the bands are found out
    const bands = known ?? await this.#bands(size);
    const made = await Promise.all(bands.map((band) => {
      const pixels = picture.slice(band.from * size.width * 4, band.to * size.width * 4);
      return this.#crew.any().ask('run', { net: this.#number, size, band, pixels }, [pixels.buffer]);
    }));
    if (made.length === 1 && !into) return new Uint8ClampedArray(made[0].buffer);
    const data = into ?? new Uint8ClampedArray(bytes);
    bands.forEach((band, i) => data.set(made[i], band.y0 * size.outWidth * 4));
    return data;
  }

  /** Picture and result lie in memory that the workers see. */
  async #runShared(source, size, bytes, into) {
    const spare = this.#crew.spare, isShared = source.buffer instanceof SharedArrayBuffer;
    const own = isShared ? null : spare.take(source.length);
    const result = spare.take(bytes);
    if (own) new Uint8Array(own).set(source);
    const picture = own ? new Uint8Array(own, 0, source.length) : source;
    try {
      const bands = await this.#bands(size);
      await Promise.all(bands.map((band) => this.#crew.any().ask('run', { net: this.#number, size, band,
        pixels: picture.subarray(band.from * size.width * 4, band.to * size.width * 4),
        into: new Uint8Array(result, band.y0 * size.outWidth * 4, (band.y1 - band.y0) * size.outWidth * 4) })));
      const data = into ?? new Uint8ClampedArray(bytes);
      data.set(new Uint8Array(result, 0, bytes));
      return data;
    } finally {
      spare.give(own);
      spare.give(result);
    }
  }

  destroy() {
    if (!this.#gone) this.#crew.all('drop', { net: this.#number }).catch(() => {});
    this.#gone = true;
  }
}

/** All workers. */
class Crew {
  #helpers = [];
  #turn = 0;
  #nets = 0;
  spare = new Spare();

  constructor(helpers, shares) {
    this.#helpers = helpers;
    /** How many workers compute. */
    this.threads = helpers.length;
    this.shares = shares;
  }

  /** The next one in turn. */
  any() {
    return this.#helpers[this.#turn++ % this.threads];
  }

  all(op, message) {
    return Promise.all(this.#helpers.map((helper) => helper.ask(op, message)));
  }

  end(why) {
    for (const helper of this.#helpers) helper.end(why);
  }

  async load(bytes, name) {
    const number = ++this.#nets;
    try {
      const [about] = await this.all('load', { net: number, bytes, name });
      return new Net(this, number, about);
    } catch (error) {
      this.all('drop', { net: number }).catch(() => {});
      throw error;
    }
  }
}

async function fetched(get, url, what) {
  const response = await get(url);
  if (!response.ok) throw new Error(`${what}: ${url}: status ${response.status}`);
  return response.arrayBuffer();
}

async function compiled(bytes) {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw new Error(`this browser cannot run the engine: ${error.message}`); // WebAssembly without SIMD, say
  }
}

function usualThreads() {
  const processors = globalThis.navigator?.hardwareConcurrency ?? 2;
  return Math.max(1, Math.min(THREADS_MAX, processors - 1)); // one is the page's own
}

/**
 * Starts the engine.
 * @param {{base?: string | URL, threads?: number, fetch?: typeof globalThis.fetch, shared?: boolean}} [options]
 * base: the folder of engine.wasm (dist/ beside this file); threads: workers; shared: whether pictures lie in shared memory, which
 * a
 *   page may only have when it is cross-origin isolated (then it is the default).
 */
export async function createWasm(options = {}) {
  const get = options.fetch ?? ((url) => globalThis.fetch(url));
  const base = new URL(options.base ?? './dist/', options.base ? globalThis.location?.href : import.meta.url);
  const threads = options.threads ?? usualThreads();
  if (!Number.isInteger(threads) || threads < 1) throw new RangeError(`threads: ${threads} is no number of workers`);
  if (!globalThis.WebAssembly) throw new Error('this browser has no WebAssembly');
  const module = await compiled(await fetched(get, new URL('engine.wasm', base), 'the engine'));
  const shares = options.shared ?? (globalThis.crossOriginIsolated ?? Boolean(globalThis.SharedArrayBuffer));
  const crew = new Crew(await Promise.all(Array.from({ length: threads }, () => startHelper())), shares);
  try {
    await crew.all('start', { module });
  } catch (error) {
    crew.end('the engine did not start');
    throw error;
  }
  return {
    threads,
    /**
     * Takes a network: an ONNX file's bytes, or where it lies.
     * @param {ArrayBuffer | Uint8Array | string | URL} network
     * @returns {Promise<Net>}
     */
    async load(network) {
      const isPlace = typeof network === 'string' || network instanceof URL;
      const bytes = new Uint8Array(isPlace ? await fetched(get, network, 'the network') : network);
      return crew.load(bytes, isPlace ? String(network).replace(/^.*\//, '') : 'the network');
    },
    /** Ends all workers; frames that are not done fail. */
    destroy() {
      crew.end('the engine was destroyed');
    },
  };
}
