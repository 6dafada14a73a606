// SPDX-License-Identifier: MIT
// The player: joins a source of frames, an engine that draws them and the canvas over the video, and decides at every moment
// whether the canvas may be seen. Whatever is off, the plain video is what the viewer sees.
import { listen } from './listen.js';
import { FrameLoop } from './loop.js';
import { costOf, firstRung, ladderOf } from './models.js';
import { Monitor } from './monitor.js';
import { openEngine, openSource, watchBattery } from './open.js';
import { Screen } from './screen.js';
import { gather, Overlay } from './stats.js';
import { wordsOf } from './words.js';

/**
 * @typedef {import('./renderer.js').Frame} Frame
 * @typedef {'starting'|'running'|'paused'|'passthrough'} State
 * @typedef {import('./engine_worker.js').WorkerEngine|import('./engine_gpu.js').GpuEngine|import('./engine_wasm.js').WasmEngine}
 *   Engine
 * @typedef {{start: (onframe: (frame: Frame) => void) => void, stop: () => void, shown: number, again: () => void}}
 *   Source
 * @typedef {import('./index.js').Options} Options
 * @typedef {import('./index.js').Faults} Faults
 */

const LOSSES = 4, LOSS_WINDOW = 60000;
const PROTECTED = 'the video is protected (DRM)';

export class Player extends EventTarget {
  #video; #options; #ladder; #monitor; #screen; #overlay = /** @type {Overlay|null} */ (null);
  #engine = /** @type {Engine|null} */ (null); #source = /** @type {Source|null} */ (null);
  #state = /** @type {State} */ ('starting'); #reason = '';
  #turn = 0; #gone = false; #stop = new AbortController(); #timer = 0; #retry = 0; #again = 0;
  // why the plain video is shown: for good, because of this medium
  #final = ''; #mediaWhy = ''; #trusted = false; #changing = false; #losses = /** @type {number[]} */ ([]);
  #verdicts = 0; #doubt = ''; #loop; #saver = false;
  /** Made on purpose; may be changed at any time. @type {Faults} */
  faults;

  /** @param {HTMLVideoElement} video @param {Options} [options] */
  constructor(video, options = {}) {
    super();
    if (!video || typeof video.play !== 'function' || !('videoWidth' in video)) throw new TypeError('attach() wants a <video>');
    this.#video = video;
    const { model, mode, backend, battery, faults } = options;
    this.#options = { ...options, model: model ?? 'auto', mode: mode ?? 'element', backend: backend ?? 'auto',
      battery: battery ?? 'auto' };
    this.faults = faults ?? {};
    this.#saver = battery === true;
    this.#ladder = ladderOf(this.#options.model, options.models);
    this.#monitor = this.#newMonitor();
    this.#screen = new Screen(video, () => this.#viewChanged());
    this.#screen.compare = options.compare ?? null;
    const player = this;
    this.#loop = new FrameLoop(video, this.#screen, this.#monitor, {
      get faults() { return player.faults; },
      settle: () => this.#settle(),
      change: (step, reason) => this.#change(step, reason),
      resized: (first) => this.#newSize(first),
      later: () => this.#redrawIn(30),
    }, options.maxRatio);
    if (options.stats) this.#overlay = new Overlay(this.#screen.canvas);
    this.#listen();
    this.#timer = /** @type {any} */ (setInterval(() => this.#second(), 1000));
    queueMicrotask(() => this.#begin());
  }

  get state() { return this.#state; }
  /** Why the plain video is shown; ''. */
  get reason() { return this.#reason; }
  get video() { return this.#video; }
  get canvas() { return this.#screen.canvas; }

  get compare() { return this.#screen.compare; }
  set compare(share) { this.#screen.compare = share; }

  get model() { return this.#options.model; }
  set model(model) {
    this.#ladder = ladderOf(model, this.#options.models);
    this.#options = { ...this.#options, model: model ?? 'auto' };
    this.#loop.monitor = this.#monitor = this.#newMonitor();
    this.#changing = false;
    // an engine that drew something wrong remembers it, and may be looking for another form just now: a new one
    if (this.#engine?.backend === 'webgpu' && !this.#final && !this.#verdicts) this.#change(this.#monitor.step, 'chosen');
    else this.#restart();
    this.#verdicts = 0;
  }

  #newMonitor() {
    const { videoWidth, videoHeight } = this.#video, pixels = (videoWidth || 1280) * (videoHeight || 720) * 30;
    const start = firstRung(this.#ladder, this.#options.model !== 'auto', pixels, this.#engine?.software ?? false);
    const monitor = new Monitor(this.#ladder.map((r) => r.cost || 1), start, { rules: this.#options.rules });
    monitor.setSaver(this.#saver);
    monitor.setRate(this.#video.playbackRate);
    return monitor;
  }

  #listen() {
    const video = this.#video, page = video.ownerDocument, { signal } = this.#stop;
    listen(video, 'encrypted', () => this.#refuseMedia(PROTECTED), signal);
    listen(video, 'emptied', () => this.#newMedia(), signal);
    listen(video, 'play pause ended enterpictureinpicture leavepictureinpicture', () => {
      this.#settle();
      this.#redraw();
    }, signal);
    listen(video, 'ratechange', () => this.#monitor.setRate(video.playbackRate), signal);
    listen(video, 'seeked', () => this.#loop.interrupted(), signal);
    listen(page, 'visibilitychange', () => {
      this.#loop.interrupted();
      if (!page.hidden) this.#redraw();
    }, signal);
    if (this.#options.battery === 'auto')
      watchBattery((on) => { this.#saver = on; this.#monitor.setSaver(on); }, signal);
  }

  /** @param {string} name @param {object} detail */
  #tell(name, detail) {
    const event = new CustomEvent(name, { detail });
    this.dispatchEvent(event);
    this.#options.onevent?.(event);
  }

  // ---- beginning, and beginning again -------------------------------------------------------------------------------------------

  /** What tells, later, whether what has been begun now counts no more. */
  #staleness() {
    const turn = this.#turn;
    return () => turn !== this.#turn || this.#gone;
  }

  async #begin() {
    this.#turn++;
    const { backend, model, models } = this.#options, stale = this.#staleness();
    this.#final = '';
    this.#ladder = ladderOf(model, models);
    if (this.#video.mediaKeys) this.#mediaWhy = PROTECTED;
    this.#settle();
    if (backend === 'none') return this.#giveUp('switched off');
    await this.#hasSize();
    const reasons = /** @type {string[]} */ ([]);
    for (const kind of backend === 'auto' ? ['webgpu', 'wasm'] : [backend]) {
      if (stale()) return;
      try {
        await this.#open(kind, stale);
        if (!stale()) this.#startSource();
        return;
      } catch (reason) {
        if (stale()) return;
        reasons.push(wordsOf(reason));
        this.#closeEngine();
        this.#screen.renew();
      }
    }
    if (!stale()) this.#giveUp(reasons.join('; '));
  }

  async #hasSize() {
    const video = this.#video, { signal } = this.#stop;
    if (!video.videoWidth) await new Promise((done) => {
      listen(video, 'loadedmetadata resize loadeddata', () => { if (video.videoWidth) done(undefined); }, signal);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** @param {string} kind @param {() => boolean} stale */
  async #open(kind, stale) {
    const { power, fetch, wasm } = this.#options;
    const mine = (/** @type {(...a: any[]) => void} */ f) => (/** @type {any[]} */ ...a) => { if (!stale()) f(...a); };
    const engine = await openEngine(kind, { canvas: this.#screen.canvas, fetch, power, ...wasm,
      onlost: mine((reason) => this.#lost(reason)),
      ontimes: mine((times) => this.#loop.took(times)),
      onverdict: mine((fault, tag) => { if (tag === this.#loop.epoch) this.#judged(fault); }),
      onfault: mine((fault) => this.#fault(fault)) }, this.#video);
    if (stale()) return engine.destroy();
    this.#engine = this.#loop.engine = engine;
    if (kind === 'wasm') this.#ladder = this.#ladder.slice(-1);
    this.#loop.monitor = this.#monitor = this.#newMonitor();
    // the first that works, from where we begin down
    let fault;
    for (let step = this.#monitor.step; step < this.#ladder.length; step++) {
      fault = await this.#use(step).catch((reason) => reason);
      if (stale()) return engine.destroy();
      if (!fault) {
        this.#monitor.moved(step);
        return;
      }
    }
    throw fault;
  }

  #startSource() {
    openSource(this.#options.mode, this.#video, {
      stale: this.#staleness(),
      take: (source) => { this.#source?.stop(); this.#source = source; },
      onframe: (frame) => this.#frame(frame),
      onerror: (message) => this.#tell('error', { message }),
    });
  }

  #closeEngine() {
    this.#source?.stop();
    this.#source = null;
    this.#engine?.destroy();
    this.#engine = this.#loop.engine = null;
    this.#trusted = this.#changing = false;
    this.#doubt = '';
    this.#loop.forget();
  }

  /** @param {number} [delay] */
  #restart(delay = 0) {
    this.#turn++;
    this.#closeEngine();
    this.#screen.renew();
    clearTimeout(this.#retry);
    this.#retry = /** @type {any} */ (setTimeout(() => { if (!this.#gone) this.#begin(); }, delay));
  }

  /** @param {string} reason */
  #giveUp(reason) {
    this.#turn++;
    this.#closeEngine();
    this.#final = reason;
    this.#settle();
  }

  // ---- what can go wrong --------------------------------------------------------------------------------------------------------

  /** @param {string} reason */
  #lost(reason) {
    const now = performance.now();
    this.#losses = this.#losses.filter((t) => now - t < LOSS_WINDOW).concat(now);
    const n = this.#losses.length;
    this.#restart(n < LOSSES ? 250 * 4 ** (n - 1) : 2 ** 30);
    this.#final = n < LOSSES ? `the GPU was lost (${reason})` : `the GPU was lost ${n} times in a minute`;
    if (n >= LOSSES) clearTimeout(this.#retry);
    this.#settle();
  }

  /** @param {string} fault */
  #fault(fault) {
    this.#tell('error', { message: fault });
    this.#giveUp(fault);
  }

  /** @param {string} fault of the look at a result */
  #judged(fault) {
    if (!fault) {
      this.#trusted = true;
      return this.#settle();
    }
    this.#trusted = false;
    this.#doubt = fault; // until another form is found, or there is none
    this.#tell('error', { message: fault });
    this.#settle();
    const step = this.#monitor.step, stale = this.#staleness(), engine = this.#engine;
    if (this.#verdicts++ || !engine || step >= this.#ladder.length || this.#changing) return this.#giveUp(fault);
    this.#changing = true;
    engine.otherForm(this.#ladder[step]).then((other) => {
      if (stale()) return;
      this.#changing = false;
      this.#doubt = '';
      if (!other) return this.#giveUp(fault);
      this.#loop.recheck();
      this.#redraw();
    });
  }

  /** @param {string} why */
  #refuseMedia(why) {
    this.#mediaWhy = why;
    this.#source?.stop();
    this.#settle();
  }

  #newMedia() {
    const stopped = this.#mediaWhy !== '';
    this.#mediaWhy = '';
    this.#trusted = false;
    this.#loop.forget();
    this.#settle();
    if (this.#engine && (stopped || this.#options.mode === 'decoded')) {
      this.#source?.stop();
      this.#startSource();
    } else if (!this.#engine && this.#final && this.#options.backend !== 'none') this.#restart();
  }

  /** The state that follows from all that is known. */
  #settle() {
    if (this.#gone) return;
    const reason = this.#final || this.#mediaWhy || this.#loop.colourWhy || this.#screen.whyNot || this.#doubt ||
      (this.#engine && this.#monitor.passThrough ? 'too slow' : '');
    const waiting = !this.#engine || !this.#trusted;
    const state = reason ? 'passthrough' : waiting ? 'starting' : this.#video.paused || this.#video.ended ? 'paused' : 'running';
    const before = this.#state, said = this.#reason;
    this.#state = state;
    this.#screen.show(state === 'running' || state === 'paused');
    if (state === 'passthrough' && before !== state) {
      // what is on the canvas will be old when it may be seen again
      this.#trusted = false;
      this.#loop.recheck();
    }
    this.#reason = reason;
    if (state !== before) this.#tell('state', { state, reason, before });
    if (reason && reason !== said) this.#tell('fallback', { reason });
  }

  // ---- the ladder ---------------------------------------------------------------------------------------------------------------

  /** Draws by a step of the ladder, if it can be. @param {number} step */
  async #use(step) {
    const engine = /** @type {Engine} */ (this.#engine), rung = this.#ladder[step], monitor = this.#monitor,
      known = this.#loop.size;
    const size = known.width ? known : { width: this.#video.videoWidth, height: this.#video.videoHeight };
    try {
      const ready = await engine.prepare(rung);
      const why = ready ? await engine.whyNot(/** @type {any} */ (ready),
        { ...size, ...this.#loop.outSize(ready.plan, { ...size, rotation: 0 }, false) }) : '';
      if (why) throw new Error(`${rung.name}: ${why}`);
      const plan = await engine.use(rung);
      if (plan) monitor.setCost(step, this.#costOf(plan));
    } catch (reason) {
      monitor.setCost(step, Infinity);
      throw reason;
    }
  }

  /** @param {import('./plan.js').Plan} plan */
  #costOf(plan) {
    const width = this.#loop.size.width || this.#video.videoWidth || 1;
    return costOf(plan, Math.max(1, (this.#screen.view?.fullWidth ?? 2 * width) / width));
  }

  /** @param {number} step @param {string} reason */
  #change(step, reason) {
    if (this.#changing) return;
    const monitor = this.#monitor, since = this.#staleness(), stale = () => since() || monitor !== this.#monitor;
    const done = () => {
      monitor.moved(step);
      this.#changing = false;
      const name = this.#ladder[step]?.name ?? null;
      this.#tell('step', { step, network: name, reason });
      this.#settle();
      this.#redraw();
    };
    if (step >= this.#ladder.length) return done();
    this.#changing = true;
    const back = monitor.passThrough;
    this.#use(step).then(() => {
      if (stale()) return;
      done();
      this.#prepareNext();
    }, (fault) => {
      if (stale()) return;
      this.#changing = false;
      monitor.failed(back);
      this.#tell('error', { message: wordsOf(fault) });
      if (reason === 'chosen') this.#change(step + 1, step + 1 < this.#ladder.length ? 'chosen' : 'late');
    });
  }

  // Stepping down must not wait for a compiler.
  #prepareNext() {
    const step = this.#monitor.step + 1, monitor = this.#monitor;
    if (step < this.#ladder.length)
      this.#engine?.prepare(this.#ladder[step]).then((ready) => { if (ready) monitor.setCost(step, this.#costOf(ready.plan)); },
        () => monitor.setCost(step, Infinity));
  }

  // ---- frames -------------------------------------------------------------------------------------------------------------------

  #viewChanged() {
    if (!this.#loop) return; // while it is made
    this.#loop.viewChanged();
    this.#settle();
    if (this.#video.paused || this.#video.ended) {
      this.#redraw();
      this.#redrawIn(220); // networks of any ratio take the new size then
    }
  }

  /** @param {number} ms */
  #redrawIn(ms) {
    clearTimeout(this.#again);
    this.#again = /** @type {any} */ (setTimeout(() => this.#redraw(), ms));
  }

  /** A video that stands still is drawn again. */
  #redraw() {
    if (!this.#gone && (this.#video.paused || this.#video.ended || !this.#trusted)) this.#source?.again();
  }

  /** @param {Frame} frame */
  #frame(frame) {
    const start = performance.now();
    try {
      if (!this.#gone && !this.#mediaWhy) this.#loop.draw(frame, start, this.#source?.shown);
    } catch (reason) {
      const { name } = /** @type {any} */ (reason);
      if (name === 'SecurityError') this.#refuseMedia('the video comes from another origin that does not allow it (CORS)');
      else if (name !== 'InvalidStateError') this.#fault(wordsOf(reason)); // that one: no frame yet
    } finally {
      frame.close();
      this.#loop.spent(performance.now() - start);
    }
  }

  /** Another resolution. @param {boolean} first */
  #newSize(first) {
    const step = this.#monitor.step;
    if (this.#engine?.backend === 'wasm') {
      const why = this.#engine.whyNot(null, this.#loop.size);
      if (why) this.#giveUp(why);
    } else if (!first && step < this.#ladder.length) {
      // what was too large, or could not be, is to be looked at again
      this.#ladder.forEach((r, i) => this.#monitor.setCost(i, r.cost || 1));
      this.#use(step).catch(() => this.#change(step + 1, 'size'));
    } else this.#prepareNext();
  }

  // ---- what the page sees -------------------------------------------------------------------------------------------------------

  #second() {
    this.#loop.second();
    this.#screen.look();
    if (this.#monitor.passThrough || this.#reason) this.#settle();
    if (this.#video.ownerDocument.hidden) return;
    const stats = this.stats();
    this.#overlay?.update(stats, this.#video);
    this.#tell('stats', stats);
  }

  stats() {
    return gather(this.#state, this.#reason, this.#loop, this.#ladder.length, this.canvas);
  }

  /** The plain video again, and nothing left of us. */
  detach() {
    if (this.#gone) return;
    this.#gone = true;
    this.#turn++;
    for (const t of [this.#timer, this.#retry, this.#again]) clearTimeout(t);
    this.#stop.abort();
    this.#closeEngine();
    this.#screen.destroy();
    this.#overlay?.remove();
  }
}

/**
 * Shows a video better than it is, for as long as that works.
 * @param {HTMLVideoElement} video @param {Options} [options]
 * @returns {Player}
 */
export function attach(video, options) {
  return new Player(video, options);
}
