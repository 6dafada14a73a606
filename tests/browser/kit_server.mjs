// SPDX-License-Identifier: MIT
// A server of folders on the loopback, for tests: ranges (videos need them to seek), cross-origin isolation, PUT into one folder.
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { pipeline } from 'node:stream';

const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.wasm': 'application/wasm',
  '.wgsl': 'text/plain', '.webm': 'video/webm', '.mp4': 'video/mp4', '.m4s': 'video/iso.segment', '.png': 'image/png', '.webp': 'image/webp', '.jpg': 'image/jpeg',
  '.svg': 'image/svg+xml', '.txt': 'text/plain' };

/** @param {string} text a Range header @param {number} size @returns {[number, number]|null} first and last byte */
function rangeOf(text, size) {
  const found = /^bytes=(\d*)-(\d*)$/.exec(text);
  if (!found || (!found[1] && !found[2])) return null;
  const first = found[1] ? Number(found[1]) : Math.max(0, size - Number(found[2]));
  const last = found[1] && found[2] ? Math.min(Number(found[2]), size - 1) : size - 1;
  return first <= last ? [first, last] : null;
}

/**
 * @param {{folders: Record<string, string>, writable: string, isolated: boolean, delay: number}} options
 * @returns {Promise<{url: string, close: () => void, log: string[]}>}
 */
export async function createServerAt({ folders, writable, isolated, delay }) {
  /** @type {string[]} */
  const log = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    log.push(`${request.method} ${path} ${request.headers.range ?? ''}`.trim());
    const head = { 'Cache-Control': 'no-store', 'Accept-Ranges': 'bytes', 'Cross-Origin-Resource-Policy': 'same-origin',
      ...(isolated ? { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' } : {}) };
    /** @param {number} status @param {string} [text] @param {string} [type] */
    const say = (status, text = '', type = 'text/plain') => response.writeHead(status, { ...head, 'Content-Type': type }).end(text);
    if (path === '/blank') return say(200, '<!doctype html><meta charset="utf-8"><title>blank</title><link rel="icon" href="data:,"><body></body>', 'text/html');
    if (path === '/favicon.ico') return say(204);
    const prefix = Object.keys(folders).filter((p) => path.startsWith(p)).sort((a, b) => b.length - a.length)[0];
    const inside = prefix && normalize(path.slice(prefix.length));
    if (!prefix || inside.startsWith('..')) return say(404, 'not here');
    const file = join(folders[prefix], inside);
    if (request.method === 'PUT') {
      if (prefix !== writable) return say(403);
      return pipeline(request, createWriteStream(file), (error) => say(error ? 500 : 201, String(error ?? '')));
    }
    let found = statSync(file, { throwIfNoEntry: false });
    const chosen = found?.isDirectory() ? join(file, 'index.html') : file;
    found = statSync(chosen, { throwIfNoEntry: false });
    if (!found?.isFile()) return say(404, 'not here');
    const range = request.headers.range ? rangeOf(request.headers.range, found.size) : undefined;
    if (range === null) return response.writeHead(416, { ...head, 'Content-Range': `bytes */${found.size}` }).end();
    const [first, last] = range ?? [0, found.size - 1];
    response.writeHead(range ? 206 : 200, { ...head, 'Content-Type': types[/** @type {keyof types} */ (extname(chosen))] ?? 'application/octet-stream',
      'Content-Length': last - first + 1, ...(range ? { 'Content-Range': `bytes ${first}-${last}/${found.size}` } : {}) });
    if (request.method === 'HEAD' || last < first) return response.end();
    setTimeout(() => pipeline(createReadStream(chosen, { start: first, end: last }), response, () => {}), delay);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', () => done(undefined)));
  const { port } = /** @type {any} */ (server.address());
  return { url: `http://127.0.0.1:${port}`, log, close: () => { server.closeAllConnections(); server.close(); } };
}
