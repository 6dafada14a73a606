// SPDX-License-Identifier: MIT
// Every shipped network in the browser computes what the engine computes: the golden tile and pictures of odd sizes within one level of
// 255 (single precision). Frames of tagged videos come in without a copy; then three things are looked at, for ordinary colours and for
// saturated ones: the frame against what the engine makes of the same R, G, B, which the browser made of 4:2:0 by lines between samples
// of colour that lie in the middle of four pixels; against the engine's own file, whose colours are never R, G, B on the way and are
// enlarged by Lanczos; and that for luma alone. Networks of each kind, all of them with FM_WEB_FULL=1 (a software adapter takes seconds
// to compile a network, and as many again for video).
import { ok } from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportPlans, framemill, finish, openPage, plansFolder, root, shipped, test, work } from './kit.mjs';
import { asBrowsers, clip, compare, engineResult, framesOf, lumaOf, picture, planesOf } from './kit_media.mjs';

const sizes = [[37, 23], [18, 31]], frame = [64, 48], ratio = 2;
const seek = 0.22, index = 5; // within the sixth frame of 25 a second
const byVideo = process.env.FM_WEB_FULL ? shipped() : ['ivs', 'lanczos2x', 'rt3'];

/** Runs in the page. @param {any} job */
async function runPlan(job) {
  const web = await import('/web/plan.js');
  const plan = await web.loadPlan(new URL(job.plan, location.href));
  const adapter = await navigator.gpu.requestAdapter(), limits = plan.forms.f32.limits;
  const device = await adapter.requestDevice({ requiredLimits: Object.fromEntries(Object.keys(limits).map((k) => [k, adapter.limits[k]])) });
  const faults = [];
  device.addEventListener('uncapturederror', (event) => faults.push(event.error.message));
  const put = async (name, data) => { if (!(await fetch(`/made/${name}`, { method: 'PUT', body: data })).ok) throw new Error(`${name}: not written`); };
  const sizeOf = (width, height) => ({ width, height, ...(plan.network.before ? { outWidth: width * job.ratio, outHeight: height * job.ratio } : {}) });

  async function once(runner, source, own) {
    const target = web.resultTexture(device, runner.size.outWidth, runner.size.outHeight), encoder = device.createCommandEncoder();
    runner.encode(encoder, source, target);
    device.queue.submit([encoder.finish()]);
    const data = await web.readTexture(device, target);
    target.destroy();
    if (own) source.destroy();
    return data;
  }

  const started = performance.now(), g = plan.golden;
  const pipelines = await web.createPipelines(device, plan, { form: 'f32' }), compiled = performance.now() - started;
  const golden = new web.Runner(device, pipelines, { width: g.width, height: g.height, outWidth: g.out_width, outHeight: g.out_height }, { luma: g.luma });
  await put(`${plan.name}.golden`, await once(golden, web.pictureTexture(device, web.fromBase64(g.input), g.width, g.height), true));
  golden.destroy();
  for (const [w, h] of job.sizes) {
    const rgba = new Uint8Array(await (await fetch(`/made/${w}x${h}.rgba`)).arrayBuffer());
    const runner = new web.Runner(device, pipelines, sizeOf(w, h));
    await put(`${plan.name}.${w}x${h}`, await once(runner, web.pictureTexture(device, rgba, w, h), true));
    runner.destroy();
  }
  const done = new web.Runner(device, pipelines, sizeOf(1280, 720)), { traffic } = done;
  done.destroy();
  pipelines.destroy();

  if (job.clips.length) {
    const size = sizeOf(job.frame[0], job.frame[1]);
    const runner = await web.createRunner(device, plan, { ...size, form: 'f32', source: 'external', luma: web.LUMA.bt709 });
    for (const name of job.clips) {
      const video = document.createElement('video');
      video.muted = true;
      await new Promise((good, bad) => { video.onloadeddata = good; video.onerror = () => bad(new Error(video.error.message)); video.src = `/made/${name}.mp4`; });
      await new Promise((good) => { video.requestVideoFrameCallback(good); video.currentTime = job.seek; });
      for (const [luma, what] of [['bt709', 'video'], ['bt601', 'picture']]) { // the engine's shares of a picture are those of BT.601
        runner.setLuma(web.LUMA[luma]);
        await put(`${plan.name}.${name}.${what}`, await once(runner, device.importExternalTexture({ source: video })));
      }
      video.removeAttribute('src');
    }
    runner.destroy();
  }
  device.destroy();
  return { faults, traffic, dispatches: plan.forms.f32.dispatches.length, compiled, ms: performance.now() - started };
}

for (const [w, h] of sizes) writeFileSync(join(work, `${w}x${h}.rgba`), picture(w, h));
const clips = { // a part of the repository's sample clip: colours of ordinary video; a test card
  sample: clip('sample.mp4', { source: `movie=${join(root, 'samples', 'harbour.mp4')},crop=${frame[0]}:${frame[1]}:300:200,fps=25`, frames: 8, lossless: true }),
  card: clip('card.mp4', { source: `testsrc2=size=${frame[0]}x${frame[1]}:rate=25,gblur=sigma=1`, frames: 8, lossless: true }),
};
const more = (/** @type {string} */ name) => (name === 'ivs' ? ['-s', String(ratio)] : []);

/** How near a frame of a clip comes, in dB. @param {string} name @param {keyof typeof clips} which */
function nearness(name, which) {
  const to = join(work, `${name}.mkv`), [w, h] = frame, read = (/** @type {string} */ what) => readFileSync(join(work, `${name}.${which}.${what}`));
  const same = engineResult(name, asBrowsers(planesOf(clips[which], w, h)[index], w, h), w, h, ...more(name));
  framemill('upscale', clips[which], to, '-m', join(root, 'models', `${name}.onnx`), ...more(name), '-c', 'libx264', '-e', 'qp=0', '--overwrite', '-q');
  const own = read('video'), planes = planesOf(to, same.width, same.height)[index];
  return { same: compare(read('picture'), same.data).psnr, file: compare(own, framesOf(to)[index]).psnr, luma: lumaOf(own, planes, same.width, same.height) };
}

for (const name of shipped())
  test(name, async () => {
    const [plan] = exportPlans(name), page = await openPage(), { golden } = JSON.parse(readFileSync(join(plansFolder, `${name}.json`), 'utf8'));
    const found = await page.evaluate(runPlan, { plan, sizes, ratio, seek, frame, clips: byVideo.includes(name) ? Object.keys(clips) : [] });
    ok(!found.faults.length, found.faults.join('; '));
    let { most } = compare(readFileSync(join(work, `${name}.golden`)), Buffer.from(golden.output, 'base64'));
    ok(most <= 1, `golden tile: ${most} levels off`);
    for (const [w, h] of sizes) {
      const expected = engineResult(name, picture(w, h), w, h, ...more(name)), { most: off } = compare(readFileSync(join(work, `${name}.${w}x${h}`)), expected.data);
      ok(off <= 1, `${w}x${h}: ${off} levels off`);
      most = Math.max(most, off);
    }
    let video = '';
    if (byVideo.includes(name)) {
      const sample = nearness(name, 'sample'), card = nearness(name, 'card');
      const said = (/** @type {typeof card} */ n) => `${n.same.toFixed(1)}, ${n.file.toFixed(1)}, ${n.luma.toFixed(1)}`;
      video = `dB from the same R, G, B, from the engine's file, in luma: sample ${said(sample)}, card ${said(card)}; `;
      ok(Math.min(sample.same, sample.file, sample.luma, card.same) > 45, video);
    }
    const { traffic, dispatches } = found;
    console.log(`${name}: at most ${most} level off; ${video}${dispatches + 1} dispatches with the blit; of 1280x720 ${(traffic.bytes / 1e6).toFixed(1)} MB moved, ` +
      `${(traffic.bytes / traffic.floor).toFixed(2)} times the floor; compiled in ${(found.compiled / 1000).toFixed(1)} s, all in ${(found.ms / 1000).toFixed(1)} s`);
    if (name === 'ivs') ok(dispatches + 1 <= 4, `${dispatches} dispatches and the blit`);
  }, { seconds: 150 });

await finish();
