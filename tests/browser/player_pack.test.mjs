// SPDX-License-Identifier: MIT
// The npm packages as they are published, framemill and framemill-files: made by web/pack.mjs, weighed, and used by pages that know
// nothing but their folder.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportPlans, finish, openPage, root, run, serve, Skip, test, work } from './kit.mjs';
import { clip, compare, picture } from './kit_media.mjs';
import { everywhere, isShown, noWorkers, playing, slow, until, W } from './player_kit.mjs';

exportPlans('lanczos2x', 'rt3');
slow();
/** What a page may cost: bytes of framemill, without networks and engine. */
const MOST = 30000;
const kit = '/web/node_modules/mediabunny/dist/bundles/mediabunny.min.mjs';
const out = join(work, 'node_modules'), player = join(out, 'framemill'), files = join(out, 'framemill-files');
/** @type {Awaited<ReturnType<typeof import('../../web/pack.mjs').pack>>|undefined} */
let sizes;

/** The packages, and a server with them. */
async function packed() {
  if (!existsSync(join(root, 'web', 'node_modules', 'esbuild'))) throw new Skip('no esbuild here (npm ci in web)');
  sizes ??= await (await import('../../web/pack.mjs')).pack(out);
  return serve({ folders: { '/package/': out } });
}

/** Files of framemill that a server was asked for. @param {{log: string[]}} server */
const asked = ({ log }) => [...new Set(log.map((line) => /^GET \/package\/framemill\/(\S+)/.exec(line)?.[1]).filter(Boolean))];

/** As a page without a bundler names them. @param {any} page */
const withMap = (page) => page.evaluate((address) => {
  const imports = { 'framemill/': '/package/framemill/', 'framemill-files': '/package/framemill-files/index.js',
    'framemill-files/': '/package/framemill-files/', mediabunny: address };
  document.head.append(Object.assign(document.createElement('script'), { type: 'importmap',
    textContent: JSON.stringify({ imports }) }));
}, kit);

/** A player of the package on the page's video. @param {any} page @param {object} [options] */
const begin = (page, options) => page.evaluate(async (more) => {
  const { attach } = await import('/package/framemill/index.js');
  globalThis.player = attach(video, { models: '/plans/', model: 'lanczos2x', rules: { pause: 1e12 },
    onevent: (e) => { if (e.type !== 'stats') events.push({ type: e.type, ...e.detail }); }, ...more });
}, options);

for (const [folder, needs] of [[player, ['index.d.ts', 'gpu_worker.js', 'wasm_worker.js']],
  [files, ['index.d.ts', 'still.d.ts', 'clip.d.ts']]])
  test(`${folder.slice(out.length + 1)}: what is in it`, async () => {
    await packed();
    const names = readdirSync(folder), about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const need of ['index.js', 'README.md', 'LICENSE', ...needs]) ok(names.includes(need), need);
    const others = ['README.md', 'LICENSE', 'package.json', 'models', 'dist'];
    deepEqual(names.filter((n) => !/\.(js|d\.ts)$/.test(n) && !others.includes(n)), []);
    ok(!('devDependencies' in about) && about.version === JSON.parse(readFileSync(join(root, 'web/package.json'), 'utf8')).version);
    for (const target of Object.values(about.exports))
      for (const path of typeof target === 'string' ? [target] : Object.values(target))
        if (!path.includes('*')) ok(existsSync(join(folder, path)), path);
    const texts = Object.fromEntries(names.filter((n) => n.endsWith('.js')).map((n) => [n, readFileSync(join(folder, n), 'utf8')]));
    for (const [name, text] of Object.entries(texts)) {
      run('node', ['--check', join(folder, name)]);
      ok(!/["'`]node:/.test(text), `${name} wants what pages lack`);
      // files that a module names are there
      for (const [, file] of text.matchAll(/["'`]\.\/([\w-]+\.js)["'`]/g)) ok(names.includes(file), `${name}: ${file}`);
    }
    // the form in which bundlers find workers
    for (const [name, worker] of folder === player ? [['index.js', 'gpu_worker'], ['wasm.js', 'wasm_worker']] : [])
      ok(texts[name].includes(`new Worker(new URL("./${worker}.js",import.meta.url),{type:"module"`), worker);
  });

test('framemill is less than 30 KB: as npm sends it, and its modules as servers do', async () => {
  await packed();
  console.log(JSON.stringify(sizes));
  const { player: all, files: others, byGpu } = sizes;
  deepEqual(Object.keys(all.files).sort(), readdirSync(player).filter((n) => n.endsWith('.js')).sort());
  ok(all.tarball < MOST, `framemill is ${all.tarball} bytes`);
  ok(all.sum < MOST, `the modules of framemill are ${all.sum} bytes`);
  ok(byGpu > 15000 && byGpu < all.sum && others.sum > 8000, 'what is weighed is the packages');
});

test('shaders lose their comments and needless blanks, nothing else', async () => {
  await packed();
  const { squeezeShaders } = await import('../../web/pack.mjs');
  equal(squeezeShaders('const a = `\n  // one\n@group(0) x; // two\n\n    let a = b - -c / (d) ;\n`, b = `\n  // no shader`;'),
    'const a = `@group(0)x;let a = b - -c /(d);`, b = `\n  // no shader`;');
  const between = "const a = `${b}:  ${c}`, d = e.replaceAll('f(g, h)', 'i') + '@group(0) j', k = `l`;";
  equal(squeezeShaders(between), between);
});

test('Node finds them by their names, with all that their modules have', async () => {
  await packed();
  writeFileSync(join(work, 'names.mjs'), `
    const of = async (name) => Object.keys(await import(name)).sort(), all = {};
    for (const name of ['', '/plan.js', '/renderer.js', '/gpu.js', '/media.js', '/wasm.js']) all['framemill' + name] =
      await of('framemill' + name);
    for (const name of ['', '/still.js', '/clip.js']) all['framemill-files' + name] = await of('framemill-files' + name);
    console.log(JSON.stringify(all));`);
  const found = JSON.parse(run('node', [join(work, 'names.mjs')]));
  for (const [name, names] of Object.entries(found)) {
    const path = name.replace(/^framemill(-files)?\/?/, (_, f) => (f ? 'files/' : '')).replace(/^(files\/)?$/, '$1index.js');
    const wanted = Object.keys(await import(`../../web/${path}`));
    deepEqual(wanted.filter((n) => !names.includes(n)), [], name);
    if (path.endsWith('index.js')) equal(names.length, wanted.length, name);
  }
});

test('a page attaches from it and a worker draws; nothing else is loaded', async () => {
  const server = await packed(), page = await playing('/made/slow.webm', null, { server });
  await begin(page);
  await isShown(page);
  await until(page, 'player.stats().drawn > 5');
  deepEqual(await page.evaluate(() => [player.stats().inWorker, player.stats().outWidth]), [true, 2 * W]);
  deepEqual(asked(server).sort(), ['gpu.js', 'gpu_worker.js', 'index.js']);
  await page.evaluate(() => player.detach());
  await noWorkers(page);
});

/** What browsers may lack. @type {Record<string, () => void>} */
const lacks = {
  'workers have no WebGPU': () => {
    if (!globalThis.document) Object.defineProperty(WorkerNavigator.prototype, 'gpu', { value: undefined });
  },
  'frames cannot be imported': () => { delete GPUDevice.prototype.importExternalTexture; },
};
for (const [name, lack] of Object.entries(lacks))
  test(`where ${name} the page draws`, async () => {
    const server = await packed(), page = await openPage('/blank', { server });
    await everywhere(page, lack);
    await playing('/made/slow.webm', null, { page });
    await begin(page);
    await isShown(page);
    await until(page, 'player.stats().drawn > 2');
    deepEqual(await page.evaluate(() => [player.stats().backend, player.stats().inWorker]), ['webgpu', false]);
  });

test('without WebGPU the CPU draws: the engine lies beside the modules', async () => {
  const server = await packed();
  if (!existsSync(join(player, 'dist', 'engine.wasm'))) throw new Skip('web/dist/engine.wasm is not built (./dev wasm)');
  const page = await playing('/made/slow.webm', null, { server, webgpu: false });
  await begin(page, { models: '/models/', model: 'rt3' });
  await isShown(page);
  deepEqual(await page.evaluate(() => [player.stats().backend, player.stats().outWidth]), ['wasm', 2 * W]);
  ok(asked(server).includes('wasm_worker.js'));
});

test('frames by WebCodecs, with the overlay', async () => {
  const server = await packed();
  if (!existsSync(join(root, kit))) throw new Skip('no npm package mediabunny (npm ci in web)');
  const page = await openPage('/blank', { server });
  await playing('/made/slow.webm', null, { page });
  await withMap(page);
  await begin(page, { mode: 'decoded', stats: true });
  await isShown(page);
  await until(page, 'player.stats().drawn > 3 && document.querySelector(".framemill-stats").textContent.includes("fps")');
  deepEqual(await page.evaluate(() => events.filter((e) => e.type === 'error' || e.type === 'fallback')), []);
  ok(asked(server).includes('media.js') && server.log.some((line) => line.includes(kit)));
});

test('framemill-files: a picture and a clip, by what framemill has', async () => {
  const server = await packed();
  if (!existsSync(join(root, kit))) throw new Skip('no npm package mediabunny (npm ci in web)');
  clip('pack.webm', { width: 64, height: 48, frames: 8 });
  const [w, h] = [72, 50], page = await openPage('/blank', { server });
  await withMap(page);
  const found = await page.evaluate(async ([rgba, width, height]) => {
    const { takeGpu } = await import('framemill/gpu.js'), { loadPlan } = await import('framemill/plan.js'),
      { MediaError, openMedia } = await import('framemill/media.js');
    const { openPicture, savePicture, upscaleClip, upscalePicture } = await import('framemill-files');
    const { device } = await takeGpu(), plan = await loadPlan('/plans/rt3.json');
    const large = await upscalePicture(new ImageData(new Uint8ClampedArray(rgba), width, height), { plan, device, tile: 32 });
    const again = await openPicture(await savePicture(large)), { data } = await (await import('/web/files/still.js'))
      .upscalePicture(new ImageData(new Uint8ClampedArray(rgba), width, height), { plan, device });
    const made = await upscaleClip('/made/pack.webm', { plan, device }), media = await openMedia(made.blob);
    media.close();
    // errors of the one package are those of the other
    const fault = await upscaleClip(new Blob(['no clip']), { plan, device }).catch((e) => e);
    return { size: [again.width, again.height], tiles: large.tiles, data: [...again.data], wanted: [...data],
      clip: [made.frames, made.width, made.height, media.codec],
      fault: [fault instanceof MediaError, fault.message] };
  }, [[...picture(w, h)], w, h]);
  deepEqual(found.size, [2 * w, 2 * h]);
  ok(found.tiles > 1);
  equal(compare(found.data, found.wanted).most, 0);
  deepEqual(found.clip, [8, 128, 96, 'vp9']);
  equal(found.fault[0], true);
  match(found.fault[1], /no video file/);
});

test('pictures without a GPU, by the packed engine', async () => {
  const server = await packed();
  if (!existsSync(join(player, 'dist', 'engine.wasm'))) throw new Skip('web/dist/engine.wasm is not built (./dev wasm)');
  const page = await openPage('/blank', { server, webgpu: false });
  await withMap(page);
  const size = await page.evaluate(async () => {
    const { createWasm } = await import('framemill/wasm.js'), { upscalePicture } = await import('framemill-files/still.js'),
      wasm = await createWasm({ threads: 1 }), net = await wasm.load('/models/rt3.onnx');
    const { width, height } = await upscalePicture(new ImageData(40, 30), { net });
    wasm.destroy();
    return [width, height];
  });
  deepEqual(size, [80, 60]);
});

await finish();
