// SPDX-License-Identifier: MIT
// Pictures and clips for tests, and how far two pictures are apart. Pictures are RGBA, 8 bits, rows without gaps.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { framemill, root, run, work } from './kit.mjs';

/** The same numbers on every machine, from 0 to 1. @param {number} seed */
export function chance(seed) {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** A made-up picture with edges, gradients and some noise. @param {number} width @param {number} height @param {number} [seed] */
export function picture(width, height, seed = 7) {
  const random = chance(seed), rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const disc = Math.hypot(x - width * 0.6, y - height * 0.4) < height * 0.3 ? 70 : 0, bars = (x >> 2) & 1 && y > height / 2 ? 60 : 0;
      const noise = 12 * (random() - 0.5);
      const rgb = [40 + (140 * x) / width + disc + noise, 200 - (120 * y) / height - bars + noise, 90 + disc / 2 + bars + (60 * (x + y)) / (width + height) + noise];
      rgba.set([...rgb.map((v) => Math.max(0, Math.min(255, Math.round(v)))), 255], (y * width + x) * 4);
    }
  return rgba;
}

/** @param {string} path @param {Uint8Array} rgba @param {number} width @param {number} height */
export function writePpm(path, rgba, width, height) {
  const rgb = Buffer.alloc(width * height * 3);
  for (let i = 0, j = 0; i < rgba.length; i += 4) for (let c = 0; c < 3; c++) rgb[j++] = rgba[i + c];
  writeFileSync(path, Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), rgb]));
}

/** @param {string} path @returns {{width: number, height: number, data: Uint8Array}} */
export function readPpm(path) {
  const file = readFileSync(path), found = /^P6\s+(?:#.*\n)*(\d+)\s+(\d+)\s+255\s/.exec(file.toString('latin1', 0, 256));
  if (!found) throw new Error(`${path}: no PPM of 8 bits`);
  const width = Number(found[1]), height = Number(found[2]), rgb = file.subarray(found[0].length), data = new Uint8Array(width * height * 4).fill(255);
  for (let i = 0, j = 0; j < width * height * 4; j += 4) for (let c = 0; c < 3; c++) data[j + c] = rgb[i++];
  return { width, height, data };
}

/** What the engine makes of a picture. @param {string} network of models/ @param {Uint8Array} rgba @param {number} width @param {number} height @param {string[]} more */
export function engineResult(network, rgba, width, height, ...more) {
  const from = join(work, 'engine_in.ppm'), to = join(work, 'engine_out.ppm');
  writePpm(from, rgba, width, height);
  framemill('upscale', from, to, '-m', join(root, 'models', `${network}.onnx`), '--overwrite', '-q', '-j', '2', ...more);
  return readPpm(to);
}

/** Difference of two pictures. @param {Uint8Array} a @param {Uint8Array} b @returns {{most: number, psnr: number, equal: number}} alpha left out; equal: share */
export function compare(a, b) {
  if (a.length !== b.length) throw new Error(`${a.length} and ${b.length} bytes of picture`);
  let most = 0, squares = 0, equal = 0;
  for (let i = 0; i < a.length; i++) {
    if (i % 4 === 3) continue;
    const d = Math.abs(a[i] - b[i]);
    most = Math.max(most, d);
    squares += d * d;
    if (d === 0) equal++;
  }
  const count = (a.length / 4) * 3;
  return { most, psnr: squares ? 10 * Math.log10((255 * 255 * count) / squares) : Infinity, equal: equal / count };
}

const tags = (/** @type {string} */ matrix, /** @type {string} */ range) => ['-colorspace', matrix, '-color_primaries', matrix === 'bt709' ? 'bt709' : 'smpte170m',
  '-color_trc', matrix === 'bt709' ? 'bt709' : 'smpte170m', '-color_range', range];

/**
 * A small clip in the work folder; its path there. The same frames each time.
 * @param {string} name with its ending: .webm (VP9) or .mp4 (H.264)
 * @param {{width?: number, height?: number, rate?: number, frames?: number, matrix?: string|null, range?: 'tv'|'pc', lossless?: boolean, audio?: boolean, source?: string,
 *   gop?: number, args?: string[]}} [options] matrix: bt709 or smpte170m, null: untagged; source: a lavfi graph; args: more for the encoder
 */
export function clip(name, { width = 96, height = 64, rate = 25, frames = 50, matrix = 'bt709', range = 'tv', lossless = false, audio = false, source, gop = 25, args = [] } = {}) {
  const path = join(work, name), vp9 = name.endsWith('.webm');
  const graph = source ?? `testsrc2=size=${width}x${height}:rate=${rate},gblur=sigma=1`;
  const codec = vp9 ? ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '5', ...(lossless ? ['-lossless', '1'] : ['-crf', '20', '-b:v', '0'])]
    : ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '0', '-movflags', '+faststart', ...(lossless ? ['-qp', '0'] : ['-crf', '16'])];
  const convert = `scale=out_color_matrix=${matrix ?? 'smpte170m'}:out_range=${range},format=yuv420p`;
  run('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', graph, ...(audio ? ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'] : []), '-vf', convert,
    '-frames:v', String(frames), ...codec, '-g', String(gop), '-threads', '2', ...(matrix ? tags(matrix, range) : []),
    ...(audio ? ['-c:a', vp9 ? 'libopus' : 'aac', '-shortest', '-t', String(frames / rate)] : ['-an']), ...args, path]);
  return path;
}

/** Frames of a file as RGBA, by the matrix that is tagged. @param {string} path @param {string} [matrix] @returns {Uint8Array[]} */
export function framesOf(path, matrix = 'bt709') {
  const to = join(work, 'frames.rgba');
  const [width, height] = run('ffprobe', ['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'stream=width,height', '-of', 'csv=p=0', path]).split(',').map(Number);
  run('ffmpeg', ['-v', 'error', '-y', '-i', path, '-vf', `scale=in_color_matrix=${matrix}:flags=accurate_rnd+full_chroma_int+full_chroma_inp+bicubic,format=rgba`,
    '-f', 'rawvideo', to]);
  const all = readFileSync(to), size = width * height * 4;
  return Array.from({ length: all.length / size }, (_, i) => new Uint8Array(all.subarray(i * size, (i + 1) * size)));
}

/** Frames of a file as planes of 4:2:0, 8 bits, as they are stored. @param {string} path @param {number} width even @param {number} height even */
export function planesOf(path, width, height) {
  const to = join(work, 'frames.yuv'), size = width * height * 1.5;
  run('ffmpeg', ['-v', 'error', '-y', '-i', path, '-f', 'rawvideo', '-pix_fmt', 'yuv420p', to]);
  const all = readFileSync(to);
  return Array.from({ length: all.length / size }, (_, i) => new Uint8Array(all.subarray(i * size, (i + 1) * size)));
}

/**
 * RGBA of a frame (4:2:0, BT.709, 16 to 235) as Chromium has it: colour by lines between samples that lie in the middle of four pixels,
 * whatever the stream says of where they lie.
 * @param {Uint8Array} planes @param {number} width @param {number} height
 */
export function asBrowsers(planes, width, height) {
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255), w = width / 2, h = height / 2, [kr, kb] = [0.2126, 0.0722];
  const inside = (/** @type {number} */ v, /** @type {number} */ n) => Math.max(0, Math.min(n - 1, v));
  for (let y = 0, o = 0; y < height; y++)
    for (let x = 0; x < width; x++, o += 4) {
      const x0 = (x - 1) >> 1, y0 = (y - 1) >> 1, fx = x & 1 ? 0.25 : 0.75, fy = y & 1 ? 0.25 : 0.75;
      const colour = (/** @type {number} */ plane) => {
        const at = (/** @type {number} */ i, /** @type {number} */ j) => planes[width * height + plane * w * h + inside(j, h) * w + inside(i, w)];
        const [upper, lower] = [y0, y0 + 1].map((j) => at(x0, j) * (1 - fx) + at(x0 + 1, j) * fx);
        return (upper * (1 - fy) + lower * fy - 128) * (255 / 224);
      };
      const luma = (planes[y * width + x] - 16) * (255 / 219), r = luma + 2 * (1 - kr) * colour(1), b = luma + 2 * (1 - kb) * colour(0);
      rgba.set([r, (luma - kr * r - kb * b) / (1 - kr - kb), b].map(Math.round), o);
    }
  return new Uint8Array(rgba.buffer);
}

/** PSNR of luma (BT.709) alone. @param {Uint8Array} rgba @param {Uint8Array} planes whose luma goes from 16 to 235 @param {number} width @param {number} height */
export function lumaOf(rgba, planes, width, height) {
  let squares = 0;
  for (let i = 0; i < width * height; i++)
    squares += (0.2126 * rgba[4 * i] + 0.7152 * rgba[4 * i + 1] + 0.0722 * rgba[4 * i + 2] - ((planes[i] - 16) * 255) / 219) ** 2;
  return 10 * Math.log10((255 * 255 * width * height) / squares);
}
