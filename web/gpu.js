// SPDX-License-Identifier: MIT
// The device: one for all players of a page, with what the adapter has of the features and limits that plans can use.

/**
 * @typedef {object} Gpu
 * @property {GPUDevice} device
 * @property {string} name
 * @property {boolean} software
 * @property {Set<(reason: string) => void>} onlost told once, with the reason, when the device is gone for all
 * @property {() => void} release
 */

const FEATURES = ['shader-f16', 'timestamp-query', 'subgroups'];
// Sizes of pictures decide how much is needed of these; asking for more than the default costs nothing.
const LIMITS = ['maxBufferSize', 'maxStorageBufferBindingSize', 'maxTextureDimension2D', 'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupSizeX', 'maxComputeWorkgroupsPerDimension',
  'maxStorageBuffersPerShaderStage'];

/** @type {{gpu: Promise<Omit<Gpu, 'release'>>, users: number}|null} */
let shared = null;

/** @param {GPUAdapter} adapter */
function nameOf({ info }) {
  const parts = [info?.description || info?.device, info?.vendor, info?.architecture].filter(Boolean);
  return [...new Set(parts)].join(' ') || 'GPU';
}

/** @param {GPUPowerPreference} [power] @returns {Promise<Omit<Gpu, 'release'>>} */
async function open(power) {
  const gpu = globalThis.navigator?.gpu;
  if (!gpu) throw new Error(globalThis.isSecureContext === false ? 'WebGPU needs a secure page (https)'
    : 'this browser has no WebGPU');
  const adapter = await gpu.requestAdapter(power ? { powerPreference: power } : {});
  if (!adapter) throw new Error('no GPU adapter');
  const limits = /** @type {Record<string, number>} */ ({});
  for (const l of LIMITS) if (l in adapter.limits) limits[l] = /** @type {any} */ (adapter.limits)[l];
  const device = await adapter.requestDevice({ label: 'framemill',
    requiredFeatures: /** @type {any} */ (FEATURES.filter((f) => adapter.features.has(f))), requiredLimits: limits });
  return { device, name: nameOf(adapter), onlost: new Set(),
    software: !!(/** @type {any} */ (adapter).info?.isFallbackAdapter ?? /** @type {any} */ (adapter).isFallbackAdapter) };
}

/**
 * The page's device; whoever takes it gives it back by release(). Fails with a reason a person can read.
 * @param {GPUPowerPreference} [power] counts for the first who asks
 * @returns {Promise<Gpu>}
 */
export async function takeGpu(power) {
  if (!shared) {
    const mine = { gpu: open(power), users: 0 };
    shared = mine;
    mine.gpu.then((gpu) => gpu.device.lost.then(({ reason, message }) => {
      const wanted = shared !== mine && mine.users === 0;
      if (shared === mine) shared = null;
      if (!wanted) for (const tell of [...gpu.onlost]) tell(message || reason || 'unknown');
    }), () => { if (shared === mine) shared = null; });
  }
  const mine = shared;
  mine.users++;
  try {
    const gpu = await mine.gpu;
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      if (--mine.users > 0) return;
      if (shared === mine) shared = null;
      gpu.device.destroy();
    };
    return { ...gpu, release };
  } catch (reason) {
    mine.users--;
    throw reason;
  }
}
