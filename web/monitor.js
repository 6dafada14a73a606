// SPDX-License-Identifier: MIT
// Deadlines: which step of the ladder to take, by rules alone. Nothing here knows of video or of GPUs, and the clock is handed in.
//
// A frame has its budget: the time until the next one. When the 95th percentile of the times comes over most of it, or frames had
// to be left out, we go down: to the first step that should fit by its cost, one change a second at most. Below the cheapest step
// there is nothing but the plain video (pass-through). Up we go one step at a time, when the next one should take no more than part
// of the budget, after a time without trouble that doubles whenever a step was found to be too much.

/**
 * @typedef {object} Change
 * @property {number} step the new one; as many as there are costs: pass-through
 * @property {'late'|'room'|'saver'|'throttled'|'again'} reason
 *
 * @typedef {object} Rules
 * @property {number} down share of the budget above which p95 is too much
 * @property {number} up share of it that the next step may be expected to take
 * @property {number} pause ms between changes
 * @property {number} calm ms without trouble before a step up
 * @property {number} patience the most that calm grows to
 * @property {number} few times that are needed to judge
 */

/** @type {Rules} */
export const RULES = Object.freeze({ down: 0.9, up: 0.6, pause: 1000, calm: 3000, patience: 300000, few: 8 });
const KEPT = 60, GAPS = 8;

/** The q-th quantile of numbers; NaN of none. @param {number[]} values @param {number} q */
export function quantile(values, q) {
  if (!values.length) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];
}

/** The last numbers of a series, in a ring. */
export class Last {
  #values = /** @type {number[]} */ ([]); #next = 0; #size;
  /** @param {number} [size] */
  constructor(size = KEPT) {
    this.#size = size;
  }
  /** @param {number} v */
  add(v) {
    this.#values[this.#next] = v;
    this.#next = (this.#next + 1) % this.#size;
  }
  clear() {
    this.#values.length = this.#next = 0;
  }
  get values() { return this.#values; }
}

export class Monitor {
  #costs; #clock; #rules; #times = new Last(); #gaps = new Last(GAPS); #frames = new Last(); #step; #since; #quiet; #calm;
  #climbed = -1; #slow = 0; #settled;
  #interval = 1000 / 30; #rate = 1; #saver = false; #throttled = false;
  #skips = 0; #seen = 0; #hold = -Infinity;

  /**
   * @param {number[]} costs of the steps, best (dearest) first @param {number} [start]
   * @param {{clock?: () => number, rules?: Partial<Rules>}} [options]
   */
  constructor(costs, start = 0, { clock = () => performance.now(), rules } = {}) {
    this.#costs = costs;
    this.#clock = clock;
    this.#rules = { ...RULES, ...rules };
    this.#step = start;
    this.#since = this.#quiet = this.#settled = clock() - this.#rules.pause;
    this.#slow = clock();
    this.#calm = this.#rules.calm;
  }

  get step() { return this.#step; }
  get passThrough() { return this.#step >= this.#costs.length; }
  get throttled() { return this.#throttled; }
  /** Milliseconds between frames of the media. */
  get interval() { return this.#interval; }
  /** Milliseconds a frame has. */
  get budget() { return this.#interval / this.#rate; }
  get p95() { return quantile(this.#times.values, 0.95); }
  get p50() { return quantile(this.#times.values, 0.5); }

  /**
   * The best step that may be taken: half way down the ladder when power is to be saved, the last one while the page is throttled.
   */
  get ceiling() {
    const last = this.#costs.length - 1;
    return this.#throttled ? last : this.#saver ? Math.ceil(last / 2) : 0;
  }

  /** What a step is found to cost, once its plan is loaded. @param {number} step @param {number} cost */
  setCost(step, cost) {
    this.#costs[step] = cost;
  }

  /** @param {number} rate playbackRate */
  setRate(rate) {
    const next = Math.abs(rate) || 1;
    if (next === this.#rate) return;
    this.#rate = next;
    this.#gaps.clear();
  }

  /** @param {boolean} on power is to be saved */
  setSaver(on) {
    this.#saver = on;
  }

  /**
   * A frame has come.
   * @param {number} media seconds of media since the last one
   * @param {number} shown frames shown since, at least 1
   * @param {number} gap ms since the last one
   */
  arrived(media, shown, gap) {
    if (media > 0 && media < 1 && shown > 0) {
      this.#frames.add((media / shown) * 1000);
      this.#interval = quantile(this.#frames.values, 0.5);
    }
    this.#gaps.add(gap);
    this.#seen++;
    const gaps = this.#gaps.values;
    if (gaps.length < GAPS) return;
    // Callbacks far rarer than frames, though we are quick: the page is held back (hidden frame, low power mode).
    const typical = quantile(gaps, 0.5), late = typical > 2.5 * this.budget && typical > 40;
    if (late !== this.#throttled && (late || this.#clock() - this.#quiet > 5000)) {
      this.#throttled = late;
      this.#gaps.clear();
    }
    if (late) this.#quiet = this.#clock();
  }

  /** A frame has taken so long. @param {number} ms */
  took(ms) {
    this.#times.add(ms);
    if (ms > this.budget * this.#rules.down) this.#slow = this.#clock();
  }

  /** A frame was left out because others were not done. */
  skipped() {
    this.#skips++;
    this.#slow = this.#clock();
  }

  /** What was measured counts no more: a seek, a hidden tab, another size. */
  forget() {
    this.#times.clear();
    this.#gaps.clear();
    this.#skips = this.#seen = 0;
    this.#hold = this.#clock() + this.#rules.pause / 2;
  }

  /** Now at a step, by our own decision or because it could not be otherwise. @param {number} step */
  moved(step) {
    const now = this.#clock();
    if (step > this.#step && this.#climbed >= 0 && this.#step <= this.#climbed && now - this.#settled < 30000)
      this.#calm = Math.min(this.#calm * 2, this.#rules.patience);
    this.#climbed = step < this.#step ? step : -1;
    this.#step = step;
    this.#since = this.#quiet = this.#settled = now;
    this.#times.clear();
    this.#skips = this.#seen = 0;
  }

  /** A step could not be taken. @param {boolean} rarely it is to be tried more rarely */
  failed(rarely) {
    this.#since = this.#clock();
    if (rarely) this.#calm = Math.min(this.#calm * 2, this.#rules.patience);
  }

  /** The step that should be taken now; null: stay. The caller says moved() when it has done so. @returns {Change|null} */
  decide() {
    const now = this.#clock(), { down, up, pause, few } = this.#rules, n = this.#costs.length, step = this.#step;
    if (now - this.#since < pause || now < this.#hold) return null;
    const ceiling = this.ceiling;
    if (step < ceiling) return { step: ceiling, reason: this.#throttled ? 'throttled' : 'saver' };
    if (step >= n) return now - this.#since > this.#calm * 2 ? { step: n - 1, reason: 'again' } : null;
    const times = this.#times.values, p95 = quantile(times, 0.95), limit = this.budget * down;
    const manySkips = this.#skips >= 3 && this.#skips > 0.1 * this.#seen;
    // of few times one may be late: the first of a network often is
    if (manySkips || (times.length >= few && times.filter((t) => t > limit).length > Math.ceil(times.length / 20))) {
      // at least the budget when frames are left out: times of those that were not tell less than that
      const seen = Math.max(Number.isFinite(p95) ? p95 : 0, manySkips ? this.budget : 0);
      let next = step + 1;
      while (next < n && (seen * this.#costs[next]) / this.#costs[step] > limit) next++;
      return { step: next, reason: 'late' };
    }
    // A step up that has gone well for two minutes was no mistake.
    if (this.#climbed === step && now - this.#settled > 120000) this.#calm = this.#rules.calm;
    if (step > ceiling && times.length >= KEPT / 2 && now - Math.max(this.#since, this.#slow) > this.#calm) {
      const expected = (p95 * this.#costs[step - 1]) / this.#costs[step];
      if (expected < this.budget * up) return { step: step - 1, reason: 'room' };
    }
    return null;
  }
}
