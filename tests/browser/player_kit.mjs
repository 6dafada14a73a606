// SPDX-License-Identifier: MIT
// What the tests of the player have in common: a page with a video and a player on it, and what a viewer sees of it.
import { openPage } from './kit.mjs';
import { clip } from './kit_media.mjs';

export const W = 96, H = 64, soft = (rate) => `testsrc2=size=${W}x${H}:rate=${rate},hue=s=0.2,gblur=sigma=1`;

/**
 * A page with a video of a clip and, if options are given, a player on it. The monitor changes nothing unless it is given rules:
 * this machine may be busy.
 * @param {string} name @param {object|null} options @param {object} [more]
 */
export async function playing(name, options, { play = true, style = `width:${2 * W}px;height:${2 * H}px`, ...more } = {}) {
  const page = more.page ?? await openPage('/blank', { context: { viewport: { width: 480, height: 320 } }, ...more });
  if (more.page) await page.reload(); // for what it runs at first
  await page.evaluate(async ([src, css, start]) => {
    const video = document.createElement('video');
    Object.assign(video, { muted: true, loop: true, src });
    video.style.cssText = css;
    document.body.append(video);
    const events = [];
    Object.assign(globalThis, { video, events });
    Object.defineProperty(globalThis, 'canvasOf', { get: () => globalThis.player.canvas });
    globalThis.begin = async (options) => {
      const { attach } = await import('/web/index.js');
      const player = globalThis.player = attach(video,
        { models: '/plans/', rules: { pause: 1e12 },
        onevent: (e) => { if (e.type !== 'stats') events.push({ type: e.type, ...e.detail }); }, ...options });
      return player.state;
    };
    globalThis.until = (what, seconds = 60) => new Promise((done, fail) => {
      const start = performance.now(), check = () => {
        if (what()) return done(true);
        if (performance.now() - start > seconds * 1000)
          return fail(new Error(`not within ${seconds} s: ${what}; ${JSON.stringify([events, globalThis.player?.stats()])}`));
        setTimeout(check, 30);
      };
      check();
    });
    globalThis.pixels = async (png) => {
      const from = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob(),
        { colorSpaceConversion: 'none' });
      const c = new OffscreenCanvas(from.width, from.height), x = c.getContext('2d', { willReadFrequently: true });
      x.drawImage(from, 0, 0);
      // as text: lists of numbers take the test's side seconds
      return x.getImageData(0, 0, c.width, c.height).data.reduce((text, v) => text + String.fromCharCode(v), '');
    };
    if (start) await video.play();
    else await globalThis.until(() => video.readyState >= 2);
  }, [name, style, play]);
  if (options) await page.evaluate((o) => globalThis.begin(o), options);
  return page;
}

/**
 * Runs a script at first in the page, and in workers that it starts.
 * @param {any} page
 * @param {() => void} script
 * @param {boolean} [pageToo]
 */
export async function everywhere(page, script, pageToo = true) {
  if (pageToo) await page.addInitScript(script);
  await page.addInitScript((text) => {
    const module = (code) => URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), first = module(`(${text})()`);
    globalThis.Worker = class extends Worker {
      constructor(address, options) {
        super(module(`import '${first}'; import '${address}';`), options);
      }
    };
  }, String(script));
}
/** Waits until no worker is left. @param {any} page */
export async function noWorkers(page) {
  for (let tries = 0; tries < 100 && page.workers().length; tries++) await page.waitForTimeout(100);
  if (page.workers().length) throw new Error(`${page.workers().length} workers are left`);
}
/** The worker that draws. @param {any} page */
export const drawer = (page) => page.workers().find((w) => w.url().startsWith('blob:') || w.url().endsWith('/gpu_worker.js'));

/** @param {any} page */
export const state = (page) => page.evaluate(() =>
  ({ state: player.state, reason: player.reason, shown: getComputedStyle(player.canvas).visibility === 'visible' }));
/** @param {any} page @param {string} what an expression that is to become true in the page @param {number} [seconds] */
export const until = (page, what, seconds) => page.evaluate(`until(() => ${what}, ${seconds ?? 60})`);
/** What the viewer sees where the video is. @param {any} page @param {string} [what] */
export async function seen(page, what = 'video') {
  return cutOut(page, await page.evaluate((name) => { const { x, y, width,
    height } = globalThis[name].getBoundingClientRect(); return { x, y, width, height }; }, what));
}
/** @param {any} page @param {{x: number, y: number, width: number, height: number}} clip */
export async function cutOut(page, { x, y, width, height }) {
  const clip = { x, y, width, height };
  const png = await page.screenshot({ clip });
  return { width: clip.width, height: clip.height,
    data: new Uint8Array(Buffer.from(await page.evaluate((p) => pixels(p), png.toString('base64')), 'latin1')) };
}
/** @param {any} page @param {string} [how] */
export const isShown = (page, how = 'running') =>
  until(page, `player.state === '${how}' && getComputedStyle(player.canvas).visibility === 'visible'`);
/** Pauses, and seeks. @param {any} page @param {number} time */
export const atTime = (page, time) => page.evaluate((t) => new Promise((done) => {
  video.pause();
  video.addEventListener('seeked', done, { once: true });
  video.currentTime = t;
}), time);

/** A square of each of four colours. @param {string} name @param {object} options */
export const patches = (name, options) => clip(name, { width: 64, height: 48, frames: 3, rate: 5, lossless: true, ...options,
  source: 'color=0xC83220:s=64x48:r=5,drawbox=x=0:y=0:w=32:h=24:color=0x2040C0:t=fill,' +
    'drawbox=x=32:y=0:w=32:h=24:color=0x30A050:t=fill,' +
    'drawbox=x=0:y=24:w=32:h=24:color=0x808080:t=fill' });
/** The middle of each quarter. @param {{width: number, height: number, data: Uint8Array}} picture */
export const quarters = ({ width, height, data }) => [[1, 1], [3, 1], [1, 3], [3, 3]].map(([x, y]) => {
  const at = (Math.floor((height * y) / 4) * width + Math.floor((width * x) / 4)) * 4;
  return [...data.subarray(at, at + 3)];
});

/** By means of squares. @param {{width: number, height: number, data: Uint8Array}} p @param {number} w @param {number} h */
export function shrink(p, w, h) {
  const out = new Uint8Array(w * h * 4);
  for (let y = 0; y < h; y++)
    for (let x = 0; x < w; x++)
      for (let c = 0; c < 4; c++) {
        const fx = ((x + 0.5) * p.width) / w - 0.5, fy = ((y + 0.5) * p.height) / h - 0.5, x0 = Math.max(0, Math.floor(fx)),
          y0 = Math.max(0, Math.floor(fy));
        const x1 = Math.min(p.width - 1, x0 + 1), y1 = Math.min(p.height - 1, y0 + 1), ax = fx - x0, ay = fy - y0;
        const at = (i, j) => p.data[(j * p.width + i) * 4 + c];
        out[(y * w + x) * 4 + c] = Math.max(0,
          Math.min(255, (1 - ay) * ((1 - ax) * at(x0, y0) + ax * at(x1, y0)) + ay * ((1 - ax) * at(x0, y1) + ax * at(x1, y1))));
      }
  return out;
}

/** A clip with five frames a second: software adapters have time for those. */
export const slow = () => clip('slow.webm', { width: W, height: H, frames: 30, rate: 5, source: soft(5) });
