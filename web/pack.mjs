// SPDX-License-Identifier: MIT
// Makes the folder that is published as npm package: the modules minified and joined to as few files as load on demand (esbuild;
// workers and files beside a module stay files), the types, the networks and the engine if they are there. Prints what a page
// loads, gzipped.
//
//     node web/pack.mjs OUT && npm pack OUT
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url)), about = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
/** Modules that pages name, and those that workers begin with. */
const ENTRIES = [...Object.values(about.exports).map((/** @type {any} */ e) => e.default ?? e).filter((e) =>
  /^\.\/[\w-]+\.js$/.test(e)), './gpu_worker.js', './wasm_worker.js'];
/**
 * Modules that attach() loads: to draw by WebGPU in a worker, and at most, with the page's own way, the CPU's and frames by
 * WebCodecs.
 */
const PLAYER = ['index.js', 'engine_worker.js', 'gpu_worker.js'],
  ATTACH = [...PLAYER, 'engine_gpu.js', 'engine_wasm.js', 'wasm_worker.js', 'source_decoded.js'];

/** Shaders without indentation and comments. @param {string} module */
export function squeezeShaders(module) {
  return module.replace(/`[^`]*@group[^`]*`/g, (text) => text.replace(/[ \t]*\/\/.*$/gm, '').replace(/\n\s+/g, '\n'));
}

const squeeze = { name: 'shaders', setup(/** @type {any} */ build) {
  build.onLoad({ filter: /\.js$/ }, ({ path }) => ({ contents: squeezeShaders(readFileSync(path, 'utf8')), loader: 'js' }));
} };

/**
 * @param {string} out
 * @returns {Promise<{player: number, attach: number, all: number, files: number}>} gzipped bytes, as a server sends them: file by
 *   file
 */
export async function pack(out) {
  const { build } = await import('esbuild');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const { metafile: { outputs } } = await build({ entryPoints: ENTRIES.map((e) => join(here, e)), outdir: out, bundle: true,
    splitting: true, format: 'esm', target: 'es2022',
    minify: true, metafile: true, external: ['mediabunny', 'node:*'], plugins: [squeeze], logLevel: 'error', absWorkingDir: here });
  for (const name of ['index.d.ts', 'README.md', 'models', 'dist'])
    if (existsSync(join(here, name))) cpSync(join(here, name), join(out, name), { recursive: true });
  cpSync(join(here, '..', 'LICENSE'), join(out, 'LICENSE'));
  const { devDependencies: _, ...published } = about;
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);

  const size = new Map(Object.keys(outputs).map((path) =>
    [path, gzipSync(readFileSync(join(out, basename(path))), { level: 9 }).length]));
  /** All that comes along with modules, once each. @param {string[]} modules */
  const weigh = (modules) => {
    const wanted = Object.keys(outputs).filter((path) => modules.includes(basename(outputs[path].entryPoint ?? ''))),
      seen = new Set(wanted);
    for (const path of seen) for (const i of outputs[path].imports) if (i.kind === 'import-statement' &&
      size.has(i.path)) seen.add(i.path);
    if (wanted.length < modules.length) throw new Error(`not all of ${modules} are files`);
    return [...seen].reduce((sum, path) => sum + Number(size.get(path)), 0);
  };
  return { player: weigh(PLAYER), attach: weigh(ATTACH), all: [...size.values()].reduce((a, b) => a + b), files: size.size };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (!process.argv[2]) {
    console.error('usage: node web/pack.mjs OUT');
    process.exit(2);
  }
  const { player, attach, all, files } = await pack(process.argv[2]);
  console.log(`gzipped: the player ${player} bytes, the most that attach() loads ${attach}, ` +
    `all ${files} modules with pictures and files ${all}`);
}
