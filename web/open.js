// SPDX-License-Identifier: MIT
// What a player needs from outside, loaded when it is wanted: an engine, a source of frames, the state of the battery.
import { WorkerEngine } from './engine_worker.js';
import { listen } from './listen.js';
import { ElementSource } from './source_element.js';
import { wordsOf } from './words.js';

/**
 * @typedef {import('./player.js').Engine} Engine
 * @typedef {import('./player.js').Source} Source
 * @typedef {import('./renderer.js').Frame} Frame
 */

/**
 * @param {string} kind webgpu or wasm
 * @param {import('./engine_gpu.js').EngineOptions & {base?: string|URL, threads?: number}} options @param {HTMLVideoElement} video
 * @returns {Promise<Engine>}
 */
export async function openEngine(kind, options, { videoWidth, videoHeight }) {
  if (kind === 'webgpu')
    return (await WorkerEngine.open(options)) ?? (await import('./engine_gpu.js')).GpuEngine.open(options);
  if (kind !== 'wasm') throw new TypeError(`no backend is called ${kind}`);
  const { WasmEngine } = await import('./engine_wasm.js'), why = WasmEngine.whyNot(videoWidth, videoHeight);
  if (why) throw new Error(why);
  return WasmEngine.open(options);
}

/**
 * Starts a source. Frames by WebCodecs that cannot be had, at once or later, are replaced by those of the element.
 * @param {string} mode @param {HTMLVideoElement} video
 * @param {{stale: () => boolean, take: (source: Source) => void, onframe: (frame: Frame) => void, onerror: (message: string) =>
 *   void}} player
 */
export function openSource(mode, video, { stale, take, onframe, onerror }) {
  const element = () => {
    const source = new ElementSource(video);
    take(source);
    source.start(onframe);
  };
  if (mode !== 'decoded') return element();
  const instead = (/** @type {any} */ reason) => {
    if (stale()) return;
    onerror(`decoded frames cannot be had: ${wordsOf(reason)}; the element's are taken`);
    element();
  };
  import('./source_decoded.js').then(async ({ DecodedSource }) => {
    if (stale()) return;
    const source = new DecodedSource(video, { onerror: instead });
    take(source);
    await source.start(onframe);
  }).catch(instead);
}

/**
 * Tells whether a battery is being used, where the browser says.
 * @param {(saving: boolean) => void} tell
 * @param {AbortSignal} signal
 */
export function watchBattery(tell, signal) {
  const ask = /** @type {any} */ (navigator).getBattery;
  if (!ask) return;
  ask.call(navigator).then((/** @type {any} */ battery) => {
    const look = () => tell(!battery.charging && battery.level < 1);
    look();
    listen(battery, 'chargingchange levelchange', look, signal);
  }, () => {});
}
