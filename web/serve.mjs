#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// Shows the demo on this machine: files of this folder, the samples, and the shipped networks, exported first where that was not
// done.
//
//     node web/serve.mjs [PORT] [PROGRAM]          PORT: 8080 unless told, 0: any; PROGRAM: build/framemill
import { spawnSync } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize, resolve } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { makeRenditions } from './demo/renditions.mjs';

const here = dirname(fileURLToPath(import.meta.url)), root = resolve(here, '..');

/** Networks that pages may want. */
export const NETWORKS = ['rt3', 'rt8', 'rt9', 'rt14', 'rt27', 'rt105', 'ivs', 'rt9-h264', 'rt14-h264', 'piper'];

const TYPES = /** @type {Record<string, string>} */ ({ '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8', '.json': 'application/json', '.wasm': 'application/wasm',
    '.wgsl': 'text/plain; charset=utf-8', '.mp4': 'video/mp4', '.webm': 'video/webm',
  '.png': 'image/png', '.webp': 'image/webp', '.jpg': 'image/jpeg', '.svg': 'image/svg+xml', '.txt': 'text/plain; charset=utf-8' });

/**
 * Exports networks whose plan is missing or older than the program or the network; the names of those exported.
 * @param {string} program
 * @param {string[]} names
 */
export function exportNetworks(program, names = NETWORKS) {
  const folder = join(here, 'models'), made = [];
  mkdirSync(folder, { recursive: true });
  for (const name of names) {
    const plan = join(folder, `${name}.json`), model = join(root, 'models', `${name}.onnx`), time = (/** @type {string} */ f) =>
      statSync(f, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (time(plan) > Math.max(time(model), time(program))) continue;
    const done = spawnSync(program, ['export', '--web', model, '-o', folder], { encoding: 'utf8' });
    if (done.error || done.status !== 0) throw new Error(`${name} cannot be exported: ${done.error?.message ?? done.stderr}`);
    made.push(name);
  }
  return made;
}

/** @param {string} path of a request @returns {string|null} the file, in this folder or beside it where that is meant */
function fileOf(path) {
  const inside = normalize(path).replace(/^[/\\]+/, '');
  if (inside.startsWith('..') || inside.split(/[/\\]/).some((part) => part.startsWith('.'))) return null;
  if (inside.startsWith('samples/')) return join(root, inside);
  const own = join(here, inside);
  // the engine without WebGPU takes the networks themselves
  return !existsSync(own) && /^models\/[\w.-]+\.onnx$/.test(inside) ? join(root, inside) : own;
}

/** @param {string} text of a Range header @param {number} size @returns {[number, number]|null} first and last byte */
export function rangeOf(text, size) {
  const found = /^bytes=(\d*)-(\d*)$/.exec(text.trim());
  if (!found || (!found[1] && !found[2])) return null;
  const first = found[1] ? Number(found[1]) : Math.max(0, size - Number(found[2])), last = found[1] && found[2]
    ? Math.min(Number(found[2]), size - 1) : size - 1;
  return first <= last ? [first, last] : null;
}

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 * @param {{mediabunny: string}} from
 */
async function answer(request, response, { mediabunny }) {
  // Isolated, so that threads of the engine may share memory.
  const head = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Accept-Ranges': 'bytes', 'Cache-Control': 'no-cache', 'X-Content-Type-Options': 'nosniff' };
  const say = (/** @type {number} */ status, /** @type {string} */ text, more = {}) =>
    void response.writeHead(status, { ...head, 'Content-Type': 'text/plain; charset=utf-8', ...more }).end(text);
  if (request.method !== 'GET' && request.method !== 'HEAD') return say(405, 'GET or HEAD', { Allow: 'GET, HEAD' });
  let path;
  try {
    path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
  } catch {
    return say(400, 'no address');
  }
  if (path === '/' || path === '/demo') return say(302, '', { Location: '/demo/' });
  if (path === '/demo/media/index.json') await makeRenditions(join(root, 'samples', 'harbour.mp4'), join(here, 'demo', 'media'));
  let file = path === '/node_modules/mediabunny/dist/bundles/mediabunny.min.mjs' ? mediabunny : fileOf(path);
  if (file && path.endsWith('/')) file = join(file, 'index.html');
  const found = file ? statSync(file, { throwIfNoEntry: false }) : undefined;
  if (!file || !found?.isFile()) return say(404, `not here: ${path}`);
  const range = request.headers.range ? rangeOf(request.headers.range, found.size) : undefined;
  if (range === null) return say(416, '', { 'Content-Range': `bytes */${found.size}` });
  const [first, last] = range ?? [0, found.size - 1];
  response.writeHead(range ? 206 : 200, { ...head, 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Content-Length': last - first + 1,
    ...(range ? { 'Content-Range': `bytes ${first}-${last}/${found.size}` } : {}) });
  if (request.method === 'HEAD' || last < first) return void response.end();
  pipeline(createReadStream(file, { start: first, end: last }), response, () => {});
}

/**
 * @param {{port?: number, mediabunny?: string}} [options] mediabunny: its file, where it is not in node_modules here
 * @returns {Promise<{url: string, close: () => void}>}
 */
export async function startServer({ port = 8080, mediabunny = join(here,
  'node_modules/mediabunny/dist/bundles/mediabunny.min.mjs') } = {}) {
  const server = createServer((request, response) => {
    answer(request, response, { mediabunny }).catch((reason) => {
      if (!response.headersSent) response.writeHead(500, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.end(reason.message);
    });
  });
  await new Promise((done, failed) => server.once('error', failed).listen(port, '127.0.0.1', () => done(undefined)));
  return { url: `http://127.0.0.1:${/** @type {any} */ (server.address()).port}`,
    close: () => { server.close(); server.closeAllConnections(); } };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [port = '8080', program = join(root, 'build', 'framemill')] = process.argv.slice(2);
  if (!/^\d+$/.test(port) || Number(port) > 65535) {
    console.error(`${port} is no port`);
    process.exit(2);
  }
  try {
    const made = exportNetworks(resolve(program));
    if (made.length) console.log(`exported to web/models: ${made.join(' ')}`);
    if (!existsSync(join(here, 'dist',
      'engine.wasm'))) console.log('no web/dist/engine.wasm: without WebGPU the page shows plain video (./dev wasm builds it)');
    const { url } = await startServer({ port: Number(port) });
    console.log(`${url}/demo/\nCtrl-C ends it`);
    makeRenditions(join(root, 'samples', 'harbour.mp4'), join(here, 'demo', 'media')).catch((reason) =>
      console.error(`no adaptive stream: ${reason.message}`));
  } catch (reason) {
    const { code, message } = /** @type {any} */ (reason);
    console.error(code === 'EADDRINUSE' ? `port ${port} is taken; ./dev web PORT takes another` : message);
    process.exit(1);
  }
}
