// SPDX-License-Identifier: MIT
// What lies in the heaps of a page and of its worker, by snapshots: whether frames leave anything behind.

/**
 * What the engine of the language makes for itself (compiled code, shapes of objects), and what the browser notes down of slow
 * pages.
 */
const notOurs = /^(code|object shape) |system \/ |^native (Performance|blink::\w*Timing|blink::Heap\w*Backing)/;

/**
 * A session of the page, and one of its worker (null: it has none), with the same face.
 * @param {any} page
 */
export async function sessionsOf(page) {
  const session = await page.context().newCDPSession(page), waiting = new Map(), listeners = new Set();
  let number = 0, worker = '';
  session.on('Target.attachedToTarget', (/** @type {any} */ { sessionId,
    targetInfo }) => { if (targetInfo.type === 'worker') worker = sessionId; });
  session.on('Target.receivedMessageFromTarget', (/** @type {any} */ { message }) => {
    const { id, result, method, params } = JSON.parse(message);
    if (method) for (const listener of listeners) listener(method, params);
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  session.on('HeapProfiler.addHeapSnapshotChunk', (/** @type {any} */ params) => pageOf.chunk?.(params.chunk));
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const pageOf = { chunk: /** @type {((text: string) => void)|null} */ (null),
    send: (/** @type {string} */ m, /** @type {object} */ p = {}) => session.send(m, p) };
  const workerOf = { chunk: /** @type {((text: string) => void)|null} */ (null),
    send: (/** @type {string} */ method, /** @type {object} */ params = {}) => new Promise((done) => {
    waiting.set(++number, done);
    session.send('Target.sendMessageToTarget', { sessionId: worker, message: JSON.stringify({ id: number, method, params }) });
  }) };
  listeners.add((/** @type {string} */ method,
    /** @type {any} */ params) => { if (method === 'HeapProfiler.addHeapSnapshotChunk') workerOf.chunk?.(params.chunk); });
  return { page: pageOf, worker: worker ? workerOf : null };
}

/**
 * Everything in a heap, after what can go has gone: kinds of things, how many and how many bytes.
 * @param {Awaited<ReturnType<typeof sessionsOf>>['page']} session
 * @returns {Promise<Map<string, {count: number, bytes: number}>>}
 */
export async function inventory(session) {
  let text = '';
  session.chunk = (part) => { text += part; };
  for (let i = 0; i < 3; i++) await session.send('HeapProfiler.collectGarbage');
  await session.send('HeapProfiler.takeHeapSnapshot', { reportProgress: false });
  // its last parts may come after the answer
  while (!text.trimEnd().endsWith('}')) await new Promise((done) => setTimeout(done, 50));
  session.chunk = null;
  const { snapshot: { meta }, nodes, strings } = JSON.parse(text), width = meta.node_fields.length, all = new Map();
  const [type, name, size] = ['type', 'name', 'self_size'].map((f) => meta.node_fields.indexOf(f));
  for (let i = 0; i < nodes.length; i += width) {
    const kind = meta.node_types[type][nodes[i + type]],
      key = `${kind} ${/string|number/.test(kind) ? '' : strings[nodes[i + name]].slice(0, 60)}`.trim();
    const entry = all.get(key) ?? { count: 0, bytes: 0 };
    all.set(key, { count: entry.count + 1, bytes: entry.bytes + nodes[i + size] });
  }
  return all;
}

/**
 * What is more than before: bytes of our own things, and of what is not ours; the things of ours by name.
 * @param {Awaited<ReturnType<typeof inventory>>} before @param {Awaited<ReturnType<typeof inventory>>} after
 */
export function more(before, after) {
  const found = { ours: 0, notOurs: 0, what: /** @type {string[]} */ ([]) };
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const a = before.get(key) ?? { count: 0, bytes: 0 }, b = after.get(key) ?? { count: 0, bytes: 0 }, bytes = b.bytes - a.bytes;
    found[notOurs.test(key) ? 'notOurs' : 'ours'] += bytes;
    if (bytes && !notOurs.test(key)) found.what.push(`${key}: ${b.count - a.count} more, ${bytes} bytes`);
  }
  return found;
}
