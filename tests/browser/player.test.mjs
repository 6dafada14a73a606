// SPDX-License-Identifier: MIT
// The player in Chromium: what it draws, and that the plain video is seen when something is wrong.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { exportPlans, finish, framemill, openPage, root, Skip, test, work } from './kit.mjs';
import { clip, compare, framesOf } from './kit_media.mjs';
import { inventory, more, sessionsOf } from './player_heap.mjs';
import { atTime, drawer, everywhere, H, isShown, playing, seen, shrink, slow, soft, state, until, W } from './player_kit.mjs';

exportPlans('rt3', 'lanczos2x');
slow();

test('the frame that is drawn is the engine\'s; seeks and sizes of a paused video; detach', async () => {
  const path = clip('soft.webm', { width: W, height: H, frames: 15, lossless: true, source: soft(25) }),
    to = join(work, 'engine.mkv');
  framemill('upscale', path, to, '-m', join(root, 'models', 'rt3.onnx'), '-c', 'libx264', '-e', 'qp=0', '--overwrite', '-q');
  const wanted = framesOf(to, 2 * W, 2 * H), page = await playing('/made/soft.webm', { model: 'rt3' });
  await isShown(page);
  for (const [time, frame] of [[0.22, 5], [0.42, 10]]) {
    await atTime(page, time);
    equal(await page.evaluate(() => player.state), 'paused');
    let psnr = 0;
    for (let tries = 0; tries < 40 && psnr <= 45; tries++) { // the GPU is slow, and nothing says when it has finished
      if (tries) await page.waitForTimeout(300);
      ({ psnr } = compare((await seen(page)).data, wanted[frame]));
    }
    console.log(`frame ${frame}: ${psnr.toFixed(2)} dB`);
    ok(psnr > 45, `${psnr} dB`);
  }
  // another size: drawn again though nothing moves; the canvas has the pixels of the screen
  await page.evaluate(() => { video.style.width = '300px'; video.style.height = '150px'; });
  await until(page, 'player.canvas.width === 225 && player.canvas.height === 150');
  let same = 0;
  for (let tries = 0; tries < 40 && same < 30; tries++) {
    await page.waitForTimeout(300);
    same = compare(shrink(await seen(page, 'canvasOf'), 2 * W, 2 * H), wanted[10]).psnr;
  }
  ok(same > 30, `drawn again: ${same} dB`);
  const box = await page.evaluate(() => { const c = player.canvas.getBoundingClientRect(),
    v = video.getBoundingClientRect(); return [c.left - v.left, c.top - v.top, c.width, c.height]; });
  deepEqual(box.map(Math.round), [38, 0, 225, 150].map((v, i) => (i ? v : box[0] > 37 ? 38 : 37)));
  await page.evaluate(() => {
    Object.assign(video.style, { objectFit: 'cover', padding: '10px', border: '3px solid' });
    window.dispatchEvent(new Event('resize'));
  });
  await until(page, 'player.canvas.width === 300 && player.canvas.height === 150');
  deepEqual(await page.evaluate(() => { const c = player.canvas.getBoundingClientRect(),
    v = video.getBoundingClientRect(); return [c.left - v.left, c.top - v.top]; }), [13, 13]);
  // the left part is the video's own
  await page.evaluate(() => { player.compare = 0.25; });
  equal(await page.evaluate(() => player.canvas.style.clipPath), 'inset(0px 0px 0px 25%)');
  await page.evaluate(() => player.detach());
  equal(await page.evaluate(() => document.querySelectorAll('canvas.framemill, pre').length), 0);
}, { seconds: 150 });

test('late frames: down the ladder, then pass-through; back when there is time', async () => {
  const page = await playing('/made/slow.webm', { model: ['rt3', 'lanczos2x'], stats: true, rules: { few: 3, calm: 400 } });
  await page.evaluate(() => { video.playbackRate = 0.125; });
  await isShown(page);
  equal(await page.evaluate(() => player.stats().network), 'rt3');
  await page.evaluate(() => { player.faults.delay = 1450; });
  await until(page, 'player.state === "passthrough"', 40);
  const events = await page.evaluate(() => events.filter((e) => e.type === 'step' || e.type === 'fallback'));
  deepEqual(events.filter((e) => e.type === 'step').map((e) => [e.network, e.reason]).slice(0, 2),
    [['lanczos2x', 'late'], [null, 'late']]);
  equal(events.find((e) => e.type === 'fallback').reason, 'too slow');
  deepEqual(await state(page), { state: 'passthrough', reason: 'too slow', shown: false });
  await page.evaluate(() => { player.faults.delay = 0; });
  await isShown(page);
  ok(await page.evaluate(() => events.some((e) => e.reason === 'again' && e.network === 'lanczos2x')));
  await until(page, 'document.querySelector("pre.framemill-stats").textContent.includes("lanczos2x f32  step 2 of 2")', 5);
}, { seconds: 150 });

test('a black result is caught', async () => {
  const page = await playing('/made/slow.webm', { model: 'lanczos2x', faults: { black: true } });
  await until(page, 'player.state === "passthrough"');
  const found = await state(page);
  ok(/black/.test(found.reason), found.reason);
  ok(!found.shown);
  // also when it comes later, and a model that is set begins anew
  await page.evaluate(() => { player.faults.black = false; player.model = 'lanczos2x'; });
  await isShown(page);
  await page.evaluate(() => { player.faults.black = true; });
  await until(page, 'player.state === "passthrough" && /black/.test(player.reason)', 10);
});

test('the GPU is lost: plain video at once, and back', async () => {
  const page = await openPage('/blank');
  await everywhere(page, () => {
    const ask = GPUAdapter.prototype.requestDevice;
    GPUAdapter.prototype.requestDevice = async function (...a) { return (globalThis.gpu = await ask.apply(this, a)); };
  });
  await playing('/made/slow.webm', { model: 'lanczos2x' }, { page });
  await isShown(page);
  const first = drawer(page);
  await first.evaluate(() => gpu.destroy());
  await until(page, 'player.state === "passthrough"', 3);
  const found = await state(page);
  ok(/lost/.test(found.reason) && !found.shown, JSON.stringify(found));
  await isShown(page);
  ok(drawer(page) !== first);
});

test('hundreds of frames: nothing is left of them in the page or in the worker, and the page is hardly needed', async () => {
  const frames = Number(process.env.FM_FRAMES ?? 200);
  clip('quick.webm', { width: 32, height: 24, frames: 100, rate: 50 });
  const page = await playing('/made/quick.webm', { model: 'lanczos2x' }, { style: 'width:64px;height:48px' });
  await isShown(page);
  const sessions = await sessionsOf(page);
  ok(sessions.worker);
  const inventories = async () => {
    await page.evaluate(() => video.pause());
    await page.waitForTimeout(300); // what is on its way
    const found = [await inventory(sessions.page), await inventory(sessions.worker)];
    await page.evaluate(() => { video.play(); });
    return found;
  };
  const after = (n) => until(page, `player.stats().drawn > ${n}`, 120), drawn = () => page.evaluate(() => player.stats().drawn);
  await after(150); // lists of times are full
  const before = await inventories(), first = await drawn();
  await after(first + frames);
  const grown = (await inventories()).map((now, i) => more(before[i], now)),
    { mainMs, fps } = await page.evaluate(() => player.stats());
  console.log(`${frames} frames: ${grown.map((g) => g.ours)} bytes more in page and worker, ` +
    `${grown.map((g) => g.notOurs)} of the browser's own; ` +
    `${mainMs.toFixed(2)} ms of the page a frame; ${fps.toFixed(0)} fps`);
  for (const g of grown) ok(g.ours < frames * 4, JSON.stringify(g)); // less than a thing a frame
}, { seconds: 170 });

test('a browser that cannot import frames copies them', async () => {
  const page = await openPage('/blank');
  await everywhere(page, () => { delete GPUDevice.prototype.importExternalTexture; });
  await playing('/made/slow.webm', { model: 'lanczos2x' }, { page });
  await isShown(page);
  equal(await page.evaluate(() => player.stats().outWidth), 2 * W);
});

test('no WebGPU: the CPU draws; a large video, or no engine: the plain video', async () => {
  const page = await playing('/made/slow.webm', { backend: 'webgpu', model: 'rt3' }, { webgpu: false });
  await until(page, 'player.state === "passthrough"');
  ok(/WebGPU|adapter/.test((await state(page)).reason), (await state(page)).reason);
  await page.evaluate(async () => { player.detach(); await begin(
    { model: 'rt3', models: '/models/', wasm: { base: '/nowhere/' } }); });
  await until(page, 'player.state === "passthrough" && /engine/.test(player.reason)');
  page.allow(/404|nowhere/);
  if (!existsSync(join(root, 'web', 'dist', 'engine.wasm'))) throw new Skip('web/dist/engine.wasm is not built (./dev wasm)');
  await page.evaluate(async () => { player.detach(); await begin({ model: 'rt3', models: '/models/' }); });
  await isShown(page);
  deepEqual(await page.evaluate(() => [player.stats().backend, player.stats().outWidth]), ['wasm', 2 * W]);
});

await finish();
