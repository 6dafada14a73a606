// SPDX-License-Identifier: MIT
// The visitor's own files: a picture enlarged, compared and saved; the clip of the stage saved.
import { upscaleClip } from '../files/clip.js';
import { openPicture, savePicture, upscalePicture } from '../files/still.js';
import { engineFor } from './engine.js';
import { splitter } from './split.js';

/** @param {string} id @returns {any} */
const $ = (id) => document.getElementById(id);
const SHOWN = 4096; // pixels a side of a canvas that only shows
const seconds = (/** @type {number} */ ms) => (ms < 9950 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);
export const bytes = (/** @type {number} */ n) => (n < 1e6 ? `${Math.round(n / 1000)} kB` : `${(n / 1e6).toFixed(1)} MB`);

/** @param {Blob} blob @param {string} name */
function download(blob, name) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** @param {string} id @param {unknown} [reason] */
function fault(id, reason) {
  const stopped = /** @type {any} */ (reason)?.name === 'AbortError';
  $(id).hidden = !reason || stopped;
  $(id).textContent = reason && !stopped ? `${/** @type {any} */ (reason).message ?? reason}` : '';
  return stopped;
}

/**
 * A picture on a canvas of its size, or of the largest that is sensible to show.
 * @param {import('../files/picture.js').Picture} p
 * @param {number} width
 * @param {number} height
 */
async function canvasOf(p, width, height) {
  const scale = Math.min(1, SHOWN / Math.max(width, height)), canvas = document.createElement('canvas');
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d')),
    data = new ImageData(new Uint8ClampedArray(/** @type {ArrayBuffer} */ (p.data.buffer)), p.width, p.height);
  const bitmap = await createImageBitmap(data);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

export class Files {
  #stage; #split = /** @type {ReturnType<typeof splitter>|null} */ (null); #result = /** @type {any} */ (null); #name = '';
  #still = /** @type {AbortController|null} */ (null);
  #clip = /** @type {AbortController|null} */ (null);

  /** @param {import('./stage.js').Stage} stage */
  constructor(stage) {
    this.#stage = stage;
    $('still-stop').addEventListener('click', () => this.#still?.abort());
    $('still-save').addEventListener('click', () => this.#save());
    $('still-zoom').addEventListener('click', () => {
      const on = $('viewer').classList.toggle('actual');
      $('still-zoom').setAttribute('aria-pressed', String(on));
    });
    $('clip-save').addEventListener('click', () => this.saveClip());
    $('clip-stop').addEventListener('click', () => this.#clip?.abort());
  }

  /** Enlarges a picture and shows it. @param {Blob} file @param {string} name */
  async picture(file, name) {
    this.#still?.abort();
    const stop = this.#still = new AbortController(), { model, backend } = this.#stage.choices, said = $('still-said');
    fault('still-error');
    this.#result = null;
    $('still').hidden = false;
    $('still-save').disabled = true;
    $('still-stop').hidden = $('still-progress').hidden = false;
    $('still-progress').value = 0;
    $('sheet').replaceChildren();
    said.textContent = 'Reading the picture';
    let engine;
    try {
      const picture = await openPicture(file);
      said.textContent = `Making ${model === 'auto' ? 'the network' : model} ready`;
      engine = await engineFor(model, backend, 'picture');
      said.textContent = `${picture.width} x ${picture.height} pixels: enlarging`;
      const large = await upscalePicture(picture, { ...engine, signal: stop.signal,
        onprogress: (share) => { $('still-progress').value = share; } });
      if (stop.signal.aborted) return;
      const [before, after] = [await canvasOf(picture, large.width, large.height),
        await canvasOf(large, large.width, large.height)];
      if (this.#still !== stop) return;
      after.className = 'after';
      $('sheet').replaceChildren(before, after);
      this.#split = splitter($('sheet'), { value: 0.5, label: 'Line between the plain picture and the network',
        onchange: (share) => { after.style.clipPath = `inset(0 0 0 ${share * 100}%)`; } });
      this.#result = large;
      this.#name = name.replace(/\.\w+$/, '');
      said.textContent = [`${name}: ${picture.width} x ${picture.height} to ${large.width} x ${large.height} by ${engine.name}`,
        ` in ${seconds(large.ms)}`, large.tiles > 1 ? `, ${large.tiles} tiles` : '', picture.alpha ? ', transparency kept' : '',
        ` (${engine.by})`].join('');
      $('still-save').disabled = false;
    } catch (reason) {
      if (this.#still !== stop) return;
      if (fault('still-error', reason)) said.textContent = 'Stopped';
      else $('still').hidden = true;
    } finally {
      engine?.release();
      if (this.#still === stop) $('still-stop').hidden = $('still-progress').hidden = true;
    }
  }

  async #save() {
    const result = this.#result, type = $('still-type').value;
    if (!result) return;
    fault('still-error');
    $('still-save').disabled = true;
    try {
      const blob = await savePicture(result, { type });
      download(blob, `${this.#name}_x2.${type.slice(6).replace('jpeg', 'jpg')}`);
      $('still-said').textContent = `Saved: ${bytes(blob.size)}`;
    } catch (reason) {
      fault('still-error', reason);
    } finally {
      $('still-save').disabled = false;
    }
  }

  /** The clip of the stage, enlarged, as a file. */
  async saveClip() {
    if (this.#clip) return;
    const stop = this.#clip = new AbortController(), { clip } = this.#stage, { model, backend } = this.#stage.choices,
      name = typeof clip === 'string' ? clip.replace(/^.*\//, '') : clip.name;
    const said = $('clip-said'), start = performance.now();
    fault('clip-error');
    $('clip-save').disabled = true;
    $('clip-stop').hidden = $('clip-progress').hidden = false;
    $('clip-progress').value = 0;
    said.textContent = 'Making ready';
    let engine;
    try {
      engine = await engineFor(model, backend, 'clip');
      const made = await upscaleClip(clip, { ...engine, signal: stop.signal, onprogress: ({ share, frames }) => {
        const spent = performance.now() - start, left = share > 0.02 ? `, ${seconds((spent * (1 - share)) / share)} left` : '';
        $('clip-progress').value = share;
        said.textContent = `${frames} frames, ${Math.round(share * 100)} %${left}`;
      } });
      if (!made.blob) return;
      download(made.blob, `${name.replace(/\.\w+$/, '')}_x2.${made.extension}`);
      said.textContent = [`${made.frames} frames of ${made.width} x ${made.height} by ${engine.name}, ${bytes(made.blob.size)}`,
        `in ${seconds(made.ms)}`,
        made.audio ? 'sound copied' : 'no sound in it', ...made.notices].join('; ');
    } catch (reason) {
      said.textContent = fault('clip-error', reason) ? 'Stopped; no file was made' : '';
    } finally {
      engine?.release();
      this.#clip = null;
      $('clip-save').disabled = false;
      $('clip-stop').hidden = $('clip-progress').hidden = true;
    }
  }
}
