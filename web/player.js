// SPDX-License-Identifier: MIT
// The player: joins a source of frames, an engine that draws them and the canvas over the video, and decides at every moment whether the
// canvas may be seen. Whatever is off, the plain video is what the viewer sees.
import { colourOf } from './colour.js';
import { costOf, firstRung, ladderOf } from './models.js';
import { Monitor } from './monitor.js';
import { Screen } from './screen.js';
import { ElementSource } from './source_element.js';
import { Overlay } from './stats.js';

/**
 * @typedef {import('./renderer.js').Frame} Frame
 * @typedef {'starting'|'running'|'paused'|'passthrough'} State
 * @typedef {import('./engine_gpu.js').GpuEngine|import('./engine_wasm.js').WasmEngine} Engine
 * @typedef {{start: (onframe: (frame: Frame) => void) => void, stop: () => void, wants: string, shown?: number, again?: () => void}} Source
 *
 * @typedef {object} Options
 * @property {'auto'|string|URL|object|(string|URL|object)[]} [model] a network, or a ladder of them, best first
 * @property {'element'|'decoded'} [mode] frames as the element shows them, or all of them by WebCodecs
 * @property {'auto'|'webgpu'|'wasm'|'none'} [backend]
 * @property {string|URL} [models] the folder of the plans
 * @property {boolean} [stats] shows the overlay
 * @property {'auto'|boolean} [battery] saves power: auto: while a battery is being used
 * @property {number|null} [compare] left of this share of the width the plain video stays
 * @property {number} [maxRatio] the most that networks which take any ratio enlarge
 * @property {GPUPowerPreference} [power]
 * @property {typeof globalThis.fetch} [fetch]
 * @property {{base?: string|URL, threads?: number}} [wasm]
 * @property {Partial<import('./monitor.js').Rules>} [rules] of the deadline monitor
 * @property {Faults} [faults]
 * @property {(event: CustomEvent) => void} [onevent] gets every event
 *
 * @typedef {object} Faults made on purpose, so that a page can see what happens then
 * @property {number} [delay] ms that every frame seems to take longer
 * @property {boolean} [black] results are black
 */

const CHECK_EVERY = 1000, SETTLE = 200, LOSSES = 4, LOSS_WINDOW = 60000;

export class Player extends EventTarget {
  #video; #options; #ladder; #monitor; #screen; #overlay = /** @type {Overlay|null} */ (null);
  #engine = /** @type {Engine|null} */ (null); #source = /** @type {Source|null} */ (null); #state = /** @type {State} */ ('starting'); #reason = '';
  #turn = 0; #gone = false; #stop = new AbortController(); #timer = 0; #retry = 0; #again = 0;
  // why the plain video is shown: for good, because of this medium, because of its colours
  #final = ''; #mediaWhy = ''; #colourWhy = ''; #trusted = false; #changing = false; #losses = /** @type {number[]} */ ([]);
  #colour = colourOf(null, 0, 0); #colourKey = ''; #sizeKey = ''; #drawing = /** @type {import('./renderer.js').Drawing} */ ({}); #viewAt = -1e9;
  #last = { now: 0, time: 0, shown: 0 }; #checkedAt = -1e9; #verdicts = 0;
  #count = { drawn: 0, dropped: 0, before: 0, at: 0, fps: NaN, main: NaN, network: NaN, blit: NaN };
  /** Made on purpose; may be changed at any time. @type {Faults} */
  faults;

  /** @param {HTMLVideoElement} video @param {Options} [options] */
  constructor(video, options = {}) {
    super();
    if (!video || typeof video.play !== 'function' || !('videoWidth' in video)) throw new TypeError('attach() wants a <video>');
    this.#video = video;
    this.#options = options;
    this.faults = options.faults ?? {};
    this.#ladder = ladderOf(options.model ?? 'auto', options.models);
    this.#monitor = this.#newMonitor();
    this.#screen = new Screen(video, () => this.#viewChanged());
    this.#screen.compare = options.compare ?? null;
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

  get model() { return this.#options.model ?? 'auto'; }
  set model(model) {
    this.#ladder = ladderOf(model, this.#options.models);
    this.#options = { ...this.#options, model };
    this.#monitor = this.#newMonitor();
    this.#changing = false;
    if (this.#engine?.backend === 'webgpu' && !this.#final) this.#change(this.#monitor.step, 'chosen');
    else this.#restart();
  }

  #newMonitor() {
    const { videoWidth, videoHeight } = this.#video, pixels = (videoWidth || 1280) * (videoHeight || 720) * 30;
    const start = firstRung(this.#ladder, (this.#options.model ?? 'auto') !== 'auto', pixels, this.#engine?.software ?? false);
    const monitor = new Monitor(this.#ladder.map((r) => r.cost || 1), start, { rules: this.#options.rules });
    monitor.setSaver(this.#options.battery === true);
    return monitor;
  }

  #listen() {
    const video = this.#video, page = video.ownerDocument, { signal } = this.#stop;
    const on = (/** @type {EventTarget} */ at, /** @type {string} */ name, /** @type {(event: any) => void} */ f) => at.addEventListener(name, f, { signal });
    on(video, 'encrypted', () => this.#refuseMedia('the video is protected (DRM)'));
    on(video, 'emptied', () => this.#newMedia());
    for (const name of ['play', 'pause', 'ended', 'enterpictureinpicture', 'leavepictureinpicture']) on(video, name, () => { this.#settle(); this.#redraw(); });
    on(video, 'ratechange', () => this.#monitor.setRate(video.playbackRate));
    on(video, 'seeked', () => { this.#last.now = 0; this.#monitor.forget(); });
    on(page, 'visibilitychange', () => {
      this.#last.now = 0;
      this.#monitor.forget();
      if (!page.hidden) this.#redraw();
    });
    const { battery = 'auto' } = this.#options;
    const ask = /** @type {any} */ (navigator).getBattery;
    if (battery === 'auto' && ask)
      ask.call(navigator).then((/** @type {any} */ b) => {
        const look = () => this.#monitor.setSaver(!b.charging && b.level < 1);
        look();
        on(b, 'chargingchange', look);
        on(b, 'levelchange', look);
      }, () => {});
  }

  /** @param {string} name @param {object} detail */
  #tell(name, detail) {
    const event = new CustomEvent(name, { detail });
    this.dispatchEvent(event);
    this.#options.onevent?.(event);
  }

  // ---- beginning, and beginning again -------------------------------------------------------------------------------------------

  async #begin() {
    const turn = ++this.#turn, { backend = 'auto' } = this.#options, stale = () => turn !== this.#turn || this.#gone;
    this.#final = '';
    if (this.#video.mediaKeys) this.#mediaWhy = 'the video is protected (DRM)';
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
        reasons.push(String(/** @type {any} */ (reason)?.message ?? reason));
        this.#closeEngine();
        this.#screen.renew();
      }
    }
    if (!stale()) this.#giveUp(reasons.join('; '));
  }

  async #hasSize() {
    const video = this.#video, { signal } = this.#stop;
    if (!video.videoWidth) await new Promise((done) => {
      for (const name of ['loadedmetadata', 'resize', 'loadeddata']) video.addEventListener(name, () => { if (video.videoWidth) done(undefined); }, { signal });
      signal.addEventListener('abort', done, { once: true });
    });
  }

  /** @param {string} kind @param {() => boolean} stale */
  async #open(kind, stale) {
    const { power, fetch, wasm } = this.#options, video = this.#video, turn = this.#turn;
    const mine = (/** @type {(...a: any[]) => void} */ f) => (/** @type {any[]} */ ...a) => { if (turn === this.#turn && !this.#gone) f(...a); };
    const common = { canvas: this.#screen.canvas, fetch, onlost: mine((reason) => this.#lost(reason)), ontimes: mine((t) => this.#took(t)),
      onverdict: mine((fault) => this.#judged(fault)), onfault: mine((fault) => this.#fault(fault)) };
    /** @type {Engine} */
    let engine;
    if (kind === 'webgpu') {
      engine = await (await import('./engine_gpu.js')).GpuEngine.open({ ...common, power });
    } else {
      const { WasmEngine } = await import('./engine_wasm.js'), why = WasmEngine.whyNot(video.videoWidth, video.videoHeight);
      if (why) throw new Error(why);
      engine = await WasmEngine.open({ ...common, ...wasm });
    }
    if (stale()) return engine.destroy();
    this.#engine = engine;
    if (kind === 'wasm') this.#ladder = this.#ladder.slice(-1);
    this.#monitor = this.#newMonitor();
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
    const element = () => {
      this.#source = new ElementSource(this.#video);
      this.#source.start((frame) => this.#frame(frame));
    };
    if (this.#options.mode !== 'decoded') return element();
    const turn = this.#turn, instead = (/** @type {any} */ reason) => {
      if (turn !== this.#turn || this.#gone) return;
      this.#tell('error', { message: `decoded frames cannot be had: ${reason?.message ?? reason}; the element's are taken` });
      this.#source?.stop();
      element();
    };
    import('./source_decoded.js').then(async ({ DecodedSource }) => {
      if (turn !== this.#turn || this.#gone) return;
      this.#source = new DecodedSource(this.#video, { onerror: instead });
      await this.#source.start((/** @type {Frame} */ frame) => this.#frame(frame));
    }).catch(instead);
  }

  #closeEngine() {
    this.#source?.stop();
    this.#source = null;
    this.#engine?.destroy();
    this.#engine = null;
    this.#trusted = this.#changing = false;
    this.#sizeKey = '';
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

  // ---- what can go wrong ----------------------------------------------------------------------------------------------------------

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
    this.#tell('error', { message: fault });
    this.#settle(fault);
    const step = this.#monitor.step, turn = this.#turn, engine = this.#engine;
    if (this.#verdicts++ || !engine || step >= this.#ladder.length || this.#changing) return this.#giveUp(fault);
    this.#changing = true;
    engine.otherForm(this.#ladder[step]).then((other) => {
      if (turn !== this.#turn || this.#gone) return;
      this.#changing = false;
      if (!other) return this.#giveUp(fault);
      this.#checkedAt = -1e9;
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
    this.#mediaWhy = this.#colourWhy = this.#colourKey = this.#sizeKey = '';
    this.#trusted = false;
    this.#last.now = 0;
    this.#checkedAt = -1e9;
    this.#monitor.forget();
    this.#settle();
    if (this.#engine && (stopped || this.#options.mode === 'decoded')) {
      this.#source?.stop();
      this.#startSource();
    } else if (!this.#engine && this.#final && this.#options.backend !== 'none') this.#restart();
  }

  /** The state that follows from all that is known. @param {string} [fault] this counts now */
  #settle(fault = '') {
    if (this.#gone) return;
    const reason = this.#final || this.#mediaWhy || this.#colourWhy || this.#screen.whyNot || fault || (this.#engine && this.#monitor.passThrough ? 'too slow' : '');
    const waiting = !this.#engine || !this.#trusted;
    const state = reason ? 'passthrough' : waiting ? 'starting' : this.#video.paused || this.#video.ended ? 'paused' : 'running';
    this.#screen.show(state === 'running' || state === 'paused');
    const before = this.#state, said = this.#reason;
    this.#state = state;
    this.#reason = reason;
    if (state !== before) this.#tell('state', { state, reason, before });
    if (reason && reason !== said) this.#tell('fallback', { reason });
  }

  // ---- the ladder -----------------------------------------------------------------------------------------------------------------

  /** Draws by a step of the ladder, if it can be. @param {number} step */
  async #use(step) {
    const engine = /** @type {Engine} */ (this.#engine), rung = this.#ladder[step], monitor = this.#monitor, size = this.#sizeOf();
    try {
      const ready = await engine.prepare(/** @type {any} */ (rung));
      const why = ready ? engine.whyNot(/** @type {any} */ (ready), { ...size, ...this.#outSize(ready.plan, size.width, size.height, false) }) : '';
      if (why) throw new Error(`${rung.name}: ${why}`);
      const plan = await engine.use(rung);
      if (plan) monitor.setCost(step, costOf(plan, Math.max(1, (this.#screen.view?.fullWidth ?? 2 * size.width) / size.width)));
    } catch (reason) {
      monitor.setCost(step, Infinity);
      throw reason;
    }
  }

  #sizeOf() {
    const [width, height] = this.#sizeKey ? this.#sizeKey.split('x').map(Number) : [this.#video.videoWidth, this.#video.videoHeight];
    return { width, height };
  }

  /** @param {number} step @param {string} reason */
  #change(step, reason) {
    if (this.#changing) return;
    const monitor = this.#monitor, turn = this.#turn;
    const done = () => {
      monitor.moved(step);
      this.#changing = false;
      const name = this.#ladder[step]?.name ?? null;
      this.#tell('step', { step, network: name, reason });
      this.#settle();
      this.#redraw();
    };
    if (step >= this.#ladder.length) {
      this.#trusted = false;
      return done();
    }
    this.#changing = true;
    const back = monitor.passThrough;
    this.#use(step).then(() => {
      if (turn !== this.#turn || monitor !== this.#monitor) return;
      if (back) this.#checkedAt = -1e9;
      done();
      this.#prepareNext();
    }, (fault) => {
      if (turn !== this.#turn || monitor !== this.#monitor) return;
      this.#changing = false;
      this.#tell('error', { message: String(fault?.message ?? fault) });
      if (reason === 'chosen') this.#change(step + 1, step + 1 < this.#ladder.length ? 'chosen' : 'late');
    });
  }

  // Stepping down must not wait for a compiler.
  #prepareNext() {
    const next = this.#ladder[this.#monitor.step + 1];
    if (next) this.#engine?.prepare(/** @type {any} */ (next))?.catch(() => {});
  }

  // ---- frames ---------------------------------------------------------------------------------------------------------------------

  #viewChanged() {
    if (!this.#screen) return; // while it is made
    this.#viewAt = performance.now();
    this.#settle();
    if (this.#video.paused || this.#video.ended) {
      this.#redraw();
      clearTimeout(this.#again);
      this.#again = /** @type {any} */ (setTimeout(() => this.#redraw(), SETTLE + 20)); // networks of any ratio take the new size then
    }
  }

  /** A video that stands still is drawn again. */
  #redraw() {
    if (!this.#gone && (this.#video.paused || this.#video.ended || !this.#trusted)) this.#source?.again?.();
  }

  /** The size of the result, of plans that leave it open. @param {import('./plan.js').Plan|null} plan @param {number} width @param {number} height @param {boolean} hold */
  #outSize(plan, width, height, hold) {
    if (!plan || plan.network.ratio[0] === plan.network.ratio[1]) return { outWidth: undefined, outHeight: undefined };
    const { view } = this.#screen, s = this.#engine?.size, [least, most] = plan.network.ratio;
    // while a window is being dragged the blit does it
    if (hold && s && s.width === width && s.height === height && performance.now() - this.#viewAt < SETTLE) return { outWidth: s.outWidth, outHeight: s.outHeight };
    const top = Math.max(least, Math.min(most, this.#options.maxRatio ?? most));
    const fit = (/** @type {number} */ n, /** @type {number} */ wish) => Math.max(Math.ceil(n * least), Math.min(Math.floor(n * top), Math.round(wish)));
    const turned = view && (view.fullWidth > view.fullHeight) !== (width > height) && width !== height;
    const [w, h] = view ? (turned ? [view.fullHeight, view.fullWidth] : [view.fullWidth, view.fullHeight]) : [2 * width, 2 * height];
    return { outWidth: fit(width, w), outHeight: fit(height, h) };
  }

  /** @param {Frame} frame */
  #frame(frame) {
    const start = performance.now();
    try {
      this.#draw(frame, start);
    } catch (reason) {
      const { name, message } = /** @type {any} */ (reason);
      if (name === 'SecurityError') this.#refuseMedia('the video comes from another origin that does not allow it (CORS)');
      else if (name !== 'InvalidStateError') this.#fault(message ?? String(reason)); // that one: no frame yet
    } finally {
      frame.close();
      const ms = performance.now() - start, c = this.#count;
      c.main = Number.isFinite(c.main) ? c.main + 0.05 * (ms - c.main) : ms;
    }
  }

  /** @param {Frame} frame @param {number} now */
  #draw(frame, now) {
    const engine = this.#engine, monitor = this.#monitor, screen = this.#screen, playing = !this.#video.paused && !this.#video.seeking;
    if (!engine || this.#gone || this.#mediaWhy) return;
    if (this.#sizeKey !== `${frame.width}x${frame.height}`) this.#newSize(frame);
    this.#looksAt(frame);
    if (playing) this.#arrived(frame, now);
    screen.look();
    if (this.#colourWhy || screen.whyNot) return this.#settle();
    const change = monitor.decide();
    if (change && playing) this.#change(change.step, change.reason);
    if (monitor.passThrough) return;
    if (!engine.free) {
      if (playing) {
        this.#count.dropped++;
        monitor.skipped();
      } else {
        clearTimeout(this.#again);
        this.#again = /** @type {any} */ (setTimeout(() => this.#redraw(), 30));
      }
      return;
    }
    screen.resize();
    const d = this.#drawing, check = now - this.#checkedAt > CHECK_EVERY;
    Object.assign(d, this.#outSize(engine.plan, frame.width, frame.height, true));
    d.view = screen.view ?? undefined;
    d.luma = this.#colour.luma;
    d.colorSpace = this.#colour.canvas;
    d.check = check;
    d.black = this.faults.black ?? false;
    if (!engine.render(frame, d).submitted) return;
    if (check) this.#checkedAt = now;
    this.#count.drawn++;
  }

  /** @param {Frame} frame @param {number} now */
  #arrived(frame, now) {
    const last = this.#last, shown = this.#source?.shown ?? last.shown + 1, missed = shown - last.shown - 1;
    if (shown <= last.shown && last.now) return; // one that was there already
    if (last.now) {
      this.#monitor.arrived(frame.time - last.time, shown - last.shown, now - last.now);
      if (missed > 0 && missed < 100) this.#count.dropped += missed;
    }
    Object.assign(last, { now, time: frame.time, shown });
  }

  /** Another resolution. @param {Frame} frame */
  #newSize({ width, height }) {
    const first = this.#sizeKey === '', step = this.#monitor.step;
    this.#sizeKey = `${width}x${height}`;
    this.#monitor.forget();
    if (this.#engine?.backend === 'wasm') {
      const why = this.#engine.whyNot(null, { width, height });
      if (why) this.#giveUp(why);
    } else if (!first && step < this.#ladder.length) {
      // what was too large, or could not be, is to be looked at again
      this.#ladder.forEach((r, i) => this.#monitor.setCost(i, r.cost || 1));
      this.#use(step).catch(() => this.#change(step + 1, 'size'));
    } else this.#prepareNext();
  }

  /** @param {Frame} frame */
  #looksAt({ colorSpace, width, height }) {
    const s = colorSpace, key = `${s?.matrix} ${s?.transfer} ${s?.primaries} ${width} ${height}`;
    if (key === this.#colourKey) return;
    this.#colourKey = key;
    this.#colour = colourOf(colorSpace, width, height);
    this.#colourWhy = this.#colour.whyNot;
  }

  /** @param {import('./renderer.js').Times} times */
  #took(times) {
    const c = this.#count, mean = (/** @type {number} */ old, /** @type {number} */ ms) => (Number.isFinite(old) && Number.isFinite(ms) ? old + 0.1 * (ms - old) : ms);
    c.network = mean(c.network, times.network);
    c.blit = mean(c.blit, times.blit);
    if (!this.#video.paused) this.#monitor.took(times.total + (this.faults.delay ?? 0));
  }

  // ---- what the page sees -----------------------------------------------------------------------------------------------------------

  #second() {
    const c = this.#count, now = performance.now();
    if (c.at) c.fps = ((c.drawn - c.before) * 1000) / (now - c.at);
    c.before = c.drawn;
    c.at = now;
    this.#screen.look();
    if (this.#monitor.passThrough || this.#reason) this.#settle();
    if (this.#video.ownerDocument.hidden) return;
    const stats = this.stats();
    this.#overlay?.update(stats, this.#video);
    this.#tell('stats', stats);
  }

  stats() {
    const engine = this.#engine, monitor = this.#monitor, c = this.#count, size = engine?.size, traffic = engine?.traffic;
    const step = Math.min(monitor.step, this.#ladder.length), running = engine !== null && step < this.#ladder.length;
    return {
      state: this.#state, reason: this.#reason, backend: engine?.backend ?? null, gpu: engine?.name ?? '', network: running ? engine.network : '', form: running ? engine.form : null,
      step, steps: this.#ladder.length, limited: monitor.throttled ? 'throttled' : monitor.ceiling > 0 ? 'saving power' : '',
      width: size?.width ?? 0, height: size?.height ?? 0, outWidth: size?.outWidth ?? 0, outHeight: size?.outHeight ?? 0,
      canvasWidth: this.canvas.width, canvasHeight: this.canvas.height, fps: c.fps, mediaFps: 1000 / monitor.interval, drawn: c.drawn, dropped: c.dropped,
      budget: monitor.budget, p50: monitor.p50, p95: monitor.p95, networkMs: c.network, blitMs: c.blit, mainMs: c.main,
      bytes: traffic?.bytes ?? 0, floorBytes: traffic?.floor ?? 0, matrix: this.#colour.matrix,
    };
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
