// SPDX-License-Identifier: MIT
// Pictures in the page: by tiles, with transparency, on the GPU and without one; and what is said where something is missing. The
// page runs what a page would.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { exportPlans, finish, framemill, root, Skip, work } from './kit.mjs';
import { engineOf, framesOf, needKit, packetsOf, page, png, rgbaOf, test } from './kit_files.mjs';
import { clip, compare, picture } from './kit_media.mjs';

test('a still is what the engine makes; tiles are the whole, to the bit; it is saved', async () => {
  const [rt3] = exportPlans('rt3'), [w, h] = [101, 75], rgba = picture(w, h);
  png('still_in.png', rgba, w, h);
  const found = await page.evaluate(async ([address]) => {
    const { upscalePicture, savePicture } = await window.tools(), { device } = await window.gpu(),
      plan = await window.plan(address);
    const file = await (await fetch('/made/still_in.png')).blob(), shares = [];
    const whole = await upscalePicture(file, { plan, device, tile: 4096 }),
      tiled = await upscalePicture(file, { plan, device, tile: 32, onprogress: (s) => shares.push(s) });
    let differ = 0;
    whole.data.forEach((v, i) => { differ += v !== tiled.data[i]; });
    const types = [];
    for (const type of ['image/png', 'image/webp', 'image/jpeg']) {
      const blob = await savePicture(tiled, { type });
      types.push(blob.type);
      await window.put(`still.${type.slice(6)}`, blob);
    }
    return { size: [whole.width, whole.height], tiles: [whole.tiles, tiled.tiles], differ, shares, types };
  }, [rt3]);
  deepEqual(found.size, [2 * w, 2 * h]);
  equal(found.tiles[0], 1);
  ok(found.tiles[1] > 4, `${found.tiles[1]} tiles`);
  equal(found.differ, 0);
  equal(found.shares[0], 0);
  equal(found.shares.at(-1), 1);
  deepEqual(found.types, ['image/png', 'image/webp', 'image/jpeg']);
  const wanted = engineOf('rt3', 'still_in.png'), got = rgbaOf('still.png');
  ok(compare(got, wanted).most <= 1, `PNG: ${compare(got, wanted).most} levels`);
  for (const [name, least] of [['webp', 30], ['jpeg', 30]]) ok(compare(rgbaOf(`still.${name}`), wanted).psnr > least,
    `${name}: ${compare(rgbaOf(`still.${name}`), wanted).psnr} dB`);
});

test('a network with a free ratio: the engine at x1.5, tiles at x2', async () => {
  const [ivs] = exportPlans('ivs'), [w, h] = [96, 64], rgba = picture(w, h, 3);
  png('free.png', rgba, w, h);
  const found = await page.evaluate(async ([address]) => {
    const { upscalePicture, savePicture } = await window.tools(), { device } = await window.gpu(),
      plan = await window.plan(address);
    const file = await (await fetch('/made/free.png')).blob();
    const half = await upscalePicture(file, { plan, device, scale: 1.5 }), a = await upscalePicture(file, { plan, device }),
      b = await upscalePicture(file, { plan, device, tile: 24 });
    await window.put('free_out.png', await savePicture(half));
    return { size: [half.width, half.height], tiles: b.tiles, differ: a.data.filter((v, i) => v !== b.data[i]).length,
      refused: await upscalePicture(file, { plan, device, scale: 9 }).catch((e) => e.message) };
  }, [ivs]);
  deepEqual(found.size, [144, 96]);
  ok(found.tiles > 3);
  equal(found.differ, 0);
  match(found.refused, /1 to 8, not by 9/);
  const most = compare(rgbaOf('free_out.png'), engineOf('ivs', 'free.png', '-s', '1.5')).most;
  ok(most <= 1, `${most} levels`);
});

test('transparency is kept as the engine keeps it', async () => {
  const [rt3] = exportPlans('rt3'), [w, h] = [80, 60], rgba = picture(w, h, 5);
  for (let y = 0; y < h; y++) // a disc with a soft edge; what cannot be seen is bright red
    for (let x = 0; x < w; x++) {
      const a = Math.max(0, Math.min(255, Math.round((24 - Math.hypot(x - 40, y - 30)) * 40)));
      if (!a) rgba.set([255, 0, 0], (y * w + x) * 4);
      rgba[(y * w + x) * 4 + 3] = a;
    }
  png('clear.png', rgba, w, h, 'rgba');
  const alpha = await page.evaluate(async ([address]) => {
    const { upscalePicture, savePicture } = await window.tools(), { device } = await window.gpu(),
      plan = await window.plan(address);
    const out = await upscalePicture(await (await fetch('/made/clear.png')).blob(), { plan, device, tile: 32 });
    await window.put('clear_out.png', await savePicture(out));
    const whole = await upscalePicture(await (await fetch('/made/clear.png')).blob(), { plan, device });
    return [out.alpha, out.tiles, whole.data.filter((v, i) => v !== out.data[i]).length];
  }, [rt3]);
  equal(alpha[0], true);
  ok(alpha[1] > 1);
  equal(alpha[2], 0);
  const got = rgbaOf('clear_out.png'), wanted = engineOf('rt3', 'clear.png');
  let colour = 0, most = 0;
  for (let i = 0; i < got.length; i += 4) {
    most = Math.max(most, Math.abs(got[i + 3] - wanted[i + 3]));
    if (wanted[i + 3] > 0) for (let c = 0; c < 3; c++) colour = Math.max(colour, Math.abs(got[i + c] - wanted[i + c]));
  }
  ok(most <= 1, `alpha: ${most} levels`);
  ok(colour <= 2, `colour: ${colour} levels`);
});

test('without a GPU: the engine in WebAssembly does pictures and clips', async () => {
  needKit();
  if (!existsSync(join(root, 'web', 'dist', 'engine.wasm'))) throw new Skip('no web/dist/engine.wasm (./dev wasm)');
  clip('cpu.webm', { width: 64, height: 48, frames: 8 });
  const [w, h] = [240, 70], rgba = picture(w, h, 9); // a network of wasm.js gets a wide halo
  png('cpu.png', rgba, w, h);
  const found = await page.evaluate(async () => {
    const { upscalePicture, savePicture, upscaleClip } = await window.tools(), { createWasm } = await import('/web/wasm.js'),
      wasm = await createWasm({ threads: 2 });
    const net = await wasm.load('/models/rt3.onnx'), file = await (await fetch('/made/cpu.png')).blob();
    const whole = await upscalePicture(file, { net }), tiled = await upscalePicture(file, { net, tile: 32 });
    await window.put('cpu_out.png', await savePicture(tiled));
    const made = await upscaleClip('/made/cpu.webm', { net, mediabunny: await window.kit(), bitrate: 2000000 });
    await window.put('cpu_out.webm', made.blob);
    net.destroy();
    wasm.destroy();
    return { tiles: tiled.tiles, most: whole.data.reduce((m, v, i) => Math.max(m, Math.abs(v - tiled.data[i])), 0),
      frames: made.frames };
  });
  ok(found.tiles > 1);
  ok(found.most <= 1, `tiles differ by ${found.most}`);
  equal(found.frames, 8);
  ok(compare(rgbaOf('cpu_out.png'), engineOf('rt3', 'cpu.png')).most <= 1);
  equal(packetsOf(join(work, 'cpu_out.webm')).video.length, 8);
  framemill('upscale', join(work, 'cpu.webm'), join(work, 'cpu_engine.mkv'), '-m', join(root, 'models', 'rt3.onnx'), '-c',
    'libx264', '-e', 'crf=0', '--overwrite', '-q');
  const ours = framesOf(join(work, 'cpu_out.webm'), 128, 96), theirs = framesOf(join(work, 'cpu_engine.mkv'), 128, 96),
    worst = Math.min(...ours.map((f, i) => compare(f, theirs[i]).psnr));
  ok(worst > 33, `${worst} dB`);
});

test('a GPU that is lost on the way is told', async () => {
  needKit();
  const [lanczos] = exportPlans('lanczos2x');
  clip('lost.mp4', { width: 64, height: 48, frames: 60 });
  const said = await page.evaluate(async ([address]) => {
    const { upscaleClip, upscalePicture } = await window.tools(), plan = await window.plan(address), kit = await window.kit(),
      all = [];
    const fresh = async () => (await navigator.gpu.requestAdapter()).requestDevice();
    let device = await fresh();
    all.push(await upscaleClip('/made/lost.mp4', { plan, device, mediabunny: kit,
      onprogress: ({ frames }) => { if (frames === 3) device.destroy(); } }).catch((e) => `${e.name}: ${e.message}`));
    device = await fresh();
    const canvas = new OffscreenCanvas(150, 100);
    canvas.getContext('2d').fillRect(0, 0, 50, 50);
    all.push(await upscalePicture(canvas, { plan, device, tile: 32,
      onprogress: (s) => { if (s > 0) device.destroy(); } }).catch((e) => `${e.name}: ${e.message}`));
    return all;
  }, [lanczos]);
  for (const line of said) match(line, /^MediaError: the GPU was lost/);
});

test('without WebCodecs or a module that is one sentence', async () => {
  const said = await page.evaluate(async () => {
    const { openMedia, upscaleClip } = await window.tools(), all = [];
    all.push(await openMedia(new Blob(['x'])).catch((e) => e.message));
    const kept = [window.VideoDecoder, window.VideoEncoder];
    window.VideoDecoder = undefined;
    all.push(await openMedia(new Blob(['x'])).catch((e) => e.message));
    window.VideoDecoder = kept[0];
    window.VideoEncoder = undefined;
    all.push(await upscaleClip(new Blob(['x']), { plan: {}, device: {} }).catch((e) => e.message));
    window.VideoEncoder = kept[1];
    return all;
  });
  match(said[0], /mediabunny is missing/);
  match(said[1], /no WebCodecs/);
  match(said[2], /VideoEncoder/);
});

test('nothing else went wrong in the page', () => {
  deepEqual(page.remaining(), []);
});

await finish();
