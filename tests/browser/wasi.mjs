// SPDX-License-Identifier: MIT
// Runs a program that was compiled for WASI: node tests/browser/wasi.mjs PROGRAM.wasm [ARGUMENT]... It sees the folder that it is run in, and /tmp.
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { WASI } from 'node:wasi';

const words = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: words, env: process.env, preopens: { '.': '.', [tmpdir()]: tmpdir() } });
const { instance } = await WebAssembly.instantiate(readFileSync(words[0]), { wasi_snapshot_preview1: wasi.wasiImport });
process.exitCode = wasi.start(instance);
