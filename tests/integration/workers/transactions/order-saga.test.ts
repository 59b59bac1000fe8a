import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';

import { inertFaultPoints, type FaultPoint } from '../../../../runtime/faults/points';
import type { OrderSagaInput } from '../../../../contracts/flows/order';
import { cancelTransactionUpdate, timelineQuery } from '../../../../contracts/engine/transaction';
import { eventually } from '../../../support/eventually';
import type { OrderHandle, OwnWorker } from './own-worker';
import { ownWorker } from './own-worker';

let own: OwnWorker;

beforeAll(async () => {
  own = await ownWorker();
}, 60_000);

afterEach(() => void own.arm(''));

afterAll(async () => {
  await own.close();
}, 30_000);

const branches = ['reserveStock', 'holdFunds', 'createOrder', 'captureFunds'] as const;

interface FenceRow {
  readonly branch: string;
  readonly state: string;
  readonly deliveries: number;
}

/** The fence rows of a transaction, of all participants. */
async function fenceOf({ gid }: OrderSagaInput): Promise<readonly FenceRow[]> {
  const { inventory, accounts, orders, accord } = own.databases;
  const rows = await Promise.all(
    [inventory, accounts, orders, accord].map((pool) =>
      pool.select<FenceRow>('SELECT branch, state, deliveries FROM fence WHERE gid = ?', [gid]),
    ),
  );
  return rows.flat();
}

const statesOf = async (order: OrderSagaInput) =>
  Object.fromEntries((await fenceOf(order)).map(({ branch, state }) => [branch, state]));

const forward = {
  reserveStock: 'confirmed',
  holdFunds: 'confirmed',
  createOrder: 'confirmed',
  captureFunds: 'acted',
};

/** Holds the first delivery of an activity at a point, until the test lets it go on. */
function hold(activity: string, point: FaultPoint) {
  let release = (): void => undefined;
  let reach = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const reached = new Promise<void>((resolve) => (reach = resolve));
  let isHolding = true;
  own.armWith({
    ...inertFaultPoints,
    async reach(name, at) {
      if (name !== activity || at !== point || !isHolding) return;
      isHolding = false;
      reach();
      await released;
    },
  });
  return { reached, release: () => release() };
}

async function reset(handle: OrderHandle): Promise<void> {
  const { events } = await handle.fetchHistory();
  const task = events?.find((event) => event.workflowTaskCompletedEventAttributes);
  await handle.client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: handle.workflowId },
    workflowTaskFinishEventId: task?.eventId ?? null,
    reason: 'test',
    requestId: `${handle.workflowId}-reset`,
  });
}

describe('the order saga over real participants', () => {
  it('completes, and the books are sound', async () => {
    const order = await own.accepted();
    const { outcome } = await (await own.start(order)).result();
    expect(outcome).toBe('completed');
    expect(await statesOf(order)).toEqual(forward);
    expect(JSON.parse((await own.endingOf(order)) ?? '')).toMatchObject({ state: 'completed' });
    expect(await own.violations()).toEqual([]);
  });

  it('B9 completes once when every answer is lost after its COMMIT, each step answered from its fence row', async () => {
    const activities = [
      'inventory.reserveStock',
      'accounts.holdFunds',
      'orders.createOrder',
      'accounts.captureFunds',
    ];
    const faults = own.arm(
      activities.map((name) => `${name}:afterCommit:throw-retryable:1`).join(';'),
    );
    const order = await own.accepted();
    const { outcome, steps } = await (await own.start(order)).result();
    expect(outcome).toBe('completed');
    expect(steps.flatMap(({ calls = [] }) => calls)).toEqual(
      activities.map((activity) => ({
        ...{ activity, attempts: 2, lastFailure: 'unknown' },
        text: expect.stringContaining('afterCommit'),
      })),
    );
    expect([...faults.fired().values()]).toEqual([1, 1, 1, 1]);
    const rows = await fenceOf(order);
    expect(
      rows
        .filter(({ deliveries }) => deliveries > 1)
        .map(({ branch }) => branch)
        .sort(),
    ).toEqual([...branches].sort());
    expect(await own.violations()).toEqual([]);
  });

  it('B10 completes once when every activity is delivered twice', async () => {
    const activities = [
      'acquireLock',
      'inventory.reserveStock',
      'accounts.holdFunds',
      'orders.createOrder',
      'accounts.captureFunds',
      'inventory.confirmStock',
      'orders.completeOrder',
      'accord.moveRun',
      'accord.endRun',
      'releaseLock',
    ];
    const faults = own.arm(activities.map((name) => `${name}:before:dup`).join(';'));
    const order = await own.accepted();
    expect((await (await own.start(order)).result()).outcome).toBe('completed');
    expect(Math.min(...faults.fired().values())).toBeGreaterThan(0);
    expect(await statesOf(order)).toEqual(forward);
    const rows = await fenceOf(order);
    expect(Math.min(...rows.map(({ deliveries }) => deliveries))).toBeGreaterThan(1);
    expect(await own.violations()).toEqual([]);
  });

  it('B9 undoes once when every answer of an undo is lost after its COMMIT', async () => {
    const faults = own.arm(
      ['orders.cancelOrder', 'accounts.releaseFunds', 'inventory.releaseStock']
        .map((name) => `${name}:afterCommit:throw-retryable:1`)
        .join(';'),
    );
    const order = await own.accepted({ merchantAccountId: 'nobody.merchant-EUR' });
    expect(await (await own.start(order)).result()).toMatchObject({
      outcome: 'compensated',
      reason: { code: 'account_unavailable', step: 'captureFunds' },
    });
    expect([...faults.fired().values()]).toEqual([1, 1, 1]);
    expect(await own.violations()).toEqual([]);
  });

  it('shows as stuck while a step keeps failing, parks nobody, and is stuck no more when it has ended', async () => {
    own.arm('accounts.releaseFunds:before:throw-retryable');
    const order = await own.accepted({ merchantAccountId: 'nobody.merchant-EUR' });
    const handle = await own.start(order);
    await eventually(() => own.isStuck(order), { what: 'the order to be stuck' });
    expect((await handle.query(timelineQuery)).state).toBe('undoing');
    own.arm('');
    expect((await handle.result()).outcome).toBe('compensated');
    expect(await own.isStuck(order)).toBe(false);
  });

  it('B12 gives a second start of a closed id no second run', async () => {
    const order = await own.accepted();
    await (await own.start(order)).result();
    await expect(own.start(order)).rejects.toBeInstanceOf(WorkflowExecutionAlreadyStartedError);
  });

  it.each(['orderSaga', 'stockOnly'])(
    'B11 B25 a reset of a completed %s completes again: no second effect, the row byte-equal',
    async (type) => {
      const order = await own.accepted();
      const handle = await own.start(order, { type });
      expect((await handle.result()).outcome).toBe('completed');
      const [ending, states] = [await own.endingOf(order), await statesOf(order)];
      await reset(handle);
      expect((await own.runOf(order.gid).result()).outcome).toBe('completed');
      expect(await own.endingOf(order)).toBe(ending);
      expect(await statesOf(order)).toEqual(states);
      expect(await own.violations()).toEqual([]);
    },
  );

  it('B11 B25 a reset of a compensated order meets the fence, finishes the undo and ends as before', async () => {
    const order = await own.accepted({ merchantAccountId: 'nobody.merchant-EUR' });
    const handle = await own.start(order);
    expect((await handle.result()).outcome).toBe('compensated');
    const ending = await own.endingOf(order);
    await reset(handle);
    const result = await own.runOf(order.gid).result();
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'Fenced' } });
    expect(await own.endingOf(order)).toBe(ending);
    expect(await own.violations()).toEqual([]);
  });

  it.each([
    'inventory.reserveStock',
    'accounts.holdFunds',
    'orders.createOrder',
    'accounts.captureFunds',
    'inventory.confirmStock',
  ])(
    'B26 two coordinators come to one ending when the second starts while %s is under way',
    async (activity) => {
      const held = hold(activity, 'before');
      const order = await own.accepted();
      const first = await own.start(order);
      await held.reached;
      const second = await own.start(order, { workflowId: `second-${order.gid}` });
      await second.cancel();
      held.release();
      const endings = await Promise.all([first.result(), second.result()]);
      expect(new Set(endings.map(({ outcome }) => outcome)).size).toBe(1);
      const decided = (await statesOf(order))['captureFunds'];
      expect(decided === 'acted').toBe(endings[0].outcome === 'completed');
      expect(await own.violations()).toEqual([]);
    },
  );

  it('B26 two coordinators of a transaction without a pivot come to one ending by its decision in accord', async () => {
    const held = hold('accord.decide', 'before');
    const order = await own.accepted();
    const first = await own.start(order, { type: 'stockOnly' });
    await held.reached;
    const second = await own.start(order, { type: 'stockOnly', workflowId: `second-${order.gid}` });
    await second.cancel();
    held.release();
    const endings = await Promise.all([first.result(), second.result()]);
    expect(new Set(endings.map(({ outcome }) => outcome)).size).toBe(1);
    expect((await statesOf(order))['decide'] === 'acted').toBe(endings[0].outcome === 'completed');
    expect(await own.violations()).toEqual([]);
  });

  it('B20 a cancel that meets the pivot between COMMIT and answer is answered by the pivot', async () => {
    const held = hold('accounts.captureFunds', 'afterCommit');
    const order = await own.accepted();
    const handle = await own.start(order);
    await held.reached;
    const cancel = handle.executeUpdate(cancelTransactionUpdate, {
      args: [{ actor: { subject: 'test' }, note: null }],
    });
    held.release();
    await expect(cancel).rejects.toMatchObject({ cause: { type: 'PastPivot' } });
    expect((await handle.result()).outcome).toBe('completed');
  });

  it('B10 an attempt that outlives its time and goes on after the undo changes nothing', async () => {
    const held = hold('accounts.holdFunds', 'before');
    const order = await own.accepted();
    const handle = await own.start(order);
    await held.reached;
    await handle.cancel(); // The attempt is waited for until its time is over; then the undo runs.
    expect((await handle.result()).outcome).toBe('compensated');
    const { holdFunds: undone } = await statesOf(order);
    expect(undone).toMatch(/^(empty|undone)$/); // Another attempt may have acted before the cancel came.
    held.release(); // Its time is over by its own clock: it does not even ask the database.
    const next = await own.accepted();
    expect((await (await own.start(next)).result()).outcome).toBe('completed');
    expect((await statesOf(order))['holdFunds']).toBe(undone);
    expect(await own.violations()).toEqual([]);
  }, 40_000);
});
