// SPDX-License-Identifier: MIT
// The browser that the other tests rely on: WebGPU with the features that we use, isolation, files in and out.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { finish, openPage, test, work } from './kit.mjs';
import { clip } from './kit_media.mjs';

test('an adapter, isolation, a file written', async () => {
  const page = await openPage();
  const found = await page.evaluate(async () => {
    const adapter = await navigator.gpu.requestAdapter();
    await fetch('/made/x.bin', { method: 'PUT', body: new Uint8Array([1, 2, 255]) });
    return { adapter: adapter && { vendor: adapter.info.vendor, f16: adapter.features.has('shader-f16'), times: adapter.features.has('timestamp-query') }, isolated: crossOriginIsolated };
  });
  console.log(JSON.stringify(found));
  ok(found.adapter);
  ok(found.isolated);
  deepEqual([...readFileSync(join(work, 'x.bin'))], [1, 2, 255]);
});

test('an error in a page is found', async () => {
  const page = await openPage();
  await page.evaluate(() => { console.error('one'); setTimeout(() => { throw new Error('two'); }); });
  await page.evaluate(() => new Promise((done) => setTimeout(done, 20)));
  equal(page.remaining().length, 2);
  page.allow(/one|two/);
  equal(page.remaining().length, 0);
});

test('clips play', async () => {
  clip('v.webm', { frames: 10 });
  clip('v.mp4', { frames: 10 });
  const page = await openPage();
  for (const name of ['v.webm', 'v.mp4']) {
    const size = await page.evaluate((/** @type {string} */ from) => new Promise((done) => {
      const video = document.createElement('video');
      video.onloadeddata = () => done([video.videoWidth, video.videoHeight]);
      video.onerror = () => done(video.error?.message);
      video.src = from;
    }), `/made/${name}`);
    deepEqual(size, [96, 64], name);
  }
});

test('no WebGPU when it is switched off', async () => {
  const page = await openPage('/blank', { webgpu: false });
  equal(await page.evaluate(async () => !!(await navigator.gpu?.requestAdapter())), false);
});

await finish();
