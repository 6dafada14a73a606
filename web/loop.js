// SPDX-License-Identifier: MIT
// What is done with each frame: looked at, timed, and handed to the engine with all that it must know. Little of the page's time;
// what is not needed for every frame is remembered.
import { colourOf } from './colour.js';
import { Last } from './monitor.js';

/**
 * @typedef {import('./renderer.js').Frame} Frame
 *
 * @typedef {object} Host the player
 * @property {import('./player.js').Faults} faults
 * @property {() => void} settle something has changed that the state depends on
 * @property {(step: number, reason: string) => void} change another step is wanted
 * @property {(first: boolean) => void} resized frames have another size
 * @property {() => void} later the frame is to come once more, soon
 */

const CHECK_EVERY = 1000, SETTLE = 200;

export class FrameLoop {
  #video; #screen; #host; #maxRatio; #colour = colourOf(null, 0, 0); #colourKey = '';
  #drawing = /** @type {import('./renderer.js').Drawing} */ ({}); #viewAt = -1e9;
  #last = { now: 0, time: 0, shown: 0 }; #checkedAt = -1e9; #luma = '';
  engine = /** @type {import('./player.js').Engine|null} */ (null);
  monitor; size = { width: 0, height: 0 };
  /** Of what is known by checks; a verdict of an earlier one does not count. */
  epoch = 1;
  /** Why colours would be wrong; ''. */
  colourWhy = '';
  count = { drawn: 0, dropped: 0, before: 0, at: 0, fps: NaN, network: NaN, blit: NaN };
  spentMs = new Last();

  /**
   * @param {HTMLVideoElement} video
   * @param {import('./screen.js').Screen} screen
   * @param {import('./monitor.js').Monitor} monitor
   * @param {Host} host
   * @param {number} [maxRatio]
   */
  constructor(video, screen, monitor, host, maxRatio) {
    this.#video = video;
    this.#screen = screen;
    this.monitor = monitor;
    this.#host = host;
    this.#maxRatio = maxRatio;
  }

  get matrix() { return this.#colour.matrix; }

  /** Time has jumped, or stood still. */
  interrupted() {
    this.#last.now = 0;
    this.monitor.forget();
  }

  /** Another medium: nothing that is known of frames holds. */
  forget() {
    this.interrupted();
    this.#colourKey = this.colourWhy = '';
    this.size = { width: 0, height: 0 };
    this.recheck();
  }

  /** The next result is looked at; what was found before holds no more. */
  recheck() {
    this.#checkedAt = -1e9;
    this.epoch++;
  }

  viewChanged() {
    this.#viewAt = performance.now();
  }

  /** The size of the result, of plans that leave it open. @param {import('./plan.js').Plan|null} plan
   * @param {{width: number, height: number, rotation: number}} frame @param {boolean} hold */
  outSize(plan, { width, height, rotation }, hold) {
    if (!plan || plan.network.ratio[0] === plan.network.ratio[1]) return { outWidth: undefined, outHeight: undefined };
    const { view } = this.#screen, s = this.engine?.size, [least, most] = plan.network.ratio;
    // while a window is being dragged the blit does it
    if (hold && s && s.width === width && s.height === height && performance.now() - this.#viewAt < SETTLE)
      return { outWidth: s.outWidth, outHeight: s.outHeight };
    const top = Math.max(least, Math.min(most, this.#maxRatio ?? most));
    const fit = (/** @type {number} */ n, /** @type {number} */ wish) =>
      Math.max(Math.ceil(n * least), Math.min(Math.floor(n * top), Math.round(wish)));
    const [w, h] = view ? (rotation % 180 ? [view.fullHeight, view.fullWidth] : [view.fullWidth, view.fullHeight])
      : [2 * width, 2 * height];
    return { outWidth: fit(width, w), outHeight: fit(height, h) };
  }

  /** @param {Frame} frame @param {number} now @param {number} [shown] frames that the source has shown until now */
  draw(frame, now, shown) {
    const { engine, monitor, count } = this, screen = this.#screen, playing = !this.#video.paused && !this.#video.seeking;
    if (!engine) return;
    if (this.size.width !== frame.width || this.size.height !== frame.height) this.#resized(frame);
    this.#looksAt(frame);
    if (playing) this.#arrived(frame, now, shown);
    screen.look();
    if (this.colourWhy || screen.whyNot) return this.#host.settle();
    const change = monitor.decide();
    if (change && playing) this.#host.change(change.step, change.reason);
    if (monitor.passThrough) return;
    if (!engine.free) {
      if (playing) {
        count.dropped++;
        monitor.skipped();
      } else this.#host.later();
      return;
    }
    const d = this.#drawing, check = now - this.#checkedAt > CHECK_EVERY;
    Object.assign(d, this.outSize(engine.plan, frame, true));
    d.view = screen.view ?? undefined;
    d.luma = this.#colour.luma;
    d.colorSpace = this.#colour.canvas;
    d.check = check ? this.epoch : 0;
    d.black = this.#host.faults.black ?? false;
    if (!engine.render(frame, d).submitted) return;
    if (check) this.#checkedAt = now;
    count.drawn++;
  }

  /** @param {Frame} frame @param {number} now @param {number} [counted] */
  #arrived(frame, now, counted) {
    const last = this.#last, shown = counted ?? last.shown + 1, missed = shown - last.shown - 1;
    if (shown <= last.shown && last.now) return; // one that was there already
    if (last.now) {
      this.monitor.arrived(frame.time - last.time, shown - last.shown, now - last.now);
      if (missed > 0 && missed < 100) this.count.dropped += missed;
    }
    Object.assign(last, { now, time: frame.time, shown });
  }

  /** @param {Frame} frame */
  #looksAt({ colorSpace, width, height }) {
    const s = colorSpace, key = `${s?.matrix} ${s?.transfer} ${s?.primaries} ${width} ${height}`;
    if (key === this.#colourKey) return;
    this.#colourKey = key;
    this.#colour = colourOf(colorSpace, width, height);
    this.colourWhy = this.#colour.whyNot;
  }

  /** @param {import('./renderer.js').Times} times */
  took(times) {
    const c = this.count, mean = (/** @type {number} */ old, /** @type {number} */ ms) =>
      (Number.isFinite(old) && Number.isFinite(ms) ? old + 0.1 * (ms - old) : ms);
    c.network = mean(c.network, times.network);
    c.blit = mean(c.blit, times.blit);
    if (!this.#video.paused) this.monitor.took(times.total + (this.#host.faults.delay ?? 0));
  }

  /** @param {Frame} frame */
  #resized({ width, height }) {
    const first = this.size.width === 0;
    this.size = { width, height };
    this.monitor.forget();
    this.#checkedAt = -1e9;
    this.#host.resized(first);
  }

  /** What the page spent on a frame, besides what it heard of earlier ones. @param {number} ms */
  spent(ms) {
    const { engine } = this;
    this.spentMs.add(ms + (engine?.heardMs ?? 0));
    if (engine) engine.heardMs = 0;
  }

  /** Once a second. */
  second() {
    const c = this.count, now = performance.now();
    if (c.at) c.fps = ((c.drawn - c.before) * 1000) / (now - c.at);
    c.before = c.drawn;
    c.at = now;
  }
}
