// SPDX-License-Identifier: MIT
// The overlay: what the player does, in a few lines of small print over a corner of the picture.

/** @param {number} v @param {number} [digits] */
const number = (v, digits = 1) => (Number.isFinite(v) ? v.toFixed(digits) : '-');

/** The lines. @param {ReturnType<import('./player.js').Player['stats']>} s @returns {string[]} */
export function linesOf(s) {
  const size = s.width ? `${s.width}x${s.height} -> ${s.outWidth}x${s.outHeight}` : '';
  const lines = [`framemill  ${s.state}${s.reason ? `: ${s.reason}` : ''}`];
  if (s.network) lines.push(`${s.network}${s.form ? ` ${s.form}` : ''}  step ${s.step + 1} of ${s.steps}${s.limited ? ` (${s.limited})` : ''}  ${size}`);
  lines.push(`${number(s.fps)} of ${number(s.mediaFps)} fps  dropped ${s.dropped}`);
  lines.push(`p95 ${number(s.p95)} of ${number(s.budget)} ms  network ${number(s.networkMs)}  blit ${number(s.blitMs)}  page ${number(s.mainMs, 2)}`);
  if (s.gpu) lines.push(s.gpu);
  return lines;
}

export class Overlay {
  #box;

  /** @param {HTMLElement} beside it comes behind this element, at its upper left corner */
  constructor(beside) {
    const box = this.#box = beside.ownerDocument.createElement('pre');
    box.className = 'framemill-stats';
    Object.assign(box.style, { position: 'absolute', margin: '0', padding: '6px 9px', pointerEvents: 'none', whiteSpace: 'pre', zIndex: '1', borderRadius: '4px',
      font: '11px/1.45 ui-monospace, monospace', color: '#e8eef2', background: 'rgba(8, 14, 18, 0.72)', textAlign: 'left' });
    beside.after(box);
  }

  /** @param {ReturnType<import('./player.js').Player['stats']>} stats @param {HTMLElement} video */
  update(stats, video) {
    this.#box.textContent = linesOf(stats).join('\n');
    this.#box.style.left = `${video.offsetLeft + video.clientLeft + 8}px`;
    this.#box.style.top = `${video.offsetTop + video.clientTop + 8}px`;
  }

  remove() {
    this.#box.remove();
  }
}
