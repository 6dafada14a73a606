// SPDX-License-Identifier: MIT
// Makes the folders that are published as npm packages, framemill and framemill-files: the modules joined to a few files that are
// loaded on demand, and minified (esbuild); the types; with framemill the networks and the engine, if they are there. Prints what
// pages load, gzipped, and how large the packages are.
//
//     node web/pack.mjs OUT && npm pack OUT/framemill OUT/framemill-files
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * The files of a package, each with the modules that other files take from it; what else it needs is in it. Workers are files of
 * their own.
 * @typedef {{folder: string, files: Record<string, string[]>}} Package
 */

/** @type {Package} */
const PLAYER = { folder: here, files: {
  'index.js': ['index.js'],
  'gpu.js': ['gpu.js', 'plan.js', 'load.js', 'renderer.js', 'engine_gpu.js'],
  'gpu_worker.js': ['gpu_worker.js'],
  'wasm.js': ['wasm.js', 'engine_wasm.js'],
  'wasm_worker.js': ['wasm_worker.js'],
  'media.js': ['media.js', 'source_decoded.js'],
} };
/** @type {Package} */
const FILES = { folder: join(here, 'files'), files: {
  'index.js': ['index.js'], 'still.js': ['still.js'], 'clip.js': ['clip.js'], 'pipelines.js': ['pipelines.js'],
} };
/** Modules that may be in more than one file: they remember nothing. */
const TWICE = ['colour.js', 'helper.js', 'listen.js', 'words.js'];
/** What is not counted: weights and shaders of networks, the engine. */
const UNCOUNTED = ['models', 'dist'];
/** Files that attach() loads to draw by WebGPU in a worker. */
const BY_GPU = ['index.js', 'gpu_worker.js', 'gpu.js'];

/** Shaders without comments and without blanks that nothing needs. @param {string} module */
export function squeezeShaders(module) {
  return module.replace(/`[^`]*`/g, (text) => (text.includes('@group') ? text.replace(/[ \t]*\/\/.*$/gm, '').replace(/\s+/g, ' ')
    .replace(/ ?([`{}(),;:*+]) ?/g, '$1') : text));
}

/** @param {string} folder */
const aboutOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
/** The addresses under which a package gives modules away. @param {any} about its package.json @returns {string[]} */
const doorsOf = (about) => Object.values(about.exports).map((e) => e.default ?? e).filter((e) => /^\.\/\w+\.js$/.test(e))
  .map((e) => e.slice(2));

/**
 * Joins and minifies the modules of a package. What another file of it has is imported from there, and what framemill gives away
 * from framemill.
 * @param {Package} package_
 * @param {string} out
 */
async function bundle({ folder, files }, out) {
  const { build } = await import('esbuild'), owners = new Map(Object.entries(files).flatMap(([file, modules]) =>
    modules.map((m) => [m, file]))), foreign = folder === here ? [] : doorsOf(aboutOf(here)), seen = new Map();
  for (const [file, modules] of Object.entries(files)) {
    const plugin = { name: 'files', setup(/** @type {any} */ { onResolve, onLoad }) {
      onResolve({ filter: /^\.\.?\/\w+\.js$/ }, (/** @type {{path: string}} */ { path }) => {
        const name = basename(path), owner = owners.get(name);
        if (path.startsWith('../')) {
          if (foreign.includes(name)) return { path: `framemill/${name}`, external: true };
          if (!TWICE.includes(name)) throw new Error(`framemill does not give ${name} away`);
          return;
        }
        return owner && owner !== file ? { path: `./${owner}`, external: true } : undefined;
      });
      onLoad({ filter: /\.js$/ }, (/** @type {{path: string}} */ { path }) => {
        const name = basename(path), before = seen.get(path);
        if (before && before !== file && !TWICE.includes(name)) throw new Error(`${name} is in ${before} and in ${file}`);
        seen.set(path, file);
        return { contents: squeezeShaders(readFileSync(path, 'utf8')), loader: 'js' };
      });
    } };
    await build({ stdin: { contents: modules.map((m) => `export * from './${m}';`).join(''), resolveDir: folder },
      outfile: join(out, file), bundle: true, format: 'esm', target: 'es2022', minify: true, external: ['mediabunny'],
      plugins: [plugin], logLevel: 'error', absWorkingDir: folder });
  }
  for (const door of doorsOf(aboutOf(folder)))
    if (!(door in files)) writeFileSync(join(out, door), `export*from"./${owners.get(door)}";\n`);
}

/** @param {Package} package_ @param {string} out */
async function make(package_, out) {
  const { folder } = package_, { devDependencies: _, files: wanted, ...about } = aboutOf(folder);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  await bundle(package_, out);
  for (const name of wanted.filter((/** @type {string} */ f) => !f.includes('*')))
    if (existsSync(join(folder, name))) cpSync(join(folder, name), join(out, name), { recursive: true });
  cpSync(join(here, '..', 'LICENSE'), join(out, 'LICENSE'));
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
}

/** Bytes of what npm makes of a folder, without what is not counted. @param {string} folder */
function tarball(folder) {
  const copy = mkdtempSync(join(tmpdir(), 'framemill-pack-'));
  try {
    for (const name of readdirSync(folder)) if (!UNCOUNTED.includes(name)) cpSync(join(folder, name), join(copy, name));
    const done = spawnSync('npm', ['pack', '--json', '--pack-destination', copy], { cwd: copy, encoding: 'utf8' });
    if (done.error || done.status !== 0) throw new Error(`npm pack: ${done.error?.message ?? done.stderr}`);
    return JSON.parse(done.stdout)[0].size;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/**
 * What a package weighs: each of its modules gzipped, as servers send them; together; as npm sends it.
 * @param {string} folder
 * @returns {{files: Record<string, number>, sum: number, tarball: number}}
 */
function weigh(folder) {
  const names = readdirSync(folder).filter((n) => n.endsWith('.js')),
    files = Object.fromEntries(names.map((n) => [n, gzipSync(readFileSync(join(folder, n)), { level: 9 }).length]));
  return { files, sum: Object.values(files).reduce((a, b) => a + b), tarball: tarball(folder) };
}

/** @param {string} out a folder that gets both packages */
export async function pack(out) {
  const places = [join(out, 'framemill'), join(out, 'framemill-files')];
  await make(PLAYER, places[0]);
  await make(FILES, places[1]);
  const [player, files] = places.map(weigh);
  return { player, files, byGpu: BY_GPU.reduce((sum, f) => sum + player.files[f], 0) };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (!process.argv[2]) {
    console.error('usage: node web/pack.mjs OUT');
    process.exit(2);
  }
  const { player, files, byGpu } = await pack(process.argv[2]);
  console.log(`framemill, without networks and engine: ${player.tarball} bytes; gzipped one by one, its modules ` +
    `${player.sum}, of which by WebGPU ${byGpu}\nframemill-files: ${files.tarball} bytes; its modules ${files.sum}`);
}
