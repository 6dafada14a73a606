// SPDX-License-Identifier: MIT
// Pure rules of the player: colours, where the picture lies, the ladder, what a check says, the lines of the overlay.
import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { colourOf } from '../../web/colour.js';
import { costOf, firstRung, ladderOf, MODELS } from '../../web/models.js';
import { fitRect, positionOf, viewOf } from '../../web/screen.js';
import { CHECK_POINTS, judge } from '../../web/shaders.js';
import { linesOf } from '../../web/stats.js';
import { finish, root, test } from './kit.mjs';

test('luma by the matrix that the browser names', () => {
  deepEqual(colourOf({ matrix: 'bt709' }, 320, 240).luma, [0.2126, 0.7152, 0.0722]);
  deepEqual(colourOf({ matrix: 'smpte170m' }, 1920, 1080).luma, [0.299, 0.587, 0.114]);
  deepEqual(colourOf({ matrix: 'bt470bg' }, 1920, 1080).luma, [0.299, 0.587, 0.114]);
  deepEqual(colourOf({ matrix: 'bt2020-ncl', primaries: 'bt709', transfer: 'bt709' }, 1920, 1080).luma, [0.2627, 0.678, 0.0593]);
});

test('untagged: BT.709 from HD on', () => {
  equal(colourOf(null, 1280, 720).matrix, 'bt709');
  equal(colourOf({ matrix: null, transfer: null, primaries: null }, 720, 576).matrix, 'bt601');
  equal(colourOf(undefined, 640, 360).matrix, 'bt601');
  equal(colourOf({}, 1280, 534).matrix, 'bt709');
});

test('what eight bits of sRGB cannot show is refused, with the reason', () => {
  ok(/PQ/.test(colourOf({ matrix: 'bt2020-ncl', transfer: 'pq', primaries: 'bt2020' }, 3840, 2160).whyNot));
  ok(/HLG/.test(colourOf({ matrix: 'bt2020-ncl', transfer: 'hlg', primaries: 'bt2020' }, 3840, 2160).whyNot));
  ok(/BT.2020/.test(colourOf({ matrix: 'bt2020-ncl', transfer: 'bt709', primaries: 'bt2020' }, 3840, 2160).whyNot));
  equal(colourOf({ matrix: 'bt709', transfer: 'bt709', primaries: 'bt709' }, 1920, 1080).whyNot, '');
  const p3 = colourOf({ matrix: 'bt709', transfer: 'iec61966-2-1', primaries: 'smpte432' }, 1920, 1080);
  equal(p3.whyNot, '');
  equal(p3.canvas, 'display-p3');
});

test('object-position', () => {
  equal(positionOf('50%', 30), 15);
  equal(positionOf('0%', 30), 0);
  equal(positionOf('12px', 30), 12);
  equal(positionOf('-12px', 30), -12);
  equal(positionOf('calc(100% - 4px)', 30), 26);
  equal(positionOf('calc(-4px + 50%)', 30), 11);
  equal(positionOf('strange', 30), 15);
});

test('object-fit', () => {
  const at = (...a) => { const { x, y, w, h } = fitRect(...a); return [x, y, w, h]; };
  deepEqual(at(400, 400, 200, 100), [0, 100, 400, 200]);
  deepEqual(at(400, 400, 200, 100, 'contain', '0% 0%'), [0, 0, 400, 200]);
  deepEqual(at(400, 400, 200, 100, 'cover'), [-200, 0, 800, 400]);
  deepEqual(at(400, 400, 200, 100, 'fill'), [0, 0, 400, 400]);
  deepEqual(at(400, 400, 200, 100, 'none'), [100, 150, 200, 100]);
  deepEqual(at(400, 400, 800, 400, 'none', '100% 10px'), [-400, 10, 800, 400]);
  deepEqual(at(400, 400, 800, 400, 'scale-down'), [0, 100, 400, 200]);
  deepEqual(at(400, 400, 200, 100, 'scale-down'), [100, 150, 200, 100]);
});

test('the view: pixels, and the part that is seen', () => {
  const whole = viewOf({ x: 0, y: 100, w: 400, h: 200 }, 400, 400, 2, 8192);
  deepEqual(whole.rect, { x: 0, y: 100, w: 400, h: 200 });
  deepEqual(whole.view, { width: 800, height: 400, fullWidth: 800, fullHeight: 400, crop: [0, 0, 1, 1] });
  const cut = viewOf({ x: -200, y: 0, w: 800, h: 400 }, 400, 400, 1.5, 8192);
  deepEqual(cut.rect, { x: 0, y: 0, w: 400, h: 400 });
  deepEqual(cut.view, { width: 600, height: 600, fullWidth: 1200, fullHeight: 600, crop: [0.25, 0, 0.75, 1] });
  const capped = viewOf({ x: 0, y: 0, w: 6000, h: 3000 }, 6000, 3000, 2, 8192);
  deepEqual([capped.view.width, capped.view.height], [8192, 4096]);
  equal(viewOf({ x: 500, y: 0, w: 100, h: 100 }, 400, 400, 1, 8192), null);
  equal(viewOf({ x: 0, y: 0, w: 0, h: 0 }, 0, 0, 1, 8192), null);
});

test('ladders', () => {
  const names = (...a) => ladderOf(...a).map((r) => r.name), base = 'http://localhost/plans';
  deepEqual(names('rt27', base), ['rt27', 'rt14', 'rt9', 'rt3']);
  deepEqual(names('auto', base), ['rt14-h264', 'rt9-h264', 'rt3']);
  deepEqual(names(['ivs', 'rt3'], base), ['ivs', 'rt3']);
  deepEqual(names('http://localhost/x/own.json', base), ['own']);
  deepEqual(names({ name: 'inline', forms: {} }, base), ['inline']);
  equal(String(ladderOf('rt3', base)[0].from), 'http://localhost/plans/rt3.json');
  equal(String(ladderOf('rt3', 'http://localhost/plans/')[0].from), 'http://localhost/plans/rt3.json');
  throws(() => ladderOf('rt4', base), /no network is called rt4/);
  throws(() => ladderOf([], base), /without/);
  for (const name of MODELS) {
    const costs = ladderOf(name, base).map((r) => r.cost);
    ok(costs.every((c, i) => i === 0 || c < costs[i - 1]), `${name}: ${costs}`);
  }
});

test('every name is a network that is shipped', () => {
  const shipped = readdirSync(join(root, 'models')).filter((f) => f.endsWith('.onnx')).map((f) => f.slice(0, -5));
  deepEqual(MODELS.filter((m) => !shipped.includes(m)), []);
});

test('where to begin', () => {
  const ladder = ladderOf('auto', 'http://localhost/');
  equal(firstRung(ladder, true, 1e9, true), 0);
  equal(firstRung(ladder, false, 640 * 360 * 25, false), 0);
  equal(firstRung(ladder, false, 1280 * 720 * 30, false), 2);
  equal(firstRung(ladder, false, 64 * 48 * 25, true), 2);
  const network = { macs: 100, macs_per: 'output' };
  equal(costOf(/** @type {any} */ ({ network }), 2), 400);
  equal(costOf(/** @type {any} */ ({ network: { ...network, macs_per: 'input' } }), 2), 100);
});

test('what the sums of a check say', () => {
  const all = CHECK_POINTS * 1024, of = (source, result, difference, black) =>
    judge([source * all, result * all, difference * all, black * CHECK_POINTS]);
  equal(of(0.5, 0.5, 0.02, 0), '');
  equal(of(0.01, 0, 0.01, 0), ''); // a dark scene
  ok(/black/.test(of(0.5, 0, 0.5, 1)));
  ok(/black/.test(of(0.3, 0.2, 0.1, 0.3)));
  ok(/black/.test(of(0.08, 0.001, 0.079, 0.1)));
  ok(/another picture/.test(of(0.5, 0.6, 0.3, 0)));
});

test('the overlay', () => {
  const stats = { state: 'running', reason: '', backend: 'webgpu', gpu: 'maker model', network: 'rt14', form: 'f16', step: 0,
    steps: 4, limited: '', width: 640, height: 360, outWidth: 1280,
    outHeight: 720, fps: 24.96, mediaFps: 25, drawn: 100, dropped: 2, budget: 40, p50: 5, p95: 6.25, networkMs: 5, blitMs: NaN,
      mainMs: 0.123 };
  const lines = linesOf(/** @type {any} */ (stats));
  deepEqual(lines, ['framemill  running', 'rt14 f16  step 1 of 4  640x360 -> 1280x720', '25.0 of 25.0 fps  dropped 2',
    'p95 6.3 of 40.0 ms  network 5.0  blit -  page 0.12', 'maker model']);
  equal(linesOf(/** @type {any} */ ({ ...stats, state: 'passthrough', reason: 'no GPU adapter', network: '', gpu: '' }))[0],
    'framemill  passthrough: no GPU adapter');
});

await finish();
