// SPDX-License-Identifier: MIT
// The picture of the demo page in docs/: Chromium without a window, 1280 x 800, a paused frame of the sample under the line.
//
//     node tools/screenshot_demo.mjs [PROGRAM] [OUT.webp|OUT.png]          docs/demo.webp unless told
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { exportNetworks, startServer } from '../web/serve.mjs';
import { launch, program, root, work } from '../tests/browser/kit.mjs';

const out = resolve(process.argv[3] ?? join(root, 'docs', 'demo.webp')), model = 'rt9'; // a software adapter takes long for more
exportNetworks(program, [model]);
const server = await startServer({ port: 0 }), browser = await launch();
const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
const errors = [];
page.on('pageerror', (error) => errors.push(String(error)));
await page.goto(`${server.url}/demo/?model=${model}&split=0.5&time=1.4&paused&backend=webgpu&zoom=2.4&x=0.505&y=0.44`);
await page.waitForFunction(() => globalThis.demo?.stage.player?.state === 'paused' &&
  globalThis.demo.stage.player.stats().drawn > 0, null, { timeout: 540000 });
await page.waitForTimeout(3000);
const shot = await page.screenshot({ type: 'png' });
server.close();
await browser.close();
if (errors.length) throw new Error(errors.join('\n'));
if (out.endsWith('.png')) {
  writeFileSync(out, shot);
} else {
  const png = join(work, 'demo.png');
  writeFileSync(png, shot);
  const done = spawnSync('ffmpeg', ['-v', 'error', '-y', '-i', png, '-c:v', 'libwebp', '-quality', '86', '-compression_level', '6',
    out], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr);
}
console.log(out);
process.exit();
