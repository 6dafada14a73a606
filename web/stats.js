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
export function gather(state, reason, { engine, monitor, count: c, spentMs, matrix }, steps, canvas) {
  const size = engine?.size, traffic = engine?.traffic, step = Math.min(monitor.step, steps),
    running = engine !== null && step < steps;
  return {
    state, reason, backend: engine?.backend ?? null, inWorker: engine?.inWorker ?? false, gpu: engine?.name ?? '', network: running
      ? engine.network : '', form: running ? engine.form : null,
    step, steps, limited: monitor.throttled ? 'throttled' : monitor.ceiling > 0 ? 'saving power' : '',
    width: size?.width ?? 0, height: size?.height ?? 0, outWidth: size?.outWidth ?? 0, outHeight: size?.outHeight ?? 0,
    canvasWidth: canvas.width, canvasHeight: canvas.height, fps: c.fps, mediaFps: 1000 / monitor.interval, drawn: c.drawn,
      dropped: c.dropped,
    budget: monitor.budget, p50: monitor.p50, p95: monitor.p95, networkMs: c.network, blitMs: c.blit,
      mainMs: quantile(spentMs.values, 0.5),
    bytes: traffic?.bytes ?? 0, floorBytes: traffic?.floor ?? 0, matrix,
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
    Object.assign(box.style, { position: 'absolute', margin: '0', padding: '6px 9px', pointerEvents: 'none', whiteSpace: 'pre',
      zIndex: '1', borderRadius: '4px',
      font: '11px/1.45 ui-monospace, monospace', color: '#e8eef2', background: 'rgba(8, 14, 18, 0.72)', textAlign: 'left' });
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
