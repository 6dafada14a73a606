// SPDX-License-Identifier: MIT
// Writes PNG from plain pixels. A canvas keeps colours multiplied by alpha and has a largest size; this has neither fault.
// Compression is the browser's (CompressionStream).

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

/** @param {string} kind @param {Uint8Array} body @returns {Uint8Array} a chunk: length, kind, body, check */
function chunk(kind, body) {
  const all = new Uint8Array(body.length + 12), view = new DataView(all.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; i++) all[4 + i] = kind.charCodeAt(i);
  all.set(body, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < all.length - 4; i++) crc = crcTable[(crc ^ all[i]) & 255] ^ (crc >>> 8);
  view.setUint32(all.length - 4, (crc ^ 0xffffffff) >>> 0);
  return all;
}

/**
 * The neighbour (left, above, above left) nearest to what a plane through all three gives.
 * @param {number} a
 * @param {number} b
 * @param {number} c
 */
function paeth(a, b, c) {
  const pa = Math.abs(b - c), pb = Math.abs(a - c), pc = Math.abs(a + b - 2 * c);
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/**
 * A row by a filter, into `to` (its first byte says which); the sum of what remains, the smaller the better. The row before is 0
 *   above the first.
 * @param {number} kind @param {Uint8Array} row @param {Uint8Array} above @param {number} step bytes of a pixel @param {Uint8Array}
 *   to */
function filter(kind, row, above, step, to) {
  let sum = 0;
  to[0] = kind;
  for (let i = 0; i < row.length; i++) {
    const left = i >= step ? row[i - step] : 0, corner = i >= step ? above[i - step] : 0;
    const guess = kind === 1 ? left : kind === 2 ? above[i] : kind === 3 ? (left + above[i]) >> 1 : kind === 4
      ? paeth(left, above[i], corner) : 0;
    const v = (row[i] - guess) & 255;
    to[i + 1] = v;
    sum += v < 128 ? v : 256 - v;
  }
  return sum;
}

/**
 * @param {Uint8Array|Uint8ClampedArray} rgba rows without gaps @param {number} width @param {number} height
 * @param {{alpha?: boolean, signal?: AbortSignal}} [options] alpha: kept; else three channels
 * @returns {Promise<Blob>}
 */
export async function encodePng(rgba, width, height, { alpha = false, signal } = {}) {
  const step = alpha ? 4 : 3, stream = new CompressionStream('deflate'), writer = stream.writable.getWriter();
  /** @type {BlobPart[]} */
  const parts = [new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10])], head = new Uint8Array(13), view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, alpha ? 6 : 2, 0, 0, 0], 8);
  parts.push(/** @type {any} */ (chunk('IHDR', head)), /** @type {any} */ (chunk('sRGB', new Uint8Array([0]))));
  const collect = (async () => {
    const reader = stream.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (value.length) parts.push(/** @type {any} */ (chunk('IDAT', value)));
    }
  })();
  const kinds = [1, 2, 4], tries = kinds.map(() => new Uint8Array(width * step + 1)),
    rows = Math.max(1, Math.floor(0x40000 / (width * step + 1)));
  let row = new Uint8Array(width * step), above = new Uint8Array(width * step);
  const feed = (async () => {
    for (let y0 = 0; y0 < height; y0 += rows) {
      signal?.throwIfAborted();
      const count = Math.min(rows, height - y0), band = new Uint8Array(count * (width * step + 1));
      for (let j = 0; j < count; j++) {
        for (let x = 0, i = (y0 + j) * width * 4, k = 0; x < width; x++, i += 4) {
          row[k++] = rgba[i];
          row[k++] = rgba[i + 1];
          row[k++] = rgba[i + 2];
          if (alpha) row[k++] = rgba[i + 3];
        }
        const sums = kinds.map((kind, n) => filter(kind, row, above, step, tries[n]));
        band.set(tries[sums.indexOf(Math.min(...sums))], j * (width * step + 1));
        [row, above] = [above, row];
      }
      await writer.write(band);
    }
    await writer.close();
  })();
  try {
    await Promise.all([feed, collect]);
  } catch (reason) {
    writer.abort(reason).catch(() => {});
    throw reason;
  }
  parts.push(/** @type {any} */ (chunk('IEND', new Uint8Array(0))));
  return new Blob(parts, { type: 'image/png' });
}
