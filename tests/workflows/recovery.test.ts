import { describe, expect, it } from '@jest/globals';

import type { OrderSagaInput } from '../../contracts/flows/order';
import { timelineQuery } from '../../contracts/engine/transaction';
import { eventually } from '../support/eventually';
import { anOrder, littleTime } from './support/builders';
import type { Answer, FakeParticipants } from './support/fake-participants';
import { fails, fakeParticipants, first, isAway, refuses } from './support/fake-participants';
import { called, cancel, decide } from './support/steering';
import { statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);
function cast(answers: Readonly<Record<string, Answer>>, order: OrderSagaInput = anOrder()) {
  const fakes = fakeParticipants(answers);
  tests.cast(order.gid, fakes);
  return { fakes, order };
}

const nothingFrozen = (fakes: FakeParticipants, order: OrderSagaInput) =>
  expect(
    statesOf(fakes, order).filter((state) => state === 'acted' || state === 'confirmed'),
  ).toEqual([]);

describe('a life of a run that does not know what an earlier one has done', () => {
  it('undoes it all when its time is over before its first step', async () => {
    const { fakes, order } = cast(
      { 'orders.createOrder': isAway, 'accounts.sealBranch': isAway },
      anOrder({ deadlineAt: Date.now() + 12_000, undoBudgetMs: 7_000 }),
    );
    const handle = await runs.start(order);
    await eventually(() => fakes.calls.includes('accounts.sealBranch'), { withinMs: 15_000 });
    await runs.reset(handle);
    fakes.on('accounts.sealBranch', ({ proceed }) => proceed());
    expect((await runs.newest(order).result()).outcome).toBe('compensated');
    nothingFrozen(fakes, order);
  });

  it('undoes it all when it is cancelled while it waits for its lock', async () => {
    const { fakes, order } = cast({ 'orders.createOrder': isAway });
    const handle = await runs.start(order);
    await called(fakes, 'orders.createOrder');
    fakes.on('acquireLock', isAway);
    await runs.reset(handle);
    await cancel(runs.newest(order));
    expect((await runs.newest(order).result()).outcome).toBe('compensated');
    nothingFrozen(fakes, order);
  });

  it('undoes it all when the server gives it the cancel of the earlier one again', async () => {
    const { fakes, order } = cast({ 'orders.createOrder': isAway, 'orders.cancelOrder': isAway });
    const handle = await runs.start(order);
    await called(fakes, 'orders.createOrder');
    await cancel(handle);
    await called(fakes, 'orders.cancelOrder');
    await runs.reset(handle);
    fakes.on('orders.cancelOrder', ({ proceed }) => proceed());
    expect((await runs.newest(order).result()).outcome).toBe('compensated');
    nothingFrozen(fakes, order);
  });

  it('does not forget the undo that was parked in the earlier one', async () => {
    const { fakes, order } = cast({
      'accounts.captureFunds': refuses('AccountUnavailable'),
      'orders.cancelOrder': fails('InvariantBroken'),
    });
    const handle = await runs.start(order);
    await eventually(async () => (await handle.query(timelineQuery)).parked.length > 0);
    fakes.on('orders.cancelOrder', ({ proceed }) => proceed());
    await runs.reset(handle);
    expect((await runs.newest(order).result()).outcome).toBe('compensated');
    nothingFrozen(fakes, order);
  });

  it('undoes it all as a second coordinator that comes after the first was terminated', async () => {
    const { fakes, order } = cast({ 'orders.createOrder': isAway }, anOrder(littleTime()));
    const handle = await runs.start(order);
    await called(fakes, 'orders.createOrder');
    await handle.terminate();
    await eventually(() => Date.now() > order.deadlineAt - order.undoBudgetMs);
    const second = await runs.start(order, `recover-${order.gid}`);
    expect((await second.result()).outcome).toBe('compensated');
    nothingFrozen(fakes, order);
  });
});

describe('a participant that is away', () => {
  it('is asked for longer than any act would be, and parks nobody', async () => {
    const { fakes, order } = cast({
      'accounts.captureFunds': refuses('AccountUnavailable'),
      'inventory.releaseStock': first(8, isAway),
    });
    const { outcome } = await (await runs.start(order)).result();
    expect(outcome).toBe('compensated');
    nothingFrozen(fakes, order);
    const times = [...fakes.moves.map(({ at }) => at), fakes.endings[0]?.at ?? 0];
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b)); // Later moves win: none may tie.
    expect(fakes.moves.map(({ to }) => to)).toEqual(['undoing']);
  }, 60_000);

  it('keeps nothing frozen at the others while the undo goes on', async () => {
    const { fakes, order } = cast({
      'accounts.captureFunds': refuses('AccountUnavailable'),
      'orders.cancelOrder': isAway,
    });
    const handle = await runs.start(order);
    await eventually(() => fakes.stateOf(order.gid, 'reserveStock') === 'undone', {
      withinMs: 20_000,
    });
    expect(fakes.stateOf(order.gid, 'holdFunds')).toBe('undone');
    expect(fakes.stateOf(order.gid, 'createOrder')).toBe('acted');
    expect((await handle.query(timelineQuery)).state).toBe('undoing');
    fakes.on('orders.cancelOrder', ({ proceed }) => proceed());
    expect((await handle.result()).outcome).toBe('compensated');
    nothingFrozen(fakes, order);
  });
});

describe('a pivot that cannot be sealed', () => {
  const start = (order: OrderSagaInput) => runs.start(order, order.gid, 'unsealedOrder');

  it('is repeated until it is known, also when the time for acting is over, and never undone', async () => {
    const { fakes, order } = cast(
      { 'accounts.captureFunds': first(7, isAway) },
      anOrder(littleTime()),
    );
    expect((await (await start(order)).result()).outcome).toBe('completed');
    expect(fakes.calls).not.toContain('accounts.releaseFunds');
  });

  it('parks on a failure from the list, and goes on by a retry', async () => {
    const { order } = cast({ 'accounts.captureFunds': first(1, fails('IdempotencyConflict')) });
    const handle = await start(order);
    const parked = await eventually(async () => (await handle.query(timelineQuery)).parked[0]);
    expect(parked).toMatchObject({
      step: 'captureFunds',
      reason: 'pivot_unknown',
      decisions: ['retry'],
    });
    await decide(handle, 'captureFunds', 'retry', false);
    expect((await handle.result()).outcome).toBe('completed');
  });

  it('is undone around when it is refused', async () => {
    const { fakes, order } = cast({ 'accounts.captureFunds': refuses('AccountUnavailable') });
    expect((await (await start(order)).result()).outcome).toBe('compensated');
    expect(fakes.stateOf(order.gid, 'holdFunds')).toBe('undone');
  });
});

describe('a cancel', () => {
  it('that comes while the pivot waits for its next try does not end the pivot', async () => {
    const { fakes, order } = cast({ 'accounts.captureFunds': first(3, isAway) });
    const handle = await runs.start(order);
    await called(fakes, 'accounts.captureFunds', 2);
    await expect(cancel(handle)).rejects.toMatchObject({
      cause: { type: 'PastPivot' },
    });
    expect((await handle.result()).outcome).toBe('completed');
    expect(fakes.calls).not.toContain('accounts.sealBranch');
  });

  it('over the API is answered also when Temporal has cancelled the run already', async () => {
    const { fakes, order } = cast({
      'orders.createOrder': isAway,
      'accounts.sealBranch': first(2, isAway),
    });
    const handle = await runs.start(order);
    await called(fakes, 'orders.createOrder');
    await handle.cancel();
    await called(fakes, 'accounts.sealBranch');
    const { state } = await cancel(handle);
    expect(state).toMatch(/undoing|compensated/);
    expect((await handle.result()).outcome).toBe('compensated');
  });

  it('in Temporal while a step after the pivot is parked changes nothing', async () => {
    const { order } = cast({ 'inventory.confirmStock': first(1, fails('InvariantBroken')) });
    const handle = await runs.start(order);
    await eventually(async () => (await handle.query(timelineQuery)).parked.length > 0);
    await handle.cancel();
    await eventually(async () => (await handle.query(timelineQuery)).notes.length > 0);
    expect((await handle.query(timelineQuery)).state).toBe('parked');
    await decide(handle, 'confirmStock', 'retry', false);
    expect((await handle.result()).outcome).toBe('completed');
  });
});

describe('what a step is given', () => {
  it('is the highest epoch that its transaction was answered from', async () => {
    const { fakes, order } = cast({
      'inventory.reserveStock': ({ proceed }) => ({ ...proceed(), epoch: 7 }),
    });
    const epochs: number[] = [];
    fakes.on('accounts.holdFunds', ({ request, proceed }) => {
      epochs.push(request.minEpoch);
      return proceed();
    });
    await (await runs.start(order)).result();
    expect(epochs).toEqual([7]);
  });

  it('is the token of the lock as it was taken again', async () => {
    const { fakes, order } = cast({});
    const tokens: unknown[] = [];
    fakes.on('orders.createOrder', ({ request, proceed, fail, call }) => {
      tokens.push('fencingToken' in request && request.fencingToken);
      return call === 1 ? fail('LockLost', 'A newer token.') : proceed();
    });
    await (await runs.start(order)).result();
    expect(tokens).toEqual(['1', '2']);
  });
});

describe('a lock', () => {
  it('is given back before its transaction is parked: nobody waits for one that waits for a person', async () => {
    const { fakes, order } = cast({ 'inventory.confirmStock': first(1, fails('InvariantBroken')) });
    const handle = await runs.start(order);
    await eventually(async () => (await handle.query(timelineQuery)).parked.length > 0);
    await eventually(() => fakes.lockCalls.includes('releaseLock'));
    expect((await handle.query(timelineQuery)).state).toBe('parked');
    await decide(handle, 'confirmStock', 'retry', false);
    await handle.result();
  });
});
