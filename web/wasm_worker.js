// SPDX-License-Identifier: MIT
// One instance of the engine (web/wasm/face.h), in a worker of its own: wasm.js gives it networks and parts of pictures. Messages
// are {id, op, ...}; answers {id, result} or {id, error}; work is done in the order in which it was asked for.

/** The door to whoever started this worker, in pages and in Node; bundlers for pages are not to see that name. */
const port = globalThis.WorkerGlobalScope ? globalThis : (await import(['node', 'worker_threads'].join(':'))).parentPort;

const FAILED = 52; // WASI's ENOSYS: no such thing here

let engine; // the module's exports
const nets = new Map(); // wasm.js's numbers -> struct face *

const bytesAt = (at, size) => new Uint8Array(engine.memory.buffer, at, size);

/** @param {number} at a zero-terminated text */
function textAt(at) {
  const all = new Uint8Array(engine.memory.buffer);
  return new TextDecoder().decode(all.slice(at, all.indexOf(0, at))); // a copy: decoders refuse memory that may be shared
}

const refuse = () => { throw new Error(textAt(engine.face_error())); };

/** What the C library asks of a system: the time, and that there is nothing else. */
function system() {
  const view = () => new DataView(engine.memory.buffer);
  const none = (count, size) => {
    view().setUint32(count, 0, true);
    view().setUint32(size, 0, true);
    return 0;
  };
  const calls = {
    clock_time_get: (clock, precision, at) => {
      const ms = clock === 0 ? Date.now() : performance.now();
      view().setBigUint64(at, BigInt(Math.round(ms * 1e6)), true);
      return 0;
    },
    environ_sizes_get: none,
    environ_get: () => 0,
    sched_yield: () => 0,
    proc_exit: (code) => { throw new Error(`the engine stopped (${code})`); },
  };
  return new Proxy(calls, { get: (all, name) => all[name] ?? (() => FAILED) });
}

async function start({ module }) {
  engine = (await WebAssembly.instantiate(module, { wasi_snapshot_preview1: system() })).exports;
  engine._initialize();
}

/** @param {number[]} memory addresses that face_take gave, 0 for none */
function giveBack(...memory) {
  for (const at of memory) if (at) engine.face_give(at);
}

function load({ net, bytes, name }) {
  if (!bytes.length) throw new Error(`${name}: an empty file`);
  const title = new TextEncoder().encode(`${name}\0`);
  const [at, titleAt] = [engine.face_take(bytes.length), engine.face_take(title.length)];
  if (!at || !titleAt) {
    giveBack(at, titleAt);
    refuse();
  }
  bytesAt(at, bytes.length).set(bytes);
  bytesAt(titleAt, title.length).set(title);
  const face = engine.face_load(at, bytes.length, titleAt);
  giveBack(titleAt);
  if (!face) refuse();
  nets.set(net, face);
  return {
    scale: engine.face_scale(face),
    colour: engine.face_is_luma(face) ? 'luma' : 'rgb',
    before: engine.face_is_after_bilinear(face) ? 'bilinear' : null,
  };
}

function prepared({ net, size: { width, height, outWidth, outHeight, luma } }) {
  const face = nets.get(net);
  if (!engine.face_prepare(face, width, height, outWidth, outHeight, ...luma)) refuse();
  return face;
}

/** Cuts the result into `parts` bands of rows: which there are, and which rows of the picture each reads. */
function cut(task) {
  const face = prepared(task);
  const { outHeight } = task.size;
  const parts = engine.face_has_parts(face) ? task.parts : 1;
  const bands = [];
  for (let i = 0; i < parts; i++) {
    const y0 = Math.round((outHeight * i) / parts), y1 = Math.round((outHeight * (i + 1)) / parts);
    bands.push({ y0, y1, from: engine.face_first_row(face, y0, y1), to: engine.face_end_row(face, y0, y1) });
  }
  return bands;
}

/** One band. `pixels` holds its rows of the picture; the result goes into `into`, where that is given, or back. */
function run(task) {
  const { band: { y0, y1, from, to }, pixels, into, size } = task;
  const face = prepared(task);
  const input = engine.face_input(face, from, to);
  if (!input) refuse();
  bytesAt(input, pixels.length).set(pixels);
  const output = engine.face_run(face, y0, y1);
  if (!output) refuse();
  const made = bytesAt(output, (y1 - y0) * size.outWidth * 4);
  if (!into) return made.slice();
  into.set(made);
  return null;
}

function drop({ net }) {
  engine.face_close(nets.get(net) ?? 0);
  nets.delete(net);
}

const ops = { start, load, cut, run, drop };
let queue = Promise.resolve();

async function answer(message) {
  const reply = { id: message.id };
  try {
    reply.result = await ops[message.op](message);
  } catch (error) {
    reply.error = error instanceof WebAssembly.RuntimeError ? `the engine stopped: ${error.message}` : error.message;
    reply.broken = error instanceof WebAssembly.RuntimeError; // its memory cannot be trusted any more
  }
  port.postMessage(reply, reply.result instanceof Uint8Array ? [reply.result.buffer] : []);
}

const hear = (message) => { queue = queue.then(() => answer(message)); };
if (port.on) port.on('message', hear);
else port.onmessage = (event) => hear(event.data);
