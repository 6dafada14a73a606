// SPDX-License-Identifier: MIT
// The rules of the deadline monitor, with a clock of our own.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { Monitor, quantile } from '../../web/monitor.js';
import { finish, test } from './kit.mjs';

/**
 * A monitor whose clock goes on with the frames that are played.
 * @param {number[]} costs
 * @param {number} start
 * @param {object} [rules]
 */
function world(costs, start = 0, rules = {}) {
  let now = 1000;
  const monitor = new Monitor(costs, start, { clock: () => now, rules }), moves = [];
  return {
    monitor, moves,
    get now() { return now; },
    /**
     * @param {number} seconds
     * @param {number|((step: number) => number|null)} time of a frame by step; null: left out
     * @param {{fps?: number, rate?: number, gap?: number}} [how]
     */
    play(seconds, time, { fps = 25, rate = 1, gap = 1000 / (fps * rate) } = {}) {
      monitor.setRate(rate);
      for (const end = now + seconds * 1000; now < end;) {
        now += gap;
        monitor.arrived(1 / fps, 1, gap);
        const change = monitor.decide();
        if (change) {
          moves.push({ at: now, ...change });
          monitor.moved(change.step);
        }
        if (monitor.passThrough) continue;
        const ms = typeof time === 'function' ? time(monitor.step) : time;
        if (ms === null) monitor.skipped();
        else monitor.took(ms);
      }
      return monitor.step;
    },
  };
}

test('quantiles', () => {
  const numbers = Array.from({ length: 100 }, (_, i) => 100 - i);
  equal(quantile(numbers, 0.95), 95);
  equal(quantile(numbers, 0.5), 50);
  equal(quantile([7], 0.95), 7);
  ok(Number.isNaN(quantile([], 0.5)));
});

test('the budget is that of the media and of its rate', () => {
  const w = world([1]);
  w.play(2, 1, { fps: 50 });
  equal(Math.round(w.monitor.budget), 20);
  w.play(2, 1, { fps: 50, rate: 2 });
  equal(Math.round(w.monitor.budget), 10);
  w.play(2, 1, { fps: 50, rate: 0.5 });
  equal(Math.round(w.monitor.budget), 40);
});

test('frames in time: nothing happens', () => {
  const w = world([8, 4, 2, 1]);
  equal(w.play(60, 20), 0);
  deepEqual(w.moves, []);
});

test('late: down at once to what should fit, one change a second at most', () => {
  const w = world([8, 4, 2, 1]);
  w.play(1.2, (step) => [60, 38, 30, 10][step]);
  equal(w.monitor.step, 1); // 60 * 4 / 8 = 30 should have fit
  w.play(2.5, (step) => [60, 38, 30, 10][step]);
  equal(w.monitor.step, 2);
  const gaps = w.moves.slice(1).map((m, i) => m.at - w.moves[i].at);
  ok(gaps.every((g) => g >= 1000), String(gaps));
  ok(w.moves.every((m) => m.reason === 'late'));
});

test('far too late: steps that cannot fit are left out', () => {
  const w = world([8, 4, 2, 1]);
  w.play(1, (step) => [200, 100, 50, 25][step]);
  equal(w.monitor.step, 3);
  equal(w.moves.length, 1);
});

test('one late frame of twenty is none too many, two are', () => {
  let n = 0;
  const rare = world([8, 4]), often = world([8, 4]);
  rare.play(30, () => (n++ % 30 === 7 ? 80 : 10));
  equal(rare.monitor.step, 0);
  often.play(30, () => (n++ % 10 === 7 ? 80 : 10));
  ok(often.moves[0]?.reason === 'late');
});

test('nothing fits: pass-through, and attempts that become rarer', () => {
  const w = world([2, 1], 0);
  w.play(300, 500);
  ok(w.moves.some((m) => m.step === 2));
  const tries = w.moves.filter((m) => m.reason === 'again').map((m) => m.at), waits = tries.slice(1).map((t, i) => t - tries[i]);
  ok(tries.length >= 3 && tries.length <= 8, String(tries.length));
  ok(waits.every((v, i) => i === 0 || v > waits[i - 1] * 1.5), String(waits));
});

test('frames that are left out count as late', () => {
  const w = world([8, 4, 2, 1]);
  let n = 0;
  w.play(2, () => (n++ % 2 ? null : 15));
  ok(w.monitor.step >= 1);
});

test('room: up by one step, when the next should fit', () => {
  const w = world([8, 4, 2, 1], 3), times = [30, 15, 7.5, 3.75];
  w.play(60, (step) => times[step]);
  equal(w.monitor.step, 1); // the first would take 30 ms, more than 0.6 of 40
  deepEqual(w.moves.map((m) => [m.step, m.reason]), [[2, 'room'], [1, 'room']]);
  ok(w.moves[0].at - 1000 >= 3000 && w.moves[1].at - w.moves[0].at >= 3000);
});

test('a step that was too much is tried ever more rarely', () => {
  const w = world([8, 4], 1);
  w.play(600, (step) => (step ? 10 : 60)); // 20 were expected above
  const ups = w.moves.filter((m) => m.reason === 'room').map((m) => m.at), waits = ups.slice(1).map((t, i) => t - ups[i]);
  ok(ups.length >= 3 && ups.length < 12, String(ups.length));
  ok(waits.at(-1) > 4 * waits[0], String(waits));
  equal(w.monitor.step, 1);
});

test('a plan that cannot be had is not climbed to, and is left out on the way down', () => {
  const w = world([Infinity, 4, Infinity, 1], 1);
  w.play(30, 1);
  equal(w.monitor.step, 1);
  w.play(1, 45);
  equal(w.monitor.step, 3);
});

test('power is saved: half way down, and up again afterwards', () => {
  const w = world([8, 4, 2, 1]);
  w.monitor.setSaver(true);
  w.play(3, 5);
  equal(w.monitor.step, 2);
  equal(w.moves[0].reason, 'saver');
  w.play(30, 5);
  equal(w.monitor.step, 2);
  w.monitor.setSaver(false);
  w.play(30, 5);
  equal(w.monitor.step, 0);
});

test('a page that is held back gets the cheapest step', () => {
  const w = world([8, 4, 2, 1]);
  w.play(3, 5);
  w.play(10, 5, { gap: 500 });
  ok(w.monitor.throttled);
  equal(w.monitor.step, 3);
  equal(w.moves[0].reason, 'throttled');
  w.play(40, 5);
  ok(!w.monitor.throttled);
  ok(w.monitor.step < 3);
});

test('a slow playback rate is no throttling', () => {
  const w = world([8, 4, 2, 1]);
  w.play(20, 5, { rate: 0.25 });
  ok(!w.monitor.throttled);
  equal(w.monitor.step, 0);
});

test('what was measured before a seek is forgotten', () => {
  const w = world([8, 4]);
  for (let i = 0; i < 60; i++) w.monitor.took(100);
  w.monitor.forget();
  equal(w.monitor.decide(), null);
  w.play(1, 5);
  equal(w.monitor.step, 0);
});

test('a clip of two seconds that is played again and again: each time is a seek, and the cheapest step is tried again all the same',
  () => {
  const w = world([8, 4]);
  w.play(5, 100);
  ok(w.monitor.passThrough);
  for (let i = 0; i < 20; i++) {
    w.monitor.forget();
    w.play(2, 5);
  }
  ok(w.moves.some((m) => m.reason === 'again'));
  equal(w.monitor.step, 0);
});

await finish();
