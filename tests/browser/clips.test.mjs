// SPDX-License-Identifier: MIT
// Clips in the page: saved with every frame in its time, the sound to the byte; frames decoded by ourselves; what cannot be done is
// said, and no file is made.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { closeSync, copyFileSync, existsSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { exportPlans, finish, framemill, root, run, Skip, work } from './kit.mjs';
import { framesOf, needKit, packetsOf, page, saveClip, test } from './kit_files.mjs';
import { clip, compare } from './kit_media.mjs';

for (const [name, args] of [['b.mp4', { audio: true, args: ['-bf', '2', '-video_track_timescale', '90000'] }],
  ['v.webm', { audio: true }]])
  test(`a clip is saved: every frame in its time, its sound to the byte (${name})`, async () => {
    needKit();
    const [rt3] = exportPlans('rt3'), size = { width: 64, height: 48 }, frames = 24;
    // times that are not even: two frames left out
    clip(name, { ...size, frames, rate: 24, source: 'testsrc2=size=64x48:rate=24,gblur=sigma=1,select=not(eq(n\\,5)+eq(n\\,11))',
      ...args, args: ['-vsync', 'vfr', ...(args.args ?? [])] });
    const made = await saveClip(page, name, `out_${name}`, rt3, { bitrate: 2000000 }), before = packetsOf(join(work, name)),
      after = packetsOf(join(work, `out_${name}`));
    equal(made.error, undefined);
    equal(made.frames, before.video.length);
    equal(after.video.length, before.video.length);
    const most = Math.max(...after.video.map((t, i) => Math.abs(t - before.video[i])));
    ok(most <= 1e-6, `times differ by ${most} s`);
    ok(before.audio.length > 5);
    deepEqual(after.audio, before.audio);
    ok(made.shares.at(-1) > 0.9 && made.shares.every((s, i) => i === 0 || s >= made.shares[i - 1]));
    const told = JSON.parse(run('ffprobe', ['-v', 'error', '-select_streams', 'v', '-show_entries',
      'stream=width,height,color_space,color_range,codec_name', '-of', 'json', join(work, `out_${name}`)])).streams[0];
    deepEqual([told.width, told.height, told.color_space, told.color_range], [128, 96, 'bt709', 'tv']);
    // the picture: the engine's own file of the same clip, decoded the same way
    framemill('upscale', join(work, name), join(work, 'engine.mkv'), '-m', join(root, 'models', 'rt3.onnx'), '-c', 'libx264', '-e',
      'crf=0', '--overwrite', '-q');
    const ours = framesOf(join(work, `out_${name}`), 128, 96), theirs = framesOf(join(work, 'engine.mkv'), 128, 96);
    equal(ours.length, theirs.length);
    const worst = Math.min(...ours.map((f, i) => compare(f, theirs[i]).psnr));
    ok(worst > 33, `${worst} dB against the engine's frames, encoding included`);
  });

test('what is saved can be opened again: a small clip of few bits, which Chromium encodes as H.264 of level 1b', async () => {
  needKit();
  const { withKnownLevel } = await import('../../web/files/clip.js'), [lanczos] = exportPlans('lanczos2x');
  const about = (/** @type {number} */ level) => Buffer.concat([Buffer.from([1, 0x64, 0x0c, level, 0xff, 0xe2]), // two sequences
    Buffer.from([0, 5, 0x67, 0x64, 0x0c, level, 0xac]), Buffer.from([0, 4, 0x67, 0x64, 0x0c, level]), Buffer.from([1, 0, 2, 9, 9])]);
  const odd = new Uint8Array([0xaa, ...about(9)]); // a view that begins later than its memory
  for (const from of [about(9), new Uint8Array(about(9)).buffer, odd.subarray(1)])
    deepEqual(Buffer.from(withKnownLevel(from)), about(11));
  deepEqual([odd[4], Buffer.from(withKnownLevel(about(10)))], [9, about(10)]);

  clip('few.mp4', { width: 64, height: 48, frames: 12 });
  const made = await saveClip(page, 'few.mp4', 'few_large.mp4', lanczos, { codec: 'avc', bitrate: 100000 });
  if (/encodes no avc/.test(made.error ?? '')) throw new Skip('this browser has no H.264 encoder');
  equal(made.error, undefined);
  const file = readFileSync(join(work, 'few_large.mp4')), at = file.indexOf('avcC') + 4, sequence = file.indexOf(0x67, at + 6);
  console.log(`level ${file[at + 3]}`);
  ok(file[at + 3] >= 10 && file[sequence + 3] === file[at + 3], `levels ${file[at + 3]} and ${file[sequence + 3]}`);
  const played = await page.evaluate(() => new Promise((done) => {
    const video = Object.assign(document.createElement('video'), { muted: true, src: '/made/few_large.mp4' });
    video.onerror = () => done(video.error?.message);
    video.onended = () => done(`${video.videoWidth}x${video.videoHeight}`);
    video.play().catch((reason) => done(String(reason)));
  }));
  equal(played, '128x96');
  const again = await saveClip(page, 'few_large.mp4', 'few_larger.mp4', lanczos, { codec: 'avc' });
  deepEqual([again.error, again.frames, again.width], [undefined, 12, 256]);
});

test('planes in, planes out: nothing of the colours is lost on the way', async () => {
  needKit();
  const [lanczos] = exportPlans('lanczos2x');
  clip('colours.mp4', { width: 64, height: 48, frames: 3, lossless: true, source: 'testsrc2=size=64x48:rate=25,gblur=sigma=3' });
  const planes = await page.evaluate(async ([address]) => {
    const { openMedia, decodeFrames } = await window.tools(), { clipEngine } = await import('/web/files/clip_engine.js'),
      { planesLayout } = await import('/web/files/planes.js');
    const gpu = await window.gpu(), media = await openMedia('/made/colours.mp4', { mediabunny: await window.kit() }),
      plan = await window.plan(address);
    for await (const { frame } of decodeFrames(media)) {
      const engine = await clipEngine(frame, { plan, device: gpu.device }), { bytes } = await engine.begin(frame),
        { stride, layout } = planesLayout(128, 96), all = await bytes;
      frame.close();
      await window.put('planes.bin', all);
      engine.destroy();
      return { stride, layout, tags: engine.colour.tags, length: all.length };
    }
  }, [lanczos]);
  equal(planes.tags.matrix, 'bt709');
  const got = readFileSync(join(work, 'planes.bin')), y = got.subarray(0, 128 * 96);
  // by FFmpeg's Lanczos on planes; edges of the range are cut by R, G, B in between
  run('ffmpeg', ['-v', 'error', '-y', '-i', join(work, 'colours.mp4'), '-vf', 'scale=128:96:flags=lanczos:param0=3', '-frames:v',
    '1', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', join(work, 'planes.yuv')]);
  const wanted = readFileSync(join(work, 'planes.yuv')), psnr = (/** @type {number} */ from, /** @type {number} */ to) => {
    let squares = 0;
    for (let i = from; i < to; i++) squares += (got[i] - wanted[i]) ** 2;
    return 10 * Math.log10((255 * 255 * (to - from)) / Math.max(squares, 1e-9));
  };
  equal(planes.length, wanted.length);
  equal(y.length, 128 * 96);
  const [a, b] = [128 * 96, 128 * 96 + 64 * 48];
  console.log(`Y ${psnr(0, a).toFixed(1)} dB, Cb ${psnr(a, b).toFixed(1)} dB, Cr ${psnr(b, wanted.length).toFixed(1)} dB`);
  ok(psnr(0, a) > 42 && psnr(a, b) > 40 && psnr(b, wanted.length) > 40);
});

test('a turned clip stays turned; written to a stream it is the same file', async () => {
  needKit();
  const [rt3] = exportPlans('rt3');
  clip('straight.mp4', { width: 64, height: 48, frames: 10, audio: true });
  run('ffmpeg', ['-v', 'error', '-y', '-i', join(work, 'straight.mp4'), '-c', 'copy', '-metadata:s:v:0', 'rotate=90',
    join(work, 'turned.mp4')]);
  clip('stream.webm', { width: 64, height: 48, frames: 10, audio: true });
  const made = await saveClip(page, 'turned.mp4', 'out_turned.mp4', rt3);
  equal(made.error, undefined);
  const look = (/** @type {string} */ name) => JSON.parse(run('ffprobe', ['-v', 'error', '-select_streams', 'v', '-show_streams',
    '-of', 'json', join(work, name)])).streams[0];
  const before = look('turned.mp4'), after = look('out_turned.mp4');
  ok(before.side_data_list[0].rotation);
  deepEqual([after.width, after.height, after.side_data_list[0].rotation], [128, 96, before.side_data_list[0].rotation]);
  for (const name of ['straight.mp4', 'stream.webm']) {
    await saveClip(page, name, `whole_${name}`, rt3);
    const blob = await page.evaluate(async ([file, address]) => {
      const { upscaleClip } = await window.tools(), { device } = await window.gpu();
      let bytes = new Uint8Array(0), closed = false;
      const writable = new WritableStream({ write({ data, position }) {
        const all = new Uint8Array(Math.max(bytes.length, position + data.length));
        all.set(bytes);
        all.set(data, position);
        bytes = all;
      }, close() { closed = true; } });
      const out = await upscaleClip(`/made/${file}`, { plan: await window.plan(address), device, mediabunny: await window.kit(),
        writable });
      await window.put(`streamed_${file}`, bytes);
      return [out.blob, closed, out.frames];
    }, [name, rt3]);
    deepEqual(blob, [null, true, 10]);
    deepEqual(packetsOf(join(work, `streamed_${name}`)), packetsOf(join(work, `whole_${name}`)), name);
  }
});

test('what cannot be done is said, and no file is made', async () => {
  needKit();
  const [rt3] = exportPlans('rt3');
  clip('good.mp4', { width: 64, height: 48, frames: 20, audio: true });
  const good = join(work, 'good.mp4'), size = statSync(good).size;
  copyFileSync(good, join(work, 'cut.mp4'));
  truncateSync(join(work, 'cut.mp4'), Math.floor(size * 0.6));
  clip('plain.webm', { width: 64, height: 48, frames: 50, args: ['-cluster_time_limit', '300'] });
  copyFileSync(join(work, 'plain.webm'), join(work, 'cut.webm'));
  truncateSync(join(work, 'cut.webm'), Math.floor(statSync(join(work, 'plain.webm')).size * 0.4));
  copyFileSync(good, join(work, 'hurt.mp4'));
  const data = readFileSync(good), at = data.indexOf('mdat') + 200, file = openSync(join(work, 'hurt.mp4'), 'r+');
  writeSync(file, Buffer.alloc(Math.floor((size - at) * 0.5), 0xff), 0, undefined, at);
  closeSync(file);
  writeFileSync(join(work, 'noise.mp4'), Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 73) & 255)));
  run('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', 'sine=duration=0.5', '-c:a', 'aac', join(work, 'sound.mp4')]);
  run('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=25', '-frames:v', '5', '-c:v', 'mpeg4',
    join(work, 'old.mp4')]);
  run('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=25,format=yuv420p10le', '-frames:v', '5',
    '-c:v', 'libvpx-vp9', '-color_trc', 'smpte2084', '-colorspace', 'bt2020nc',
    '-color_primaries', 'bt2020', join(work, 'hdr.mp4')]);
  for (const [name, wanted] of [['cut.mp4', /cut off|damaged|cannot be read/], ['cut.webm', /cut off|damaged/],
    ['hurt.mp4', /damaged|cannot be decoded/], ['noise.mp4', /no video file/],
    ['sound.mp4', /no video in this file/], ['old.mp4', /codec of this video is not known|cannot decode/], ['hdr.mp4', /HDR/]]) {
    const made = await saveClip(page, name, 'never', rt3);
    match(made.error ?? `${made.frames} frames were saved`, wanted, name);
  }
  equal((await saveClip(page, 'good.mp4', 'mute.mp4', rt3, { audio: 'none', container: 'webm' })).extension, 'webm');
  match((await saveClip(page, 'good.mp4', 'never', rt3, { container: 'webm' })).error, /webm holds no aac sound/);
  const still = await page.evaluate(async ([address]) => {
    const { upscalePicture, savePicture } = await window.tools(), { device } = await window.gpu(),
      plan = await window.plan(address);
    const bad = await upscalePicture(new Blob(['no picture'], { type: 'image/png' }), { plan, device }).catch((e) => e.message);
    const wide = await savePicture({ data: new Uint8Array(17000 * 4), width: 17000, height: 1, alpha: false },
      { type: 'image/webp' }).catch((e) => e.message);
    return [bad, wide, await savePicture({ data: new Uint8Array(4), width: 1, height: 1, alpha: false },
      { type: 'image/bmp' }).catch((e) => e.message)];
  }, [rt3]);
  match(still[0], /no picture/);
  match(still[1], /16383/);
  match(still[2], /PNG, WebP or JPEG/);
  equal(existsSync(join(work, 'never')), false);
});

test('a job is stopped in the middle', async () => {
  needKit();
  const [rt3] = exportPlans('rt3');
  clip('long.mp4', { width: 64, height: 48, frames: 100 });
  const stopped = await page.evaluate(async ([address]) => {
    const { upscaleClip, upscalePicture } = await window.tools(), gpu = await window.gpu(), plan = await window.plan(address),
      stop = new AbortController();
    let frames = 0;
    const clip = await upscaleClip('/made/long.mp4', { plan, device: gpu.device, mediabunny: await window.kit(),
      signal: stop.signal,
      onprogress: (at) => { frames = at.frames; if (frames === 5) stop.abort(); } }).catch((e) => e.name);
    const other = new AbortController(), canvas = new OffscreenCanvas(100, 100);
    canvas.getContext('2d').fillRect(0, 0, 50, 50);
    const still = await upscalePicture(canvas, { plan, device: gpu.device, tile: 32, signal: other.signal,
      onprogress: (s) => { if (s > 0) other.abort(); } }).catch((e) => e.name);
    return { clip, still, frames };
  }, [rt3]);
  deepEqual(stopped, { clip: 'AbortError', still: 'AbortError', frames: 5 });
});

test('decoded by ourselves, every frame is shown, in its time; seeks and pauses', async () => {
  needKit();
  clip('every.webm', { width: 64, height: 48, frames: 12, rate: 6 }); // so few a second that any machine shows them all
  const times = packetsOf(join(work, 'every.webm')).video;
  const found = await page.evaluate(async () => {
    const { DecodedSource } = await window.tools(), video = document.createElement('video'), seen = [], errors = [];
    video.muted = true;
    video.src = '/made/every.webm';
    document.body.append(video);
    await new Promise((go) => { video.oncanplaythrough = go; });
    const source = new DecodedSource(video, { mediabunny: await window.kit(), onerror: (e) => errors.push(e.message) });
    let closed = 0;
    await source.start((frame) => {
      const pixels = frame.image.visibleRect;
      seen.push({ time: frame.time, due: frame.due - performance.now(), clock: video.currentTime,
        size: [frame.width, frame.height, pixels.width] });
      frame.close();
      closed++;
    });
    const until = (test) => new Promise((go) => { const look = () => (test() ? go(undefined) : setTimeout(look, 20)); look(); });
    await until(() => seen.length === 1); // paused: the first picture
    const first = seen[0].time;
    seen.length = 0;
    video.play();
    await until(() => video.ended);
    await new Promise((go) => setTimeout(go, 300));
    const played = seen.map((s) => s.time), off = seen.map((s) => s.clock - s.time).sort((a, b) => a - b), { skipped } = source;
    seen.length = 0;
    video.currentTime = 1.017; // in the middle of a frame, paused
    await until(() => seen.length);
    const sought = seen.map((s) => s.time);
    source.again();
    const again = seen.at(-1).time;
    source.stop();
    const refused = await new DecodedSource(Object.assign(document.createElement('video'),
      { srcObject: new MediaStream() })).start(() => {}).catch((e) => e.message);
    return { first, played, off: [off[0], off[off.length >> 1], off.at(-1)], sought, again, skipped, errors, refused };
  });
  equal(found.first, times[0]);
  const played = [...new Set([found.first, ...found.played])];
  const late = found.off.map((v) => (v * 1000).toFixed(0)).join(' / ');
  console.log(`${played.length} of ${times.length} frames, ${found.skipped} let go, ${late} ms late (least, median, most)`);
  deepEqual(played.map((t) => t.toFixed(3)), times.map((t) => t.toFixed(3)));
  equal(found.skipped, 0);
  ok(Math.abs(found.off[1]) < 0.1, `median ${found.off[1]} s`);
  equal(found.sought[0].toFixed(3), '1.000');
  equal(found.again.toFixed(3), '1.000');
  deepEqual(found.errors, []);
  match(found.refused, /stream/);
});

test('nothing else went wrong in the page', () => {
  deepEqual(page.remaining(), []);
});

await finish();
