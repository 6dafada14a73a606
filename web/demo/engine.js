// SPDX-License-Identifier: MIT
// What calculates pictures and clips in this page: the GPU and a plan, or the engine in WebAssembly and the network itself.
import { takeGpu } from '../gpu.js';
import { ladderOf } from '../models.js';
import { loadPlan } from '../plan.js';

/** For files there is time: 'auto' is a better network than in the player. */
const FILES = { picture: 'rt27', clip: 'rt14-h264' };

/** @type {Map<string, ReturnType<typeof loadPlan>>} */
const plans = new Map();

/**
 * @param {string} model of the page's list @param {'auto'|'webgpu'|'wasm'|'none'} backend @param {'picture'|'clip'} what
 * @returns {Promise<{name: string, by: string, plan?: import('../plan.js').Plan, device?: GPUDevice, net?: any, release: () =>
 *   void}>}
 */
export async function engineFor(model, backend, what) {
  const name = model === 'auto' ? FILES[what] : model, address = String(ladderOf(name)[0].from), why = [];
  if (backend === 'auto' || backend === 'webgpu' || backend === 'none') {
    try {
      const gpu = await takeGpu();
      try {
        const known = plans.get(address) ?? loadPlan(address);
        plans.set(address, known);
        known.catch(() => plans.delete(address));
        return { name, by: gpu.name, plan: await known, device: gpu.device, release: gpu.release };
      } catch (reason) {
        gpu.release();
        throw reason;
      }
    } catch (reason) {
      why.push(/** @type {Error} */ (reason).message);
    }
  }
  if (backend !== 'webgpu') {
    try {
      const { createWasm } = await import('../wasm.js'), wasm = await createWasm({});
      try {
        const net = await wasm.load(new URL(address.replace(/\.json$/, '.onnx')));
        return { name, by: `the processor, ${wasm.threads} thread${wasm.threads > 1 ? 's' : ''}`, net,
          release: () => { net.destroy(); wasm.destroy(); } };
      } catch (reason) {
        wasm.destroy();
        throw reason;
      }
    } catch (reason) {
      why.push(/** @type {Error} */ (reason).message);
    }
  }
  throw new Error(`nothing here can calculate: ${why.join('; ')}`);
}
