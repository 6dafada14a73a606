// SPDX-License-Identifier: MIT
// Runs web plans through web/plan.js on Dawn (the npm package webgpu) and compares what comes out with what the engine made: the golden
// tile of each plan, and pictures of other sizes whose results the caller has laid beside it.
//
//     node web_plans.mjs NODE_MODULES FORMS PLAN.json...      FORMS: f32,f16
//
// A picture for PLAN.json is PLAN.WxH.rgba, its result PLAN.WxH.result.rgba (WxH: of the result). One line of JSON for each comparison; the
// caller judges.
import { readdirSync, readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, forms, ...files] = process.argv.slice(2);
const say = (line) => writeSync(1, JSON.stringify(line) + '\n');

let dawn;
try {
  dawn = await import(pathToFileURL(createRequire(join(modules, 'x.js')).resolve('webgpu')).href);
} catch (reason) {
  say({ skip: `no npm package webgpu: ${reason.message.split('\n')[0]}` });
  process.exit(0);
}
Object.assign(globalThis, dawn.globals);

// Dawn's binding asks again and again, without a pause, whether the GPU is done; on a software GPU that takes the processor from it.
const nothing = new Int32Array(new SharedArrayBuffer(4));
(function pause() {
  Atomics.wait(nothing, 0, 0, 5);
  setImmediate(pause);
})();

globalThis.gpu = dawn.create([]); // kept: what it made does not outlive it
const adapter = await globalThis.gpu.requestAdapter();
if (!adapter) {
  say({ skip: 'no adapter for WebGPU' });
  process.exit(0);
}
const wanted = forms.split(',').filter((form) => form !== 'f16' || adapter.features.has('shader-f16'));
const device = await adapter.requestDevice({ requiredFeatures: wanted.includes('f16') ? ['shader-f16'] : [] });
const faults = [];
device.addEventListener('uncapturederror', (event) => faults.push(event.error.message));
say({ adapter: `${adapter.info.vendor} ${adapter.info.architecture} ${adapter.info.description}`, forms: wanted });

const { createPipelines, fromBase64, loadPlan, pictureTexture, readTexture, resultTexture, Runner } = await import('../../web/plan.js');

const read = async (url) => {
  const data = readFileSync(url);
  return { ok: true, json: async () => JSON.parse(String(data)), text: async () => String(data), arrayBuffer: async () => new Uint8Array(data).buffer };
};

async function run(pipelines, rgba, size, luma) {
  const runner = new Runner(device, pipelines, size, { luma });
  const source = pictureTexture(device, rgba, size.width, size.height), target = resultTexture(device, size.outWidth, size.outHeight);
  const encoder = device.createCommandEncoder();
  runner.encode(encoder, source, target);
  device.queue.submit([encoder.finish()]);
  const result = await readTexture(device, target);
  runner.destroy();
  source.destroy();
  target.destroy();
  return result;
}

function compare(got, expected) {
  let most = 0, squares = 0;
  const histogram = [0, 0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(got[i] - expected[i]);
    most = Math.max(most, d);
    squares += d * d;
    histogram[Math.min(d, 3)]++;
  }
  return { difference: most, rms: Math.sqrt(squares / expected.length), histogram, same_size: got.length === expected.length };
}

for (const file of files) {
  const plan = await loadPlan(pathToFileURL(file), { fetch: read });
  const g = plan.golden, folder = dirname(file), stem = basename(file, '.json');
  const pictures = [{ what: 'golden', rgba: fromBase64(g.input), result: fromBase64(g.output),
    size: { width: g.width, height: g.height, outWidth: g.out_width, outHeight: g.out_height } }];
  for (const name of readdirSync(folder)) {
    const found = name.startsWith(stem + '.') && /^\.(\d+)x(\d+)-(\d+)x(\d+)\.rgba$/.exec(name.slice(stem.length));
    if (!found) continue;
    const [width, height, outWidth, outHeight] = found.slice(1).map(Number);
    pictures.push({ what: found[0].slice(1, -5), rgba: readFileSync(join(folder, name)), result: readFileSync(join(folder, name.replace('.rgba', '.result'))),
      size: { width, height, outWidth, outHeight } });
  }
  for (const form of wanted) {
    const start = performance.now();
    try {
      const pipelines = await createPipelines(device, plan, { form });
      for (const p of pictures) {
        const result = await run(pipelines, p.rgba, p.size, g.luma);
        say({ name: plan.name, form, what: p.what, tolerance: g.tolerance[form], ...compare(result, p.result), faults: faults.splice(0), ms: Math.round(performance.now() - start) });
      }
      // What a page does with video is not run here, but its shaders must be as valid.
      await device.pushErrorScope('validation');
      let text = pipelines.text;
      for (const [from, to] of plan.external) text = text.replaceAll(from, to);
      const messages = (await device.createShaderModule({ code: text }).getCompilationInfo()).messages.filter((m) => m.type === 'error');
      const scope = await device.popErrorScope();
      say({ name: plan.name, form, what: 'external', faults: [...messages.map((m) => m.message), ...(scope ? [scope.message] : [])] });
      pipelines.destroy();
    } catch (reason) {
      say({ name: plan.name, form, what: 'failed', faults: [String(reason.message ?? reason), ...faults.splice(0)] });
    }
  }
}
process.exit(0); // Dawn keeps threads
