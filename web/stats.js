// SPDX-License-Identifier: MIT
// The overlay: what the player does, in a few lines of small print over a corner of the picture.

import { quantile } from './monitor.js';

/** @typedef {import('./index.js').Stats} Stats */

/** @param {number} v @param {number} [digits] */
const number = (v, digits = 1) => (Number.isFinite(v) ? v.toFixed(digits) : '-');

/**
 * Everything that can be told of a player.
 * @param {import('./player.js').State} state
 * @param {string} reason
 * @param {import('./loop.js').FrameLoop} loop
 * @param {number} steps
 * @param {HTMLCanvasElement} canvas
 * @returns {Stats}
 */
export function gather(state, reason, { engine, monitor, count, spentMs, matrix }, steps, canvas) {
  const { backend = null, inWorker = false, name: gpu = '', size, traffic } = engine ?? {},
    { width = 0, height = 0, outWidth = 0, outHeight = 0 } = size ?? {}, { bytes = 0, floor: floorBytes = 0 } = traffic ?? {},
    { budget, p50, p95 } = monitor, { fps, drawn, dropped, network: networkMs, blit: blitMs } = count,
    step = Math.min(monitor.step, steps), running = engine !== null && step < steps;
  return {
    state, reason, backend, inWorker, gpu, network: running ? engine.network : '', form: running ? engine.form : null, step, steps,
    limited: monitor.throttled ? 'throttled' : monitor.ceiling > 0 ? 'saving power' : '', width, height, outWidth, outHeight,
    canvasWidth: canvas.width, canvasHeight: canvas.height, fps, mediaFps: 1000 / monitor.interval, drawn, dropped,
    budget, p50, p95, networkMs, blitMs, mainMs: quantile(spentMs.values, 0.5), bytes, floorBytes, matrix,
  };
}

/** The lines. @param {Stats} s @returns {string[]} */
export function linesOf(s) {
  const size = s.width ? `${s.width}x${s.height} -> ${s.outWidth}x${s.outHeight}` : '';
  const lines = [`framemill  ${s.state}${s.reason ? `: ${s.reason}` : ''}`];
  const form = s.form ? ` ${s.form}` : '', limited = s.limited ? ` (${s.limited})` : '';
  if (s.network) lines.push(`${s.network}${form}  step ${s.step + 1} of ${s.steps}${limited}  ${size}`);
  lines.push(`${number(s.fps)} of ${number(s.mediaFps)} fps  dropped ${s.dropped}`);
  const parts = `network ${number(s.networkMs)}  blit ${number(s.blitMs)}  page ${number(s.mainMs, 2)}`;
  lines.push(`p95 ${number(s.p95)} of ${number(s.budget)} ms  ${parts}`);
  if (s.gpu) lines.push(s.gpu);
  return lines;
}

export class Overlay {
  #box;

  /** @param {HTMLElement} beside it comes behind this element, at its upper left corner */
  constructor(beside) {
    const box = this.#box = beside.ownerDocument.createElement('pre');
    box.className = 'framemill-stats';
    box.style.cssText = 'position:absolute;margin:0;padding:6px 9px;pointer-events:none;white-space:pre;z-index:1;' +
      'border-radius:4px;font:11px/1.45 ui-monospace,monospace;color:#e8eef2;background:#080e12b8;text-align:left';
    beside.after(box);
  }

  /** @param {Stats} stats @param {HTMLElement} video */
  update(stats, video) {
    this.#box.textContent = linesOf(stats).join('\n');
    this.#box.style.left = `${video.offsetLeft + video.clientLeft + 8}px`;
    this.#box.style.top = `${video.offsetTop + video.clientTop + 8}px`;
  }

  remove() {
    this.#box.remove();
  }
}
