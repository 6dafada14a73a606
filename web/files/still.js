// SPDX-License-Identifier: MIT
// A picture in, a larger one out: whole where it is small, else by tiles with what the network sees around them, so that the
// result is that of the whole, bit for bit (but for networks with a free ratio at ratios that binary fractions do not hold
// exactly). Transparency goes through the network as a grey picture, as the engine does it. On the GPU (a plan) or without one (a
// network of wasm.js).
//
//     const large = await upscalePicture(file, { plan, device });
//     const blob = await savePicture(large, { type: 'image/webp' });
import { MediaError } from '../media.js';
import { alphaOf, coloursOf, openPicture, savePicture, snapAlpha } from './picture.js';
import { pipelinesOf } from './pipelines.js';
import { LUMA, readTexture, resultTexture, Runner, whyNot } from '../plan.js';

export { openPicture, savePicture };

const SMALLEST = 32;

/** @param {number} a @param {number} b @returns {number} */
const divisor = (a, b) => (b ? divisor(b, a % b) : a);

/**
 * Windows of one axis. All have one length, the first begins and the last ends with the picture; each knows which part of its
 * result is good.
 * @param {number} size @param {number} tile @param {number} halo @param {number} unit windows begin at multiples of it
 * @returns {{at: number, length: number, from: number, to: number}[]}
 */
export function windowsOf(size, tile, halo, unit = 1) {
  const length = Math.ceil((Math.ceil(tile / unit) * unit + 2 * halo) / unit) * unit + unit;
  if (size <= length || size % unit) return [{ at: 0, length: size, from: 0, to: size }];
  const all = [];
  for (let from = 0; from < size;) {
    const at = Math.min(size - length, Math.floor(Math.max(0, from - halo) / unit) * unit), to = at + length === size ? size
      : at + length - halo;
    all.push({ at, length, from, to });
    from = to;
  }
  return all;
}

/**
 * How many pixels of the source around a tile its result depends on.
 * @param {import('../plan.js').Plan} plan
 * @param {number} ratio
 */
export function haloOf(plan, ratio) {
  const { reach = plan.network.layers * 3, macs_per: per } = /** @type {any} */ (plan.network);
  return per === 'output' ? Math.ceil(reach / ratio) + 2 : reach;
}

/**
 * Does tiles on a GPU.
 * @param {GPUDevice} device
 * @param {import('../plan.js').Plan} plan
 * @param {Awaited<ReturnType<typeof pipelinesOf>>} pipelines
 * @param {Required<import('../plan.js').Size>} size of a tile */
async function tilesOnGpu(device, plan, pipelines, size) {
  device.pushErrorScope('out-of-memory');
  device.pushErrorScope('validation');
  /** @type {Runner|undefined} */
  let runner;
  let source = /** @type {GPUTexture|undefined} */ (undefined), target = /** @type {GPUTexture|undefined} */ (undefined);
  const destroy = () => { runner?.destroy(); source?.destroy(); target?.destroy(); };
  /** @type {unknown} */
  let failure;
  try {
    runner = new Runner(device, pipelines, size, { luma: LUMA.bt601 });
    source = device.createTexture({ size: [size.width, size.height], format: 'rgba8unorm',
      usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST });
    target = resultTexture(device, size.outWidth, size.outHeight);
  } catch (reason) {
    failure = reason;
  }
  for (const scope of [await device.popErrorScope(), await device.popErrorScope()]) failure ??= scope;
  if (failure) {
    destroy();
    throw new MediaError(`the GPU has no room: ${/** @type {any} */ (failure).message}`, failure);
  }
  /** @param {Uint8Array} rgba */
  const run = async (rgba) => {
    device.queue.writeTexture({ texture: /** @type {GPUTexture} */ (source) }, rgba, { bytesPerRow: size.width * 4 },
      [size.width, size.height]);
    const encoder = device.createCommandEncoder();
    /** @type {Runner} */ (runner).encode(encoder, /** @type {GPUTexture} */ (source), /** @type {GPUTexture} */ (target));
    device.queue.submit([encoder.finish()]);
    try {
      return await readTexture(device, /** @type {GPUTexture} */ (target));
    } catch (reason) {
      throw new MediaError(`the GPU was lost: ${/** @type {any} */ (reason).message}`, reason);
    }
  };
  return { run, destroy };
}

/**
 * @typedef {object} StillOptions
 * @property {import('../plan.js').Plan} [plan] with `device`: on the GPU
 * @property {GPUDevice} [device]
 * @property {'f16'|'f32'} [form]
 * @property {{scale: number, reach?: number, upscale: Function}} [net] of wasm.js: without a GPU
 * @property {number} [scale] of plans with a free ratio; 2 unless told
 * @property {number} [tile] pixels of a tile's side
 * @property {AbortSignal} [signal]
 * @property {(share: number) => void} [onprogress] 0 to 1
 */

/**
 * Enlarges a picture.
 * @param {Blob|ImageBitmap|ImageData|HTMLImageElement|HTMLCanvasElement|OffscreenCanvas|import('./picture.js').Picture} from
 * @param {StillOptions} options
 * @returns {Promise<import('./picture.js').Picture & {tiles: number, ms: number}>}
 */
export async function upscalePicture(from, options) {
  const { plan, device, net, signal, onprogress } = options, start = performance.now();
  if (!(plan && device) && !net) throw new TypeError('upscalePicture wants a plan and a device, or a net');
  signal?.throwIfAborted();
  const picture = 'data' in from && 'alpha' in from ? from : await openPicture(/** @type {any} */ (from)),
    { width, height } = picture;
  const free = plan && !net && plan.network.ratio[1] > plan.network.ratio[0], scale = net ? net.scale : free ? options.scale ?? 2
    : /** @type {any} */ (plan).network.scale;
  if (free && !(scale >= plan.network.ratio[0] && scale <= plan.network.ratio[1]))
    throw new RangeError(`${plan.name} enlarges by ${plan.network.ratio.join(' to ')}, not by ${scale}`);
  const outWidth = Math.round(width * scale), outHeight = Math.round(height * scale);
  if (outWidth * outHeight * 4 > 0x7fffffff)
    throw new MediaError(`${outWidth} x ${outHeight} pixels are more than a page can hold`);
  const units = [width / divisor(width, outWidth), height / divisor(height, outHeight)].map((u) => (free ? u : 1));
  const halo = net ? net.reach ?? 40 : haloOf(/** @type {any} */ (plan), scale);
  /** @type {import('./picture.js').Picture} */
  const out = { data: new Uint8Array(outWidth * outHeight * 4), width: outWidth, height: outHeight, alpha: picture.alpha };
  const pipelines = net ? null : await pipelinesOf(/** @type {any} */ (device), /** @type {any} */ (plan), options.form);
  let tile = options.tile ?? 512;
  for (;;) {
    const columns = windowsOf(width, tile, halo, units[0]), rows = windowsOf(height, tile, halo, units[1]), w = columns[0].length,
      h = rows[0].length;
    const size = { width: w, height: h, outWidth: Math.round((w * outWidth) / width),
      outHeight: Math.round((h * outHeight) / height) };
    const why = net ? '' : whyNot(/** @type {any} */ (device), /** @type {any} */ (plan), /** @type {any} */ (pipelines).formName,
      size);
    /** @type {{run: (rgba: Uint8Array) => Promise<Uint8Array|Uint8ClampedArray>, destroy: () => void}|undefined} */
    let engine;
    try {
      if (why) throw new MediaError(`this GPU cannot do tiles of ${w} x ${h} pixels: ${why}`);
      engine = net ? { run: async (rgba) => (await net.upscale(new Uint8ClampedArray(rgba.buffer), w, h,
        { luma: LUMA.bt601 })).data, destroy() {} }
        : await tilesOnGpu(/** @type {any} */ (device), /** @type {any} */ (plan), /** @type {any} */ (pipelines), size);
    } catch (reason) {
      // No room: smaller tiles, as long as they are some.
      if (!(reason instanceof MediaError) || tile <= SMALLEST ||
        (columns.length === 1 && rows.length === 1 && Math.max(width, height) <= SMALLEST)) throw reason;
      tile = Math.max(SMALLEST, tile >> 1);
      continue;
    }
    try {
      await runTiles(picture, out, columns, rows, size, engine.run, signal, onprogress);
    } finally {
      engine.destroy();
    }
    return { ...out, tiles: columns.length * rows.length, ms: performance.now() - start };
  }
}

/**
 * @param {import('./picture.js').Picture} picture
 * @param {import('./picture.js').Picture} out
 * @param {ReturnType<typeof windowsOf>} columns
 * @param {ReturnType<typeof windowsOf>} rows @param {Required<import('../plan.js').Size>} size
 * @param {(rgba: Uint8Array) => Promise<Uint8Array|Uint8ClampedArray>} run @param {AbortSignal} [signal] @param {(share: number)
 *   => void} [onprogress] */
async function runTiles(picture, out, columns, rows, size, run, signal, onprogress) {
  const { width: w, height: h, outWidth, outHeight } = size;
  let done = 0;
  onprogress?.(0);
  for (const row of rows)
    for (const column of columns) {
      signal?.throwIfAborted();
      const colours = await run(coloursOf(picture, column.at, row.at, w, h));
      const { part, plain, value } = picture.alpha ? alphaOf(picture, column.at, row.at, w, h)
        : { part: null, plain: true, value: 255 };
      const alpha = part && !plain ? await run(part) : null;
      // Both ends of what is good lie on pixels of the result: windows begin on the grid, and what is cut off is halo.
      const x0 = Math.round((column.from * out.width) / picture.width), x1 = Math.round((column.to * out.width) / picture.width);
      const y0 = Math.round((row.from * out.height) / picture.height), y1 = Math.round((row.to * out.height) / picture.height);
      const ox = Math.round((column.at * out.width) / picture.width), oy = Math.round((row.at * out.height) / picture.height);
      if (colours.length !== outWidth * outHeight * 4)
        throw new Error(`${colours.length} bytes came for a tile of ${outWidth} x ${outHeight}`);
      for (let y = y0; y < y1; y++) {
        const at = ((y - oy) * outWidth + x0 - ox) * 4, to = (y * out.width + x0) * 4;
        out.data.set(colours.subarray(at, at + (x1 - x0) * 4), to);
        if (picture.alpha) for (let i = 0; i < (x1 - x0) * 4; i += 4) out.data[to + i + 3] = alpha ? alpha[at + i] : value;
      }
      if (alpha) snapAlpha(picture, out, x0, y0, x1 - x0, y1 - y0);
      onprogress?.(++done / (rows.length * columns.length));
    }
}
