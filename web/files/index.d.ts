// SPDX-License-Identifier: MIT
export * from './clip.js';
export * from './still.js';
