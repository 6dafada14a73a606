// SPDX-License-Identifier: MIT
// The page's side of `./dev bench web`: framemill, onnxruntime-web and @websr/websr on the same adapter and the same small frame. Each
// contestant is {macs, frame(): a promise that ends when the GPU is done, destroy()}; macs: multiply-adds of a frame.
import { createRunner, loadPlan, resultTexture } from '/web/plan.js';

/** A frame that is the same for all. @param {number} width @param {number} height @returns {Promise<ImageBitmap>} */
export async function makeFrame(width, height) {
  const canvas = new OffscreenCanvas(width, height), context = /** @type {any} */ (canvas.getContext('2d'));
  const data = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const x = i % width, y = Math.floor(i / width);
    data.data.set([(x * 3 + y) & 255, (x ^ y) & 255, (y * 2) & 255, 255], i * 4);
  }
  context.putImageData(data, 0, 0);
  return createImageBitmap(canvas);
}

/** @param {Record<string, number>} [limits] */
async function newDevice(limits = {}) {
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error('no adapter');
  const device = await adapter.requestDevice({ requiredLimits: Object.fromEntries(Object.keys(limits).map((k) => [k, adapter.limits[k]])) });
  device.addEventListener('uncapturederror', (event) => console.error(`WebGPU: ${event.error.message}`));
  return device;
}

const blitText = `
@group(0) @binding(0) var picture: texture_2d<f32>;
@vertex fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
  return vec4f(select(-1.0, 3.0, i == 1u), select(-1.0, 3.0, i == 2u), 0, 1);
}
@fragment fn colour(@builtin(position) p: vec4f) -> @location(0) vec4f { return textureLoad(picture, vec2u(p.xy), 0); }`;

/**
 * A network of ours: the frame copied to a texture, the plan's dispatches, a blit to a canvas. bare: neither copy nor blit.
 * @param {string} url of the plan @param {ImageBitmap} bitmap @param {{bare?: boolean, ratio?: number}} [options]
 */
export async function ours(url, bitmap, { bare = false, ratio = 1.5 } = {}) {
  const plan = await loadPlan(new URL(url, location.href)), { width, height } = bitmap, { scale, before, macs, macs_per: per } = plan.network;
  const device = await newDevice(plan.forms.f32.limits);
  const by = before ? ratio : scale, size = { width, height, outWidth: width * by, outHeight: height * by };
  const runner = await createRunner(device, plan, { ...size, form: 'f32' });
  const source = device.createTexture({ size: [width, height], format: 'rgba8unorm',
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST | GPUTextureUsage.RENDER_ATTACHMENT });
  const target = resultTexture(device, size.outWidth, size.outHeight);
  const canvas = document.createElement('canvas'), context = /** @type {GPUCanvasContext} */ (canvas.getContext('webgpu'));
  Object.assign(canvas, { width: size.outWidth, height: size.outHeight });
  const format = navigator.gpu.getPreferredCanvasFormat();
  context.configure({ device, format });
  const module = device.createShaderModule({ code: blitText });
  const pipeline = await device.createRenderPipelineAsync({ layout: 'auto', vertex: { module }, fragment: { module, targets: [{ format }] } });
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: target.createView() }] });
  const copy = () => device.queue.copyExternalImageToTexture({ source: bitmap }, { texture: source }, [width, height]);
  const frame = (/** @type {number} */ _) => {
    if (!bare) copy();
    const encoder = device.createCommandEncoder();
    runner.encode(encoder, source, target);
    if (!bare) {
      const pass = encoder.beginRenderPass({ colorAttachments: [{ view: context.getCurrentTexture().createView(), loadOp: 'clear', storeOp: 'store' }] });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.draw(3);
      pass.end();
    }
    device.queue.submit([encoder.finish()]);
  };
  copy();
  return { macs: macs * (per === 'input' ? width * height : size.outWidth * size.outHeight), submit: () => frame(0), size,
    frame: async () => { frame(0); await device.queue.onSubmittedWorkDone(); }, destroy: () => { runner.destroy(); device.destroy(); } };
}

/**
 * The same network file in onnxruntime-web's WebGPU provider; input and output stay on the GPU, what surrounds the network is not done.
 * @param {string} url of the ONNX file @param {number[]} shape of the input @param {number} macs
 */
export async function ort(url, shape, macs) {
  const runtime = await import('/node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs');
  runtime.env.wasm.wasmPaths = new URL('/node_modules/onnxruntime-web/dist/', location.href).href;
  runtime.env.wasm.numThreads = 1;
  runtime.env.logLevel = 'error';
  const session = await runtime.InferenceSession.create(url, { executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer' });
  const device = await runtime.env.webgpu.device;
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (i % 251) / 251);
  const buffer = device.createBuffer({ size: Math.ceil(data.byteLength / 16) * 16, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(buffer, 0, data);
  const input = runtime.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: shape });
  return { macs, frame: async () => {
    const answer = await session.run({ [session.inputNames[0]]: input });
    await device.queue.onSubmittedWorkDone();
    for (const name of session.outputNames) answer[name].dispose();
  }, destroy: async () => { await session.release(); } };
}

/**
 * A network of websr with the weights of its package: the frame copied to a texture, its layers, its drawing to a canvas.
 * @param {'s'|'m'|'l'} which @param {ImageBitmap} bitmap
 */
export async function websr(which, bitmap) {
  const text = await (await fetch('/node_modules/@websr/websr/dist/websr.js')).text();
  // a bundle for scripts, not a module
  const module = { exports: /** @type {any} */ ({}) };
  new Function('module', 'exports', text)(module, module.exports);
  const WebSR = module.exports.default ?? module.exports;
  const weights = await (await fetch(`/node_modules/@websr/websr/weights/anime4k/cnn-2x-${which}-rl.json`)).json();
  const device = await newDevice({ maxStorageBuffersPerShaderStage: 8 });
  const canvas = document.createElement('canvas');
  const all = new WebSR({ network_name: `anime4k/cnn-2x-${which}`, weights, gpu: device, canvas, resolution: { width: bitmap.width, height: bitmap.height } });
  // A multiply-add for each weight and pixel; the fourth channel of the picture is alpha.
  let macs = 0;
  for (const [name, layer] of Object.entries(weights.layers)) {
    const { length } = /** @type {any} */ (layer).weights ?? [];
    macs += /^conv2d_tf1?$/.test(name) ? (length * 3) / 4 : length;
  }
  return { macs: macs * bitmap.width * bitmap.height, frame: async () => { await all.render(bitmap); await device.queue.onSubmittedWorkDone(); },
    destroy: () => device.destroy() };
}
