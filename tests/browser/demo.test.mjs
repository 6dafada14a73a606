// SPDX-License-Identifier: MIT
// The demo page as its visitors use it: it loads without a word of complaint, its line moves, pictures and clips are taken, what
// cannot be is said.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportNetworks, rangeOf, startServer } from '../../web/serve.mjs';
import { indexOf } from '../../web/demo/renditions.mjs';
import { finish, openPage, program, run, Skip, test, work } from './kit.mjs';
import { clip, picture } from './kit_media.mjs';

exportNetworks(program, ['rt3', 'rt9-h264', 'rt14-h264']);
const server = await startServer({ port: 0 });

/** @param {string} query @param {object} [options] */
const open = (query, options) => openPage(`${server.url}/demo/?${query}`, options);
/** @param {any} page @param {string} text of the line that says what is going on @param {number} [timeout] */
const says = (page, text, timeout = 60000) => page.waitForFunction((/** @type {string} */ t) =>
  new RegExp(t).test(document.getElementById('said')?.textContent ?? ''), text, { timeout });

/** A file dropped on the page. @param {any} page @param {string} path @param {string} name @param {string} type */
const drop = (page, path, name, type) => page.evaluate(([base64, as, kind]) => {
  const data = new DataTransfer(), bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  data.items.add(new File([bytes], as, { type: kind }));
  for (const event of ['dragenter', 'dragover', 'drop']) document.body.dispatchEvent(new DragEvent(event,
    { dataTransfer: data, bubbles: true, cancelable: true }));
}, [readFileSync(path).toString('base64'), name, type]);

test('the server: types, ranges, isolation, nothing from elsewhere', async () => {
  const get = (/** @type {string} */ path, headers = {}) => fetch(server.url + path, { headers, redirect: 'manual' });
  equal((await get('/')).headers.get('location'), '/demo/');
  const home = await get('/demo/');
  deepEqual([home.status, home.headers.get('content-type'), home.headers.get('cross-origin-opener-policy'),
    home.headers.get('cross-origin-embedder-policy')],
    [200, 'text/html; charset=utf-8', 'same-origin', 'require-corp']);
  const part = await get('/samples/harbour.mp4', { Range: 'bytes=4-7' });
  deepEqual([part.status, await part.text(), part.headers.get('content-range')?.split('/')[0]], [206, 'ftyp', 'bytes 4-7']);
  equal((await get('/samples/harbour.mp4', { Range: 'bytes=99999999-' })).status, 416);
  deepEqual([rangeOf('bytes=-5', 100), rangeOf('bytes=5-', 100), rangeOf('bytes=0-500', 100), rangeOf('bytes=x', 100),
    rangeOf('bytes=100-', 100)], [[95, 99], [5, 99], [0, 99], null, null]);
  for (const path of ['/%2e%2e/dev', '/..%2f..%2fetc/passwd', '/.gitignore', '/samples/%2e%2e/dev',
    '/models/../dev']) equal((await get(path)).status, 404, path);
  equal((await get('/models/rt3.onnx')).headers.get('content-type'), 'application/octet-stream');
  equal((await fetch(`${server.url}/demo/`, { method: 'POST' })).status, 405);
});

test('the page loads and tells what it does; the line moves by mouse and keys', async () => {
  clip('small.mp4', { width: 96, height: 64, frames: 30 });
  const page = await open('model=rt3&backend=webgpu&paused');
  equal(await page.title(), 'framemill: sharper video, in the page');
  deepEqual(await page.$$eval('h1, h2', (all) => all.map((h) => h.textContent)),
    ['Sharper video, in the page.', 'Your own files', 'Fewer bytes for the same picture', 'How it works']);
  // a small clip: the adapter here is slow
  await drop(page, join(work, 'small.mp4'), 'small.mp4', 'video/mp4');
  await page.evaluate(() => document.getElementById('film').pause());
  await says(page, '^rt3 \\(f32\\) is ');
  const share = () => page.evaluate(() => [Number(document.querySelector('#picture .split').getAttribute('aria-valuenow')),
    Math.round(globalThis.demo.stage.player.compare * 100)]);
  deepEqual(await share(), [50, 50]);
  await page.focus('#picture .split');
  for (const key of ['ArrowRight', 'ArrowRight', 'Shift+ArrowRight', 'ArrowLeft']) await page.keyboard.press(key);
  deepEqual(await share(), [61, 61]);
  await page.keyboard.press('Home');
  deepEqual(await share(), [0, 0]);
  const box = await page.locator('#picture').boundingBox();
  await page.mouse.move(box.x + 1, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.25, box.y + 30, { steps: 3 });
  await page.mouse.up();
  deepEqual(await share(), [25, 25]);
  await page.evaluate(() => globalThis.demo.stage.near(2, 0.5));
  deepEqual(await share(), [25, 38]);
  equal(await page.$eval('#clip-name', (e) => e.textContent), 'small.mp4');
  // everything that can be pressed has a name, and is reached by the keyboard
  const nameless = await page.$$eval('button, select, input:not([hidden]), [role=slider]', (all) =>
    all.filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.closest('label'))).map((e) => e.id));
  deepEqual(nameless, []);
});

test('a picture that is dropped is enlarged, compared and saved; what is no picture is told', async () => {
  const [w, h] = [60, 40], raw = join(work, 'drop.rgba'), png = join(work, 'drop.png');
  writeFileSync(raw, picture(w, h));
  run('ffmpeg', ['-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgba', '-s', `${w}x${h}`, '-i', raw, '-frames:v', '1', png]);
  const page = await open('model=rt3&backend=webgpu&paused');
  await page.evaluate(() => { globalThis.demo.stage.player.detach(); }); // all of this adapter for the picture
  await drop(page, png, 'drop.png', 'image/png');
  await page.waitForSelector('#still-save:enabled', { timeout: 60000 });
  match(await page.$eval('#still-said', (e) => e.textContent), /drop\.png: 60 x 40 to 120 x 80 by rt3/);
  deepEqual(await page.$$eval('#sheet canvas', (all) => all.map((c) => [c.width, c.height])), [[120, 80], [120, 80]]);
  await page.focus('#sheet .split');
  await page.keyboard.press('End');
  equal(await page.$eval('#sheet .after', (c) => c.style.clipPath.replace(/0px|0(?= )/g, '0')), 'inset(0 0 0 100%)');
  const [saved] = await Promise.all([page.waitForEvent('download'), page.click('#still-save')]);
  equal(saved.suggestedFilename(), 'drop_x2.png');
  await drop(page, raw, 'drop.txt', 'text/plain');
  await page.waitForSelector('#still-error:not([hidden])');
  match(await page.$eval('#still-error', (e) => e.textContent), /no picture/);
  equal(await page.$eval('#still', (e) => e.hidden), true);
});

test('the clip is saved from the page', async () => {
  clip('tiny.mp4', { width: 64, height: 48, frames: 12, audio: true });
  const page = await open('model=rt3&backend=webgpu&paused');
  if (await page.evaluate(() => fetch('../node_modules/mediabunny/dist/bundles/mediabunny.min.mjs').then((r) => !r.ok)))
    throw new Skip('no npm package mediabunny (npm ci in web/)');
  await page.evaluate(() => { globalThis.demo.stage.player.detach(); });
  await drop(page, join(work, 'tiny.mp4'), 'tiny.mp4', 'video/mp4');
  const [saved] = await Promise.all([page.waitForEvent('download', { timeout: 80000 }), page.click('#clip-save')]);
  equal(saved.suggestedFilename(), 'tiny_x2.mp4');
  const path = join(work, 'tiny_x2.mp4');
  await saved.saveAs(path);
  const found = run('ffprobe', ['-v', 'error', '-count_packets', '-show_entries', 'stream=codec_type,width,height,nb_read_packets',
    '-of', 'csv=p=0', path]).trim().split('\n');
  ok(found.includes('video,128,96,12'), found.join(' '));
  ok(found.some((line) => line.startsWith('audio')));
  match(await page.$eval('#clip-said', (e) => e.textContent), /12 frames of 128 x 96 by rt3, .*sound copied/);
});

test('the stream: sizes change between segments; without a network the large one; bytes are counted', async () => {
  const path = clip('frag.mp4', { width: 64, height: 48, frames: 30, rate: 10, gop: 10, audio: true,
    args: ['-movflags', '+frag_keyframe+empty_moov+default_base_moof'] });
  const index = indexOf(readFileSync(path));
  equal(index.segments.length, 3);
  match(index.codecs, /^avc1\.[0-9a-f]{6},mp4a\.40\.2$/);
  equal(index.segments.at(-1).offset + index.segments.at(-1).length <= readFileSync(path).length, true);
  const page = await open('model=rt3&backend=webgpu&paused');
  // two sizes of it, made by the test, in place of the sample's
  const small = readFileSync(path), large = readFileSync(clip('frag2.mp4', { width: 128, height: 96, frames: 30, rate: 10, gop: 10,
    audio: true, args: ['-movflags', '+frag_keyframe+empty_moov+default_base_moof'] }));
  const renditions = [{ name: 'small', file: 'small.mp4', width: 64, height: 48, ...index },
    { name: 'large', file: 'large.mp4', width: 128, height: 96, ...indexOf(large) }];
  await page.route('**/demo/media/*', (/** @type {any} */ route) => {
    const name = route.request().url().split('/').pop(), data = name === 'small.mp4' ? small : large,
      [, from, to] = /(\d+)-(\d+)/.exec(route.request().headers().range ?? '0-0');
    return name === 'index.json' ? route.fulfill({ json: { seconds: 1, renditions } })
      : route.fulfill({ status: 206, body: data.subarray(Number(from), Number(to) + 1) });
  });
  const sum = (/** @type {any} */ r) => r.init + r.segments.reduce((/** @type {number} */ n, /** @type {any} */ s) => n + s.length,
    0);
  const found = await page.evaluate(async () => {
    const { Stream } = await import('/demo/adaptive.js'), results = [];
    for (const which of [[0, 0, 0], [0, 1, 0]]) {
      const video = document.createElement('video'), sizes = [];
      video.muted = true;
      let fetched = 0, done = 0;
      const stream = new Stream(video, new URL('media/', location.href), (i) => which[i],
        (_, __, length) => { fetched += length; done++; });
      video.addEventListener('resize', () => sizes.push(video.videoWidth));
      await stream.open();
      await video.play();
      await new Promise((go) => video.addEventListener('ended', go));
      results.push({ fetched, done, sizes, duration: Math.round(video.duration) });
      stream.close();
    }
    return results;
  });
  deepEqual(found[0], { fetched: sum(renditions[0]), done: 3, sizes: [64], duration: 3 });
  deepEqual([found[1].done, found[1].sizes], [3, [64, 128, 64]]);
  // the section itself, where nothing may calculate: the large size, nothing saved
  await page.selectOption('#backend', 'none');
  await page.click('#stream-play');
  await page.waitForFunction(() => document.querySelectorAll('#segments i').length === 3, null, { timeout: 30000 });
  deepEqual(await page.evaluate(() => ({ ...globalThis.demo.stream.totals })),
    { fetched: sum(renditions[1]), large: sum(renditions[1]) });
  match(await page.$eval('#stream-figures', (e) => e.textContent), /switched off/);
});

test('without WebGPU, and with nothing at all, the page says so and the video stays', async () => {
  const page = await open('model=rt3&backend=webgpu&paused', { webgpu: false });
  await says(page, '^Plain video: ');
  equal(await page.$eval('#picture', (e) => e.classList.contains('off')), true);
  equal(await page.$eval('#film', (e) => e.readyState > 1 && getComputedStyle(e).visibility), 'visible');
  await page.click('#sample-picture');
  await page.waitForSelector('#still-error:not([hidden])');
  match(await page.$eval('#still-error', (e) => e.textContent), /nothing here can calculate/);
});

await finish();
