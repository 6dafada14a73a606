// SPDX-License-Identifier: MIT
// A player's way to draw by WebGPU where workers have it: engine_gpu.js at work in gpu_worker.js, on the canvas that was handed
// over to it. The page only takes each frame and sends it there: a tenth of the time that its import and its commands would take
// here.
import { Helper } from './helper.js';
import { wordsOf } from './words.js';

/**
 * @typedef {import('./models.js').Rung} Rung
 * @typedef {import('./renderer.js').Times} Times
 * @typedef {{name: string, network: import('./plan.js').Plan['network']}} About of a plan: what the page needs to know
 * @typedef {{plan: About, form: 'f16'|'f32', rung: number}} Ready
 * @typedef {{helper: Helper, users: number, engines: Map<number, WorkerEngine>}} Home
 */

/** The page's worker, for all of its players: they share a device there. @type {Home|null} */
let shared = null;
let engines = 0;
/** Workers that failed, whatever the reason: after two the page draws itself. */
let failed = 0;

/** @returns {Home} */
function takeHome() {
  if (!shared) {
    const worker = new Worker(new URL('./gpu_worker.js', import.meta.url), { type: 'module', name: 'framemill' });
    const all = /** @type {Map<number, WorkerEngine>} */ (new Map());
    /** @type {Home} */
    const mine = { users: 0, engines: all, helper: new Helper(worker, 'the GPU', {
      onnews: (news) => all.get(news.engine)?.hear(news),
      onend: (why) => {
        if (shared === mine) shared = null;
        if (mine.users) failed++;
        for (const engine of [...all.values()]) engine.hear({ event: 'lost', reason: why });
      } }) };
    shared = mine;
  }
  shared.users++;
  return shared;
}

/** @param {Home} home */
function leave(home) {
  if (--home.users > 0) return;
  if (shared === home) shared = null;
  home.helper.end('the player was detached');
}

export class WorkerEngine {
  /** @type {'webgpu'} */
  backend = 'webgpu';
  inWorker = true;
  #home; #number = ++engines; #options; #about; #rungs = /** @type {Map<Rung, number>} */ (new Map()); #flying = 0; #gone = false;
  // What is drawn by, and a number for it: frames that were meant for what came before are not drawn.
  #now = /** @type {{plan: About, form: 'f16'|'f32'}|null} */ (null); #use = 0;
  size = /** @type {Required<import('./plan.js').Size>|null} */ (null);
  traffic = /** @type {{bytes: number, floor: number}|null} */ (null);
  /** Milliseconds of the page for what the worker said since this was last set to 0. */
  heardMs = 0;

  /**
   * @param {import('./engine_gpu.js').EngineOptions} options
   * @returns {Promise<WorkerEngine|null>} null: workers cannot, here; the canvas is as it was
   */
  static async open(options) {
    if (failed > 1 || !options.canvas.transferControlToOffscreen || typeof VideoFrame === 'undefined') return null;
    let home = /** @type {Home|null} */ (null), about;
    try {
      home = takeHome();
      about = await home.helper.ask('gpu', { power: options.power });
    } catch {
      if (home) leave(home);
      return null; // no such worker may be started, or it has no GPU: the page itself may have one, or says why not
    }
    const engine = new WorkerEngine(home, about, options);
    try {
      const canvas = options.canvas.transferControlToOffscreen();
      await home.helper.ask('open', { engine: engine.#number, canvas, power: options.power }, [canvas]);
    } catch (reason) {
      engine.destroy();
      throw reason;
    }
    return engine;
  }

  /**
   * @param {Home} home
   * @param {{name: string, software: boolean, inFlight: number}} about
   * @param {import('./engine_gpu.js').EngineOptions} options
   */
  constructor(home, about, options) {
    this.#home = home;
    this.#about = about;
    this.#options = options;
    home.engines.set(this.#number, this);
  }

  get name() { return this.#about.name; }
  get software() { return this.#about.software; }
  get free() { return !this.#gone && this.#now !== null && this.#flying < this.#about.inFlight; }
  get network() { return this.#now?.plan.name ?? ''; }
  get form() { return this.#now?.form ?? null; }
  get plan() { return this.#now?.plan ?? null; }

  /** @param {string} op @param {object} [message] @param {any[]} [transfer] @returns {Promise<any>} */
  #ask(op, message, transfer) {
    return this.#home.helper.ask(op, { engine: this.#number, ...message }, transfer);
  }

  /**
   * Asks about a rung, which goes along when the worker has not seen it.
   * @param {string} op
   * @param {Rung} rung
   * @returns {Promise<any>}
   */
  #askOf(op, rung) {
    let number = this.#rungs.get(rung), plan;
    if (number === undefined) {
      number = this.#rungs.size;
      this.#rungs.set(rung, number);
      plan = { name: rung.name, from: rung.from instanceof URL ? rung.from.href : rung.from };
    }
    return this.#ask(op, { rung: number, plan });
  }

  /** @param {Rung} rung @returns {Promise<Ready>} */
  prepare(rung) {
    return this.#askOf('prepare', rung);
  }

  /** @param {Rung} rung @returns {Promise<About>} */
  async use(rung) {
    return this.#changed(await this.#askOf('use', rung)).plan;
  }

  /** @param {{plan: About, form: 'f16'|'f32', use: number}} now */
  #changed(now) {
    if (now.use > this.#use) {
      this.#now = now;
      this.#use = now.use;
    }
    return now;
  }

  /** @param {Rung} rung @returns {Promise<boolean>} */
  async otherForm(rung) {
    const now = await this.#askOf('otherForm', rung).catch(() => null);
    if (now) this.#changed(now);
    return now !== null;
  }

  /** @param {Ready} ready @param {import('./plan.js').Size} size @returns {Promise<string>} */
  whyNot({ rung }, size) {
    return this.#ask('whyNot', { rung, size });
  }

  /**
   * Throws where the frame may not be read.
   * @param {import('./renderer.js').Frame} frame
   * @param {import('./renderer.js').Drawing} drawing
   */
  render({ image, width, height, rotation }, drawing) {
    if (!this.free) return { submitted: false };
    const own = 'videoWidth' in image ? new VideoFrame(image) : image.clone();
    try {
      this.#home.helper.tell({ op: 'draw', engine: this.#number, use: this.#use, image: own, width, height, rotation, drawing },
        [own]);
    } finally {
      own.close(); // nothing, when it has been sent
    }
    this.#flying++;
    return { submitted: true };
  }

  /** What the worker says. @param {any} news */
  hear(news) {
    const start = performance.now(), { ontimes, onverdict, onfault, onlost } = this.#options;
    if (this.#gone) return;
    switch (news.event) {
      case 'done':
        this.#flying--;
        if (news.size) {
          this.size = news.size;
          this.traffic = news.traffic;
        }
        for (const times of /** @type {Times[]} */ (news.times)) ontimes(times);
        break;
      case 'verdict': onverdict(news.fault, news.tag); break;
      case 'fault': onfault(news.fault); break;
      case 'lost': onlost(news.reason); break;
      case 'fetch': this.#fetch(news); break;
    }
    this.heardMs += performance.now() - start;
  }

  // Plans are loaded as the page wants it, whoever needs them.
  /** @param {{key: number, url: string}} wanted */
  async #fetch({ key, url }) {
    const { fetch = globalThis.fetch.bind(globalThis) } = this.#options;
    try {
      const answer = await fetch(url), { ok, status, statusText } = answer;
      await this.#ask('fetched', { key, ok, status, statusText, body: ok ? await answer.arrayBuffer() : null });
    } catch (reason) {
      this.#ask('fetched', { key, error: wordsOf(reason) }).catch(() => {});
    }
  }

  destroy() {
    if (this.#gone) return;
    this.#gone = true;
    this.#home.engines.delete(this.#number);
    this.#ask('close').catch(() => {});
    leave(this.#home);
  }
}
