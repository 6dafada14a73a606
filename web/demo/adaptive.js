// SPDX-License-Identifier: MIT
// An adaptive stream by Media Source Extensions, in its smallest form: an index of segments in two sizes, ranges of files, one
// buffer. Which size the next segment has is for the page to say; here the network says it.
import { attach } from '../index.js';
import { showFigures } from './stage.js';
import { bytes } from './files.js';

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const AHEAD = 3; // seconds that are fetched before they are needed

/**
 * @typedef {{name: string, file: string, width: number, height: number, init: number, codecs: string, segments: {time: number,
 *   offset: number, length: number}[]}} Rendition
 */

/** Plays renditions; `choose` says before each segment which one. */
export class Stream {
  #video; #base; #choose; #onfetch; #stop = new AbortController(); #buffer = /** @type {SourceBuffer|null} */ (null);
  #current = -1; #next = 0;
  /** @type {{seconds: number, renditions: Rendition[]}} */
  index = { seconds: 1, renditions: [] };

  /** @param {HTMLVideoElement} video @param {string|URL} base @param {(index: number, renditions: Rendition[]) => number} choose
   * @param {(segment: number, rendition: number, length: number) => void} onfetch */
  constructor(video, base, choose, onfetch) {
    this.#video = video;
    this.#base = base;
    this.#choose = choose;
    this.#onfetch = onfetch;
  }

  async open() {
    if (typeof MediaSource === 'undefined') throw new Error('this browser has no Media Source Extensions');
    const answer = await fetch(new URL('index.json', this.#base));
    if (!answer.ok) throw new Error(answer.status === 404 ? 'there is no stream here: ./dev web makes one' : await answer.text());
    this.index = await answer.json();
    const { renditions } = this.index, type = (/** @type {Rendition} */ r) => `video/mp4; codecs="${r.codecs}"`;
    for (const r of renditions) if (!MediaSource.isTypeSupported(type(r)))
      throw new Error(`this browser does not play ${r.codecs}`);
    const source = new MediaSource();
    this.#video.src = URL.createObjectURL(source);
    await new Promise((done) => source.addEventListener('sourceopen', done, { once: true }));
    URL.revokeObjectURL(this.#video.src);
    const last = renditions[0].segments[renditions[0].segments.length - 1];
    source.duration = last.time + this.index.seconds;
    this.#buffer = source.addSourceBuffer(type(renditions[0]));
    this.#run(source).catch((reason) => { if (!this.#stop.signal.aborted) this.onerror(reason); });
  }

  /** @param {any} _ */
  onerror(_) {}

  /** @param {Uint8Array<ArrayBuffer>} data */
  async #append(data) {
    const buffer = /** @type {SourceBuffer} */ (this.#buffer);
    await new Promise((done, failed) => {
      buffer.addEventListener('updateend', done, { once: true });
      buffer.addEventListener('error', () => failed(new Error('a segment is damaged')), { once: true });
      buffer.appendBuffer(data);
    });
  }

  /** @param {Rendition} r @param {number} from @param {number} length */
  async #range(r, from, length) {
    const answer = await fetch(new URL(r.file, this.#base), { headers: { Range: `bytes=${from}-${from + length - 1}` },
      signal: this.#stop.signal });
    if (answer.status !== 206) throw new Error(`${r.file}: ${answer.status}, a range was asked for`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** @param {MediaSource} source */
  async #run(source) {
    const { renditions } = this.index, count = renditions[0].segments.length;
    while (this.#next < count && !this.#stop.signal.aborted) {
      if (renditions[0].segments[this.#next].time > this.#video.currentTime + AHEAD) {
        await new Promise((go) => setTimeout(go, 100));
        continue;
      }
      const which = this.#choose(this.#next, renditions), r = renditions[which], { offset, length } = r.segments[this.#next];
      let more = 0;
      if (which !== this.#current) {
        const head = await this.#range(r, 0, r.init);
        await this.#append(head);
        this.#current = which;
        more = head.length;
      }
      await this.#append(await this.#range(r, offset, length));
      this.#onfetch(this.#next, which, length + more);
      this.#next++;
    }
    if (source.readyState === 'open') source.endOfStream();
  }

  close() {
    this.#stop.abort();
  }
}

/** The section of the page. @param {import('./stage.js').Stage} stage whose choices count here, too */
export function adaptiveSection(stage) {
  const video = /** @type {HTMLVideoElement} */ ($('stream-film')), base = new URL('media/', location.href),
    play = $('stream-play'), error = $('stream-error');
  /** @type {import('../player.js').Player|null} */
  let player = null;
  /** @type {Stream|null} */
  let stream = null;
  let fetched = 0, large = 0;
  const fail = (/** @type {any} */ reason) => {
    error.hidden = false;
    error.textContent = reason?.message ?? String(reason);
  };
  const look = () => {
    const shown = video.videoWidth ? `${video.videoWidth} x ${video.videoHeight}` : '-', s = player?.stats();
    const works = s && (s.state === 'running' || s.state === 'paused');
    showFigures($('stream-figures'), [['fetched', bytes(fetched)], ['the large size alone', bytes(large)],
      ['of it', large ? `${Math.round((100 * fetched) / large)} %` : '-'], ['received now', shown],
      ['shown', works && s.outWidth ? `${s.outWidth} x ${s.outHeight} by ${s.network}`
        : `${shown}${s?.reason ? ` (${s.reason})` : ''}`]]);
    $('saved').value = bytes(Math.max(0, large - fetched));
  };

  async function start() {
    stream?.close();
    player?.detach();
    stage.video.pause(); // two players would share one GPU
    error.hidden = true;
    fetched = large = 0;
    $('segments').replaceChildren();
    const bars = /** @type {HTMLElement[]} */ ([]);
    player = attach(video, /** @type {any} */ ({ model: stage.choices.model === 'auto' ? 'rt9-h264' : stage.choices.model,
      backend: stage.choices.backend }));
    for (const name of ['state', 'step', 'stats']) player.addEventListener(name, look);
    const mine = stream = new Stream(video, base, (_, renditions) => {
      // The small one unless the network is known not to work; before the first picture nothing is known.
      const fails = player?.state === 'passthrough' && player.reason !== 'not on the page';
      return fails || !$('stream-use').checked ? renditions.length - 1 : 0;
    }, (segment, which, length) => {
      const { renditions } = mine.index, best = renditions[renditions.length - 1];
      fetched += length;
      large += best.segments[segment].length + (segment ? 0 : best.init);
      const fill = document.createElement('i');
      // of its bar, which is what the large one has
      fill.style.height = `${Math.min(100, (100 * length) / best.segments[segment].length)}%`;
      bars[segment].classList.toggle('low', which === 0);
      bars[segment].replaceChildren(fill);
      look();
    });
    mine.onerror = fail;
    play.textContent = 'Opening';
    play.disabled = true;
    try {
      await mine.open();
      const { renditions } = mine.index, best = renditions[renditions.length - 1],
        most = Math.max(...best.segments.map((s) => s.length));
      for (const s of best.segments) {
        const bar = document.createElement('span');
        bar.style.height = `${(100 * s.length) / most}%`;
        bars.push(bar);
      }
      $('segments').replaceChildren(...bars);
      $('low-name').textContent = renditions[0].name;
      $('high-name').textContent = best.name;
      await video.play();
    } catch (reason) {
      if (/** @type {any} */ (reason)?.name !== 'AbortError') fail(reason);
    }
    play.textContent = 'Once more';
    play.disabled = false;
    look();
  }
  play.addEventListener('click', start);
  look();
  return { start, get player() { return player; }, get totals() { return { fetched, large }; } };
}
