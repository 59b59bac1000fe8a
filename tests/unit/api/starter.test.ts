import { describe, expect, it } from '@jest/globals';

import type { TransactionInput } from '../../../contracts/engine/transaction';
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
      confirmStart: (gid: string) => Promise.resolve(void unconfirmed.delete(gid)),
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
});
