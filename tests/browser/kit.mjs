// SPDX-License-Identifier: MIT
// What tests in a browser have in common. A test is a plain file:
//
//     import { finish, openPage, test } from './kit.mjs';
//     test('the answer', async () => {
//       const page = await openPage();                        // a blank page of the test server; errors in it fail the test
//       equal(await page.evaluate(() => 6 * 7), 42);
//     });
//     await finish();                                         // runs them in order, prints "N passed, N failed, N skipped", ends the process
//
//     node NAME.test.mjs [PROGRAM] [-k PART]                  PROGRAM: the framemill to compare with; PART: of the names of tests to run
//
// The server shows  /web/  (the repository's), /models/ (*.onnx), /plans/ (exported networks), /made/ (a folder of this run, which a page
// may PUT into), /node_modules/, /kit/ (this folder). Pages are cross-origin isolated. What lies in kit_media.mjs makes clips and pictures.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createServerAt } from './kit_server.mjs';

export const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, '..', '..');
const words = process.argv.slice(2), part = words.includes('-k') ? words[words.indexOf('-k') + 1] : '';
const named = words.find((w, i) => !w.startsWith('-') && words[i - 1] !== '-k');

/** The program that tests compare with. */
export const program = resolve(named ?? process.env.FRAMEMILL ?? join(root, 'build', 'framemill'));
/** A folder of this run; gone afterwards. */
export const work = mkdtempSync(join(tmpdir(), 'framemill-web-'));
/** Exported networks: of this run, or of all files that run.mjs runs. */
export const plansFolder = process.env.FM_WEB_PLANS ?? join(work, 'plans');
mkdirSync(plansFolder, { recursive: true });
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

/** Thrown by a test that cannot be run here. */
export class Skip extends Error {}

/** @type {{name: string, body: () => Promise<void>, seconds: number}[]} */
const tests = [];
/** Pages of the test that runs. @type {any[]} */
let pages = [];

/** @param {string} name @param {() => Promise<void>|void} body @param {{seconds?: number}} [options] seconds: how long it may take */
export function test(name, body, { seconds = 90 } = {}) {
  if (name.includes(part)) tests.push({ name, body: async () => body(), seconds });
}

/** Runs a program; its standard output. Fails with what it said. @param {string} command @param {string[]} args @param {object} [options] */
export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.status ?? done.signal}\n${done.stderr}`);
  return done.stdout;
}

/** @param {string[]} args */
export const framemill = (...args) => run(program, args);

/** Names of the networks that are shipped. */
export function shipped() {
  return run('ls', [join(root, 'models')]).split('\n').filter((n) => n.endsWith('.onnx')).map((n) => n.slice(0, -5));
}

/** Exports networks of models/ unless that was done; addresses of their plans on the server. @param {...string} names */
export function exportPlans(...names) {
  for (const name of names)
    if (!existsSync(join(plansFolder, `${name}.json`))) framemill('export', '--web', join(root, 'models', `${name}.onnx`), '-o', plansFolder);
  return names.map((name) => `/plans/${name}.json`);
}

/** @type {Awaited<ReturnType<typeof createServerAt>>|undefined} */
let shared;

/**
 * A server on the loopback. The first without options is everybody's.
 * @param {{folders?: Record<string, string>, isolated?: boolean, delay?: number}} [options] more folders by path prefix ('/x/'); isolated: COOP, COEP
 * @returns {Promise<{url: string, close: () => void, log: string[]}>}
 */
export async function serve(options) {
  if (!options && shared) return shared;
  const folders = { '/web/': join(root, 'web'), '/models/': join(root, 'models'), '/samples/': join(root, 'samples'), '/plans/': plansFolder, '/made/': work,
    '/node_modules/': join(here, 'node_modules'), '/kit/': here, ...options?.folders };
  const server = await createServerAt({ writable: '/made/', isolated: true, delay: 0, ...options, folders });
  if (!options) shared = server;
  return server;
}

/** Chromium's path, or undefined. */
export function chromiumPath() {
  return [process.env.FM_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find((p) => p && existsSync(p));
}

// All four are needed for WebGPU with video and canvas on a software adapter.
const gpuFlags = ['--enable-unsafe-webgpu', '--use-vulkan=swiftshader', '--enable-features=Vulkan', '--use-angle=swiftshader'];
// SwiftShader compiles the extension's zeros of workgroup memory one number after the other, seconds for each pipeline; a loop does the same.
const quickFlag = '--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension';
/** @type {Map<string, Promise<any>>} */
const browsers = new Map();

/**
 * Chromium, headless. The same options give the same browser; a second one is not kept beside it.
 * @param {{webgpu?: boolean, args?: string[], quick?: boolean}} [options] quick: shaders are compiled in a fourth of the time; not for benchmarks
 */
export async function launch({ webgpu = true, args = [], quick = true } = {}) {
  const key = JSON.stringify([webgpu, args, quick]);
  for (const [other, open] of browsers) {
    if (other === key && (await open).isConnected()) return open;
    browsers.delete(other);
    await (await open).close();
  }
  const path = chromiumPath();
  if (!path) throw new Skip('no chromium here (Debian package chromium)');
  const { chromium } = await import('playwright-core').catch(() => { throw new Skip('no playwright-core here (npm ci in tests/browser)'); });
  const flags = ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--mute-audio', '--enable-precise-memory-info', '--js-flags=--expose-gc'];
  const gpu = webgpu ? [...gpuFlags, ...(quick ? [quickFlag] : [])] : ['--disable-gpu', '--disable-features=WebGPU'];
  const open = chromium.launch({ executablePath: path, headless: true, timeout: 80_000, args: [...flags, ...gpu, ...args] });
  browsers.set(key, open);
  return open;
}

const harmless = /WebGPU is experimental|Failed to load resource.*favicon|powerPreference option is currently ignored/;
// Chromium reports faults of the GPU that nobody catches as warnings.
const gpuFault = /\[Invalid |GPUValidationError|Uncaught|is invalid|validation error|Device lost|while (calling|encoding|validating)/i;

/**
 * A page of the test server. Uncaught errors, console errors and WebGPU faults end up in page.faults and fail the test that opened it, but
 * for those that page.allow(/.../) named.
 * @param {string} [path] on the server, or a whole address; a blank page unless told
 * @param {{webgpu?: boolean, args?: string[], quick?: boolean, server?: {url: string}, context?: object}} [options] context: options of Playwright's newContext
 */
export async function openPage(path = '/blank', { webgpu, args, quick, server, context: contextOptions } = {}) {
  const browser = await launch({ webgpu, args, quick }), { url } = server ?? await serve();
  const context = await browser.newContext(contextOptions), page = await context.newPage();
  page.faults = [];
  page.lines = [];
  const allowed = [harmless];
  page.allow = (/** @type {RegExp} */ what) => { allowed.push(what); };
  const fault = (/** @type {string} */ text) => page.faults.push(text);
  page.remaining = () => page.faults.filter((/** @type {string} */ text) => !allowed.some((a) => a.test(text)));
  page.on('pageerror', (/** @type {Error} */ error) => fault(`uncaught ${error.stack ?? error}`));
  page.on('crash', () => fault('the page crashed'));
  page.on('console', (/** @type {any} */ message) => {
    const text = `${message.text()} (${message.location()?.url}:${message.location()?.lineNumber})`;
    page.lines.push(`${message.type()}: ${text}`);
    if (message.type() === 'error' || (message.type() === 'warning' && gpuFault.test(text))) fault(`console ${message.type()}: ${text}`);
  });
  pages.push(page);
  await page.goto(path.includes('://') ? path : url + path);
  return page;
}

/** @param {Promise<any>} promise @param {number} seconds */
function within(promise, seconds) {
  /** @type {any} */
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1000); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Closes browsers and the server: for programs that call no finish(). */
export async function shutDown() {
  for (const open of browsers.values()) await within(open.then((b) => b.close()), 10).catch(() => {});
  shared?.close();
}

/** Runs all tests, says what came of them and ends the process. */
export async function finish() {
  let passed = 0, failed = 0, skipped = 0;
  for (const { name, body, seconds } of tests) {
    const start = performance.now();
    pages = [];
    let lines = '';
    try {
      await within(body(), seconds);
      const faults = pages.flatMap((p) => p.remaining());
      if (faults.length) throw new Error(`errors in the page:\n  ${faults.slice(0, 10).join('\n  ')}`);
      passed++;
      console.log(`ok  ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    } catch (reason) {
      if (reason instanceof Skip) {
        skipped++;
        console.log(`SKIPPED  ${name}: ${reason.message}`);
      } else {
        failed++;
        lines = pages.flatMap((p) => p.lines).slice(-20).join('\n  ');
        console.log(`FAILED  ${name}: ${/** @type {any} */ (reason)?.stack ?? reason}${lines ? `\n  the page said:\n  ${lines}` : ''}`);
      }
    }
    for (const page of pages) await within(page.context().close(), 10).catch(() => {});
  }
  await shutDown();
  process.exitCode = failed ? 1 : 0;
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`, () => process.exit());
}
