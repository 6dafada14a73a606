// SPDX-License-Identifier: MIT
// The npm package as it is published: made by web/pack.mjs, served as a folder, used by a page.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportPlans, finish, openPage, root, run, serve, Skip, test, work } from './kit.mjs';
import { everywhere, isShown, playing, slow, until, W } from './player_kit.mjs';

exportPlans('lanczos2x');
slow();
const out = join(work, 'package');
/** @type {{player: number, attach: number, all: number, files: number}|undefined} */
let sizes;

/** The package, and a server with it. */
async function packed() {
  if (!existsSync(join(root, 'web', 'node_modules', 'esbuild'))) throw new Skip('no esbuild here (npm ci in web)');
  sizes ??= await (await import('../../web/pack.mjs')).pack(out);
  return serve({ folders: { '/package/': out } });
}

test('what it has, and how large it is', async () => {
  await packed();
  const names = readdirSync(out), about = JSON.parse(readFileSync(join(out, 'package.json'), 'utf8'));
  for (const need of ['index.js', 'index.d.ts', 'README.md', 'LICENSE', 'gpu_worker.js', 'wasm_worker.js'])
    ok(names.includes(need), need);
  ok(!names.includes('demo') && !names.includes('serve.mjs') && !('devDependencies' in about));
  for (const target of Object.values(about.exports)) {
    const path = typeof target === 'string' ? target : target.default;
    if (!path.includes('*')) ok(existsSync(join(out, path)), path);
  }
  for (const name of names.filter((n) => n.endsWith('.js'))) {
    run('node', ['--check', join(out, name)]);
    // files that a module names are there
    for (const [, file] of readFileSync(join(out, name), 'utf8').matchAll(/["'`]\.\/([\w-]+\.js)["'`]/g))
      ok(names.includes(file), `${name}: ${file}`);
  }
  console.log(JSON.stringify(sizes));
  ok(sizes.player < 30000 && sizes.player > 15000 && sizes.all > sizes.attach && sizes.attach > sizes.player,
    JSON.stringify(sizes));
});

test('shaders lose their comments and indentation, nothing else', async () => {
  const { squeezeShaders } = await import('../../web/pack.mjs');
  equal(squeezeShaders('const a = `\n  // one\n@group(0) x; // two\n\n    let a = b / c;\n`, b = `\n  // no shader`;'),
    'const a = `\n@group(0) x;\nlet a = b / c;\n`, b = `\n  // no shader`;');
});

test('a page attaches from it: drawn in a worker, and by the page; names are those of the modules', async () => {
  const server = await packed();
  const begin = (/** @type {any} */ page) => page.evaluate(async () => {
    const { attach } = await import('/package/index.js');
    globalThis.player = attach(video, { models: '/plans/', model: 'lanczos2x', rules: { pause: 1e12 } });
  });
  const page = await playing('/made/slow.webm', null, { server });
  await begin(page);
  await isShown(page);
  await until(page, 'player.stats().drawn > 5');
  deepEqual(await page.evaluate(() => [player.stats().inWorker, player.stats().outWidth]), [true, 2 * W]);
  await page.evaluate(() => player.detach());
  for (const name of ['index.js', 'plan.js', 'renderer.js', 'gpu.js', 'still.js', 'clip.js', 'wasm.js']) {
    const [ours, theirs] = await page.evaluate((n) => Promise.all(['/web/', '/package/'].map(async (from) => {
      const module = await import(from + n),
        members = (/** @type {any} */ v) =>
        (typeof v === 'function' && v.prototype ? Object.getOwnPropertyNames(v.prototype).sort() : typeof v);
      return Object.fromEntries(Object.keys(module).sort().map((k) => [k, members(module[k])]));
    })), name);
    deepEqual(theirs, ours, name);
  }
  const other = await openPage('/blank', { server });
  await everywhere(other, () => { if (!globalThis.document) Object.defineProperty(WorkerNavigator.prototype, 'gpu',
    { value: undefined }); });
  await playing('/made/slow.webm', null, { page: other });
  await begin(other);
  await isShown(other);
  equal(await other.evaluate(() => player.stats().inWorker), false);
});

test('without WebGPU the CPU draws: the engine lies beside the modules', async () => {
  const server = await packed();
  if (!existsSync(join(out, 'dist', 'engine.wasm'))) throw new Skip('web/dist/engine.wasm is not built (./dev wasm)');
  const page = await playing('/made/slow.webm', null, { server, webgpu: false });
  await page.evaluate(async () => {
    const { attach } = await import('/package/index.js');
    globalThis.player = attach(video, { models: '/models/', model: 'rt3', rules: { pause: 1e12 } });
  });
  await isShown(page);
  deepEqual(await page.evaluate(() => [player.stats().backend, player.stats().outWidth]), ['wasm', 2 * W]);
});

await finish();
