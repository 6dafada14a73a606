// SPDX-License-Identifier: MIT
// Pictures in a page: pixels out of a file as they are, transparency as the engine treats it (src/convert/alpha.h), files out of
// pixels.
import { MediaError } from '../media.js';
import { encodePng } from './png.js';

/**
 * @typedef {object} Picture
 * @property {Uint8Array|Uint8ClampedArray} data RGBA, rows without gaps, colours not multiplied by alpha
 * @property {number} width
 * @property {number} height
 * @property {boolean} alpha whether any of it is transparent
 */

const BLOCK = 2048; // read at a time: every canvas can be that large

/** A canvas multiplies colours by alpha; a texture does not. @param {ImageBitmap} bitmap @returns {Uint8Array|null} */
function exactPixels(bitmap) {
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl) return null;
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
  const data = new Uint8Array(bitmap.width * bitmap.height * 4);
  gl.readPixels(0, 0, bitmap.width, bitmap.height, gl.RGBA, gl.UNSIGNED_BYTE, data);
  const good = gl.getError() === gl.NO_ERROR;
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return good ? data : null;
}

/**
 * Pixels of a picture, upright, as sRGB.
 * @param {Blob|ImageBitmap|ImageData|HTMLImageElement|HTMLCanvasElement|OffscreenCanvas} from
 * @returns {Promise<Picture>}
 */
export async function openPicture(from) {
  const as = { premultiplyAlpha: /** @type {const} */ ('none') };
  /** @type {ImageBitmap} */
  let bitmap;
  try {
    bitmap = await createImageBitmap(from, as);
  } catch (reason) {
    throw new MediaError('this is no picture that the browser can read, or it is damaged', reason);
  }
  const { width, height } = bitmap, data = new Uint8Array(width * height * 4), edge = Math.min(BLOCK, Math.max(width, height));
  const canvas = new OffscreenCanvas(edge, edge), context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new MediaError('no canvas to read the picture with');
  let alpha = false;
  for (let y = 0; y < height; y += edge)
    for (let x = 0; x < width; x += edge) {
      const w = Math.min(edge, width - x), h = Math.min(edge, height - y);
      context.clearRect(0, 0, edge, edge);
      context.drawImage(bitmap, -x, -y);
      /** @type {Uint8Array|Uint8ClampedArray} */
      let part = context.getImageData(0, 0, w, h).data;
      let clear = false;
      for (let i = 3; i < part.length && !clear; i += 4) clear = part[i] !== 255;
      if (clear) {
        alpha = true;
        const block = await createImageBitmap(bitmap, x, y, w, h, as);
        part = exactPixels(block) ?? part;
        block.close();
      }
      for (let j = 0; j < h; j++) data.set(part.subarray(j * w * 4, (j + 1) * w * 4), ((y + j) * width + x) * 4);
    }
  bitmap.close();
  return { data, width, height, alpha };
}

const FILL = 8, FLAT = 4; // how far is looked: ALPHA_FILL_REACH, ALPHA_SNAP_REACH

/**
 * A part of a picture for a network: where it is transparent, the mean colour of what is around, weighted by alpha, so that no
 * colour that nobody
 * sees leaks into its neighbours.
 * @param {Picture} p @param {number} x0 @param {number} y0 @param {number} w @param {number} h @returns {Uint8Array} RGBA, opaque
 */
export function coloursOf(p, x0, y0, w, h) {
  const part = new Uint8Array(w * h * 4);
  let clear = false;
  for (let y = 0; y < h; y++) {
    const from = ((y0 + y) * p.width + x0) * 4;
    part.set(p.data.subarray(from, from + w * 4), y * w * 4);
  }
  for (let i = 3; i < part.length; i += 4) {
    clear ||= part[i] === 0;
    part[i] = 255;
  }
  if (!clear) return part;
  const [l, t] = [Math.max(0, x0 - FILL), Math.max(0, y0 - FILL)],
    [r, b] = [Math.min(p.width, x0 + w + FILL), Math.min(p.height, y0 + h + FILL)];
  // of all above and left: alpha, and colours times alpha; whole numbers, so exact
  const gw = r - l + 1, sums = new Float64Array(gw * (b - t + 1) * 4);
  for (let y = t; y < b; y++) {
    const line = [0, 0, 0, 0];
    for (let x = l; x < r; x++) {
      const i = (y * p.width + x) * 4, a = p.data[i + 3], o = ((y - t + 1) * gw + (x - l + 1)) * 4;
      line[0] += a;
      for (let c = 0; c < 3; c++) line[c + 1] += a * p.data[i + c];
      for (let c = 0; c < 4; c++) sums[o + c] = sums[o - gw * 4 + c] + line[c];
    }
  }
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++) {
      if (p.data[((y0 + y) * p.width + x0 + x) * 4 + 3] !== 0) continue;
      const xa = Math.max(l, x0 + x - FILL) - l, xb = Math.min(r, x0 + x + FILL + 1) - l, ya = Math.max(t, y0 + y - FILL) - t,
        yb = Math.min(b, y0 + y + FILL + 1) - t;
      const [i, j, k, m] = [(yb * gw + xb) * 4, (yb * gw + xa) * 4, (ya * gw + xb) * 4, (ya * gw + xa) * 4], o = (y * w + x) * 4;
      const sum = [0, 1, 2, 3].map((c) => sums[i + c] - sums[j + c] - sums[k + c] + sums[m + c]);
      for (let c = 0; c < 3; c++) part[o + c] = sum[0] > 0 ? Math.round(sum[c + 1] / sum[0]) : 0;
    }
  return part;
}

/**
 * Alpha of a part as a grey picture.
 * @param {Picture} p
 * @param {number} x0
 * @param {number} y0
 * @param {number} w
 * @param {number} h
 */
export function alphaOf(p, x0, y0, w, h) {
  const part = new Uint8Array(w * h * 4);
  let plain = true;
  const first = p.data[(y0 * p.width + x0) * 4 + 3];
  for (let y = 0, o = 0; y < h; y++)
    for (let x = 0, i = ((y0 + y) * p.width + x0) * 4; x < w; x++, i += 4, o += 4) {
      const a = p.data[i + 3];
      plain &&= a === first;
      part[o] = part[o + 1] = part[o + 2] = a;
      part[o + 3] = 255;
    }
  return { part, plain, value: first };
}

/**
 * Where alpha is one value all around, it is that value in the result, without the network's ripples.
 * @param {Picture} p @param {Picture} out its result, alpha in it @param {number} x0 @param {number} y0 @param {number} w @param
 *   {number} h of `out`
 */
export function snapAlpha(p, out, x0, y0, w, h) {
  const under = (/** @type {number} */ v, /** @type {number} */ from, /** @type {number} */ to) =>
    Math.floor(((2 * v + 1) * from) / (2 * to));
  const l = under(x0, p.width, out.width), r = under(x0 + w - 1, p.width, out.width), rows = new Map();
  // For each pixel of a row of the source: the value that all of its square has, or -1.
  const flatRow = (/** @type {number} */ sy) => {
    const found = new Int16Array(r - l + 1), ya = Math.max(0, sy - FLAT), yb = Math.min(p.height - 1, sy + FLAT),
      xa = Math.max(0, l - FLAT), xb = Math.min(p.width - 1, r + FLAT);
    const column = new Int16Array(xb - xa + 1);
    for (let x = xa; x <= xb; x++) {
      let v = p.data[(ya * p.width + x) * 4 + 3];
      for (let y = ya + 1; y <= yb && v >= 0; y++) if (p.data[(y * p.width + x) * 4 + 3] !== v) v = -1;
      column[x - xa] = v;
    }
    for (let x = l; x <= r; x++) {
      const a = Math.max(xa, x - FLAT) - xa, b = Math.min(xb, x + FLAT) - xa;
      let v = column[a];
      for (let k = a + 1; k <= b && v >= 0; k++) if (column[k] !== v) v = -1;
      found[x - l] = v;
    }
    return found;
  };
  for (let y = y0; y < y0 + h; y++) {
    const sy = under(y, p.height, out.height);
    if (!rows.has(sy)) {
      rows.clear();
      rows.set(sy, flatRow(sy));
    }
    const flat = rows.get(sy);
    for (let x = x0; x < x0 + w; x++) {
      const v = flat[under(x, p.width, out.width) - l];
      if (v >= 0) out.data[(y * out.width + x) * 4 + 3] = v;
    }
  }
}

const names = /** @type {Record<string, string>} */ ({ 'image/png': 'PNG', 'image/webp': 'WebP', 'image/jpeg': 'JPEG' });

/**
 * A picture as a file. JPEG knows no transparency: there white is put behind.
 * @param {Picture} p
 * @param {{type?: 'image/png'|'image/webp'|'image/jpeg', quality?: number, signal?: AbortSignal}} [options] quality: 0 to 1
 * @returns {Promise<Blob>}
 */
export async function savePicture(p, { type = 'image/png', quality = 0.92, signal } = {}) {
  const name = names[type];
  if (!name) throw new MediaError(`pictures are saved as PNG, WebP or JPEG, not as ${type}`);
  if (type === 'image/png') return encodePng(p.data, p.width, p.height, { alpha: p.alpha, signal });
  const most = type === 'image/webp' ? 16383 : 16384;
  if (Math.max(p.width, p.height) > most) throw new MediaError(`${name} is limited to ${most} pixels a side here; save as PNG`);
  const canvas = new OffscreenCanvas(p.width, p.height), context = canvas.getContext('2d',
    { alpha: p.alpha && type !== 'image/jpeg' });
  if (!context) throw new MediaError('no canvas of that size; save as PNG');
  context.putImageData(new ImageData(new Uint8ClampedArray(/** @type {ArrayBuffer} */ (p.data.buffer), p.data.byteOffset,
    p.data.byteLength), p.width, p.height), 0, 0);
  if (p.alpha && type === 'image/jpeg') {
    context.globalCompositeOperation = 'destination-over';
    context.fillStyle = '#fff';
    context.fillRect(0, 0, p.width, p.height);
  }
  const blob = await canvas.convertToBlob({ type, quality });
  if (blob.type !== type) throw new MediaError(`this browser does not write ${name}; save as PNG`);
  return blob;
}
