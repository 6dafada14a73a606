// SPDX-License-Identifier: MIT
// The engine in WebAssembly beside the program itself: the same picture, in turns, in one run. A frame is what a player has to wait for:
// RGBA in, RGBA out, through the workers; the program's is its own "compute" with one thread (samples to floats, network, colour,
// samples). What counts is the ratio of the shortest times, which others on the machine disturb least; where they leave no processor alone
// for a whole frame, the processors' time for a frame (that of all workers and of the page's thread) says more than the clock.
//
//     node web/wasm/bench.mjs [PROGRAM] [--models rt3,rt9] [--sizes 320x180,640x360] [--threads 1,2] [--rounds 5]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWasm } from '../wasm.js';

const root = new URL('../..', import.meta.url).pathname;
const words = process.argv.slice(2);
const option = (name, usual) => (words.includes(`--${name}`) ? words[words.indexOf(`--${name}`) + 1] : usual).split(',');
const program = words[0] && !words[0].startsWith('--') ? words[0] : join(root, 'build/framemill');
const models = option('models', 'rt3'), sizes = option('sizes', '320x180,640x360').map((s) => s.split('x').map(Number));
const crews = option('threads', '1,2').map(Number), rounds = Number(option('rounds', '5'));
const FRAMES = 8; // of a round
const work = mkdtempSync(join(tmpdir(), 'framemill-wasm-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

/** Waves with some noise on them. */
function picture(width, height) {
  const rgba = new Uint8ClampedArray(width * height * 4);
  let seed = 1;
  for (let i = 0; i < rgba.length; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const x = (i >> 2) % width, y = Math.floor((i >> 2) / width);
    rgba[i] = i % 4 === 3 ? 255 : 128 + 90 * Math.sin(x / (7 + (i % 4))) * Math.cos(y / 9) + (seed >>> 28);
  }
  return rgba;
}

function writePpm(path, rgba, width, height) {
  const rgb = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) rgb.set(rgba.subarray(4 * i, 4 * i + 3), 3 * i);
  writeFileSync(path, Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), rgb]));
}

/** Milliseconds of each of FRAMES copies of a picture. */
function runProgram(model, file) {
  const copies = Array.from({ length: FRAMES }, (_, i) => join(work, `in-${i}.ppm`));
  for (const copy of copies) writeFileSync(copy, readFileSync(file));
  const done = spawnSync(program, ['upscale', '--json', '-q', '-j', '1', '--overwrite', '-m', model, ...copies, join(work, 'out/')],
    { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status !== 0) throw new Error(done.stderr || `${program} failed`);
  return JSON.parse(done.stdout).files.map((f) => f.ms.compute);
}

const sorted = (list) => [...list].sort((a, b) => a - b);
const least = (list) => sorted(list)[0], middle = (list) => sorted(list)[list.length >> 1];
const row = (list) => `${least(list).toFixed(1).padStart(7)} ${middle(list).toFixed(1).padStart(7)} ${(1000 / least(list)).toFixed(1).padStart(7)}`;

console.log(`${cpus().length} processors, ${cpus()[0].model}, Node ${process.version}; a frame:`);
console.log(`${' '.repeat(37)}shortest  median ms     fps   CPU ms   times the program's by clock, by CPU`);
for (const name of models) {
  const model = join(root, 'models', `${name}.onnx`), bytes = await readFile(model);
  const nets = [];
  for (const threads of crews) {
    const wasm = await createWasm({ threads, fetch: async (url) => new Response(await readFile(url)) });
    nets.push({ threads, wasm, net: await wasm.load(bytes) });
  }
  for (const [width, height] of sizes) {
    const rgba = picture(width, height), file = join(work, 'in.ppm');
    writePpm(file, rgba, width, height);
    const times = new Map([[0, []], ...crews.map((n) => [n, []])]), spent = new Map(crews.map((n) => [n, []]));
    for (const { net } of nets) for (let i = 0; i < 20; i++) await net.upscale(rgba, width, height); // until it is compiled well
    for (let round = 0; round < rounds; round++) {
      times.get(0).push(...runProgram(model, file));
      for (const { net, threads } of nets)
        for (let i = 0; i < FRAMES; i++) {
          const before = process.cpuUsage();
          times.get(threads).push((await net.upscale(rgba, width, height)).ms);
          const { user, system } = process.cpuUsage(before);
          spent.get(threads).push((user + system) / 1000);
        }
    }
    const own = least(times.get(0)), size = `${width}x${height}`.padEnd(10);
    console.log(`${name.padEnd(8)} ${size} program, 1 thread ${row(times.get(0))}`);
    for (const threads of crews) {
      const clock = least(times.get(threads)), cpu = least(spent.get(threads)), label = `${threads} thread${threads > 1 ? 's' : ''}`;
      console.log(`${name.padEnd(8)} ${size} wasm, ${label.padEnd(9)}   ${row(times.get(threads))} ${cpu.toFixed(1).padStart(8)}   x${(clock / own).toFixed(1)}, x${(cpu / own).toFixed(1)}`);
    }
  }
  for (const { wasm } of nets) wasm.destroy();
}
