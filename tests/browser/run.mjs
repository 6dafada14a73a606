// SPDX-License-Identifier: MIT
// Runs the tests in a browser and adds up their last lines. Files that watch a film as it plays have the machine to themselves; the others go
// first, two at a time. What lacks a browser is skipped by name.
//
//     node tests/browser/run.mjs [PROGRAM] [-k NAME]... [-v]      -k: files whose names contain NAME; -v: shows all of what they print
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url)), words = process.argv.slice(2);
const wanted = words.filter((_, i) => words[i - 1] === '-k'), verbose = words.includes('-v');
const program = resolve(words.find((w, i) => !w.startsWith('-') && words[i - 1] !== '-k') ?? join(here, '..', '..', 'build', 'framemill'));
const seconds = 300; // for one file: hung, not slow
const plans = mkdtempSync(join(tmpdir(), 'framemill-plans-'));
process.on('exit', () => rmSync(plans, { recursive: true, force: true }));

/** @param {string} file @returns {Promise<{output: string, code: number|null}>} */
function runFile(file) {
  return new Promise((done) => {
    const child = spawn(process.execPath, [join(here, file), program], { cwd: join(here, '..', '..'), env: { ...process.env, FM_WEB_PLANS: plans }, detached: true });
    let output = '';
    // the whole group: a browser lives on when only the test ends
    const stop = () => { try { process.kill(-(/** @type {number} */ (child.pid)), 'SIGKILL'); } catch { /* ended */ } };
    const timer = setTimeout(() => { output += `\nstopped after ${seconds} s\n`; stop(); }, seconds * 1000);
    child.stdout.on('data', (d) => { output += d; });
    child.stderr.on('data', (d) => { output += d; });
    child.on('close', (code) => { clearTimeout(timer); stop(); done({ output, code }); });
  });
}

let passed = 0, failed = 0, skipped = 0;

/** Runs files one after the other until there are none left. @param {string[]} files */
async function runFiles(files) {
  for (let file; (file = files.shift());) {
    const start = performance.now(), { output, code } = await runFile(file);
    const last = [...output.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm)].at(-1);
    const [p, f, s] = last ? last.slice(1).map(Number) : [0, 1, 0], bad = f || code ? Math.max(f, 1) : 0;
    if (bad || verbose) console.log(output.trimEnd());
    else for (const line of output.split('\n')) if (line.startsWith('SKIPPED')) console.log(line);
    console.log(`${file}: ${p} passed, ${bad} failed, ${s} skipped in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    passed += p;
    failed += bad;
    skipped += s;
  }
}

const files = readdirSync(here).filter((f) => f.endsWith('.test.mjs') && (!wanted.length || wanted.some((w) => f.includes(w)))).sort();
const isPlaying = (/** @type {string} */ file) => /^(demo|player)/.test(file);
const models = join(here, '..', '..', 'models');
// before two files want the same at the same time; what fails here fails in them, with words
for (const name of readdirSync(models).filter((n) => n.endsWith('.onnx'))) spawnSync(program, ['export', '--web', join(models, name), '-o', plans]);
const heavy = ['wasm.test.mjs', 'golden.test.mjs']; // the heaviest last
const together = files.filter((f) => !isPlaying(f)).sort((a, b) => heavy.indexOf(b) - heavy.indexOf(a)); // stable
await Promise.all([runFiles(together), runFiles(together)]);
await runFiles(files.filter(isPlaying));
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed ? 1 : 0;
