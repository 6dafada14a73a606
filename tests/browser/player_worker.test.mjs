// SPDX-License-Identifier: MIT
// Where the player draws: in a worker that has WebGPU; in the page where workers lack it, or may not be started.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { exportPlans, finish, openPage, root, Skip, test } from './kit.mjs';
import { drawer, everywhere, H, isShown, noWorkers, playing, seen, slow, state, until, W } from './player_kit.mjs';

exportPlans('rt3', 'lanczos2x', 'ivs');
slow();

/** Whether there is more than one brightness in what is seen of the player's canvas alone. @param {any} page */
async function drawn(page) {
  await page.evaluate(() => { video.style.clipPath = 'inset(100%)'; });
  const { data } = await seen(page, 'canvasOf');
  await page.evaluate(() => { video.style.clipPath = ''; });
  return new Set(data.filter((_, i) => i % 4 === 1)).size > 30;
}

test('a worker draws, one for all players of a page; every frame is closed; nothing is left', async () => {
  const page = await openPage('/blank');
  await everywhere(page, () => {
    if (globalThis.document) return;
    const count = globalThis.count = { came: 0, closed: 0 }, close = VideoFrame.prototype.close;
    addEventListener('message', ({ data }) => {
      if (!data.image) return;
      count.came++;
      data.image.close = function () { count.closed++; close.call(this); };
    });
  });
  await playing('/made/slow.webm', { model: 'lanczos2x' }, { page });
  await isShown(page);
  ok(await page.evaluate(() => player.stats().inWorker));
  ok(await page.evaluate(() => { try { canvasOf.getContext('2d'); return false; } catch { return true; } }),
    'the canvas has been handed over');
  ok(await drawn(page));
  await page.evaluate(async () => {
    const { attach } = await import('/web/index.js'), video = document.createElement('video');
    Object.assign(video, { muted: true, loop: true, src: '/made/slow.webm' });
    document.body.append(video);
    await video.play();
    globalThis.second = attach(video, { models: '/plans/', model: 'lanczos2x', rules: { pause: 1e12 } });
  });
  await until(page, 'second.state === "running" && second.stats().drawn > 5');
  equal(page.workers().length, 1);
  await page.evaluate(() => { for (const v of document.querySelectorAll('video')) v.pause(); });
  await page.waitForTimeout(500);
  const { came, closed } = await drawer(page).evaluate(() => count);
  ok(came > 10 && came === closed, `${came} frames came, ${closed} were closed`);
  await page.evaluate(() => { second.detach(); video.play(); });
  equal(page.workers().length, 1);
  const before = await page.evaluate(() => player.stats().drawn);
  await until(page, `player.stats().drawn > ${before + 3}`);
  await page.evaluate(() => player.detach());
  await noWorkers(page);
});

test('another network while frames are on their way: those that were meant for the one before are not drawn', async () => {
  const page = await playing('/made/slow.webm', null);
  const found = await page.evaluate(async ([width, height]) => {
    const { WorkerEngine } = await import('/web/engine_worker.js'), faults = [],
      note = (what) => (reason) => faults.push(`${what} ${reason}`);
    const engine = await WorkerEngine.open({ canvas: document.createElement('canvas'), onlost: note('lost'), onfault: note('fault'),
      ontimes: () => {}, onverdict: () => {} });
    const [any, twice] = ['ivs', 'lanczos2x'].map((name) =>
      ({ name, from: new URL(`/plans/${name}.json`, location.href), cost: 0 }));
    await engine.prepare(twice);
    await engine.use(any);
    const frame = { image: video, width, height, rotation: 0 };
    const wide = { outWidth: 1.5 * width, outHeight: 1.5 * height };
    engine.render(frame, wide);
    await until(() => engine.size);
    const before = engine.size.outWidth;
    const change = engine.use(twice);
    const sent = [engine.render(frame, wide).submitted, engine.render(frame, wide).submitted, engine.render(frame, wide).submitted];
    await change;
    await until(() => engine.free);
    engine.render(frame, {});
    await until(() => engine.size.outWidth !== before);
    const after = engine.size.outWidth;
    engine.destroy();
    return { before, sent, after, faults };
  }, [W, H]);
  deepEqual(found, { before: 1.5 * W, sent: [true, true, false], after: 2 * W, faults: [] }); // two on their way, and no third
});

test('plans are loaded as the page says', async () => {
  const page = await playing('/made/slow.webm', null);
  await page.evaluate(() => {
    globalThis.asked = [];
    return begin({ model: '/secret/lanczos2x.json',
      fetch: (url) => { asked.push(String(url)); return fetch(String(url).replace('/secret/', '/plans/')); } });
  });
  await isShown(page);
  ok(await page.evaluate(() => player.stats().inWorker && asked.length === 3 &&
    asked.every((a) => a.includes('/secret/lanczos2x.'))));
  // one that is embedded needs no loading
  await page.evaluate(async () => {
    const plan = await (await fetch('/plans/lanczos2x.json')).json(),
      bytes = new Uint8Array(await (await fetch(`/plans/${plan.weights.file}`)).arrayBuffer());
    plan.weights.base64 = btoa(String.fromCharCode(...bytes));
    for (const form of Object.values(plan.forms)) form.text = await (await fetch(`/plans/${form.shader}`)).text();
    plan.name = 'embedded';
    asked.length = 0;
    player.model = plan;
  });
  await until(page, 'player.stats().network === "embedded" && player.state === "running"');
  equal(await page.evaluate(() => asked.length), 0);
});

test('the worker fails: the plain video at once, and back with another; when that fails, too, the page draws', async () => {
  const page = await playing('/made/slow.webm', { model: 'lanczos2x' });
  await isShown(page);
  const first = drawer(page);
  page.allow(/on purpose/);
  await first.evaluate(() => { setTimeout(() => { throw new Error('on purpose'); }); });
  await until(page, 'player.state === "passthrough"', 3);
  const found = await state(page);
  ok(/lost.*on purpose/.test(found.reason) && !found.shown, JSON.stringify(found));
  await isShown(page);
  ok(drawer(page) && drawer(page) !== first);
  await drawer(page).evaluate(() => { setTimeout(() => { throw new Error('on purpose'); }); });
  await until(page, 'player.state === "passthrough"', 3);
  await isShown(page);
  equal(await page.evaluate(() => player.stats().inWorker), false);
  await noWorkers(page);
});

for (const [what, script] of Object.entries({
  'workers lack WebGPU': () => { if (!globalThis.document) Object.defineProperty(WorkerNavigator.prototype, 'gpu',
    { value: undefined }); },
  'canvases in workers cannot be drawn by WebGPU': () => { if (!globalThis.document) OffscreenCanvas.prototype.getContext = () =>
    null; },
  'the page may start no workers': () => {
    globalThis.Worker = class { constructor() { throw new DOMException('', 'SecurityError'); } };
  },
}))
  test(`${what}: the page draws`, async () => {
    const page = await openPage('/blank');
    if (what.startsWith('the page')) await page.addInitScript(script);
    else await everywhere(page, script);
    await playing('/made/slow.webm', { model: 'lanczos2x' }, { page });
    await isShown(page);
    equal(await page.evaluate(() => player.stats().inWorker), false);
    await noWorkers(page);
    ok(await drawn(page));
    await until(page, 'player.stats().drawn > 5 && player.stats().outWidth === 192');
  });

test('the engine for the CPU traps: its workers are started anew, once; then the plain video', async () => {
  if (!existsSync(join(root, 'web', 'dist', 'engine.wasm'))) throw new Skip('web/dist/engine.wasm is not built (./dev wasm)');
  const page = await openPage('/blank', { webgpu: false });
  await everywhere(page, () => {
    if (globalThis.document) return;
    let trap = false;
    new BroadcastChannel('trap').onmessage = () => { trap = true; };
    const instantiate = WebAssembly.instantiate;
    WebAssembly.instantiate = async (...a) => {
      const { exports } = await instantiate(...a);
      // far behind its memory
      return { exports: { ...exports, face_run: (face, ...rows) => exports.face_run(trap ? -16 : face, ...rows) } };
    };
  });
  await playing('/made/slow.webm', { model: 'rt3', models: '/models/', wasm: { threads: 2 } }, { page });
  await isShown(page);
  const before = page.workers(), trap = () => page.evaluate(() => new BroadcastChannel('trap').postMessage(0));
  equal(before.length, 2);
  await trap();
  for (let tries = 0; tries < 100 && (page.workers().length !== 2 || page.workers().some((w) => before.includes(w))); tries++)
    await page.waitForTimeout(100);
  ok(page.workers().length === 2 && !page.workers().some((w) => before.includes(w)), 'others');
  const count = await page.evaluate(() => player.stats().drawn);
  await until(page, `player.stats().drawn > ${count + 5}`);
  deepEqual(await page.evaluate(() => [player.state, player.stats().backend,
    events.filter((e) => e.type === 'fallback' || e.type === 'error').length]), ['running', 'wasm', 0]);
  await trap();
  await until(page, 'player.state === "passthrough"');
  ok(/the engine stopped: /.test((await state(page)).reason), (await state(page)).reason);
  await noWorkers(page);
});

await finish();
