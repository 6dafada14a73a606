// SPDX-License-Identifier: MIT
// The canvas over the video: where it is, how many pixels it has, which part of the picture it shows. It lies exactly on the
// picture that object-fit leaves of the video's box, goes along into fullscreen and other windows, and is out of the way of clicks.
import { listen } from './listen.js';

/**
 * @typedef {object} Rect
 * @property {number} x @property {number} y @property {number} w @property {number} h
 *
 * @typedef {object} View what is to be drawn
 * @property {number} width of the canvas in pixels
 * @property {number} height
 * @property {[number, number, number, number]} crop the part of the upright picture: left, top, right, bottom, from 0 to 1
 * @property {number} fullWidth of the whole picture, in pixels of the screen
 * @property {number} fullHeight
 */

/** A length of object-position in pixels: sums of px and % of what is left over. @param {string} text @param {number} left */
export function positionOf(text, left) {
  let sum = 0, found = false;
  for (const [, sign, number, unit] of text.matchAll(/(^|[\s(]-?|[+-]\s*)([\d.]+)(px|%)/g)) {
    found = true;
    sum += (sign.includes('-') ? -1 : 1) * Number(number) * (unit === '%' ? left / 100 : 1);
  }
  return found ? sum : left / 2;
}

/**
 * Where the picture lies in the video's content box.
 * @param {number} boxW
 * @param {number} boxH
 * @param {number} width of the video
 * @param {number} height
 * @param {string} fit object-fit
 * @param {string} at object-position
 * @returns {Rect}
 */
export function fitRect(boxW, boxH, width, height, fit = 'contain', at = '50% 50%') {
  const contain = Math.min(boxW / width, boxH / height), cover = Math.max(boxW / width, boxH / height);
  const scale = { cover, none: 1, 'scale-down': Math.min(1, contain) }[fit] ?? contain;
  const w = fit === 'fill' ? boxW : width * scale, h = fit === 'fill' ? boxH : height * scale;
  const [ax, ay = '50%'] = at.match(/calc\([^)]*\)|\S+/g) ?? ['50%'];
  return { x: positionOf(ax, boxW - w), y: positionOf(ay, boxH - h), w, h };
}

/**
 * The part of the picture that is in the box, as a rectangle of the page and as a view.
 * @param {Rect} picture from fitRect
 * @param {number} boxW
 * @param {number} boxH
 * @param {number} ratio device pixels per CSS pixel
 * @param {number} most pixels on an axis
 * @returns {{rect: Rect, view: View}|null} null: nothing to be seen
 */
export function viewOf(picture, boxW, boxH, ratio, most) {
  const l = Math.max(0, picture.x), t = Math.max(0, picture.y), r = Math.min(boxW, picture.x + picture.w),
    b = Math.min(boxH, picture.y + picture.h);
  if (!(r - l > 0 && b - t > 0)) return null;
  const dense = Math.min(ratio, most / (r - l), most / (b - t));
  const pixels = (/** @type {number} */ v) => Math.max(1, Math.round(v * dense));
  return { rect: { x: l, y: t, w: r - l, h: b - t },
    view: { width: pixels(r - l), height: pixels(b - t), fullWidth: pixels(picture.w), fullHeight: pixels(picture.h),
      crop: [(l - picture.x) / picture.w, (t - picture.y) / picture.h, (r - picture.x) / picture.w,
        (b - picture.y) / picture.h] } };
}

/** How high the browser's own controls may be. */
const CONTROLS = 84;
const COPIED = ['transform', 'rotate', 'scale', 'translate', 'opacity', 'filter', 'borderRadius', 'mixBlendMode', 'zIndex'];

export class Screen {
  #video; #onchange; #most; #shown = false; #compare = /** @type {number|null} */ (null); #last = ''; #styleAt = -1e9;
  #pointerAt = -1e9; #timer = 0;
  #watch = /** @type {ResizeObserver|null} */ (null); #stop = new AbortController(); #gone = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {() => void} onchange the view is another one
   * @param {number} [most] pixels of the canvas on an axis
   */
  constructor(video, onchange, most = 8192) {
    this.#video = video;
    this.#onchange = onchange;
    this.#most = most;
    /** @type {View|null} */
    this.view = null;
    this.canvas = this.renew();
    const { signal } = this.#stop, look = () => this.look(true);
    this.#watch = new ResizeObserver(look);
    this.#watch.observe(video);
    listen(this.#window, 'resize orientationchange', look, signal);
    listen(video, 'resize loadedmetadata', look, signal);
    listen(video.ownerDocument, 'fullscreenchange', () => { this.#place(); look(); }, signal);
    listen(video, 'pointermove pointerdown focus keydown play pause seeking', () => {
      this.#pointerAt = performance.now();
      this.#clip();
    }, signal);
    this.look(true);
  }

  get #window() { return this.#video.ownerDocument.defaultView ?? globalThis; }

  /**
   * A fresh canvas: one that was drawn on in one way cannot be used in another, nor by another device.
   * @returns {HTMLCanvasElement}
   */
  renew() {
    const old = this.canvas, canvas = this.#video.ownerDocument.createElement('canvas');
    canvas.className = 'framemill';
    canvas.setAttribute('aria-hidden', 'true');
    canvas.style.cssText = 'position:absolute;pointer-events:none;margin:0;padding:0;border:0;max-width:none;max-height:none;' +
      'inset:auto;background:none;overflow:hidden;visibility:hidden;box-sizing:border-box';
    this.canvas = canvas;
    this.#shown = false;
    old?.remove();
    this.#place();
    this.#last = '';
    this.look(true);
    return canvas;
  }

  /** Why the video's picture cannot be covered at present; ''. */
  get whyNot() {
    const { ownerDocument: page } = this.#video;
    if (page.pictureInPictureElement === this.#video) return 'picture-in-picture';
    if (page.fullscreenElement === this.#video && !('showPopover' in HTMLElement.prototype)) return 'fullscreen';
    return this.view || !this.#video.videoWidth ? '' : 'not on the page'; // without a size: another medium is on its way
  }

  // Beside the video, so that it moves with it. A video that is fullscreen by itself lies in the top layer: a popover comes above
  // it.
  #place() {
    const { canvas } = this, video = this.#video;
    if (this.#gone || !video.parentNode) return;
    if (canvas.previousSibling !== video) video.after(canvas);
    const top = video.ownerDocument.fullscreenElement === video && 'showPopover' in canvas;
    if (top === canvas.matches('[popover]')) return;
    if (top) {
      canvas.popover = 'manual';
      canvas.showPopover();
      canvas.style.position = 'fixed';
    } else {
      canvas.removeAttribute('popover');
      canvas.style.position = 'absolute';
    }
    this.#styleAt = -1e9;
  }

  /**
   * Looks where the video is; cheap when nothing has changed. To be called with every frame, since boxes also move without a
   * resize.
   * @param {boolean} [thorough] styles too
   */
  look(thorough = false) {
    const video = this.#video, now = performance.now();
    if (this.#gone) return;
    if (this.canvas.previousSibling !== video) this.#place();
    const fixed = this.canvas.style.position === 'fixed', ratio = this.#window.devicePixelRatio || 1;
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight, clientLeft, clientTop, videoWidth, videoHeight } = video;
    const key = `${offsetLeft} ${offsetTop} ${offsetWidth} ${offsetHeight} ${videoWidth} ${videoHeight} ${ratio} ${fixed}`;
    if (key === this.#last && !thorough && now - this.#styleAt < 500) return;
    this.#last = key;
    this.#styleAt = now;
    const style = this.#window.getComputedStyle(video), px = (/** @type {string} */ v) => Number.parseFloat(v) || 0;
    const [x0, y0] = fixed ? [0, 0] : [offsetLeft, offsetTop], left = x0 + clientLeft + px(style.paddingLeft),
      top = y0 + clientTop + px(style.paddingTop);
    const boxW = video.clientWidth - px(style.paddingLeft) - px(style.paddingRight),
      boxH = video.clientHeight - px(style.paddingTop) - px(style.paddingBottom);
    const found = videoWidth && boxW > 0 && boxH > 0
      ? viewOf(fitRect(boxW, boxH, videoWidth, videoHeight, style.objectFit, style.objectPosition), boxW, boxH, ratio, this.#most)
        : null;
    const own = this.canvas.style;
    if (found) {
      const { x, y, w, h } = found.rect;
      Object.assign(own, { left: `${left + x}px`, top: `${top + y}px`, width: `${w}px`, height: `${h}px` });
      const [ox, oy] = style.transformOrigin.split(' ').map(px);
      own.transformOrigin = `${ox + x0 - left - x}px ${oy + y0 - top - y}px`;
      for (const name of COPIED) /** @type {any} */ (own)[name] = /** @type {any} */ (style)[name];
    }
    own.display = style.display === 'none' ? 'none' : 'block';
    if (found && style.transform === 'none') this.#mend(left + found.rect.x, top + found.rect.y, x0, y0);
    own.visibility = this.#shown && found ? style.visibility : 'hidden';
    this.#clip();
    const before = JSON.stringify(this.view);
    this.view = found?.view ?? null;
    if (JSON.stringify(this.view) !== before) this.#onchange();
  }

  // offsetLeft is rounded, and its origin need not be that of positions (tables): what is still amiss is added.
  /** @param {number} left @param {number} top where the canvas was put @param {number} x0 the video's corner @param {number} y0 */
  #mend(left, top, x0, y0) {
    const is = this.canvas.getBoundingClientRect(), video = this.#video.getBoundingClientRect(),
      scale = video.width / this.#video.offsetWidth || 1;
    const x = (video.left - is.left) / scale + left - x0, y = (video.top - is.top) / scale + top - y0;
    if (Math.abs(x) > 0.01) this.canvas.style.left = `${left + x}px`;
    if (Math.abs(y) > 0.01) this.canvas.style.top = `${top + y}px`;
  }

  /** @param {boolean} on */
  show(on) {
    if (on === this.#shown) return;
    this.#shown = on;
    this.canvas.style.visibility = on ? 'visible' : 'hidden';
    this.look(true);
  }

  /** Only the part right of this share of the width is ours; null: all. */
  get compare() { return this.#compare; }
  set compare(share) {
    this.#compare = share === null ? null : Math.max(0, Math.min(1, Number(share) || 0));
    this.#clip();
  }

  // The browser's own controls are part of the video, below us: as long as they can be seen the canvas leaves their strip free.
  #clip() {
    const video = this.#video, rest = 3000 - (performance.now() - this.#pointerAt),
      controls = video.controls && (video.paused || rest > 0);
    const left = this.#compare ? `${(this.#compare * 100).toFixed(3)}%` : '0';
    this.canvas.style.clipPath = controls || left !== '0'
      ? `inset(0 0 ${controls ? `min(40%, ${CONTROLS}px)` : '0'} ${left})` : 'none';
    if (controls && rest > 0 && !this.#timer)
      this.#timer = /** @type {any} */ (setTimeout(() => { this.#timer = 0; if (!this.#gone) this.#clip(); }, rest + 50));
  }

  destroy() {
    this.#gone = true;
    clearTimeout(this.#timer);
    this.#watch?.disconnect();
    this.#stop.abort();
    this.canvas.remove();
  }
}
