// SPDX-License-Identifier: MIT
// Makes the folder that is published as npm package: the same modules without comments and indentation, the types, the networks and the
// engine if they are there. Prints what a page loads, gzipped.
//
//     node web/pack.mjs OUT && npm pack OUT
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));

/** What attach() loads to draw by WebGPU. */
export const PLAYER = ['index', 'player', 'loop', 'open', 'monitor', 'screen', 'models', 'colour', 'stats', 'source_element', 'engine_gpu', 'gpu', 'renderer', 'shaders', 'plan']
  .map((name) => `${name}.js`);

/**
 * Without comments that have lines of their own, without casts of types and indentation. It relies on our style: no comment begins behind
 * code, and no line of a text begins as one.
 * @param {string} text
 */
export function squeeze(text) {
  return '// SPDX-License-Identifier: MIT\n' + text.replace(/^[ ]*\/\*\*(?:(?!\*\/)[^])*\*\/[ ]*\n/gm, '').replace(/^[ ]*\/\/.*\n/gm, '').replace(/\/\*\* @(type|param) [^\n]*?\*\/ ?/g, '')
    .replace(/^[ ]+/gm, '').replace(/\n+/g, '\n').trimStart();
}

/** Gzipped bytes of modules as a server would send them, one by one. @param {string[]} names */
export function weigh(names) {
  return names.reduce((sum, name) => sum + gzipSync(squeeze(readFileSync(join(here, name), 'utf8')), { level: 9 }).length, 0);
}

/** @param {string} out */
function pack(out) {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const modules = readdirSync(here).filter((name) => name.endsWith('.js'));
  for (const name of modules) writeFileSync(join(out, name), squeeze(readFileSync(join(here, name), 'utf8')));
  for (const name of ['index.d.ts', 'README.md', 'models', 'dist']) if (existsSync(join(here, name))) cpSync(join(here, name), join(out, name), { recursive: true });
  cpSync(join(here, '..', 'LICENSE'), join(out, 'LICENSE'));
  const { devDependencies: _, ...about } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(about, null, 2)}\n`);
  console.log(`the player: ${weigh(PLAYER)} bytes gzipped in ${PLAYER.length} modules; all ${modules.length} modules: ${weigh(modules)}`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (!process.argv[2]) {
    console.error('usage: node web/pack.mjs OUT');
    process.exit(2);
  }
  pack(process.argv[2]);
}
