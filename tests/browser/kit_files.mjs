// SPDX-License-Identifier: MIT
// What tests of files in a page have in common: a page with our modules, pictures and clips in and out, what FFmpeg and the engine
// say of them.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { framemill, openPage, root, run, Skip, test as kitTest, work } from './kit.mjs';

const bundle = '/web/node_modules/mediabunny/dist/bundles/mediabunny.min.mjs';
if (!existsSync(join(root, bundle))) {
  try {
    run('npm', ['ci', '--silent', '--no-audit', '--no-fund'], { cwd: join(root, 'web') });
  } catch { /* the tests that need it are skipped */ }
}
export const needKit = () => { if (!existsSync(join(root, bundle))) throw new Skip('no npm package mediabunny (npm ci in web/)'); };

// One page for all of them: networks are compiled once. What goes wrong in it beside what a test looks at is found in the end.
/** @type {any} */
export let page;
async function toolPage() {
  if (page) return page;
  const made = await openPage('/blank');
  await made.evaluate((/** @type {string} */ bundled) => {
    const w = /** @type {any} */ (window), load = (/** @type {string} */ name) => import(`/web/${name}`);
    w.tools = async () => ({ ...await load('files/still.js'), ...await load('plan.js'), ...await load('files/clip.js'),
      ...await load('media.js'), ...await load('source_decoded.js') });
    w.kit = () => import(bundled);
    let gpu;
    w.gpu = () => (gpu ??= load('gpu.js').then((g) => g.takeGpu()));
    const plans = {};
    w.plan = async (/** @type {string} */ address) => (plans[address] ??= (await load('plan.js')).loadPlan(address));
    w.put = (/** @type {string} */ name, /** @type {BodyInit} */ body) => fetch(`/made/${name}`, { method: 'PUT', body });
  }, bundle);
  return made;
}
try {
  page = await toolPage(); // before the tests: it stays open
} catch (reason) {
  if (!(reason instanceof Skip)) throw reason;
}

export const test = (/** @type {string} */ name, /** @type {() => any} */ body) => kitTest(name, () => {
  if (!page) throw new Skip('no chromium here');
  return body();
});

/**
 * A picture as PNG on the server.
 * @param {string} name
 * @param {Uint8Array} rgba
 * @param {number} width
 * @param {number} height
 * @param {string} [format]
 */
export function png(name, rgba, width, height, format = 'rgb24') {
  const raw = join(work, 'raw.rgba');
  writeFileSync(raw, rgba);
  run('ffmpeg', ['-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgba', '-s', `${width}x${height}`, '-i', raw, '-pix_fmt',
    format, '-frames:v', '1', join(work, name)]);
}

/** A file as RGBA. @param {string} name @param {string} [pixels] */
export function rgbaOf(name, pixels = 'rgba') {
  const to = join(work, 'read.rgba');
  run('ffmpeg', ['-v', 'error', '-y', '-i', join(work, name), '-f', 'rawvideo', '-pix_fmt', pixels, to]);
  return new Uint8Array(readFileSync(to));
}

/** What the engine makes of a picture. @param {string} network @param {string} name @param {string[]} more */
export function engineOf(network, name, ...more) {
  framemill('upscale', join(work, name), join(work, 'engine.png'), '-m', join(root, 'models', `${network}.onnx`), '--overwrite',
    '-q', ...more);
  return rgbaOf('engine.png');
}

/**
 * Frames as the file has them, none doubled to even out their times.
 * @param {string} path
 * @param {number} width
 * @param {number} height
 */
export function framesOf(path, width, height) {
  const to = join(work, 'frames.rgba'), size = width * height * 4;
  run('ffmpeg', ['-v', 'error', '-y', '-i', path, '-vsync', 'passthrough', '-vf',
    'scale=in_color_matrix=bt709:flags=accurate_rnd+full_chroma_int+bicubic,format=rgba', '-f', 'rawvideo', to]);
  const all = readFileSync(to);
  return Array.from({ length: all.length / size }, (_, i) => new Uint8Array(all.subarray(i * size, (i + 1) * size)));
}

/** Times of video packets in presentation order, and of sound with a check sum each. @param {string} path */
export function packetsOf(path) {
  const rows = run('ffprobe', ['-v', 'error', '-show_packets', '-show_data_hash', 'md5', '-show_entries',
    'packet=codec_type,pts_time,duration_time,data_hash', '-of', 'json', path]);
  const all = JSON.parse(rows).packets, of = (/** @type {string} */ kind) =>
    all.filter((/** @type {any} */ p) => p.codec_type === kind);
  return { video: of('video').map((/** @type {any} */ p) => Number(p.pts_time)).sort((/** @type {number} */ a,
    /** @type {number} */ b) => a - b),
    audio: of('audio').map((/** @type {any} */ p) => [Number(p.pts_time).toFixed(3), p.data_hash]) };
}

/** @param {any} page @param {string} name @param {string} to @param {string} plan @param {object} [options] */
export const saveClip = (page, name, to, plan, options = {}) => page.evaluate(async ([file, as, address, more]) => {
  const { upscaleClip } = await window.tools(), gpu = await window.gpu(), shares = [];
  try {
    const source = await (await fetch(`/made/${file}`)).blob();
    const made = await upscaleClip(source, { plan: await window.plan(address), device: gpu.device, mediabunny: await window.kit(),
      onprogress: ({ share }) => shares.push(share), ...more });
    await window.put(as, made.blob);
    return { ...made, blob: made.blob.type, shares };
  } catch (reason) {
    return { error: `${reason.name}: ${reason.message}` };
  }
}, [name, to, plan, options]);
