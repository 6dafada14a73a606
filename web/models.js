// SPDX-License-Identifier: MIT
// Which networks there are, what they cost, and the ladder to climb: the wanted network first, cheaper ones behind it.

/**
 * @typedef {object} Rung
 * @property {string} name
 * @property {string|URL|object} from address of the plan, or the plan itself (export --inline)
 * @property {number} cost multiply-adds for each pixel of the video; 0: known when the plan is loaded
 */

/** Multiply-adds per pixel of the input, at twice the size. */
const COST = { lanczos2x: 1764, rt3: 3340, rt8: 7988, rt9: 9012, 'rt9-h264': 9012, ivs: 12312, rt14: 14644,
  'rt14-h264': 14644, rt27: 26164, rt105: 102916, piper: 451008 };
/** What comes below a network. The -h264 ones are trained on compressed video. @type {Record<string, string>} */
const BELOW = { piper: 'rt105', rt105: 'rt27', rt27: 'rt14', rt14: 'rt9', rt9: 'rt3', rt8: 'rt3', 'rt14-h264': 'rt9-h264',
  'rt9-h264': 'rt3', ivs: 'rt3' };

/** The best network for what video mostly is: compressed. */
const AUTO = 'rt14-h264';
/**
 * Multiply-adds a second that any GPU can be thought to do; with 'auto' the first network is chosen by it, before anything is
 * measured.
 */
const MODEST = 100e9;

/** Names of networks. */
export const MODELS = Object.freeze(Object.keys(COST));

/** @param {string|URL|object} model @param {URL} base @returns {Rung} */
function rungOf(model, base) {
  if (typeof model === 'object' && !(model instanceof URL))
    return { name: String(/** @type {any} */ (model).name), from: model, cost: 0 };
  const text = String(model), known = /** @type {any} */ (COST)[text];
  if (known) return { name: text, from: new URL(`${text}.json`, base), cost: known };
  if (!/[./]/.test(text)) throw new TypeError(`no network is called ${text}`);
  return { name: text.replace(/^.*\//, '').replace(/\.json$/, ''), from: new URL(text, base), cost: 0 };
}

/**
 * The ladder, best first. A name has cheaper ones below it; addresses and plans stand alone; a list is taken as it is.
 * @param {'auto'|string|URL|object|(string|URL|object)[]} model
 * @param {string|URL} [base] where the plans of names are; the folder models beside this file unless told
 * @returns {Rung[]}
 */
export function ladderOf(model = 'auto', base = new URL('./models/', import.meta.url)) {
  const folder = new URL(String(base).replace(/\/?$/, '/'), globalThis.location?.href);
  if (Array.isArray(model)) {
    if (!model.length) throw new TypeError('a ladder without networks');
    return model.map((m) => rungOf(m, folder));
  }
  const ladder = [rungOf(model === 'auto' ? AUTO : model, folder)];
  for (let name = BELOW[ladder[0].name]; name && ladder[0].cost; name = BELOW[name]) ladder.push(rungOf(name, folder));
  return ladder;
}

/**
 * Where to begin. @param {Rung[]} ladder @param {boolean} chosen the page named a network: begin with it
 * @param {number} pixels of the video a second @param {boolean} software the adapter is none of hardware
 */
export function firstRung(ladder, chosen, pixels, software) {
  if (chosen) return 0;
  const found = ladder.findIndex((r) => r.cost * pixels <= (software ? 0 : MODEST));
  return found < 0 ? ladder.length - 1 : found;
}

/** Cost of a plan. @param {import('./plan.js').Plan} plan @param {number} ratio output over input, on one axis */
export function costOf(plan, ratio) {
  return plan.network.macs * (plan.network.macs_per === 'output' ? ratio * ratio : 1);
}
