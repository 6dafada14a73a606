// SPDX-License-Identifier: MIT
// The player in Chromium: what it draws, what it does when things change, and that the plain video is seen when something is wrong.
import { equal, ok } from 'node:assert/strict';
import { join } from 'node:path';
import { exportPlans, finish, framemill, openPage, root, test, work } from './kit.mjs';
import { clip, compare, framesOf } from './kit_media.mjs';

const W = 96, H = 64;
exportPlans('rt3', 'rt9', 'ivs');

/** A page with a video of a clip and, if options are given, a player on it. @param {string} name @param {object|null} options @param {object} [more] */
async function playing(name, options, { play = true, style = `width:${2 * W}px;height:${2 * H}px`, ...more } = {}) {
  const page = await openPage('/blank', more);
  await page.evaluate(async ([src, css, start]) => {
    const video = document.createElement('video');
    Object.assign(video, { muted: true, loop: true, src });
    video.style.cssText = css;
    document.body.append(video);
    const events = [];
    Object.assign(globalThis, { video, events });
    globalThis.begin = async (options) => {
      const { attach } = await import('/web/index.js');
      const player = globalThis.player = attach(video, { models: '/plans/', onevent: (e) => { if (e.type !== 'stats') events.push({ type: e.type, ...e.detail }); }, ...options });
      return player.state;
    };
    globalThis.until = (what, seconds = 25) => new Promise((done, fail) => {
      const start = performance.now(), check = () => {
        if (what()) return done(true);
        if (performance.now() - start > seconds * 1000)
          return fail(new Error(`not within ${seconds} s: ${what}; ${JSON.stringify(events)} ${JSON.stringify(globalThis.player?.stats())}`));
        setTimeout(check, 30);
      };
      check();
    });
    globalThis.pixels = async (png) => {
      const from = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob(), { colorSpaceConversion: 'none' });
      const c = new OffscreenCanvas(from.width, from.height), x = c.getContext('2d', { willReadFrequently: true });
      x.drawImage(from, 0, 0);
      return Array.from(x.getImageData(0, 0, c.width, c.height).data);
    };
    if (start) await video.play();
    else await globalThis.until(() => video.readyState >= 2);
  }, [name, style, play]);
  if (options) await page.evaluate((o) => globalThis.begin(o), options);
  return page;
}

const state = (page) => page.evaluate(() => ({ state: player.state, reason: player.reason, shown: getComputedStyle(player.canvas).visibility === 'visible' }));
const until = (page, what, seconds) => page.evaluate(`until(() => ${what}, ${seconds ?? 25})`);
/** What the viewer sees where the video is. @param {any} page @param {string} [what] */
async function seen(page, what = 'video') {
  const clip = await page.evaluate((name) => { const { x, y, width, height } = globalThis[name].getBoundingClientRect(); return { x, y, width, height }; }, what);
  const png = await page.screenshot({ clip });
  return { width: clip.width, height: clip.height, data: new Uint8Array(await page.evaluate((p) => pixels(p), png.toString('base64'))) };
}
const isShown = (page, how = 'running') => until(page, `player.state === '${how}' && getComputedStyle(player.canvas).visibility === 'visible'`);
// the canvas has the frame at this time: drawn, and the GPU has finished
const atTime = async (page, time) => {
  await page.evaluate((t) => new Promise((done) => { video.pause(); video.addEventListener('seeked', done, { once: true }); video.currentTime = t; }), time);
  await page.waitForTimeout(600);
};

test('the frame that is drawn is the engine\'s', async () => {
  const path = clip('tagged.webm', { width: W, height: H, frames: 15, lossless: true }), to = join(work, 'engine.mkv');
  framemill('upscale', path, to, '-m', join(root, 'models', 'rt3.onnx'), '-c', 'libx264', '-e', 'qp=0', '--overwrite', '-q');
  const page = await playing('/work/tagged.webm', { model: 'rt3' });
  await isShown(page);
  await atTime(page, 0.22);
  equal(await page.evaluate(() => player.state), 'paused');
  const got = await seen(page), all = framesOf(to, 2 * W, 2 * H);
  if (process.env.DBG) { const { writeFileSync } = await import('node:fs'); writeFileSync('/tmp/h6/A/got.rgba', got.data); writeFileSync('/tmp/h6/A/want.rgba', all[5]); console.log(all.map((f) => compare(got.data, f).psnr.toFixed(1)).join(' ')); console.log(await page.evaluate(() => [video.currentTime, player.canvas.style.cssText])); }
  const { psnr } = compare(got.data, all[5]);
  console.log(`psnr ${psnr.toFixed(2)} dB; ${JSON.stringify(await page.evaluate(() => player.stats()))}`);
  ok(psnr > 45, `${psnr} dB`);
}, { seconds: 60 });

await finish();
