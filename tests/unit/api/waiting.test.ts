import { describe, expect, it } from '@jest/globals';

import type { RunGlance } from '../../../api/stores/runs/rows';
import { createWaiting } from '../../../api/transactions/waiting';
import { eventually } from '../../support/eventually';

const open = new AbortController().signal;

function aTable() {
  const rows = new Map<string, RunGlance['state']>();
  const early = new Map<string, RunGlance['early']>();
  const looks: string[][] = [];
  let wake: (gids: readonly string[]) => void = () => undefined;
  const waiting = createWaiting(
    (gids) => {
      looks.push([...gids]);
      return Promise.resolve(
        gids.map((gid) => ({
          gid,
          state: rows.get(gid) ?? 'running',
          early: early.get(gid) ?? null,
        })),
      );
    },
    { listen: (listener) => (wake = listener) },
    3,
  );
  return { rows, early, looks, waiting, wake: (gid: string) => wake([gid]) };
}

describe('callers that wait', () => {
  it('share one look at the rows of all of them, and go when their own has ended or is parked', async () => {
    const { rows, looks, waiting } = aTable();
    const waits = ['a', 'b', 'b'].map((gid) => waiting.wait(gid, 'ending', 10_000, open));
    rows.set('a', 'parked').set('b', 'completed');
    await Promise.all(waits);
    expect(looks).toEqual([['a', 'b']]);
    expect(waiting.waiting()).toBe(0);
  });

  it('go as soon as it is decided, unless they want to know the ending', async () => {
    const { rows, early, waiting } = aTable();
    const decided = waiting.wait('a', 'decided', 60_000, open);
    const ended = waiting.wait('a', 'ending', 10_000, open);
    early.set('a', 'authorised');
    await decided;
    expect(waiting.waiting()).toBe(1);
    rows.set('a', 'completed');
    await ended;
  });

  it('are not more than the bound: the next one is answered at once', async () => {
    const { waiting } = aTable();
    const waits = ['a', 'b', 'c'].map((gid) => waiting.wait(gid, 'ending', 10_000, open));
    await waiting.wait('d', 'ending', 10_000, open);
    expect(waiting.waiting()).toBe(3);
    waiting.stop();
    await Promise.all(waits);
  });

  it('go when their time is over, or when they hang up', async () => {
    const { waiting } = aTable();
    const caller = new AbortController();
    const wait = waiting.wait('a', 'ending', 10_000, caller.signal);
    caller.abort();
    await wait;
    await waiting.wait('b', 'ending', 1, open);
    expect(waiting.waiting()).toBe(0);
  });

  it('are not woken by the row of somebody else', async () => {
    const { looks, waiting, wake } = aTable();
    const wait = waiting.wait('a', 'ending', 10, open);
    wake('somebody-else');
    await wait;
    expect(looks).toEqual([]);
  });

  it('are looked after when they are woken in the middle of a look', async () => {
    let state: RunGlance['state'] = 'running';
    let answerFirst: () => void = () => undefined;
    const first = new Promise<void>((resolve) => (answerFirst = resolve));
    let looks = 0;
    let wake: (gids: readonly string[]) => void = () => undefined;
    const waiting = createWaiting(
      async (gids) => {
        looks += 1;
        const seen = state;
        if (looks === 1) await first;
        return gids.map((gid) => ({ gid, state: seen, early: null }));
      },
      { listen: (listener) => (wake = listener) },
      3,
    );
    const began = Date.now();
    const wait = waiting.wait('a', 'ending', 5_000, open);
    await eventually(() => looks === 1);
    wake(['a']);
    await new Promise((resolve) => setTimeout(resolve, 1)); // Timers keep their order: the look asked for has come due.
    state = 'completed';
    answerFirst();
    await wait;
    expect(Date.now() - began).toBeLessThan(4_000);
  });

  it('survive a look that fails', async () => {
    let looks = 0;
    const waiting = createWaiting(
      (gids) => {
        looks += 1;
        if (looks === 1) return Promise.reject(new Error('MySQL is away.'));
        return Promise.resolve(gids.map((gid) => ({ gid, state: 'completed', early: null })));
      },
      { listen: () => undefined },
      3,
    );
    await waiting.wait('a', 'ending', 10_000, open);
    expect(looks).toBe(2);
  });
});
