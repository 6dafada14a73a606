// SPDX-License-Identifier: MIT
// ./dev bench web: networks in Chromium beside onnxruntime-web (its WebGPU provider, the same network file) and @websr/websr (its
// own networks; what is compared is the time of a multiply-add), on the same page, adapter and frame, turn by turn. The adapter is
// a software one unless FM_WEB_GPU=1 leaves the choice to the browser: then only ratios mean something.
//
//     node tools/bench_web.mjs PROGRAM [peers|growth|player] [--size WxH] [--rounds N] [NETWORK|NETWORK/PEER...]
//
// growth: time of the main thread and growth of the heap over 1,000 frames of a video through the Runner. player: the same with
// attach(), drawn in a worker and, to compare, in the page.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clip } from '../tests/browser/kit_media.mjs';
import { inventory, more, sessionsOf } from '../tests/browser/player_heap.mjs';
import { exportPlans, openPage, plansFolder, root, serve, shutDown } from '../tests/browser/kit.mjs';

const words = process.argv.slice(3);
const option = (/** @type {string} */ name, /** @type {string} */ usual) =>
  (words.includes(name) ? words[words.indexOf(name) + 1] : usual);
const plain = words.filter((w, i) => !w.startsWith('--') && !words[i - 1]?.startsWith('--'));
const what = plain.find((w) => ['peers', 'growth', 'player'].includes(w)) ?? 'all', networks = plain.filter((w) => w !== what);
const [width, height] = option('--size', '64x48').split('x').map(Number), rounds = Number(option('--rounds', '7'));

// Ours, the other, and what the ratio must be. websr's M and L are those nearest in multiply-adds.
const contests = [
  { name: 'rt3', peer: 'onnxruntime-web', must: 3 }, { name: 'rt9', peer: 'onnxruntime-web', must: 3 },
    { name: 'ivs', peer: 'onnxruntime-web', must: 3 },
  { name: 'rt14', peer: 'onnxruntime-web', must: 3, slow: true }, { name: 'rt27', peer: 'onnxruntime-web', must: 3, slow: true },
    { name: 'piper', peer: 'onnxruntime-web', must: 3, slow: true },
  { name: 'rt3', peer: 'websr m', must: 1 }, { name: 'rt9', peer: 'websr l', must: 1 },
// slow: minutes on a software adapter, only when named
].filter((c) => (networks.length ? networks.some((n) => n === c.name || `${c.name}/${c.peer}`.startsWith(n)) : !c.slow));

/** Seconds of processor time of the processes below this one whose command line has `part`. @param {string} part */
function processorSeconds(part) {
  const parent = new Map(), mine = [];
  for (const id of readdirSync('/proc').filter((n) => /^\d+$/.test(n)))
    try {
      const text = readFileSync(`/proc/${id}/stat`, 'latin1'), fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      parent.set(id, fields[1]);
      if (readFileSync(`/proc/${id}/cmdline`, 'latin1').includes(part))
        mine.push([id, (Number(fields[11]) + Number(fields[12])) / 100]);
    } catch { /* ended meanwhile */ }
  const ours = (/** @type {any} */ id) => { for (; id &&
    id !== '0'; id = parent.get(id)) if (id === String(process.pid)) return true; return false; };
  return mine.filter(([id]) => ours(id)).reduce((sum, [, t]) => sum + Number(t), 0);
}

const median = (/** @type {number[]} */ values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const kinds = { webgpu: true, quick: false, args: process.env.FM_WEB_GPU ? ['--use-angle=default', '--use-vulkan=native'] : [] };

/**
 * One contest in a fresh page: setup, two frames each to warm up, then turn by turn.
 * @param {any} page
 * @param {typeof contests[0]} contest
 */
async function compete(page, contest) {
  const [plan] = exportPlans(contest.name),
    { network } = JSON.parse(readFileSync(join(plansFolder, `${contest.name}.json`), 'utf8'));
  return page.evaluate(async (/** @type {any} */ job) => {
    const peers = await import('/tools/bench_web_page.js');
    const bitmap = await peers.makeFrame(job.width, job.height), ort = job.peer.startsWith('onnx');
    const ours = await peers.ours(job.plan, bitmap, { bare: ort });
    const size = job.network.before ? ours.size : { outWidth: job.width, outHeight: job.height }; // of what the network reads
    const theirs = ort ? await peers.ort(`/models/${job.name}.onnx`,
      [1, job.network.colour === 'luma' ? 1 : 3, size.outHeight, size.outWidth], ours.macs)
      : await peers.websr(job.peer.slice(-1), bitmap);
    const both = [ours, theirs].map((who) => ({ who, macs: who.macs, ms: [], cpu: [] }));
    for (const { who } of both) { await who.frame(); await who.frame(); }
    for (let round = 0; round < job.rounds; round++)
      for (const b of both) {
        const cpu = await window.gpuSeconds(), start = performance.now();
        await b.who.frame();
        b.ms.push(performance.now() - start);
        b.cpu.push((await window.gpuSeconds() - cpu) * 1000);
      }
    for (const b of both) await b.who.destroy();
    const adapter = await navigator.gpu.requestAdapter();
    return { adapter: `${adapter.info.vendor} ${adapter.info.architecture} ${adapter.info.description}`,
      both: both.map(({ macs, ms, cpu }) => ({ macs, ms, cpu })) };
  }, { ...contest, plan, width, height, rounds, network });
}

async function peers() {
  const server = await serve({ folders: { '/tools/': join(root, 'tools') } });
  let missed = 0, said = false;
  for (const contest of contests) {
    const page = await openPage('/blank', { ...kinds, server });
    await page.exposeFunction('gpuSeconds', () => processorSeconds('--type=gpu-process'));
    const { adapter, both: [a, b] } = await compete(page, contest);
    if (!said) console.log(`${adapter}; frame of ${width}x${height}; medians of ${rounds} frames each, turn by turn\n` +
      'onnxruntime-web: the network alone, input and output on the GPU; framemill beside it makes the whole picture of ' +
      'R, G, B. websr: the frame copied in,\n' +
      'and drawn to a canvas, for both; the ratio is of times per multiply-add.');
    said = true;
    const per = contest.peer.startsWith('websr') ? b.macs / a.macs : 1; // theirs at our number of multiply-adds
    const ratio = median(b.ms) / median(a.ms) / per,
      cpu = b.cpu.reduce((s, v) => s + v, 0) / a.cpu.reduce((s, v) => s + v, 0) / per;
    const good = ratio >= contest.must;
    missed += good ? 0 : 1;
    console.log(`${contest.name.padEnd(6)} ${median(a.ms).toFixed(1).padStart(8)} ms (` +
      `${(a.macs / width / height).toFixed(0)} MAC a pixel)   ` +
      `${contest.peer.padEnd(16)} ${median(b.ms).toFixed(1).padStart(8)} ms (` +
      `${(b.macs / width / height).toFixed(0)})   ${ratio.toFixed(2).padStart(6)} times as fast, ` +
      `${cpu.toFixed(2)} in processor time; must ${contest.must}: ${good ? 'met' : 'MISSED'}`);
    for (const fault of page.remaining()) console.log(`  the page: ${fault.split('\n')[0]}`);
    await page.context().close();
  }
  server.close();
  return missed;
}

/** Heap in use after everything that can go has gone. @param {any} session */
async function heap(session) {
  for (let i = 0; i < 3; i++) await session.send('HeapProfiler.collectGarbage');
  return (await session.send('Runtime.getHeapUsage')).usedSize;
}

/**
 * Processor seconds of the main thread so far: all of its tasks, or scripts that were called back.
 * @param {any} session
 * @param {'TaskDuration'|'ScriptDuration'} [name]
 */
async function mainThread(session, name = 'TaskDuration') {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find((/** @type {any} */ m) => m.name === name).value;
}

/** @param {any} page */
async function watch(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return session;
}

async function growth() {
  const frames = 1000, [plan] = exportPlans('rt3'),
    source = `movie=${join(root, 'samples', 'harbour.mp4')},crop=32:24:300:200,fps=25`;
  clip('growth.mp4', { source, frames: 25 });
  const page = await openPage('/blank', kinds), session = await watch(page);
  await page.evaluate(async (/** @type {string} */ address) => {
    const { createRunner, loadPlan, resultTexture } = await import('/web/plan.js');
    const adapter = await navigator.gpu.requestAdapter(), device = await adapter.requestDevice(),
      loaded = await loadPlan(new URL(address, location.href));
    const video = document.createElement('video');
    video.muted = video.loop = true;
    await new Promise((good) => { video.onloadeddata = good; video.src = '/made/growth.mp4'; });
    await video.play();
    await new Promise((good) => video.requestVideoFrameCallback(good));
    const size = { width: video.videoWidth, height: video.videoHeight };
    const runner = await createRunner(device, loaded, { ...size, form: 'f32', source: 'external' }),
      target = resultTexture(device, size.width * 2, size.height * 2);
    window.times = new Float64Array(1000); // its own growth is not counted
    window.go = async (/** @type {number} */ count) => {
      for (let i = 0; i < count; i++) {
        const start = performance.now(), encoder = device.createCommandEncoder();
        runner.encode(encoder, device.importExternalTexture({ source: video }), target);
        device.queue.submit([encoder.finish()]);
        window.times[i] = performance.now() - start;
        await device.queue.onSubmittedWorkDone();
      }
    };
    await window.go(100);
  }, plan);
  const before = await heap(session), from = await mainThread(session);
  await page.evaluate((/** @type {number} */ n) => window.go(n), frames);
  const to = await mainThread(session), grown = (await heap(session)) - before;
  const times = await page.evaluate(() => [...window.times]), each = ((to - from) * 1000) / frames;
  console.log(`Runner, ${frames} frames of a video: main thread ${each.toFixed(3)} ms of processor time a frame, ` +
    `${median(times).toFixed(3)} ms on the clock (median); ` +
    `heap ${(before / 1e6).toFixed(2)} MB and ${grown} bytes more afterwards (${(grown / frames).toFixed(1)} a frame)`);
  await page.context().close();
  return to - from < frames / 1000 && grown < 64 * frames ? 0 : 1;
}

/**
 * attach() on a small clip that is played again and again, a network that is kept whatever it takes.
 * @param {boolean} [byPage] no worker may be started: the page draws itself
 */
async function player(byPage = false) {
  const frames = 1000, early = 300, seconds = 240; // early: ahead of what is counted, until lists of times are full
  exportPlans('rt3');
  clip('growth.mp4', { source: `movie=${join(root, 'samples', 'harbour.mp4')},crop=32:24:300:200,fps=25`, frames: 50 });
  const page = await openPage('/blank', kinds), session = await watch(page);
  if (byPage) await page.evaluate(() => { window.Worker = class { constructor() { throw new Error('not here'); } }; });
  await page.evaluate(async () => {
    const { attach } = await import('/web/index.js');
    const video = document.createElement('video');
    video.muted = video.loop = true;
    video.src = '/made/growth.mp4';
    document.body.append(video);
    window.main = new Float64Array(1000); // its own growth is not counted
    window.mains = 0;
    window.player = attach(video, { model: 'rt3', models: '/plans/', rules: { pause: 1e12 }, battery: false });
    window.player.addEventListener('stats', (/** @type {any} */ event) => {
      if (event.detail.mainMs > 0 && window.mains < 1000) window.main[window.mains++] = event.detail.mainMs;
    });
    await video.play();
  });
  const until = (/** @type {number} */ n) =>
    page.waitForFunction((/** @type {number} */ wanted) => window.player.stats().drawn >= wanted, n,
    { timeout: seconds * 1000, polling: 500 })
    .then(() => true, () => false);
  const state = () => page.evaluate(() => { const s = window.player.stats(); return { drawn: s.drawn, state: s.state,
    reason: s.reason, backend: s.backend, where: s.inWorker ? 'in a worker' : 'in the page' }; });
  await until(early);
  const heaps = await sessionsOf(page), list = [heaps.page, heaps.worker].filter((s) => s !== null), inventories = async () => {
    await page.evaluate(() => window.player.video.pause());
    await page.waitForTimeout(500); // what is on its way
    const found = [];
    for (const s of list) found.push(await inventory(s));
    await page.evaluate(() => window.player.video.play());
    return found;
  };
  const kept = await inventories(), first = await state(), from = await mainThread(session, 'ScriptDuration'),
    all = await mainThread(session);
  await until(first.drawn + frames);
  const last = await state(), drawn = last.drawn - first.drawn, to = await mainThread(session, 'ScriptDuration'),
    whole = (await mainThread(session)) - all;
  const grown = (await inventories()).map((now, i) => more(kept[i], now)),
    times = await page.evaluate(() => [...window.main.slice(0, window.mains)]);
  const scripts = ((to - from) * 1000) / drawn, together = (whole * 1000) / drawn;
  console.log(`Player (${last.state}${last.reason ? `: ${last.reason}` : ''}, ${last.backend}, drawn ${last.where}), ` +
    `${drawn} frames: ` +
    `main thread ${scripts.toFixed(3)} ms of processor time a frame in scripts, ` +
    `${together.toFixed(3)} ms with what the browser does for the page, ` +
    `${median(times)?.toFixed(3)} ms on the clock (its own stats); ` +
    `more in the heap of the ${grown.map((g, i) => `${i ? 'worker' : 'page'}: ${g.ours} bytes of our own, ` +
      `${g.notOurs} of compiled code and records of the browser`).join('; of the ')}`);
  for (const g of grown) for (const what of g.ours > 0 ? g.what : []) console.log(`  ${what}`);
  for (const fault of page.remaining()) console.log(`  the page: ${fault.split('\n')[0]}`);
  await page.context().close();
  // less than a thing a frame
  const within = to - from < drawn / 1000 && median(times) < 1 && grown.every((g) => g.ours < 4 * frames);
  return drawn >= frames && (byPage || within) ? 0 : 1; // the page's own way is for comparison
}

let missed = 0;
if (what === 'peers' || what === 'all') missed += await peers();
if (what === 'growth' || what === 'all') missed += await growth();
if (what === 'player' || what === 'all') missed += (await player()) + (await player(true));
if (missed) console.log(`${missed} of what must be reached was missed`);
await shutDown();
process.exit(missed ? 1 : 0);
