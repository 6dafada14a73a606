// SPDX-License-Identifier: MIT
// Times framemill against ONNX Runtime's CPU provider on the same networks, the same input and the same number of threads, turn by
// turn in one run, and compares what they answer.   node peers.mjs PROGRAM THREADS [MODEL[:WxH] ...]
//
// onnxruntime-node is looked for in bench/node_modules (./dev bench peers puts it there).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.env.ORT_DISABLE_TELEMETRY = '1';
const here = dirname(fileURLToPath(import.meta.url));
const [program, threadsText, ...named] = process.argv.slice(2);
const threads = Number(threadsText);
const rounds = Number(process.env.ROUNDS ?? 5);
const shared = process.env.FM_SHARED ?? join(here, '..', '..', 'shared');
const tolerance = 1e-4; // of the largest output

// What must be reached, per network of ../shared/bench: [model, channels, height, width, must, aim].
const standard = [
  ['piper', 3, 360, 640, 3.0, 3.4],
  ['srvgg', 3, 360, 640, 3.0, 3.4],
  ['sesr_m5', 1, 360, 640, 2.5, 3.5],
  ['sesr_m11', 1, 360, 640, 2.5, 3.5],
  ['ivs', 1, 1080, 1920, 2.5, 3.5],
];

function loadPeer() {
  try {
    return createRequire(join(here, 'package.json'))('onnxruntime-node');
  } catch (reason) {
    console.error(`peers: onnxruntime-node cannot be loaded (${reason.message.split('\n')[0]}); ./dev bench peers installs it`);
    process.exit(1);
  }
}

function npy(data, shape) {
  let head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  head = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11) + '\n';
  const start = Buffer.alloc(10);
  start.write('\x93NUMPY\x01\x00', 0, 'latin1');
  start.writeUInt16LE(head.length, 8);
  return Buffer.concat([start, Buffer.from(head, 'latin1'), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

function readNpy(path) {
  const file = readFileSync(path);
  const at = 10 + file.readUInt16LE(8);
  return new Float32Array(file.buffer.slice(file.byteOffset + at, file.byteOffset + file.length));
}

function noise(count) { // the same on every machine
  let state = 1;
  return Float32Array.from({ length: count }, () => (state = (state * 48271) % 2147483647) / 2147483647);
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

// Several runs in a row for each engine per turn: neither finds its caches full of the other's data.
async function compare(ort, path, shape, must, aim) {
  const folder = mkdtempSync(join(tmpdir(), 'framemill-peers-'));
  try {
    const input = noise(shape.reduce((a, b) => a * b));
    const inputFile = join(folder, 'input.npy');
    writeFileSync(inputFile, npy(input, shape));
    const session = await ort.InferenceSession.create(path, { intraOpNumThreads: threads, graphOptimizationLevel: 'all' });
    const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', input, shape) };
    let answer = (await session.run(feeds))[session.outputNames[0]];
    let start = performance.now();
    await session.run(feeds);
    const runs = Math.max(3, Math.min(40, Math.round(1500 / (performance.now() - start))));
    const theirs = [], ours = [], ratios = [];
    for (let round = 0; round < rounds; round++) {
      const times = [];
      for (let i = 0; i < runs; i++) {
        start = performance.now();
        answer = (await session.run(feeds))[session.outputNames[0]];
        times.push(performance.now() - start);
      }
      const text = execFileSync(program, ['run', path, '-i', inputFile, '-o', folder, '-j', String(threads), '--repeat', String(2 * runs)], { encoding: 'utf8' });
      theirs.push(median(times));
      ours.push(Number(/median ([0-9.]+)/.exec(text)[1]));
      ratios.push(theirs.at(-1) / ours.at(-1));
    }
    const mine = readNpy(join(folder, 'output_0.npy'));
    let largest = 0, off = mine.length === answer.data.length ? 0 : Infinity;
    for (let i = 0; i < answer.data.length; i++) {
      largest = Math.max(largest, Math.abs(answer.data[i]));
      const difference = Math.abs(answer.data[i] - mine[i]);
      if (!(difference <= off)) off = difference;
    }
    return { name: basename(path, '.onnx'), shape: shape.join('x'), theirs: median(theirs), ours: median(ours), ratio: median(ratios), low: Math.min(...ratios),
             high: Math.max(...ratios), off: off / largest, must, aim };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function jobs() {
  if (!named.length)
    return standard.map(([name, c, h, w, must, aim]) => [join(shared, 'bench', `${name}.onnx`), [1, c, h, w], must, aim]);
  return named.map((text) => {
    const [path, size] = text.split(/:(?=\d+x\d+(?:x\d+)?$)/);
    const row = standard.find(([name]) => basename(path, '.onnx') === name);
    const dims = size?.split('x').map(Number);
    if (dims?.length === 3) return [path, [1, ...dims], row?.[4], row?.[5]]; // CxHxW
    const [w, h] = dims ?? [row?.[3] ?? 640, row?.[2] ?? 360];
    return [path, [1, row?.[1] ?? 3, h, w], row?.[4], row?.[5]];
  });
}

const list = jobs();
for (const [path] of list)
  if (!existsSync(path)) {
    console.error(`peers: ${path} is not there`);
    process.exit(1);
  }
const ort = loadPeer();
console.log(`${cpus()[0].model.trim()}, ${threads} threads; ONNX Runtime ${ort.env.versions.node ?? ort.env.versions.common}; medians of ${rounds} turns`);
console.log('network      input            peer ms   ours ms    ratio  (low-high)     must   aim   difference');
let failed = false;
for (const [path, shape, must, aim] of list) {
  const r = await compare(ort, path, shape, must, aim);
  const verdict = r.off > tolerance ? 'WRONG' : must && r.ratio < must ? 'below the bar' : '';
  failed ||= verdict !== '';
  console.log(`${r.name.padEnd(12)} ${r.shape.padEnd(14)} ${r.theirs.toFixed(1).padStart(9)} ${r.ours.toFixed(1).padStart(9)} ${r.ratio.toFixed(2).padStart(7)}x ` +
    `(${r.low.toFixed(2)}-${r.high.toFixed(2)})  ${(must?.toFixed(1) ?? '-').padStart(6)} ${(aim?.toFixed(1) ?? '-').padStart(5)}   ${r.off.toExponential(1)}  ${verdict}`);
}
process.exit(failed ? 1 : 0);
