import { describe, expect, it } from '@jest/globals';

import type { Played } from '../../../../testing/bench/load/caller';
import { figuresOf, momentsOf } from '../../../../testing/bench/load/figures';
import { isRefused, plainFlows, startOf, type Choice } from '../../../../testing/bench/load/flows';
import { runClosedLoop, runOpenLoop, type Sample } from '../../../../testing/bench/load/generator';
import { createMeter, cpuMsPerTransaction } from '../../../../testing/bench/meter';

const sample = (dueMs: number, endedMs: number, ending = 'completed'): Sample => ({
  ...{ dueMs, endedMs, ending, acceptedMs: dueMs + 1, gid: `g-${dueMs}` },
  ...{ mustBeRefused: false, retries: 0 },
});

const choice: Choice = { flow: 'transfer', refusals: 0, spread: 'even', deadlineMs: 60_000 };

describe('the figures of a load', () => {
  it('count latency from the time that a transaction was due', () => {
    const { ending } = figuresOf([sample(0, 900), sample(100, 900)], { fromMs: 0, toMs: 1_000 });
    expect(ending).toMatchObject({ p50: 800, max: 900 });
  });

  it('leave out what was due in the warm-up, and what ended in it', () => {
    const samples = [sample(0, 500), sample(900, 1_500), sample(1_200, 2_500)];
    const figures = figuresOf(samples, { fromMs: 1_000, toMs: 2_000 });
    expect(figures).toMatchObject({ offered: 1, ended: 1, perSecond: 1 });
    expect(figures.ending).toMatchObject({ count: 1, max: 1_300 });
  });

  it('count what has not ended, and never as a latency or a rate', () => {
    const samples = [sample(0, 10), sample(1, 900, 'not ended'), sample(2, 20, 'parked')];
    const figures = figuresOf(samples, { fromMs: 0, toMs: 1_000 });
    expect(figures.endings).toEqual({ completed: 1, 'not ended': 1, parked: 1 });
    expect(figures).toMatchObject({ ended: 2, ending: { count: 2, max: 18 } });
  });

  it('over time have a gap where nothing that was due has ended', () => {
    const moments = momentsOf([sample(0, 10), sample(1_500, 2_900, 'not ended')]);
    expect(moments.map(({ offeredPerSecond }) => offeredPerSecond)).toEqual([1, 1, 0]);
    expect(moments.map(({ p50 }) => p50)).toEqual([10, undefined, undefined]);
  });
});

describe('an open loop', () => {
  it('sends the next one although the last has no answer, and counts from when it was due', async () => {
    const samples: Sample[] = [];
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    let sent = 0;
    const play = async (): Promise<Played> => {
      sent += 1;
      if (sent === 3) answer(); // The first two are answered by the third: a loop that waits would stand still.
      await answered;
      return { gid: 'g', acceptedAt: 50, endedAt: 50, ending: 'completed', retries: 0 };
    };
    const note = (one: Sample): void => void samples.push(one);
    const sender = { play, note, mustBeRefused: () => false, isStopped: () => false };
    await runOpenLoop([0, 1, 2], 0, sender);
    expect(samples.map(({ dueMs }) => dueMs)).toEqual([0, 1, 2]);
  });
});

describe('a closed loop', () => {
  it('sends each number once, and never more than are in flight', async () => {
    const numbers: number[] = [];
    let open = 0;
    let most = 0;
    const play = async (at: number): Promise<Played> => {
      numbers.push(at);
      open += 1;
      most = Math.max(most, open);
      await Promise.resolve();
      open -= 1;
      return { gid: 'g', acceptedAt: 0, endedAt: 0, ending: 'completed', retries: 0 };
    };
    const sender = {
      play,
      note: () => undefined,
      mustBeRefused: () => false,
      isStopped: () => false,
    };
    const bounds = { inFlight: 3, transactions: 10, milliseconds: Infinity };
    await runClosedLoop(bounds, performance.now(), sender);
    expect(numbers.sort((one, other) => one - other)).toEqual([...Array(10).keys()]);
    expect(most).toBe(3);
  });
});

describe('what a load starts', () => {
  it('is refused in as many of a hundred as was asked for, wherever the hundred begins', () => {
    for (const percent of [0, 1, 30, 99, 100]) {
      for (const from of [0, 7, 1_234]) {
        const refused = Array.from({ length: 100 }, (_, at) => isRefused(from + at, percent));
        expect(refused.filter(Boolean)).toHaveLength(percent);
      }
    }
  });

  it('is refused in each flow of a mixed load', () => {
    const starts = Array.from({ length: 400 }, (_, at) =>
      startOf({ ...choice, flow: 'mixed', refusals: 30 }, at),
    );
    for (const flow of plainFlows) {
      const refused = starts.filter((start) => start.flow === flow && start.mustBeRefused);
      expect(refused).toHaveLength(30);
    }
  });

  it('pays one account where that shall be hot, and nobody pays oneself', () => {
    const bodies = (spread: Choice['spread']) =>
      Array.from(
        { length: 1_000 },
        (_, at) => startOf({ ...choice, spread }, at).body as { from: string; to: string },
      );
    expect(new Set(bodies('hot').map(({ to }) => to))).toEqual(new Set(['hot']));
    expect(new Set(bodies('even').map(({ to }) => to)).size).toBeGreaterThan(300);
    for (const { from, to } of bodies('even')) expect(from).not.toBe(to);
  });
});

describe('the meter of CPU', () => {
  it('adds up a process that was killed and the one that has taken its name', () => {
    const seconds = [10, 12, 1, 2];
    const meter = createMeter(() => new Map([['worker-1', seconds.shift() ?? 0]]));
    meter.look(); // 2 more
    meter.look(); // killed; the next one has used 1
    meter.look(); // 1 more
    expect(meter.used()).toEqual(new Map([['worker-1', 4]]));
  });

  it('tells milliseconds a transaction by group, and of all', () => {
    const used = new Map([
      ['worker-1', 1],
      ['worker-2', 2],
      ['bench', 1],
    ]);
    expect(cpuMsPerTransaction(used, 1_000)).toEqual({ workers: 3, generator: 1, all: 4 });
  });
});
