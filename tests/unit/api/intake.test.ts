import { describe, expect, it } from '@jest/globals';

import type { Claim, NewRun, Outcomes } from '../../../api/stores/runs/acceptance';
import type { SentStart } from '../../../api/stores/runs/sending';
import { isBatchId } from '../../../contracts/engine/batches';
import { createInHand } from '../../../api/transactions/in-hand';
import { createIntake } from '../../../api/transactions/intake';
import { createLanes, laneModesSchema } from '../../../api/transactions/lanes';
import { eventually } from '../../support/eventually';

const slots = 3;
const sentAt = new Date(0);

function aStart(reference: string, { tenant = 'acme', bytes = 100, flow = 'order' } = {}): NewRun {
  const gid = `${flow}:${tenant}.${reference}`;
  return {
    input: { gid, tenant, flow, deadlineAt: 0, undoBudgetMs: 0 },
    inputJson: Buffer.alloc(bytes),
    reference,
    operation: 'POST /v1/orders',
    idempotencyKey: reference,
    fingerprint: { digest: Buffer.alloc(32), fields: {} },
    requester: null,
    acceptedAt: new Date(0),
  };
}

/** A set that the store was given, and that it answers when the test says so. */
interface GivenSet {
  readonly references: readonly string[];
  readonly isSent: boolean;
  /** Flows whose starts of this set go as a batch. */
  readonly batched: readonly string[];
  answer(outcomeOf?: (run: NewRun) => PromiseSettledResult<Claim>): void;
  fail(error: Error): void;
}

const claimOf = (
  { input }: NewRun,
  owner: string = input.gid,
  at: Date | null = sentAt,
): Claim => ({
  ...{ kind: 'accepted', owner, sentAt: at },
});
const accepted = (run: NewRun): PromiseSettledResult<Claim> => ({
  status: 'fulfilled',
  value: claimOf(run),
});

/** An intake whose store and Temporal answer when the test says so. */
function anIntake({
  isPaused = false,
  sendAccepted = () => Promise.resolve(),
  lanes = 'single',
  settled = () => Promise.resolve(),
}: {
  isPaused?: boolean;
  sendAccepted?: () => Promise<void>;
  lanes?: string;
  settled?: (gid: string) => Promise<void>;
} = {}) {
  const sets: GivenSet[] = [];
  const sent: string[][] = [];
  const sentOwners: string[][] = [];
  const intake = createIntake({
    runs: {
      acceptSet: (runs, { isSent, batches }) =>
        new Promise<Outcomes>((resolve, reject) => {
          const owned = (run: NewRun): PromiseSettledResult<Claim> => ({
            status: 'fulfilled',
            value: claimOf(run, batches?.get(run.input.flow)),
          });
          sets.push({
            references: runs.map(({ reference }) => reference),
            isSent,
            batched: [...(batches?.keys() ?? [])],
            answer: (outcomeOf = owned) => resolve(runs.map(outcomeOf)),
            fail: reject,
          });
        }),
    },
    starter: {
      isPaused: () => isPaused,
      sendAccepted: (starts: readonly SentStart[]) => {
        sent.push(starts.map(({ input }) => input.gid));
        sentOwners.push([...new Set(starts.map(({ owner }) => owner))]);
        return sendAccepted();
      },
    },
    settled,
    lanes: createLanes(laneModesSchema.parse(lanes)),
  });
  const accept = (run: NewRun, onCommitted = () => Promise.resolve()) =>
    intake.accept(run, onCommitted);
  /** Fills the slots with a start each. */
  const beBusy = () =>
    Promise.all(
      Array.from({ length: slots }, (_, n) => accept(aStart(`busy-${n}`, { flow: 'refund' }))),
    );
  return { sets, sent, sentOwners, accept, beBusy };
}

describe('the intake', () => {
  it('accepts a start at once and alone while a slot is free', async () => {
    const { sets, sent, accept } = anIntake();
    const claim = accept(aStart('O-1'));
    expect(sets.map(({ references }) => references)).toEqual([['O-1']]);
    sets[0]?.answer();
    expect(await claim).toEqual(claimOf(aStart('O-1')));
    expect(sent).toEqual([['order:acme.O-1']]);
  });

  it('holds the slot of a flow that goes in batches until it has ended, and answers before', async () => {
    const asked: string[] = [];
    let end = (): void => undefined;
    const settled = (gid: string) => {
      asked.push(gid);
      return new Promise<void>((resolve) => (end = resolve));
    };
    const { sets, accept } = anIntake({ lanes: 'mixed', settled });
    for (let busy = 1; busy <= slots; busy += 1) {
      const answer = accept(aStart(`busy-${busy}`));
      await eventually(() => sets.length === busy);
      sets[busy - 1]?.answer();
      await answer;
    }
    await eventually(() => asked.length === slots);
    void accept(aStart('O-1'));
    expect(sets).toHaveLength(slots);
    end();
    await untilThere(sets, slots + 1);
    expect(sets[slots]?.references).toEqual(['O-1']);
  });

  it('lets starts gather for a moment while something is under way, and then takes them together', async () => {
    const { sets, accept } = anIntake({ lanes: 'mixed' });
    for (const reference of ['O-1', 'O-2', 'O-3']) void accept(aStart(reference));
    await eventually(() => sets.length === 2);
    expect(sets.map(({ references }) => references)).toEqual([['O-1'], ['O-2', 'O-3']]);
    for (const set of sets) set.answer();
  });

  it('gathers starts while all slots are busy, and gives the next free one all that is there', async () => {
    const { sets, accept, beBusy } = anIntake();
    const busy = beBusy();
    const gathered = ['O-1', 'O-2', 'O-3'].map((reference) => accept(aStart(reference)));
    expect(sets).toHaveLength(slots);
    sets[0]?.answer();
    await untilThere(sets, slots + 1);
    expect(sets[slots]?.references).toEqual(['O-1', 'O-2', 'O-3']);
    for (const set of sets) set.answer();
    await Promise.all([busy, ...gathered]);
    expect(sets).toHaveLength(slots + 1);
  });

  it('takes at most 300 starts and 400 KiB of inputs at once, and one that is larger alone', async () => {
    const { sets, accept, beBusy } = anIntake();
    void beBusy();
    for (let n = 0; n < 301; n += 1) void accept(aStart(`O-${n}`));
    void accept(aStart('larger', { bytes: 500 * 1024 }));
    for (const kib of [200, 200, 1]) void accept(aStart(`${kib} KiB`, { bytes: kib * 1024 }));
    for (let served = 0; served < slots + 4; served += 1) {
      await untilThere(sets, served + 1);
      sets[served]?.answer();
    }
    const sizes = sets.slice(slots).map(({ references }) => references.length);
    expect(sizes).toEqual([300, 1, 1, 2, 1].slice(0, sizes.length));
  });

  it('takes tenants in turn, so that none waits behind all of another one', async () => {
    const { sets, accept, beBusy } = anIntake();
    void beBusy();
    for (let n = 0; n < 600; n += 1) void accept(aStart(`A-${n}`));
    void accept(aStart('G-1', { tenant: 'globex' }));
    void accept(aStart('G-2', { tenant: 'globex' }));
    sets[0]?.answer();
    await untilThere(sets, slots + 1);
    expect(sets[slots]?.references.slice(0, 5)).toEqual(['A-0', 'G-1', 'A-1', 'G-2', 'A-2']);
  });

  it('answers each start of a set as it ended, and sends those that were accepted', async () => {
    const { sets, sent, accept, beBusy } = anIntake();
    void beBusy();
    const claims = ['new', 'known', 'poison'].map((reference) => accept(aStart(reference)));
    const settled = Promise.allSettled(claims);
    sets[0]?.answer();
    await untilThere(sets, slots + 1);
    sets[slots]?.answer((run) => {
      const { reference } = run;
      const { gid } = run.input;
      if (reference === 'known') return { status: 'fulfilled', value: { kind: 'attached', gid } };
      return reference === 'new' ? accepted(run) : { status: 'rejected', reason: 'refused' };
    });
    expect(await settled).toEqual([
      accepted(aStart('new')),
      { status: 'fulfilled', value: { kind: 'attached', gid: 'order:acme.known' } },
      { status: 'rejected', reason: 'refused' },
    ]);
    expect(sent.at(-1)).toEqual(['order:acme.new']);
  });

  it('fails the starts of a set that the store lost, and goes on with the next', async () => {
    const { sets, accept, beBusy } = anIntake();
    const busy = Promise.allSettled([beBusy()]);
    const next = accept(aStart('O-1'));
    sets[0]?.fail(new Error('MySQL is away.'));
    await untilThere(sets, slots + 1);
    for (const set of sets.slice(1)) set.answer();
    expect(await next).toEqual(claimOf(aStart('O-1')));
    expect((await busy)[0].status).toBe('rejected');
  });

  it('leaves a start to the starter whose process is cut off behind its COMMIT, and no other one', async () => {
    const { sets, sent, accept, beBusy } = anIntake();
    void beBusy();
    const cutOff = accept(aStart('cut-off'), () => Promise.reject(new Error('injected')));
    const other = accept(aStart('O-1'));
    const settled = Promise.allSettled([cutOff, other]);
    sets[0]?.answer();
    await untilThere(sets, slots + 1);
    sets[slots]?.answer();
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(sent.at(-1)).toEqual(['order:acme.O-1']);
  });

  it('answers that a start is accepted, whatever becomes of its first send', async () => {
    const lost = () => Promise.reject(new Error('MySQL is away.'));
    const { sets, accept } = anIntake({ sendAccepted: lost });
    const claim = accept(aStart('O-1'));
    sets[0]?.answer();
    expect(await claim).toEqual(claimOf(aStart('O-1')));
  });

  it('accepts rows as not sent, and sends none, while Temporal does not answer', async () => {
    const { sets, sent, accept } = anIntake({ isPaused: true });
    const claim = accept(aStart('O-1'));
    expect(sets[0]?.isSent).toBe(false);
    const unsent = claimOf(aStart('O-1'), undefined, null);
    sets[0]?.answer(() => ({ status: 'fulfilled', value: unsent }));
    expect(await claim).toEqual(unsent);
    expect(sent).toEqual([]);
  });
});

describe('the intake with mixed lanes', () => {
  it('gives starts of one flow that gathered one batch, and a flow that came alone none', async () => {
    const { sets, sent, sentOwners, accept, beBusy } = anIntake({ lanes: 'mixed' });
    void beBusy();
    expect(sets.map(({ batched }) => batched)).toEqual([[], [], []]);
    const claims = ['O-1', 'O-2', 'O-3'].map((reference) => accept(aStart(reference)));
    void accept(aStart('T-1', { flow: 'transfer' }));
    sets[0]?.answer();
    await untilThere(sets, slots + 1);
    expect(sets[slots]?.batched).toEqual(['order']);
    sets[slots]?.answer();
    const [one, ...others] = await Promise.all(claims);
    expect(others).toEqual([one, one]);
    expect(sent.at(-1)).toHaveLength(4);
    expect(sentOwners.at(-1)?.map(isBatchId)).toEqual([true, false]);
  });

  it('puts a start into no batch that asks for a workflow of its own', async () => {
    const { sets, sent, sentOwners, accept, beBusy } = anIntake({ lanes: 'mixed' });
    void beBusy();
    const alone: NewRun = { ...aStart('alone'), lane: 'single' };
    const claims = [accept(aStart('O-1')), accept(alone)];
    sets[0]?.answer();
    await untilThere(sets, slots + 1);
    expect(sets[slots]?.batched).toEqual([]);
    sets[slots]?.answer();
    await Promise.all(claims);
    expect(sent.at(-1)).toHaveLength(2);
    expect(sentOwners.at(-1)?.map(isBatchId)).toEqual([false, false]);
  });

  it('sends nothing of a batch that it cannot send as a whole, and answers those that are not cut off', async () => {
    const { sets, sent, accept, beBusy } = anIntake({ lanes: 'mixed' });
    void beBusy();
    const cutOff = accept(aStart('cut-off'), () => Promise.reject(new Error('injected')));
    const others = [accept(aStart('O-1')), accept(aStart('T-1', { flow: 'transfer' }))];
    const settled = Promise.allSettled([cutOff, ...others]);
    sets[0]?.answer();
    await untilThere(sets, slots + 1);
    sets[slots]?.answer();
    expect((await settled).map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(sent.at(-1)).toEqual(['transfer:acme.T-1']);
  });
});

describe('what a process has in hand', () => {
  it('leaves room for whoever comes next: a tenant holds no more than is still free', () => {
    const inHand = createInHand({ items: 8, bytes: 1_000 });
    for (let n = 0; n < 4; n += 1) inHand.enter('acme', 1);
    expect(inHand.hasRoomFor('acme', 1)).toBe(false);
    expect(inHand.hasRoomFor('globex', 1)).toBe(true);
    for (let n = 0; n < 2; n += 1) inHand.enter('globex', 1);
    expect(inHand.hasRoomFor('globex', 1)).toBe(false);
    expect(inHand.hasRoomFor('initech', 1)).toBe(true);
    expect(inHand.items()).toBe(6);
  });

  it('counts bytes as well, and takes back what is finished', () => {
    const inHand = createInHand({ items: 100, bytes: 1_000 });
    const leave = inHand.enter('acme', 500);
    expect(inHand.hasRoomFor('acme', 1)).toBe(false);
    expect(inHand.hasRoomFor('globex', 500)).toBe(true);
    expect(inHand.hasRoomFor('globex', 501)).toBe(false);
    leave();
    expect(inHand.hasRoomFor('acme', 1_000)).toBe(true);
    expect(inHand.items()).toBe(0);
  });
});

/** Lets promises settle until the store has so many sets; nothing here waits for time. */
async function untilThere(sets: readonly GivenSet[], count: number): Promise<void> {
  for (let turns = 0; sets.length < count && turns < 1_000; turns += 1) await Promise.resolve();
  expect(sets.length).toBeGreaterThanOrEqual(count);
}
