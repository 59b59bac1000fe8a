import { randomUUID } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';

import { ejectItemUpdate, itemTimelineQuery } from '../../contracts/engine/batches';
import { gidOf } from '../../contracts/engine/ids';
import { rowBranch, type LeaveBatch, type LeftBatch } from '../../contracts/engine/runs';
import type { Verdict } from '../../contracts/engine/verdict';
import type { OrderSagaInput } from '../../contracts/flows/order';
import {
  resolveTransactionUpdate,
  reviewTransactionUpdate,
  timelineQuery,
} from '../../contracts/engine/transaction';
import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { whatIsAsked } from '../../testing/replay/gate';
import { parseHistory } from '../../testing/replay/history';
import { eventually } from '../support/eventually';
import { batchRuns, type BatchHandle } from './support/batch-runs';
import { anOrder, aPayment, aTransfer, littleTime } from './support/builders';
import {
  fails,
  fakeParticipants,
  first,
  isAway,
  isOdd,
  losesAnswer,
  type Answer,
} from './support/fake-participants';
import { gate } from './support/steering';
import { statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const batches = batchRuns(tests);
const runs = transactionRuns(tests);

const transferBranches = ['debit', 'credit', 'decide'];
const transferred = ['confirmed', 'confirmed', 'acted'];

/** Only this transaction is answered so; the others as the fence would. */
const onlyFor =
  ({ gid }: { readonly gid: string }, answer: Answer): Answer =>
  (delivery) =>
    delivery.request.key.startsWith(`${gid}/`) ? answer(delivery) : delivery.proceed();

const eventsOf = async (handle: BatchHandle) => (await handle.fetchHistory()).events ?? [];

describe('a batch', () => {
  it('carries 50 orders, some refused, each step one local call for all of them', async () => {
    const batch = randomUUID();
    const orders = Array.from({ length: 50 }, (_, at) =>
      anOrder({ gid: gidOf('order', `acme.${batch}-${at}`) }),
    );
    const isScarce: Answer = ({ request, proceed, refuse }) =>
      isEvery(5, request.key) ? refuse('OutOfStock', 'None left.') : proceed();
    const isPoor: Answer = ({ request, proceed, refuse }) =>
      isEvery(7, request.key) ? refuse('InsufficientFunds', 'Too poor.') : proceed();
    const fakes = fakeParticipants({
      'inventory.reserveStock': isScarce,
      'accounts.holdFunds': isPoor,
    });

    const handle = await batches.start(fakes, orders);

    expect(await handle.result()).toEqual({ completed: 34, compensated: 16, left: 0 });
    const reasonOf = ({ gid }: OrderSagaInput) =>
      fakes.endings.find(({ key }) => key.startsWith(`${gid}/`))?.reason?.type ?? 'completed';
    expect(orders.map(reasonOf)).toEqual(orders.map((_, at) => expected(at)));
    expect(new Set(fakes.endings.map(({ key }) => key)).size).toBe(50);
    const left = orders.filter(({ gid }) => fakes.stateOf(gid, 'reserveStock') === 'acted');
    expect(left).toEqual([]);
    const sizesOf = (activity: string) =>
      fakes.sets.flatMap((set) => (set.activity === activity ? set.size : []));
    expect(sizesOf('inventory.reserveStock')).toEqual([50]);
    expect(sizesOf('accounts.holdFunds')).toEqual([40]);
    expect(sizesOf('accounts.captureFunds')).toEqual([34]);
    const events = await eventsOf(handle);
    expect(events.filter((event) => event.activityTaskScheduledEventAttributes)).toEqual([]);
    expect(events.filter((event) => event.workflowTaskCompletedEventAttributes)).toHaveLength(1);
  });

  it('moves a row for what callers wait for, as its owner, and for nothing else', async () => {
    const fakes = fakeParticipants();
    const handle = await batches.start(fakes, [aPayment(), aPayment()]);
    await handle.result();
    expect(fakes.moves.map(({ early }) => early)).toEqual(['authorised', 'authorised']);
    expect(new Set(fakes.moves.map(({ owner }) => owner))).toEqual(new Set([handle.workflowId]));
  });

  it('goes remote as one set while a participant gives no answer, and on together', async () => {
    const transfers = [aTransfer(), aTransfer(), aTransfer()];
    const fakes = fakeParticipants({ 'accounts.reserveCredit': first(6, isAway) });
    expect(await batches.run(fakes, transfers)).toEqual({ completed: 3, compensated: 0, left: 0 });
    const sets = fakes.sets.filter(({ activity }) => activity === 'accounts.reserveCredit');
    expect(sets.map(({ size }) => size)).toEqual([3, 3, 3]);
  });

  it('has each effect once when the answers of a set are lost', async () => {
    const transfers = [aTransfer(), aTransfer()];
    const fakes = fakeParticipants({ 'accounts.confirmCredit': first(2, losesAnswer) });
    expect(await batches.run(fakes, transfers)).toEqual({ completed: 2, compensated: 0, left: 0 });
    for (const transfer of transfers)
      expect(statesOf(fakes, transfer, transferBranches)).toEqual(transferred);
  });

  it('fails when all have ended, if one of them has another ending already', async () => {
    const [broken, other] = [aTransfer(), aTransfer()];
    const fakes = fakeParticipants({
      'accord.endRun': onlyFor(broken, fails('InvariantBroken', 'It is compensated already.')),
    });
    fakes.activities['accord.leaveBatch'] = (requests) => Promise.resolve(hasEnded(requests));
    const handle = await batches.start(fakes, [broken, other]);
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'InvariantBroken', message: 'It is compensated already.' },
    });
    expect(fakes.endings.map(({ key }) => key)).toEqual([`${other.gid}/row`]);
  });

  it('B27 gives each transaction its own verdict when they come shuffled', async () => {
    const { orders, fakes } = threeOrders((verdicts) => [...verdicts].reverse());
    expect(await batches.run(fakes, orders)).toEqual({ completed: 2, compensated: 1, left: 0 });
    const compensated = fakes.endings.filter(({ outcome }) => outcome === 'compensated');
    expect(compensated.map(({ key }) => key.includes('-b/'))).toEqual([true]);
  });

  it.each([
    ['one is missing', (verdicts: readonly unknown[]) => verdicts.slice(1)],
    ['one is foreign', ([one, , third]: readonly unknown[]) => [one, third, third]],
    ['one is too many', (verdicts: readonly unknown[]) => [...verdicts, ...verdicts.slice(0, 1)]],
  ])('B27 fails the workflow task and resolves nothing when %s', async (_what, change) => {
    const { orders, fakes } = threeOrders(change);
    const handle = await batches.start(fakes, orders);
    await eventually(async () =>
      (await eventsOf(handle)).some((event) => event.workflowTaskFailedEventAttributes),
    );
    expect(fakes.calls.filter((call) => call !== 'inventory.reserveStock')).toEqual([]);
    expect(fakes.leaving).toEqual([]);
    await handle.terminate();
  });

  it('B27 goes on under a changed build, with one more await, to the same results', async () => {
    const { orders, fakes } = threeOrders((verdicts) => verdicts);
    const handle = await batches.start(fakes, orders);
    const result = await handle.result();
    const history = parseHistory(historyToJSON(await handle.fetchHistory()));
    const changedBuild = await bundleWorkflows(
      'tests/workflows/support/changed-build.ts',
      `dist/test-bundles/changed-${process.pid}.js`,
    );
    const { error, asked } = await whatIsAsked(history, { bundlePath: changedBuild });
    expect(error).toBeUndefined();
    expect(asked.find(({ kind }) => kind === 'result')?.content).toEqual([result]);
  });
});

describe('a transaction leaves its batch, and comes to its ending under its own gid,', () => {
  it('when the outcome of its act is unknown, and the others do not wait for it', async () => {
    const odd = aTransfer();
    const others = [aTransfer(), aTransfer()];
    const fakes = fakeParticipants({ 'accounts.reserveCredit': onlyFor(odd, isOdd) });
    const handle = await batches.start(fakes, [odd, ...others]);
    expect(await handle.result()).toEqual({ completed: 2, compensated: 0, left: 1 });
    expect(fakes.leaving).toMatchObject([{ owner: handle.workflowId }]);
    const result = await runs.newest(odd).result();
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'StepExhausted' } });
    for (const other of others)
      expect(statesOf(fakes, other, transferBranches)).toEqual(transferred);
  });

  it('when it waits for a review', async () => {
    const [reviewed, other] = [aPayment(), aPayment()];
    const fakes = fakeParticipants({
      'accounts.assessRisk': onlyFor(reviewed, ({ proceed }) =>
        proceed({ decision: 'review', score: 60, reasons: [] }),
      ),
    });
    expect(await batches.run(fakes, [reviewed, other])).toMatchObject({ completed: 1, left: 1 });
    const own = runs.newest(reviewed);
    await eventually(async () => (await own.query(timelineQuery)).reviewUntil !== null);
    await own.executeUpdate(reviewTransactionUpdate, {
      args: [{ decision: 'approve', actor: { subject: 'ada' }, note: null }],
    });
    expect((await own.result()).outcome).toBe('completed');
  });

  it('when a call after its decision has failed, which parks it there', async () => {
    const [broken, other] = [aTransfer(), aTransfer()];
    const fakes = fakeParticipants({
      'accounts.confirmCredit': onlyFor(broken, fails('InvariantBroken')),
    });
    expect(await batches.run(fakes, [broken, other])).toMatchObject({ completed: 1, left: 1 });
    const own = runs.newest(broken);
    const { parked } = await eventually(async () => {
      const timeline = await own.query(timelineQuery);
      return timeline.parked.length > 0 && timeline;
    });
    fakes.on('accounts.confirmCredit', ({ proceed }) => proceed());
    await own.executeUpdate(resolveTransactionUpdate, {
      args: [
        {
          step: parked[0]?.step ?? '',
          decision: 'retry',
          evidence: null,
          actor: { subject: 'ada' },
        },
      ],
    });
    expect((await own.result()).outcome).toBe('completed');
  });

  it('when its deadline comes while its set waits', async () => {
    const late = aTransfer(littleTime());
    const other = aTransfer({ deadlineAt: Date.now() + 60_000, undoBudgetMs: 10_000 });
    const fakes = fakeParticipants({ 'accounts.reserveCredit': isAway });
    const handle = await batches.start(fakes, [late, other]);
    const result = await eventually(() => runs.newest(late).result(), { withinMs: 30_000 });
    expect(result.outcome).toBe('compensated');
    fakes.on('accounts.reserveCredit', ({ proceed }) => proceed());
    expect(await handle.result()).toEqual({ completed: 1, compensated: 0, left: 1 });
  }, 90_000);

  it('when it is ejected, also while its call hangs, and is not in its batch any more', async () => {
    const hanging = gate();
    const [one, other] = [aTransfer(), aTransfer()];
    const fakes = fakeParticipants({ 'accounts.reserveCredit': hanging.answer });
    const handle = await batches.start(fakes, [one, other]);
    await hanging.reached;
    const eject = () =>
      handle.executeUpdate(ejectItemUpdate, {
        args: [{ gid: one.gid, actor: { subject: 'ada' } }],
      });
    expect(await eject()).toEqual({ hasLeft: true });
    expect(await handle.query(itemTimelineQuery, one.gid)).toBeNull();
    expect(await handle.query(itemTimelineQuery, other.gid)).toMatchObject({ gid: other.gid });
    hanging.open();
    expect(await handle.result()).toEqual({ completed: 1, compensated: 0, left: 1 });
    expect((await runs.newest(one).result()).outcome).toBe('completed');
    expect(statesOf(fakes, one, transferBranches)).toEqual(transferred);
  });

  it('only if it is in the batch', async () => {
    const hanging = gate();
    const fakes = fakeParticipants({ 'accounts.reserveCredit': hanging.answer });
    const handle = await batches.start(fakes, [aTransfer()]);
    await hanging.reached;
    const foreign = { gid: aTransfer().gid, actor: { subject: 'ada' } };
    await expect(handle.executeUpdate(ejectItemUpdate, { args: [foreign] })).rejects.toMatchObject({
      cause: { type: 'NotInBatch' },
    });
    hanging.open();
    await handle.result();
  });
});

/** The answer of the row of a transaction that cannot leave, for it has ended. */
const hasEnded = (requests: unknown): readonly Verdict<LeftBatch>[] =>
  (requests as readonly LeaveBatch[]).map(({ key }) => ({
    ...{ gid: key.slice(0, key.lastIndexOf('/')), branch: rowBranch, verb: 'act' },
    ...{ fence: 'duplicate', epoch: 1, ok: true, result: { isToBeStarted: false } },
  }));

/** Three orders of which the second is out of stock; the verdicts of their reservation are changed on their way. */
function threeOrders(change: (verdicts: readonly unknown[]) => readonly unknown[]) {
  const batch = randomUUID();
  const orders = ['a', 'b', 'c'].map((id) =>
    anOrder({ gid: gidOf('order', `acme.${batch}-${id}`) }),
  );
  const fakes = fakeParticipants({
    'inventory.reserveStock': ({ request, proceed, refuse }) =>
      request.key.includes('-b/') ? refuse('OutOfStock', 'None left.') : proceed(),
  });
  const { 'inventory.reserveStock': reserveStock } = fakes.activities;
  fakes.activities['inventory.reserveStock'] = async (requests) =>
    change((await reserveStock?.(requests)) as readonly unknown[]); // A set's verdicts, whatever they are.
  return { orders, fakes };
}

const isEvery = (nth: number, key: string): boolean => numberOf(key) % nth === 0;
const numberOf = (key: string): number => Number(/-(\d+)\/[^/]+$/.exec(key)?.[1]);

function expected(at: number): string {
  if (at % 5 === 0) return 'OutOfStock';
  return at % 7 === 0 ? 'InsufficientFunds' : 'completed';
}
