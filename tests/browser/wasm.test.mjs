// SPDX-License-Identifier: MIT
// The engine as WebAssembly, in Node's workers and in a page's: the same pictures as the program's, whatever the cuts; and what goes wrong.
import { equal, ok, rejects } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createWasm } from '../../web/wasm.js';
import { finish, here, openPage, root, run, Skip, test } from './kit.mjs';
import { compare, engineResult, picture } from './kit_media.mjs';

const built = spawnSync(join(root, 'dev'), ['wasm'], { encoding: 'utf8' });
const fetch = async (/** @type {URL} */ url) => new Response(await readFile(url));
const bytesOf = (/** @type {string} */ name) => readFileSync(join(root, 'models', `${name}.onnx`));

/** @param {object} options of createWasm @param {(wasm: any) => Promise<void>} body */
async function withEngine(options, body) {
  if (built.status !== 0) throw new Skip(`./dev wasm: ${built.stderr.trim().split('\n').at(-1)}`);
  const wasm = await createWasm({ fetch, ...options });
  try {
    await body(wasm);
  } finally {
    wasm.destroy();
  }
}

/** Of a network that is used once. */
async function upscaled(/** @type {any} */ wasm, /** @type {string} */ name, /** @type {any[]} */ ...rest) {
  const net = await wasm.load(bytesOf(name));
  try {
    return await net.upscale(...rest);
  } finally {
    net.destroy();
  }
}

const opaque = (/** @type {Uint8ClampedArray} */ rgba) => rgba.every((v, i) => i % 4 !== 3 || v === 255);

for (const name of ['rt3', 'rt9', 'rt14', 'ivs', 'lanczos2x', 'piper'])
  test(`${name}: the program's picture`, () => withEngine({ threads: 2 }, async (wasm) => {
    for (const [width, height] of name === 'piper' ? [[37, 41]] : [[75, 53], [1, 1], [2, 45], [64, 1], [131, 88]]) {
      const source = picture(width, height), want = engineResult(name, source, width, height, '-s', '2');
      source[3] = 7; // alpha is not looked at
      const made = await upscaled(wasm, name, source, width, height);
      equal(`${made.width}x${made.height}`, `${want.width}x${want.height}`);
      const { most, psnr } = compare(made.data, want.data);
      ok(most <= 1, `${width} x ${height}: ${most} levels off, ${psnr} dB`);
      ok(opaque(made.data));
    }
  }));

test('the engine\'s own tests as modules', () => {
  if (built.status !== 0) throw new Skip('./dev wasm failed');
  run('make', ['-s', '-j2', '-f', 'web/wasm/Makefile', 'check'], { cwd: root });
  const folder = join(root, 'build-wasm'), files = ['unit', 'check'].flatMap((f) => readdirSync(join(folder, f)).map((n) => join(folder, f, n)));
  const modules = files.filter((f) => f.endsWith('.wasm'));
  ok(modules.length > 3);
  for (const module of modules) {
    const done = spawnSync(process.execPath, ['--no-warnings', join(here, 'wasi.mjs'), module], { encoding: 'utf8', cwd: root, env: { ...process.env, FM_TEST_SHARE: '8' } });
    ok(done.status === 0 && /^[1-9]\d* passed, 0 failed, 0 skipped$/m.test(done.stdout), `${module}\n${done.stdout}${done.stderr}`);
  }
}, { seconds: 170 });

test('as small as a page wants it', () => {
  if (built.status !== 0) throw new Skip('./dev wasm failed');
  const size = gzipSync(readFileSync(join(root, 'web/dist/engine.wasm')), { level: 9 }).length;
  ok(size < 250e3, `${size} bytes gzipped`);
});

test('what a network says of itself', () => withEngine({ threads: 1 }, async (wasm) => {
  for (const [name, scale, colour, before] of [['rt3', 2, 'luma', null], ['rt14-x3', 3, 'luma', null], ['ivs', 2, 'luma', 'bilinear'], ['piper-x4', 4, 'rgb', null]]) {
    const net = await wasm.load(bytesOf(name));
    equal(JSON.stringify([net.scale, net.colour, net.before]), JSON.stringify([scale, colour, before]));
  }
}));

test('other sizes: ivs by 1.5, rt3 by 3', () => withEngine({ threads: 2 }, async (wasm) => {
  for (const [name, scale] of /** @type {[string, number][]} */ ([['ivs', 1.5], ['rt3', 3]])) {
    const width = 70, height = 58, source = picture(width, height), want = engineResult(name, source, width, height, '-s', String(scale));
    const made = await upscaled(wasm, name, source, width, height, { outWidth: width * scale, outHeight: height * scale });
    ok(compare(made.data, want.data).most <= 1);
  }
}));

test('any number of workers, shared memory or not: the same bytes', async () => {
  const width = 101, height = 122, source = picture(width, height);
  /** @type {any} */
  let first;
  for (const [threads, shared] of [[1, false], [1, true], [2, true], [3, false], [5, true]])
    await withEngine({ threads, shared }, async (wasm) => {
      equal(wasm.threads, threads);
      const net = await wasm.load(bytesOf('rt9')), { data } = await net.upscale(source, width, height);
      first ??= data;
      ok(Buffer.from(data.buffer).equals(Buffer.from(first.buffer)), `${threads} workers, shared ${shared}`);
    });
});

test('several networks, sizes and frames at a time', () => withEngine({ threads: 2 }, async (wasm) => {
  const nets = await Promise.all(['rt3', 'lanczos2x'].map((name) => wasm.load(bytesOf(name))));
  const tasks = [];
  for (let i = 0; i < 6; i++) tasks.push({ net: nets[i % 2], width: 40 + 10 * (i % 3), height: 70 + i, source: picture(40 + 10 * (i % 3), 70 + i, i + 1) });
  const ask = (/** @type {any} */ t) => t.net.upscale(t.source, t.width, t.height);
  const together = await Promise.all(tasks.map(ask));
  for (const [i, task] of tasks.entries()) {
    const alone = await ask(task);
    ok(Buffer.from(alone.data.buffer).equals(Buffer.from(together[i].data.buffer)), `task ${i}`);
  }
}));

test('the caller may change the picture at once; results go where they are wanted', async () => {
  for (const shared of [true, false])
    await withEngine({ threads: 2, shared }, async (wasm) => {
      const net = await wasm.load(bytesOf('rt3')), source = picture(80, 70), want = (await net.upscale(source.slice(), 80, 70)).data;
      for (let i = 0; i < 2; i++) {
        const changing = source.slice(), into = new Uint8ClampedArray(160 * 140 * 4), result = net.upscale(changing, 80, 70, { into });
        changing.fill(0);
        equal((await result).data, into);
        ok(Buffer.from(into.buffer).equals(Buffer.from(want.buffer)), `shared ${shared}, frame ${i}`);
      }
      const own = new Uint8Array(new SharedArrayBuffer(source.length));
      own.set(source);
      ok(Buffer.from((await net.upscale(own, 80, 70)).data.buffer).equals(Buffer.from(want.buffer)));
    });
});

test('shares of brightness: all of it blue, so that blue comes out as the network makes it of a grey picture', () => withEngine({ threads: 1 }, async (wasm) => {
  const width = 64, height = 48, source = picture(width, height), grey = source.slice();
  for (let i = 0; i < grey.length; i += 4) grey.fill(source[i + 2], i, i + 3);
  const net = await wasm.load(bytesOf('rt9')), alone = (await net.upscale(grey, width, height)).data;
  const off = async (/** @type {object} */ options) => {
    const { data } = await net.upscale(source, width, height, options);
    return data.reduce((most, v, i) => (i % 4 === 2 ? Math.max(most, Math.abs(v - alone[i])) : most), 0);
  };
  ok(await off({ luma: [0, 0, 1] }) <= 1);
  ok(await off({}) > 4);
  ok(await off({ luma: [0, 0, 1] }) <= 1); // asked for again
}));

test('what is no network', () => withEngine({ threads: 2 }, async (wasm) => {
  const whole = bytesOf('rt3'), text = new TextEncoder().encode('<!doctype html><title>404</title>');
  await rejects(wasm.load(new Uint8Array(0)), /the network/);
  await rejects(wasm.load(text), /the network: /);
  await rejects(wasm.load(whole.subarray(0, whole.length >> 1)), /the network: /);
  for (let i = 0; i < 40; i++) { // damaged: an error or a network, never the end of the engine
    const damaged = new Uint8Array(whole);
    for (let k = 0; k < 4; k++) damaged[(i * 7919 + k * 104729) % damaged.length] ^= 1 << (i + k) % 8;
    await wasm.load(damaged).then((/** @type {any} */ net) => net.destroy(), (/** @type {Error} */ error) => ok(!/stopped/.test(error.message), error.message));
  }
  await rejects(wasm.load('nowhere.onnx'), /nowhere\.onnx/);
  const net = await wasm.load(whole); // and all is well
  equal((await net.upscale(picture(20, 20), 20, 20)).width, 40);
}));

test('what is no picture', () => withEngine({ threads: 1 }, async (wasm) => {
  const net = await wasm.load(bytesOf('rt3')), pixels = picture(8, 8);
  await rejects(net.upscale(pixels, 8, 9), /8 x 9 pixels of RGBA are 288 bytes, not 256/);
  await rejects(net.upscale(pixels, 0, 8), RangeError);
  await rejects(net.upscale(pixels, 8.5, 8), RangeError);
  await rejects(net.upscale(null, 8, 8), RangeError);
  await rejects(net.upscale(pixels, 8, 8, { outWidth: 40000 }), /from 1 to 32768/);
  await rejects(net.upscale(pixels, 8, 8, { luma: [1, 2] }), /three shares/);
  await rejects(net.upscale(pixels, 8, 8, { into: new Uint8ClampedArray(9) }), /1024 bytes/);
  await net.upscale(pixels, 8, 8);
}));

test('memory that is not there: an error, and the engine goes on', () => withEngine({ threads: 1 }, async (wasm) => {
  const net = await wasm.load(bytesOf('rt3')), width = 16, height = 16, pixels = picture(width, height);
  await rejects(net.upscale(pixels, width, height, { outWidth: 32768, outHeight: 32768 }), /memory|allocation/i);
  equal((await net.upscale(pixels, width, height)).height, 32);
}));

test('no engine, no end of it', async () => {
  await rejects(createWasm({ fetch: async () => new Response('no', { status: 404 }) }), /engine\.wasm: status 404/);
  await rejects(createWasm({ fetch: async () => new Response('<!doctype html>') }), /cannot run the engine/);
  await rejects(createWasm({ fetch, threads: 0 }), /no number of workers/);
  await withEngine({ threads: 2 }, async (wasm) => {
    const net = await wasm.load(bytesOf('rt14')), running = net.upscale(picture(200, 200), 200, 200);
    wasm.destroy();
    await rejects(running, /destroyed/);
    await rejects(net.upscale(picture(8, 8), 8, 8), /destroyed/);
  });
});

for (const shared of [true, false])
  test(`in a page, ${shared ? 'with' : 'without'} shared memory`, async () => {
    if (built.status !== 0) throw new Skip('./dev wasm failed');
    const page = await openPage('/blank', { webgpu: false }), width = 96, height = 80, source = picture(width, height);
    const made = await page.evaluate(async ({ rgba, width, height, shared }) => {
      const { createWasm } = await import('/web/wasm.js'.slice());
      const wasm = await createWasm({ threads: 2, ...(shared ? {} : { shared: false }) });
      const net = await wasm.load('/models/rt3.onnx');
      const bad = await wasm.load('/models/none.onnx').then(() => '', (/** @type {Error} */ e) => e.message);
      const { data } = await net.upscale(new Uint8ClampedArray(rgba), width, height);
      const drawn = new ImageData(data, 2 * width, 2 * height).width; // takes no shared memory
      wasm.destroy();
      return { data: [...data], bad, drawn };
    }, { rgba: [...source], width, height, shared });
    page.allow(/404/);
    ok(/status 404/.test(made.bad), made.bad);
    equal(made.drawn, 2 * width);
    ok(compare(Uint8Array.from(made.data), engineResult('rt3', source, width, height, '-s', '2').data).most <= 1);
  });

await finish();
