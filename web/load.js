// SPDX-License-Identifier: MIT
// Loads a web plan (docs/web-plan.md): the sidecar and its weights at once, a shader when it is asked for. What runs it is plan.js.

/** @param {string} text @returns {Uint8Array} */
export function fromBase64(text) {
  const bytes = atob(text);
  return Uint8Array.from(bytes, (c) => c.charCodeAt(0));
}

/**
 * @param {string|URL} url @param {typeof globalThis.fetch} fetcher @param {'text'|'json'|'arrayBuffer'} as
 * @returns {Promise<any>}
 */
async function get(url, fetcher, as) {
  const answer = await fetcher(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  return answer[as]();
}

/**
 * Loads a plan: the address of its sidecar, or what `export --inline` wrote (an object). Weights come with it, shaders when needed.
 * @param {string|URL|object} from
 * @param {{fetch?: typeof globalThis.fetch}} [options]
 * @returns {Promise<import('./plan.js').Plan>}
 */
export async function loadPlan(from, { fetch: fetcher = globalThis.fetch.bind(globalThis) } = {}) {
  const inline = typeof from === 'object' && !(from instanceof URL);
  const base = inline ? undefined : new URL(String(from), globalThis.location?.href);
  const found = inline ? from : await get(/** @type {URL} */ (base), fetcher, 'json');
  if (found.format !== 'framemill-web-plan' || found.version !== 1)
    throw new Error(`${base ?? 'plan'}: not a web plan of version 1`);
  /** @type {import('./plan.js').Plan} */
  const plan = { ...found, forms: { ...found.forms } };
  const bytes = found.weights.base64 !== undefined ? fromBase64(found.weights.base64)
    : new Uint8Array(await get(new URL(found.weights.file, base), fetcher, 'arrayBuffer'));
  if (bytes.byteLength !== found.weights.bytes)
    throw new Error(`${plan.name}: ${bytes.byteLength} bytes of weights, not ${found.weights.bytes}`);
  plan.halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  for (const [name, form] of Object.entries(plan.forms)) {
    /** @type {Promise<string>|undefined} */
    let text;
    const read = () => (text ??= form.text !== undefined ? Promise.resolve(form.text)
      : get(new URL(String(form.shader), base), fetcher, 'text'));
    plan.forms[name] = Object.defineProperty({ ...form }, 'read', { value: read });
  }
  return plan;
}
