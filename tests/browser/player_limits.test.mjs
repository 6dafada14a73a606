// SPDX-License-Identifier: MIT
// The player where something is amiss from the start: networks that are wrong or do not fit, a battery, picture-in-picture, no
// timestamps.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportPlans, finish, openPage, plansFolder, test } from './kit.mjs';
import { everywhere, isShown, noWorkers, playing, slow, state, until, W } from './player_kit.mjs';

exportPlans('rt3', 'lanczos2x');
slow();

/**
 * A page to which plans come changed.
 * @param {Record<string, (plan: any) => void>} changes by address
 * @param {(() => void)|null} [script] what it runs at first
 */
async function pageWith(changes, script = null) {
  const page = await openPage('/blank', { context: { viewport: { width: 480, height: 320 } } });
  for (const [name, change] of Object.entries(changes))
    await page.route((url) => `${url.pathname}${url.search}` === `/plans/${name}`, (route) => {
      const plan = JSON.parse(readFileSync(join(plansFolder, name.replace(/\?.*/, '')), 'utf8'));
      change(plan);
      route.fulfill({ json: plan, headers: { 'Cross-Origin-Resource-Policy': 'same-origin' } });
    });
  if (script) await everywhere(page, script);
  return page;
}

/** Another golden picture: one sample of it. @param {any} plan */
const spoil = (plan) => {
  const golden = Buffer.from(plan.golden.output, 'base64');
  golden[400] ^= 0x20;
  plan.golden.output = golden.toString('base64');
};

test('the golden tile differs in one sample: the next network, or the plain video', async () => {
  const page = await pageWith({ 'lanczos2x.json?other': spoil });
  await playing('/made/slow.webm', { model: ['/plans/lanczos2x.json?other', 'lanczos2x'] }, { page });
  await isShown(page);
  deepEqual(await page.evaluate(() => [player.stats().network, player.stats().step]), ['lanczos2x', 1]);
  await page.evaluate(() => player.detach());
  await noWorkers(page);
  const other = await pageWith({ 'lanczos2x.json': spoil });
  await playing('/made/slow.webm', { model: 'lanczos2x', backend: 'webgpu' }, { page: other });
  await until(other, 'player.state === "passthrough"');
  ok(/self-test failed in f32/.test((await state(other)).reason), (await state(other)).reason);
});

test('a network that the adapter cannot hold, and one that is not there, are left out', async () => {
  const page = await pageWith({ 'rt3.json': (plan) => { plan.forms.f32.limits.maxComputeWorkgroupStorageSize = 1 << 30; } });
  page.allow(/404/);
  await playing('/made/slow.webm', { model: ['/plans/nowhere.json', 'rt3', 'lanczos2x'] }, { page });
  await isShown(page);
  deepEqual(await page.evaluate(() => [player.stats().network, player.stats().step]), ['lanczos2x', 2]);
  await page.evaluate(() => { player.model = ['rt3']; });
  await until(page, 'player.state === "passthrough"');
});

test('a battery: half way down the ladder; picture-in-picture', async () => {
  const page = await pageWith({}, () => {
    if (!globalThis.document) return;
    const battery = Object.assign(new EventTarget(), { charging: true, level: 0.5 });
    Object.assign(globalThis, { battery });
    Object.defineProperty(Navigator.prototype, 'getBattery', { value: async () => battery });
  });
  // one second of frames in five: nothing is late
  await playing('/made/slow.webm', { model: ['rt3', 'lanczos2x'], rules: {} }, { page });
  await page.evaluate(() => { video.playbackRate = 0.0625; });
  await isShown(page);
  await page.evaluate(() => { battery.charging = false; battery.dispatchEvent(new Event('chargingchange')); });
  await until(page, 'player.stats().limited === "saving power" && player.stats().network === "lanczos2x"');
  ok(await page.evaluate(() => events.some((e) => e.type === 'step' && e.reason === 'saver')));
  await page.evaluate(() => {
    video.playbackRate = 1;
    Object.defineProperty(document, 'pictureInPictureElement', { get: () => globalThis.inPicture ?? null });
    globalThis.inPicture = video;
    video.dispatchEvent(new Event('enterpictureinpicture'));
  });
  deepEqual(await state(page), { state: 'passthrough', reason: 'picture-in-picture', shown: false });
  await page.evaluate(() => { globalThis.inPicture = null; video.dispatchEvent(new Event('leavepictureinpicture')); });
  await isShown(page);
});

test('no timestamps: the queue\'s word counts; a video that leaves the page', async () => {
  const page = await pageWith({}, () => { Object.defineProperty(GPUAdapter.prototype, 'features', { get: () => new Set() }); });
  await playing('/made/slow.webm', { model: 'lanczos2x' }, { page });
  await isShown(page);
  await until(page, 'player.stats().p95 > 0 && Number.isNaN(player.stats().blitMs)');
  await page.evaluate(() => { globalThis.home = document.createElement('div'); video.remove(); window.dispatchEvent(
    new Event('resize')); });
  await until(page, 'player.state !== "running"');
  equal(await page.evaluate(() => { document.body.append(home); home.append(video); video.play(); return getComputedStyle(
    player.canvas).visibility; }), 'hidden');
  await isShown(page);
  equal(await page.evaluate(() => player.canvas.previousSibling === video), true);
  equal(await page.evaluate(() => player.canvas.width), 2 * W);
});

await finish();
