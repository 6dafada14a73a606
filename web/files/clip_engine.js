// SPDX-License-Identifier: MIT
// Frames of a clip, one after the other: decoded ones in, planes of the enlarged ones out. On the GPU two frames are under way at
// a time.
import { colourOf } from '../colour.js';
import { MediaError } from '../media.js';
import { pipelinesOf } from './pipelines.js';
import { resultTexture, Runner, whyNot } from '../plan.js';
import { codedColour, FrameLoader, FrameStore, isPlanar, planesOf, rgbaOf } from './planes.js';

/** @param {number} v the nearest even number, for 4:2:0 */
const even = (v) => Math.max(2, Math.round(v / 2) * 2);

/**
 * @param {VideoFrame} frame the first one: all have its size
 * @param {import('./clip.js').ClipOptions} options
 */
export async function clipEngine(frame, options) {
  const { displayWidth: width, displayHeight: height } = frame, why = colourOf(frame.colorSpace, width, height).whyNot;
  if (why && !why.startsWith('wide')) throw new MediaError(why);
  // Where the browser makes R, G, B, they are those of sRGB; where we do, those of the stream.
  const colour = codedColour(!isPlanar(frame) ? { matrix: 'bt709', primaries: 'bt709', transfer: 'bt709', fullRange: false }
    : frame.colorSpace, width, height);
  /** @param {VideoFrame} f */
  const check = (f) => {
    if (f.displayWidth !== width || f.displayHeight !== height)
      throw new MediaError(`the picture's size changes at ${(f.timestamp / 1e6).toFixed(2)} s, from ${width} x ${height}`);
  };
  return options.net ? onProcessor(options.net, width, height, colour, check) : onGpu(options, width, height, colour, check);
}

/**
 * @param {any} net
 * @param {number} width
 * @param {number} height
 * @param {import('./planes.js').Colour} colour
 * @param {(frame: VideoFrame) => void} check
 */
function onProcessor(net, width, height, colour, check) {
  const size = { width: width * net.scale, height: height * net.scale };
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new MediaError('no canvas to read frames with');
  return {
    ...size, colour,
    /** @param {VideoFrame} frame */
    async begin(frame) {
      check(frame);
      if (!isPlanar(frame)) context.drawImage(frame, 0, 0, width, height);
      const rgba = isPlanar(frame) ? await rgbaOf(frame, colour) : context.getImageData(0, 0, width, height).data;
      const { data } = await net.upscale(rgba, width, height, { luma: colour.luma });
      return { bytes: Promise.resolve(planesOf(data, size.width, size.height, colour)) };
    },
    destroy() {},
  };
}

/**
 * @param {import('./clip.js').ClipOptions} options
 * @param {number} width
 * @param {number} height
 * @param {import('./planes.js').Colour} colour
 * @param {(frame: VideoFrame) => void} check
 */
async function onGpu(options, width, height, colour, check) {
  const device = /** @type {GPUDevice} */ (options.device), plan = /** @type {import('../plan.js').Plan} */ (options.plan),
    { ratio, scale } = plan.network;
  const free = ratio[1] > ratio[0], by = free ? options.scale ?? 2 : scale;
  if (by < ratio[0] || by > ratio[1]) throw new RangeError(`${plan.name} enlarges by ${ratio.join(' to ')}, not by ${by}`);
  const size = { width, height, outWidth: free ? even(width * by) : width * scale, outHeight: free ? even(height * by)
    : height * scale };
  const pipelines = await pipelinesOf(device, plan, options.form);
  const why = whyNot(device, plan, pipelines.formName, size);
  if (why) throw new MediaError(`this GPU cannot do frames of ${width} x ${height} pixels: ${why}`);
  device.pushErrorScope('out-of-memory');
  const runner = new Runner(device, pipelines, size, { luma: colour.luma });
  const slots = [];
  for (let i = 0; i < 2; i++)
    slots.push({ loader: await FrameLoader.create(device, width, height),
      target: resultTexture(device, size.outWidth, size.outHeight),
      store: await FrameStore.create(device, size.outWidth, size.outHeight),
        busy: /** @type {Promise<any>} */ (Promise.resolve()) });
  const destroy = () => {
    runner.destroy();
    for (const { loader, target, store } of slots) {
      loader.destroy();
      target.destroy();
      store.destroy();
    }
  };
  const full = await device.popErrorScope();
  if (full) {
    destroy();
    throw new MediaError(`the GPU has no room for frames of ${width} x ${height} pixels`, full);
  }
  /** @type {string|null} */
  let lost = null;
  device.lost.then(({ message }) => { lost = message || 'unknown reason'; });
  let turn = 0;
  return {
    width: size.outWidth, height: size.outHeight, colour,
    /** Resolves when the frame may be closed, with the promise of its planes. @param {VideoFrame} frame */
    async begin(frame) {
      check(frame);
      const slot = slots[turn++ % slots.length];
      await slot.busy;
      if (lost !== null) throw new MediaError(`the GPU was lost: ${lost}`);
      const encoder = device.createCommandEncoder();
      await slot.loader.load(encoder, frame, colour);
      runner.encode(encoder, slot.loader.texture, slot.target);
      slot.store.encode(encoder, slot.target, colour);
      device.queue.submit([encoder.finish()]);
      const bytes = slot.store.read().catch((reason) => { throw new MediaError(`the GPU was lost: ${lost ?? reason.message}`,
        reason); });
      slot.busy = bytes.catch(() => {});
      return { bytes };
    },
    destroy,
  };
}
