import { describe, expect, it } from '@jest/globals';

import type { TransactionInput } from '../../../contracts/engine/transaction';
import type { SentStart } from '../../../api/stores/runs/sending';
import { createStarter } from '../../../api/transactions/starter';
import { eventually } from '../../support/eventually';

const anInput = (n: number): TransactionInput => ({
  gid: `order:acme.O-${n}`,
  tenant: 'acme',
  flow: 'order',
  deadlineAt: 0,
  undoBudgetMs: 0,
});

/** Rows that two starters share: a claim is taken once. */
function rowsOf(count: number) {
  const unconfirmed = new Map(
    Array.from({ length: count }, (_, n) => [anInput(n).gid, anInput(n)]),
  );
  const claimed = new Set<string>();
  return {
    unconfirmed,
    claimed,
    runs: {
      claimSending: (gid: string) => {
        const isFirst = !claimed.has(gid);
        claimed.add(gid);
        return Promise.resolve(isFirst);
      },
      giveBackSending: (gid: string) => Promise.resolve(void claimed.delete(gid)),
      giveBackUnsent: () => Promise.resolve(),
      confirmStarts: (gids: readonly string[]) => {
        for (const gid of gids) unconfirmed.delete(gid);
        return Promise.resolve();
      },
      confirmEnded: () => Promise.resolve(),
      unconfirmedStarts: () =>
        Promise.resolve(
          [...unconfirmed.values()].map((input) => ({ gid: input.gid, input, sentAt: null })),
        ),
      backlog: () => Promise.resolve(unconfirmed.size),
    },
  };
}

describe('the starter', () => {
  it('sends each row once, whatever number of processes see it', async () => {
    const { runs, unconfirmed } = rowsOf(50);
    const sent: string[] = [];
    const temporal = { start: ({ gid }: TransactionInput) => Promise.resolve(void sent.push(gid)) };
    const starters = [1, 2, 3].map(() => createStarter({ runs, temporal }, 100, () => undefined));
    for (const starter of starters) starter.begin();
    await eventually(() => unconfirmed.size === 0);
    await Promise.all(starters.map((starter) => starter.stop()));
    expect(sent.sort()).toEqual(Array.from({ length: 50 }, (_, n) => anInput(n).gid).sort());
  });

  it('asks a Temporal that is away once a round, not once a row, and accepts meanwhile without asking', async () => {
    const { runs, claimed } = rowsOf(50);
    let asked = 0;
    const temporal = {
      start: () => {
        asked += 1;
        return Promise.reject(new Error('Temporal is away.'));
      },
    };
    const starter = createStarter({ runs, temporal }, 10, () => undefined);
    starter.begin();
    await eventually(() => starter.isBacklogFull());
    expect(asked).toBe(1);
    expect(claimed.size).toBe(1);
    expect(await starter.sendFirst(anInput(99))).toBe(false);
    expect(asked).toBe(1);
    await starter.stop();
  });

  it('that is cut off from Temporal leaves a row to a process that is not', async () => {
    const sentBefore = new Date(0);
    const { runs, unconfirmed } = rowsOf(1);
    const due = {
      ...runs,
      unconfirmedStarts: () =>
        Promise.resolve(
          [...unconfirmed.values()].map((input) => ({ gid: input.gid, input, sentAt: sentBefore })),
        ),
    };
    const cutOff = { start: () => Promise.reject(new Error('Temporal is away.')) };
    const first = createStarter({ runs: due, temporal: cutOff }, 10, () => undefined);
    first.begin();
    await first.stop();
    const reached = { start: () => Promise.resolve() };
    const second = createStarter({ runs: due, temporal: reached }, 10, () => undefined);
    second.begin();
    await second.stop();
    expect(unconfirmed.size).toBe(0);
  });

  it('goes on with its rounds after one that failed', async () => {
    const errors: unknown[] = [];
    const { runs, unconfirmed } = rowsOf(1);
    let rounds = 0;
    const confirmEnded = () => {
      rounds += 1;
      return rounds === 1 ? Promise.reject(new Error('MySQL is away.')) : Promise.resolve();
    };
    const temporal = { start: () => Promise.resolve() };
    const starter = createStarter({ runs: { ...runs, confirmEnded }, temporal }, 10, (error) =>
      errors.push(error),
    );
    starter.begin();
    await eventually(() => unconfirmed.size === 0);
    await starter.stop();
    expect(errors).toHaveLength(1);
  });

  it('confirms the starts of a set together, each sent once, at most twenty at a time', async () => {
    const { starter, set, atOnce, confirmed, givenBack } = aSet(50, () => Promise.resolve());
    await starter.sendAccepted(set, performance.now());
    expect(confirmed).toEqual([set.map(({ input }) => input.gid)]);
    expect(Math.max(...atOnce)).toBe(20);
    expect(atOnce).toHaveLength(50);
    expect(givenBack).toEqual([]);
  });

  it('keeps the mark of a send that failed, for it may have arrived, and gives back what it never sent', async () => {
    const { starter, set, atOnce, confirmed, givenBack } = aSet(50, () =>
      Promise.reject(new Error('Temporal is away.')),
    );
    await starter.sendAccepted(set, performance.now());
    expect(atOnce).toHaveLength(20);
    expect(confirmed).toEqual([]);
    expect(givenBack).toEqual([set.slice(20)]);
    expect(starter.isPaused()).toBe(true);
  });

  it('sends no start of a set whose acceptance took so long that another process may send it', async () => {
    const { starter, set, atOnce, givenBack } = aSet(2, () => Promise.resolve());
    await starter.sendAccepted(set, performance.now() - 10_000);
    expect(atOnce).toEqual([]);
    expect(givenBack).toEqual([set]);
  });
});

/** A set that was accepted as sent, and a starter for it; `atOnce`: sends under way, as each one began. */
function aSet(count: number, answer: () => Promise<void>) {
  const atOnce: number[] = [];
  let underWay = 0;
  const confirmed: (readonly string[])[] = [];
  const givenBack: (readonly SentStart[])[] = [];
  const runs = {
    ...rowsOf(0).runs,
    confirmStarts: (gids: readonly string[]) => Promise.resolve(void confirmed.push(gids)),
    giveBackUnsent: (starts: readonly SentStart[]) => Promise.resolve(void givenBack.push(starts)),
  };
  const temporal = {
    async start() {
      atOnce.push((underWay += 1));
      await answer().finally(() => (underWay -= 1));
    },
  };
  const starter = createStarter({ runs, temporal }, 10, () => undefined);
  const set = Array.from({ length: count }, (_, n) => ({
    input: anInput(n),
    sentAt: new Date(0),
  }));
  return { starter, set, atOnce, confirmed, givenBack };
}
