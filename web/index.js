// SPDX-License-Identifier: MIT
// framemill in a page. See README.md.
export { attach, Player } from './player.js';
export { ladderOf, MODELS } from './models.js';

/** Plans for programs of one's own; what runs them comes along. @type {typeof import('./load.js').loadPlan} */
export const loadPlan = async (from, options) => (await import('./load.js')).loadPlan(from, options);
