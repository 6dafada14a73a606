// SPDX-License-Identifier: MIT
// Frames of a <video>'s file, decoded by ourselves: each one is handed over once, in its time, where requestVideoFrameCallback may
// miss some. The element goes on playing and gives the clock (its sound's), seeks, rate and pauses; its own pictures are not used.
import { listen } from './listen.js';
import { decodeFrames, MediaError, openMedia, whyNoFiles } from './media.js';

/**
 * @typedef {import('./renderer.js').Frame} Frame
 * @typedef {import('./media.js').Decoded} Decoded
 */

const AHEAD = 3;        // decoded frames that wait here; decoders have few
const LATE = 0.25;      // seconds: frames that are later are let go
const LOST = 2;         // seconds: then we go on from where the clock is
const SETTLE = 0.1;     // how much of a difference to the element's clock is made good each time; more than LATE at once

export class DecodedSource {
  /** Frames handed over, and frames let go because they were late. */
  shown = 0;
  skipped = 0;
  #video; #options; #media = /** @type {import('./media.js').Media|null} */ (null); #from = '';
  #onframe = /** @type {((frame: Frame) => void)|null} */ (null); #stop = /** @type {AbortController|null} */ (null);
  #run = /** @type {AbortController|null} */ (null);
  #queue = /** @type {Decoded[]} */ ([]); #last = /** @type {Decoded|null} */ (null); #first = true; #ended = false;
  #wake = () => {}; #handle = 0;
  #anchor = { at: 0, media: 0, live: false }; #frameTime = 1000 / 60; #tickAt = 0;

  /**
   * @param {HTMLVideoElement} video
   * @param {{from?: Blob|string|URL, mediabunny?: any, onerror?: (reason: Error) => void}} [options] from: the file; what the
   *   element plays unless told.
   *   onerror: what goes wrong once it has started
   */
  constructor(video, options = {}) {
    this.#video = video;
    this.#options = options;
  }

  /** Why it cannot be had; '' when it may. @param {HTMLVideoElement} video */
  static whyNot(video) {
    if (video.srcObject) return 'the video is a stream, not a file';
    return whyNoFiles();
  }

  /**
   * Resolves when the first frame is under way; rejects with a reason that a person can read.
   * @param {(frame: Frame) => void} onframe
   */
  async start(onframe) {
    this.stop();
    const why = DecodedSource.whyNot(this.#video);
    if (why) throw new MediaError(why);
    const stop = new AbortController(), { signal } = stop, video = this.#video;
    this.#onframe = onframe;
    this.#stop = stop;
    try {
      await this.#open();
    } catch (reason) {
      if (this.#stop === stop) this.stop();
      throw reason;
    }
    if (signal.aborted) return;
    listen(video, 'seeking', () => this.#seek(), signal);
    listen(video, 'loadedmetadata', () => {
      if (!this.#options.from && video.currentSrc !== this.#from)
        this.#open().then(() => this.#seek()).catch((r) => this.#fail(r));
    }, signal);
    listen(video, 'play playing pause ratechange waiting', () => { this.#anchor.live = false; }, signal);
    this.#seek();
    this.#ask();
  }

  stop() {
    this.#stop?.abort();
    this.#run?.abort();
    cancelAnimationFrame(this.#handle);
    this.#clear();
    this.#last?.frame.close();
    this.#media?.close();
    this.#stop = this.#run = this.#media = this.#onframe = this.#last = null;
  }

  /** The frame that is shown now, once more. */
  again() {
    if (this.#last) this.#hand(this.#last, performance.now());
  }

  async #open() {
    const from = this.#options.from ?? this.#video.currentSrc, stop = this.#stop;
    if (!from) throw new MediaError('the video has no file yet');
    const media = await openMedia(from, this.#options);
    if (this.#stop !== stop || !stop) return media.close();
    this.#media?.close();
    this.#media = media;
    this.#from = this.#video.currentSrc;
  }

  #clear() {
    for (const { frame } of this.#queue) frame.close();
    this.#queue = [];
    this.#wake();
  }

  /** @param {any} reason */
  #fail(reason) {
    if (!this.#stop || this.#stop.signal.aborted) return;
    this.stop();
    this.#options.onerror?.(reason instanceof Error ? reason : new MediaError(String(reason)));
  }

  // From the key frame before the element's place on; what lies between is decoded and not shown.
  #seek() {
    this.#run?.abort();
    const run = new AbortController();
    this.#run = run;
    this.#clear();
    this.#first = true;
    this.#ended = false;
    this.#anchor.live = false;
    this.#pump(/** @type {import('./media.js').Media} */ (this.#media), run.signal,
      this.#video.currentTime).catch((reason) => { if (!run.signal.aborted) this.#fail(reason); });
  }

  /** @param {import('./media.js').Media} media @param {AbortSignal} signal @param {number} time */
  async #pump(media, signal, time) {
    const key = await media.sink.getKeyPacket(time, { verifyKeyPackets: true });
    if (signal.aborted) return;
    for await (const decoded of decodeFrames(media, { from: key ?? undefined, signal, ahead: 1 })) {
      if (signal.aborted) return decoded.frame.close();
      this.#queue.push(decoded);
      // Until the first one is found, what is surely before it is let go at once.
      while (this.#first && this.#queue.length > 1 &&
        this.#queue[1].time <= time) /** @type {Decoded} */ (this.#queue.shift()).frame.close();
      while (this.#queue.length >= AHEAD && !signal.aborted) await new Promise((go) => { this.#wake = () => go(undefined); });
      if (signal.aborted) return;
    }
    this.#ended = true;
  }

  /** The media's time now: the element's, made smooth. @param {number} now */
  #clock(now) {
    const video = this.#video, rate = video.playbackRate, time = video.currentTime, anchor = this.#anchor;
    if (video.paused || video.seeking || video.readyState < 3) {
      anchor.live = false;
      return time;
    }
    const wanted = anchor.media + ((now - anchor.at) / 1000) * rate, off = time - wanted;
    anchor.media = !anchor.live || Math.abs(off) > LATE ? time : wanted + off * SETTLE;
    anchor.at = now;
    anchor.live = true;
    return anchor.media;
  }

  #ask() {
    this.#handle = requestAnimationFrame((now) => {
      if (!this.#onframe) return;
      this.#ask();
      if (this.#tickAt) this.#frameTime += (Math.min(50, now - this.#tickAt) - this.#frameTime) * 0.1;
      this.#tickAt = now;
      this.#tick(now);
    });
  }

  /** @param {number} now */
  #tick(now) {
    const queue = this.#queue, video = this.#video, clock = this.#clock(now), rate = video.playbackRate || 1;
    if (this.#first) {
      // It is known which one it is when the next one is there.
      if (!queue.length || (queue.length < 2 && !this.#ended && queue[0].time + (queue[0].duration || 0) <= clock)) return;
      this.#first = false;
      this.#give(clock, now, rate);
      return;
    }
    if (video.paused || video.seeking) return;
    // Half an interval of the screen ahead: what is due until then is nearest to the picture that is made now.
    const until = clock + (rate * this.#frameTime) / 2000;
    if (queue.length && clock - queue[0].time > LOST) return this.#seek();
    while (queue.length > 1 && clock - queue[1].time > LATE) {
      /** @type {Decoded} */ (queue.shift()).frame.close();
      this.skipped++;
    }
    while (queue.length && queue[0].time <= until) this.#give(clock, now, rate);
    this.#wake();
  }

  /** @param {number} clock @param {number} now @param {number} rate */
  #give(clock, now, rate) {
    const decoded = this.#queue.shift();
    if (!decoded) return;
    this.#wake();
    this.#last?.frame.close();
    this.#last = decoded;
    this.shown++;
    this.#hand(decoded, now + ((decoded.time - clock) / rate) * 1000);
  }

  /** @param {Decoded} decoded @param {number} due */
  #hand({ frame, time }, due) {
    const image = frame.clone(), rect = frame.visibleRect;
    this.#onframe?.({ image, width: rect?.width ?? frame.displayWidth, height: rect?.height ?? frame.displayHeight,
      colorSpace: frame.colorSpace?.toJSON() ?? null,
      rotation: this.#media?.rotation ?? 0, time, due, close: () => image.close() });
  }
}
