// SPDX-License-Identifier: MIT
// framemill in a page. See README.md.
export { attach, Player } from './player.js';
export { ladderOf, MODELS } from './models.js';
export { loadPlan } from './plan.js';
