// SPDX-License-Identifier: MIT
// What the adaptive demo streams: a clip in two sizes as fragmented MP4, and an index of their segments. Made with ffmpeg when
// first asked for.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SECONDS = 1, RATE = 30; // of a segment: so soon a page can change its mind
const SIZES = [{ name: '180p', width: 320, height: 180, crf: 24 }, { name: '360p', width: 640, height: 360, crf: 21 }];

/** @param {string[]} args @returns {Promise<void>} */
function ffmpeg(args) {
  return new Promise((done, failed) => {
    const child = spawn('ffmpeg', ['-v', 'error', '-y', ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => { said += text; });
    child.on('error', (reason) => failed(new Error(`the renditions need ffmpeg: ${reason.message}`)));
    child.on('close', (code) => (code ? failed(new Error(`ffmpeg: ${said.trim()}`)) : done()));
  });
}

/** Boxes of the outermost level. @param {Buffer} file */
function boxesOf(file) {
  const boxes = [];
  for (let at = 0; at + 8 <= file.length;) {
    const length = file.readUInt32BE(at), kind = file.toString('latin1', at + 4, at + 8);
    if (length < 8) throw new Error(`a box of ${length} bytes`);
    boxes.push({ at, length, kind });
    at += length;
  }
  return boxes;
}

/** Where the beginning and the segments of a fragmented MP4 lie, and its codecs. @param {Buffer} file */
export function indexOf(file) {
  const boxes = boxesOf(file), moov = boxes.find((b) => b.kind === 'moov'), avcc = file.indexOf('avcC');
  if (!moov || avcc < 0) throw new Error('no fragmented H.264 in MP4');
  const segments = [];
  for (let i = 0; i + 1 < boxes.length; i++)
    if (boxes[i].kind === 'moof' && boxes[i + 1].kind === 'mdat')
      segments.push({ time: segments.length * SECONDS, offset: boxes[i].at, length: boxes[i].length + boxes[i + 1].length });
  const sound = file.indexOf('mp4a') > 0 ? ',mp4a.40.2' : '';
  return { init: moov.at + moov.length, codecs: `avc1.${file.toString('hex', avcc + 5, avcc + 8)}${sound}`, segments };
}

/** @type {Promise<void>|null} */
let running = null;

/** Makes them unless they are there and newer than the clip. @param {string} clip @param {string} folder */
export function makeRenditions(clip, folder) {
  const index = join(folder, 'index.json'), time = statSync(index, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (time > statSync(clip).mtimeMs) return Promise.resolve();
  running ??= make(clip, folder, index).finally(() => { running = null; });
  return running;
}

/** @param {string} clip @param {string} folder @param {string} index */
async function make(clip, folder, index) {
  mkdirSync(folder, { recursive: true });
  const renditions = [];
  for (const { name, width, height, crf } of SIZES) {
    const file = join(folder, `${name}.mp4`), part = join(folder, `${name}.part.mp4`), gop = String(SECONDS * RATE);
    try {
      await ffmpeg(['-i', clip, '-map', '0:v:0', '-map', '0:a:0?', '-vf', `scale=${width}:${height}:flags=lanczos`, '-c:v',
        'libx264', '-preset', 'faster', '-crf', String(crf), '-g', gop,
        '-keyint_min', gop, '-sc_threshold', '0', '-pix_fmt', 'yuv420p', '-colorspace', 'bt709', '-color_primaries', 'bt709',
          '-color_trc', 'bt709', '-c:a', 'copy',
        '-movflags', '+frag_keyframe+empty_moov+default_base_moof', part]);
      renameSync(part, file);
    } catch (reason) {
      rmSync(part, { force: true });
      throw reason;
    }
    const data = readFileSync(file);
    renditions.push({ name, file: `${name}.mp4`, width, height, bytes: data.length, ...indexOf(data) });
  }
  writeFileSync(index, JSON.stringify({ seconds: SECONDS, renditions }, null, 1));
}
