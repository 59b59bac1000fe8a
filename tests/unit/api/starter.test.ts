import { describe, expect, it } from '@jest/globals';

import type { TransactionInput } from '../../../contracts/engine/transaction';
import type { SentStart } from '../../../api/stores/runs/sending';
import { createStarter } from '../../../api/transactions/starter';
import type { Temporal } from '../../../api/transactions/temporal';
import { batchIdOf } from '../../../contracts/engine/batches';
import { eventually } from '../../support/eventually';

const anInput = (n: number): TransactionInput => ({
  gid: `order:acme.O-${n}`,
  tenant: 'acme',
  flow: 'order',
  deadlineAt: 0,
  undoBudgetMs: 0,
});

/** Rows that two starters share: a claim is taken once. @param ownerOf each row is a workflow of its own, unless told. */
function rowsOf(count: number, ownerOf = (n: number): string => anInput(n).gid) {
  const owners = new Map<string, TransactionInput[]>();
  for (let n = 0; n < count; n += 1) {
    const owner = ownerOf(n);
    owners.set(owner, [...(owners.get(owner) ?? []), anInput(n)]);
  }
  const claimed = new Set<string>();
  const claim = (owner: string): boolean => {
    const isFirst = !claimed.has(owner);
    claimed.add(owner);
    return isFirst;
  };
  const ownersOf = (gids: readonly string[]): string[] =>
    [...owners].filter(([, own]) => own.some(({ gid }) => gids.includes(gid))).map(([one]) => one);
  return {
    unconfirmed: owners,
    claimed,
    runs: {
      claimSending: (gid: string) => Promise.resolve(claim(gid)),
      claimOwner: (owner: string) =>
        Promise.resolve(
          claim(owner)
            ? { inputs: owners.get(owner) ?? [], sentAt: null as Date | null }
            : undefined,
        ),
      giveBackSending: (gids: readonly string[]) => {
        for (const owner of ownersOf(gids)) claimed.delete(owner);
        return Promise.resolve();
      },
      giveBackUnsent: () => Promise.resolve(),
      confirmStarts: (gids: readonly string[]) => {
        for (const owner of ownersOf(gids)) owners.delete(owner);
        return Promise.resolve();
      },
      confirmEnded: () => Promise.resolve(),
      dueOwners: () => Promise.resolve([...owners.keys()]),
      backlog: () => Promise.resolve(owners.size),
    },
  };
}

/** Two batches, in turn. */
const batchOf = (n: number): string => batchIdOf('order', n % 2 === 0 ? 'a' : 'b');

/** A Temporal that takes single starts alone, or batches as well. */
const aTemporal = (
  start: (input: TransactionInput) => Promise<void>,
  startBatch: Temporal['startBatch'] = () => Promise.reject(new Error('No batch is expected.')),
) => ({ start, startBatch });

describe('the starter', () => {
  it('sends each row once, whatever number of processes see it', async () => {
    const { runs, unconfirmed } = rowsOf(50);
    const sent: string[] = [];
    const temporal = aTemporal(({ gid }) => Promise.resolve(void sent.push(gid)));
    const starters = [1, 2, 3].map(() => createStarter({ runs, temporal }, 100, () => undefined));
    for (const starter of starters) starter.begin();
    await eventually(() => unconfirmed.size === 0);
    await Promise.all(starters.map((starter) => starter.stop()));
    expect(sent.sort()).toEqual(Array.from({ length: 50 }, (_, n) => anInput(n).gid).sort());
  });

  it('asks a Temporal that is away once a round, not once a row, and accepts meanwhile without asking', async () => {
    const { runs, claimed } = rowsOf(50);
    let asked = 0;
    const temporal = aTemporal(() => {
      asked += 1;
      return Promise.reject(new Error('Temporal is away.'));
    });
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
    const { runs, unconfirmed } = rowsOf(1);
    const due = {
      ...runs,
      claimOwner: async (owner: string) => {
        const claimed = await runs.claimOwner(owner);
        return claimed && { ...claimed, sentAt: new Date(0) }; // It was sent before.
      },
    };
    const cutOff = aTemporal(() => Promise.reject(new Error('Temporal is away.')));
    const first = createStarter({ runs: due, temporal: cutOff }, 10, () => undefined);
    first.begin();
    await first.stop();
    const reached = aTemporal(() => Promise.resolve());
    const second = createStarter({ runs: due, temporal: reached }, 10, () => undefined);
    second.begin();
    await second.stop();
    expect(unconfirmed.size).toBe(0);
  });

  it('sends a batch again by one start of all that is left of it, and confirms it', async () => {
    const { runs, unconfirmed } = rowsOf(50, batchOf);
    const sent: [string, number][] = [];
    const temporal = aTemporal(
      () => Promise.reject(new Error('No single start is expected.')),
      (batchId, inputs) => Promise.resolve(void sent.push([batchId, inputs.length])),
    );
    const starters = [1, 2].map(() => createStarter({ runs, temporal }, 100, () => undefined));
    for (const starter of starters) starter.begin();
    await eventually(() => unconfirmed.size === 0);
    await Promise.all(starters.map((starter) => starter.stop()));
    expect(sent.sort()).toEqual([
      [batchOf(0), 25],
      [batchOf(1), 25],
    ]);
  });

  it('goes on with its rounds after one that failed', async () => {
    const errors: unknown[] = [];
    const { runs, unconfirmed } = rowsOf(1);
    let rounds = 0;
    const confirmEnded = () => {
      rounds += 1;
      return rounds === 1 ? Promise.reject(new Error('MySQL is away.')) : Promise.resolve();
    };
    const temporal = aTemporal(() => Promise.resolve());
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

  it('sends each batch of a set by one start and the others by themselves, and confirms all together', async () => {
    const { starter, set, confirmed, batches } = aSet(50, () => Promise.resolve());
    const mixed = set.map((start, n) => (n < 40 ? { ...start, owner: batchOf(n) } : start));
    await starter.sendAccepted(mixed, performance.now());
    expect(batches).toEqual([batchOf(0), batchOf(1)]);
    expect(confirmed.map((gids) => gids.length)).toEqual([50]);
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
  const batches: string[] = [];
  const atOnce: number[] = [];
  let underWay = 0;
  const confirmed: (readonly string[])[] = [];
  const givenBack: (readonly SentStart[])[] = [];
  const runs = {
    ...rowsOf(0).runs,
    confirmStarts: (gids: readonly string[]) => Promise.resolve(void confirmed.push(gids)),
    giveBackUnsent: (starts: readonly SentStart[]) => Promise.resolve(void givenBack.push(starts)),
  };
  const temporal = aTemporal(
    async () => {
      atOnce.push((underWay += 1));
      await answer().finally(() => (underWay -= 1));
    },
    (batchId) => Promise.resolve(void batches.push(batchId)),
  );
  const starter = createStarter({ runs, temporal }, 10, () => undefined);
  const set = Array.from({ length: count }, (_, n) => ({
    owner: anInput(n).gid,
    input: anInput(n),
    sentAt: new Date(0),
  }));
  return { starter, set, atOnce, confirmed, givenBack, batches };
}
