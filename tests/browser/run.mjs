// SPDX-License-Identifier: MIT
// Runs the tests in a browser, one file after the other, and adds up their last lines. What lacks a browser is skipped by name.
//
//     node tests/browser/run.mjs [PROGRAM] [-k NAME]... [-v]      -k: files whose names contain NAME; -v: shows all of what they print
import { spawn } from 'node:child_process';
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
const files = readdirSync(here).filter((f) => f.endsWith('.test.mjs') && (!wanted.length || wanted.some((w) => f.includes(w)))).sort();
for (const file of files) {
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
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed ? 1 : 0;
