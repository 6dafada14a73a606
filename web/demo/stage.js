// SPDX-License-Identifier: MIT
// The big player of the page: a video, what framemill makes of it, and the line between.
import { takeGpu } from '../gpu.js';
import { attach } from '../index.js';
import { splitter } from './split.js';

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const time = (/** @type {number} */ s) => (Number.isFinite(s)
  ? `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, '0')}` : '0:00');
const ms = (/** @type {number} */ v) => (Number.isFinite(v) ? `${v < 10 ? v.toFixed(1) : Math.round(v)} ms` : '-');

/**
 * What the figures below the player say.
 * @param {ReturnType<import('../player.js').Player['stats']>} s
 * @returns {[string, string][]}
 */
export function figuresOf(s) {
  const all = /** @type {[string, string][]} */ ([]);
  if (s.network && s.outWidth) all.push(['size', `${s.width} x ${s.height} to ${s.outWidth} x ${s.outHeight}`]);
  if (Number.isFinite(s.fps) && s.state === 'running') all.push(['frames',
    `${Math.round(s.fps)} of ${Math.round(s.mediaFps) || '-'} a second`]);
  if (s.state === 'running' && Number.isFinite(s.p95)) all.push(['slowest 5 %', `${ms(s.p95)} of ${ms(s.budget)}`]);
  if (Number.isFinite(s.networkMs) && s.state === 'running') all.push(['network', ms(s.networkMs)]);
  if (s.dropped) all.push(['left out', String(s.dropped)]);
  if (s.gpu) all.push(['by', s.gpu]);
  return all;
}

/** @param {HTMLElement} list @param {[string, string][]} figures */
export function showFigures(list, figures) {
  list.replaceChildren(...figures.map(([name, value]) => {
    const pair = document.createElement('div');
    for (const [kind, text] of [['dt', name], ['dd', value]]) pair.append(Object.assign(document.createElement(kind),
      { textContent: text }));
    return pair;
  }));
}

export class Stage {
  /** @type {HTMLVideoElement} */
  video = $('film');
  /** What is shown: a file, or an address. @type {File|string} */
  clip = '';
  player = /** @type {import('../player.js').Player|null} */ (null);
  #choices; #address = ''; #near = { zoom: 1, x: 0.5, y: 0.5 };

  /** @param {{model: string, mode: string, backend: string, split: number}} choices */
  constructor(choices) {
    this.#choices = choices;
    const { video } = this, picture = $('picture');
    this.split = splitter(picture, { value: choices.split, label: 'Line between the plain video and the network', onchange: () =>
      this.#compare() });
    this.near(1);
    video.addEventListener('loadedmetadata', () => document.documentElement.style.setProperty('--ratio',
      String(video.videoWidth / video.videoHeight || 1.7778)));
    video.addEventListener('error', () => { if (video.currentSrc) this.#say('passthrough',
      `The browser cannot play this file: ${video.error?.message || 'its codec is not supported'}`); });
    this.#controls();
  }

  #controls() {
    const { video } = this, play = $('play'), seek = $('seek'), clock = $('clock'), sound = $('sound');
    const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
    const look = () => {
      play.classList.toggle('on', !video.paused);
      play.setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
      sound.setAttribute('aria-pressed', String(!video.muted));
      if (Number.isFinite(video.duration)) seek.max = video.duration;
      if (document.activeElement !== seek || !video.seeking) seek.value = video.currentTime;
      clock.value = `${time(video.currentTime)} / ${time(video.duration)}`;
    };
    for (const name of ['play', 'pause', 'timeupdate', 'durationchange', 'volumechange', 'seeked']) video.addEventListener(name,
      look);
    play.addEventListener('click', toggle);
    this.#pan(toggle);
    $('closer').addEventListener('click', () => this.near(this.#near.zoom > 1 ? 1 : 2.5));
    seek.addEventListener('input', () => { video.currentTime = Number(seek.value); });
    sound.addEventListener('click', () => { video.muted = !video.muted; });
    $('full').addEventListener('click', () => (document.fullscreenElement ? document.exitFullscreen()
      : $('stage').requestFullscreen()).catch(() => {}));
    document.addEventListener('keydown', (event) => {
      if (event.key !== ' ' || (event.target instanceof Element &&
        event.target.closest('button, input, select, summary, a, textarea'))) return;
      event.preventDefault();
      toggle();
    });
    $('lose').addEventListener('click', async () => {
      try {
        const gpu = await takeGpu();
        gpu.device.destroy();
        gpu.release();
      } catch (reason) {
        this.#say('passthrough', `There is no GPU to lose: ${/** @type {Error} */ (reason).message}`);
      }
    });
    for (const id of ['slow', 'black']) $(id).addEventListener('change', () => this.#faults());
    $('overlay').addEventListener('change', () => this.attach());
  }

  /**
   * The picture larger than its frame: the video is, and the canvas follows it.
   * @param {number} zoom
   * @param {number} [x] middle of what is seen, 0 to 1
   * @param {number} [y]
   */
  near(zoom, x = 0.5, y = 0.5) {
    const inside = (/** @type {number} */ v) => Math.max(0.5 / zoom, Math.min(1 - 0.5 / zoom, v)), { style } = this.video;
    this.#near = { zoom, x: inside(x), y: inside(y) };
    $('picture').classList.toggle('near', zoom > 1);
    $('closer').setAttribute('aria-pressed', String(zoom > 1));
    const far = zoom <= 1;
    style.width = style.height = far ? '' : `${100 * zoom}%`;
    style.left = far ? '' : `${100 * (0.5 - zoom * this.#near.x)}%`;
    style.top = far ? '' : `${100 * (0.5 - zoom * this.#near.y)}%`;
    this.#compare();
  }

  // The line is a share of what is seen, the player's of the whole picture.
  #compare() {
    const { zoom, x } = this.#near;
    if (this.player && this.split) this.player.compare = x - 0.5 / zoom + this.split.value / zoom;
  }

  /** Pressed: plays or pauses; dragged: looks around. @param {() => void} press */
  #pan(press) {
    this.video.addEventListener('pointerdown', (event) => {
      const from = { ...this.#near }, box = $('picture').getBoundingClientRect(), { pointerId, clientX, clientY } = event,
        stop = new AbortController(), { signal } = stop;
      let moved = false;
      this.video.setPointerCapture(pointerId);
      this.video.addEventListener('pointermove', (e) => {
        moved ||= Math.hypot(e.clientX - clientX, e.clientY - clientY) > 4;
        if (moved && from.zoom > 1) this.near(from.zoom, from.x - (e.clientX - clientX) / box.width / from.zoom,
          from.y - (e.clientY - clientY) / box.height / from.zoom);
      }, { signal });
      this.video.addEventListener('pointerup', () => {
        stop.abort();
        if (!moved) press();
      }, { signal });
      this.video.addEventListener('pointercancel', () => stop.abort(), { signal });
    });
  }

  #faults() {
    if (this.player) this.player.faults = { delay: $('slow').checked ? 60 : 0, black: $('black').checked };
  }

  /** @param {string} state @param {string} text */
  #say(state, text) {
    $('status').dataset.state = state;
    if ($('said').textContent !== text) $('said').textContent = text;
    $('picture').classList.toggle('off', state === 'passthrough');
  }

  #look() {
    const { player } = this;
    if (!player) return;
    const s = player.stats(), { state, reason } = s;
    $('tag').textContent = s.network || 'network';
    this.#say(state, state === 'passthrough' ? `Plain video: ${reason}` : state === 'starting'
      ? 'Starting: making shaders ready and testing them against the engine\u2019s result'
      : [`${s.network}${s.form ? ` (${s.form})` : ''} ${state === 'paused' ? 'is shown, paused' : 'is running'}`,
        s.step > 0 ? `, ${s.step === 1 ? 'one step' : `${s.step} steps`} below the chosen one` : ''].join(''));
    showFigures($('figures'), figuresOf(s));
  }

  /** A new player, with the choices as they are. */
  attach() {
    this.player?.detach();
    const { model, mode, backend } = this.#choices;
    this.player = attach(this.video, /** @type {any} */ ({ model, mode, backend, stats: $('overlay').checked }));
    this.#compare();
    for (const name of ['state', 'step', 'fallback', 'stats']) this.player.addEventListener(name, () => this.#look());
    this.player.addEventListener('error', (/** @type {any} */ event) => { $('status').title = event.detail.message; });
    this.#faults();
    this.#look();
  }

  /** @param {Partial<{model: string, mode: string, backend: string}>} choice */
  choose(choice) {
    const only = Object.keys(choice);
    Object.assign(this.#choices, choice);
    if (this.player && only.length === 1 && only[0] === 'model') this.player.model = this.#choices.model;
    else this.attach();
    this.#look();
  }

  get choices() { return this.#choices; }

  /** @param {File|string} clip @param {boolean} [play] */
  open(clip, play = true) {
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = typeof clip === 'string' ? '' : URL.createObjectURL(clip);
    this.clip = clip;
    this.video.src = this.#address || String(clip);
    if (!this.player) this.attach();
    if (play) this.video.play().catch(() => {}); // where the browser wants a press first, there is a button
  }
}
