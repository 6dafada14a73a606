// SPDX-License-Identifier: MIT
// Frames of a <video> as it shows them, by requestVideoFrameCallback (where there is none, by animation frames and the clock of the
// video).

import { listen } from './listen.js';

/** @typedef {import('./renderer.js').Frame} Frame */

/** How often the colours of a stream are looked at again, in ms; it is done at once when its size changes. */
const LOOK = 2000;

export class ElementSource {
  #video; #handle = 0; #onframe = /** @type {((frame: Frame) => void)|null} */ (null);
  #stop = /** @type {AbortController|null} */ (null); #byClock;
  #looked = -1e9; #space = /** @type {import('./colour.js').Space|null} */ (null); #turned = false; #size = ''; #timer = 0;
  #last = 0; #coded = [0, 0];
  /** Frames that the video has shown, as far as the browser says. */
  shown = 0;

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.#video = video;
    this.#byClock = typeof video.requestVideoFrameCallback !== 'function';
  }

  /** @param {(frame: Frame) => void} onframe */
  start(onframe) {
    this.stop();
    this.#onframe = onframe;
    this.#stop = new AbortController();
    // A paused video tells of a new frame only if one is shown; the first one may have been before us.
    listen(this.#video, 'emptied loadeddata seeked', ({ type }) => {
      if (type !== 'seeked') this.#looked = -1e9; // another stream may have other colours
      clearTimeout(this.#timer);
      this.#timer = /** @type {any} */ (setTimeout(() => this.again(), 60));
    }, this.#stop.signal);
    this.#ask();
    if (this.#video.readyState >= 2) this.again();
  }

  stop() {
    const video = this.#video;
    if (this.#handle) this.#byClock ? cancelAnimationFrame(this.#handle) : video.cancelVideoFrameCallback(this.#handle);
    clearTimeout(this.#timer);
    this.#handle = 0;
    this.#stop?.abort();
    this.#stop = this.#onframe = null;
  }

  /** The frame that is shown now, once more. */
  again() {
    if (this.#onframe && this.#video.readyState >= 2) this.#give(performance.now(), this.#video.currentTime);
  }

  #ask() {
    const video = this.#video;
    if (this.#byClock) {
      this.#handle = requestAnimationFrame((now) => {
        this.#ask();
        if (video.currentTime === this.#last || video.readyState < 2) return;
        this.shown++;
        this.#give(now, this.#last = video.currentTime);
      });
    } else {
      this.#handle = video.requestVideoFrameCallback((now, meta) => {
        this.#ask();
        this.shown = meta.presentedFrames;
        this.#coded[0] = meta.width;
        this.#coded[1] = meta.height;
        this.#give(meta.expectedDisplayTime, meta.mediaTime);
      });
    }
  }

  /** @param {number} due @param {number} time */
  #give(due, time) {
    const video = this.#video, now = performance.now(), { videoWidth, videoHeight } = video,
      size = `${videoWidth} ${videoHeight} ${this.#coded}`;
    if (!videoWidth || !this.#onframe) return;
    if (now - this.#looked > LOOK || size !== this.#size) {
      this.#looked = now;
      this.#size = size;
      this.#look();
    }
    // The browser turns the picture, and stretches it where pixels are oblong; the network shall have the frame's own pixels.
    // Chromium also takes another way for stretched frames, with other colours.
    const [w, h] = this.#turned ? [this.#coded[1], this.#coded[0]] : this.#coded;
    const width = w || videoWidth, height = h || videoHeight,
      oblong = (width !== videoWidth || height !== videoHeight) && typeof VideoFrame !== 'undefined';
    const square = oblong ? this.#square() : null;
    this.#onframe({ image: square ?? video, width, height, colorSpace: this.#space, rotation: 0, time, due,
      close: () => square?.close() });
  }

  /** The frame with as many pixels as it has; null: cannot be had. */
  #square() {
    let frame;
    try {
      frame = new VideoFrame(this.#video);
      const { width, height } = /** @type {DOMRectReadOnly} */ (frame.visibleRect);
      return new VideoFrame(frame, { displayWidth: width, displayHeight: height });
    } catch {
      return null; // drawing the video itself will say why
    } finally {
      frame?.close();
    }
  }

  // Throws nothing: what cannot be looked at shows itself when it is drawn.
  #look() {
    if (typeof VideoFrame === 'undefined') return;
    try {
      const frame = new VideoFrame(this.#video), { width, height } = frame.visibleRect ?? { width: 0, height: 0 };
      this.#space = frame.colorSpace?.toJSON() ?? null;
      this.#turned = (/** @type {any} */ (frame).rotation ?? 0) % 180 !== 0;
      if (width) this.#coded = [width, height];
      frame.close();
    } catch {
      this.#space = null;
    }
  }
}
