// SPDX-License-Identifier: MIT
// The player and all kinds of video: colours, shapes, changes of resolution, what may not be read, fullscreen.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { exportPlans, finish, root, run, Skip, test, work } from './kit.mjs';
import { asBrowsers, clip, compare, planesOf } from './kit_media.mjs';
import { atTime, cutOut, H, isShown, patches, playing, quarters, seen, slow, state, until, W } from './player_kit.mjs';

exportPlans('lanczos2x', 'ivs');
slow();

/** In the page: the canvas goes; where it was. */
const hideCanvas = () => {
  const box = canvasOf.getBoundingClientRect();
  canvasOf.style.display = 'none';
  return box;
};

test('colours are the video\'s own: BT.709, BT.601, full range, untagged, turned, oblong pixels', async () => {
  const cases = ['c709.mp4', 'c601.mp4', 'full.mp4', 'none.mp4', 'none.webm', 'turned.mp4', 'oblong.mp4'];
  patches('c709.mp4', { matrix: 'bt709' });
  patches('c601.mp4', { matrix: 'smpte170m' });
  patches('full.mp4', { matrix: 'bt709', range: 'pc' });
  patches('none.mp4', { matrix: null });
  patches('none.webm', { matrix: null });
  run('ffmpeg', ['-v', 'error', '-y', '-i', join(work, 'c709.mp4'), '-c', 'copy', '-metadata:s:v:0', 'rotate=90',
    join(work, 'turned.mp4')]);
  run('ffmpeg', ['-v', 'error', '-y', '-i', join(work, 'c601.mp4'), '-c', 'copy', '-aspect', '8:3', join(work, 'oblong.mp4')]);
  const page = await playing('/made/c709.mp4', { model: 'lanczos2x', battery: false }, { style: 'width:256px;height:256px' });
  for (const name of cases) {
    // a video that is exchanged under the player
    if (name !== cases[0]) await page.evaluate(async (n) => { video.src = `/made/${n}`; await video.play(); }, name);
    await isShown(page);
    await page.evaluate(() => video.pause());
    await isShown(page, 'paused');
    await page.waitForTimeout(300);
    const ours = quarters(await seen(page, 'canvasOf')), size = await page.evaluate(() => player.stats());
    const box = await page.evaluate(hideCanvas);
    const plain = quarters(await cutOut(page, box)),
      off = Math.max(...ours.flatMap((c, i) => c.map((v, j) => Math.abs(v - plain[i][j]))));
    console.log(`${name}: ${off} levels off, ${size.matrix}, ${size.width}x${size.height} in ` +
      `${size.canvasWidth}x${size.canvasHeight}`);
    ok(off <= 3, `${name}: ${JSON.stringify({ ours, plain })}`);
    equal(`${size.width}x${size.height}`, name === 'turned.mp4' ? '48x64' : '64x48');
    equal(`${size.canvasWidth}x${size.canvasHeight}`, { 'turned.mp4': '192x256', 'oblong.mp4': '256x96' }[name] ?? '256x192');
    equal(size.matrix, /c709|full|turned|none.webm/.test(name) ? 'bt709' : 'bt601');
  }
}, { seconds: 150 });

test('colours of 4:2:0 are made of the plain video as of what networks get', async () => { // that: golden.test.mjs
  const card = clip('card.mp4', { width: 64, height: 48, frames: 8, lossless: true }), wanted = asBrowsers(planesOf(card, 64, 48)[5], 64, 48);
  const page = await playing('/made/card.mp4', null, { style: 'width:64px;height:48px', play: false });
  await atTime(page, 0.22);
  let found = { most: 255 };
  for (let tries = 0; tries < 40 && found.most > 1; tries++) {
    if (tries) await page.waitForTimeout(300);
    found = compare((await seen(page)).data, wanted);
  }
  ok(found.most <= 1, `${found.most} levels off`);
});

test('another resolution in the midst of a stream', async () => {
  clip('one.webm', { width: W, height: H, frames: 10, rate: 5, gop: 10 });
  clip('two.webm', { width: 64, height: 48, frames: 20, rate: 5, gop: 10 });
  const page = await playing('/made/one.webm', null, { play: false });
  await page.evaluate(async () => {
    const media = new MediaSource();
    video.src = URL.createObjectURL(media);
    await new Promise((done) => media.addEventListener('sourceopen', done, { once: true }));
    const buffer = media.addSourceBuffer('video/webm; codecs="vp09.00.10.08"');
    for (const [name, offset] of [['one', 0], ['two', 2]]) {
      buffer.timestampOffset = offset;
      buffer.appendBuffer(await (await fetch(`/made/${name}.webm`)).arrayBuffer());
      await new Promise((done) => buffer.addEventListener('updateend', done, { once: true }));
    }
    video.loop = false;
    await begin({ model: 'lanczos2x' });
  });
  await isShown(page, 'paused');
  equal(await page.evaluate(() => `${player.stats().width}x${player.stats().height}`), `${W}x${H}`);
  await page.evaluate(() => video.play());
  await until(page, 'player.stats().width === 64 && player.stats().outHeight === 96');
  ok(['running', 'paused'].includes(await page.evaluate(() => player.state)));
  equal(await page.evaluate(() => events.filter((e) => e.type === 'fallback').length), 0);
});

test('what may not be read, or not be shown rightly, is left alone: HDR, DRM, another origin', async () => {
  clip('hdr.webm', { width: 64, height: 48, frames: 10, rate: 5, matrix: null,
    args: ['-pix_fmt', 'yuv420p10le', '-profile:v', '2', '-colorspace', 'bt2020nc', '-color_primaries', 'bt2020',
    '-color_trc', 'smpte2084', '-color_range', 'tv'] });
  const page = await playing('/made/hdr.webm', { model: 'lanczos2x', backend: 'webgpu' });
  await until(page, 'player.state === "passthrough"');
  ok(/HDR/.test((await state(page)).reason), (await state(page)).reason);
  await page.evaluate(async () => { video.src = '/made/slow.webm'; await video.play(); });
  await isShown(page);
  await page.evaluate(() => video.dispatchEvent(new Event('encrypted')));
  ok(/DRM/.test((await state(page)).reason));
  await page.route('**/elsewhere/**', (route) =>
    route.fulfill({ path: join(work, 'slow.webm'), contentType: 'video/webm',
    headers: { 'Cross-Origin-Resource-Policy': 'cross-origin' } }));
  await page.evaluate(async () => { video.src = 'http://other.test/elsewhere/slow.webm'; await video.play(); });
  await until(page, '/origin/.test(player.reason)');
  ok(!(await state(page)).shown);
  await page.evaluate(async () => { video.src = '/made/slow.webm'; await video.play(); });
  await isShown(page);
});

test('a network for any ratio gets the size of the screen; fullscreen', async () => {
  const page = await playing('/made/slow.webm', { model: ['ivs'], maxRatio: 1.5 }, { style: 'width:120px;height:80px' });
  await isShown(page);
  await until(page, 'player.stats().outWidth === 120 && player.stats().outHeight === 80');
  await page.evaluate(() => { video.style.width = '300px'; video.style.height = '200px'; });
  await until(page, `player.stats().outWidth === ${1.5 * W} && player.stats().canvasWidth === 300`);
  await page.evaluate(() => video.addEventListener('click', () => video.requestFullscreen(), { once: true }));
  await page.click('video');
  await until(page, 'document.fullscreenElement === video && player.canvas.matches(":popover-open") && player.canvas.width >= 470');
  const over = await page.evaluate(() => { const c = player.canvas.getBoundingClientRect(); return [c.left + c.right,
    c.top + c.bottom].map((v, i) => Math.abs(v - [innerWidth, innerHeight][i])); });
  ok(over.every((v) => v < 2), String(over));
  await page.evaluate(() => document.exitFullscreen());
  await until(page, '!player.canvas.matches("[popover]") && player.canvas.width === 300');
  await isShown(page);
}, { seconds: 150 });

test('frames decoded by ourselves: the same picture, also of a video that is turned', async () => {
  if (!existsSync(join(root, 'web', 'node_modules', 'mediabunny'))) throw new Skip('no mediabunny here (npm ci in web)');
  patches('c709.mp4', { matrix: 'bt709' });
  run('ffmpeg', ['-v', 'error', '-y', '-i', join(work, 'c709.mp4'), '-c', 'copy', '-metadata:s:v:0', 'rotate=90',
    join(work, 'turned.mp4')]);
  const page = await playing('/made/turned.mp4', null, { style: 'width:192px;height:192px' });
  await page.evaluate(() => {
    const map = Object.assign(document.createElement('script'), { type: 'importmap' });
    map.textContent = JSON.stringify({ imports: { mediabunny: '/web/node_modules/mediabunny/dist/bundles/mediabunny.mjs' } });
    document.head.append(map);
  });
  await page.evaluate(() => begin({ model: 'lanczos2x', mode: 'decoded' }));
  for (const name of ['turned.mp4', 'c709.mp4']) {
    if (name !== 'turned.mp4') await page.evaluate(async (n) => { video.src = `/made/${n}`; await video.play(); }, name);
    await isShown(page);
    await page.evaluate(() => video.pause());
    await isShown(page, 'paused');
    await page.waitForTimeout(300);
    const ours = quarters(await seen(page, 'canvasOf')),
      box = await page.evaluate(hideCanvas);
    const plain = quarters(await cutOut(page, box)),
      off = Math.max(...ours.flatMap((c, i) => c.map((v, j) => Math.abs(v - plain[i][j]))));
    console.log(`${name}: ${off} levels off`);
    ok(off <= 3, `${name}: ${JSON.stringify({ ours, plain })}`);
  }
  deepEqual(await page.evaluate(() => events.filter((e) => e.type === 'error' || e.type === 'fallback')), []);
});

await finish();
