import { randomUUID } from 'node:crypto';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { batchIdOf, type BatchInput, type BatchResult } from '../../../../contracts/engine/batches';
import type { OrderSagaInput } from '../../../../contracts/flows/order';
import { ownWorker, type OwnWorker } from './own-worker';

let own: OwnWorker;

beforeAll(async () => {
  own = await ownWorker({ workflowsPath: 'workflows/index.ts' });
}, 60_000);
afterEach(() => void own.arm(''));
afterAll(async () => {
  await own.close();
}, 30_000);

/** Accepted orders, which bear the batch as their owner. */
async function accepted(count: number, overrides: Partial<OrderSagaInput> = {}) {
  const owner = batchIdOf('order', randomUUID());
  const orders: OrderSagaInput[] = [];
  for (let at = 0; at < count; at += 1) orders.push(await own.accepted(overrides));
  await own.own
    .pool(own.own.adminUrl('accord'))
    .change("UPDATE runs SET owner = ?, lane = 'batch' WHERE gid IN (?)", [
      owner,
      orders.map(({ gid }) => gid),
    ]);
  return { owner, orders };
}

const start = (workflowId: string, batch: readonly OrderSagaInput[]) =>
  own.workflow.start<(input: BatchInput) => Promise<BatchResult>>('orderSaga', {
    workflowId,
    taskQueue: own.taskQueue,
    args: [{ batch }],
    workflowTaskTimeout: '3s',
  });

async function rowsOf(orders: readonly OrderSagaInput[]) {
  return own.databases.accord.select<{ state: string; owner: string; lane: string }>(
    'SELECT state, owner, lane FROM runs WHERE gid IN (?)',
    [orders.map(({ gid }) => gid)],
  );
}

const states = async (orders: readonly OrderSagaInput[]) =>
  (await rowsOf(orders)).map(({ state }) => state);

/** Deliveries at the fence of all participants, by transaction and branch. */
async function deliveriesOf({ gid }: OrderSagaInput) {
  const { inventory, accounts, orders } = own.databases;
  const rows = await Promise.all(
    [inventory, accounts, orders].map((pool) =>
      pool.select<{ branch: string; state: string }>(
        'SELECT branch, state FROM fence WHERE gid = ?',
        [gid],
      ),
    ),
  );
  return Object.fromEntries(rows.flat().map(({ branch, state }) => [branch, state]));
}

const forward = {
  reserveStock: 'confirmed',
  holdFunds: 'confirmed',
  createOrder: 'confirmed',
  captureFunds: 'acted',
};

const orderSets = [
  'inventory.reserveStock',
  'accounts.holdFunds',
  'orders.createOrder',
  'accounts.captureFunds',
  'inventory.confirmStock',
  'orders.completeOrder',
  'accord.endRun',
];

describe('a batch of orders over real participants', () => {
  it('completes each of them, and the books are sound', async () => {
    const { owner, orders } = await accepted(60);
    const result = await (await start(owner, orders)).result();
    expect(result).toEqual({ completed: 60, compensated: 0, left: 0 });
    expect(new Set(await states(orders))).toEqual(new Set(['completed']));
    for (const order of orders.slice(0, 3)) expect(await deliveriesOf(order)).toEqual(forward);
    expect(await own.violations()).toEqual([]);
  });

  it('completes each once when every answer is lost after its COMMIT, and when every set is delivered twice', async () => {
    for (const fault of ['afterCommit:throw-retryable:1', 'before:dup']) {
      const faults = own.arm(orderSets.map((name) => `${name}:${fault}`).join(';'));
      const { owner, orders } = await accepted(5);
      const result = await (await start(owner, orders)).result();
      expect(result).toEqual({ completed: 5, compensated: 0, left: 0 });
      expect(Math.min(...faults.fired().values())).toBeGreaterThan(0);
      for (const order of orders) expect(await deliveriesOf(order)).toEqual(forward);
    }
    expect(await own.violations()).toEqual([]);
  });

  it('B20 comes to one ending of each beside a second coordinator of the same batch', async () => {
    const { owner, orders } = await accepted(10);
    const [one, other] = await Promise.all([start(owner, orders), start(`${owner}-2`, orders)]);
    expect(await one.result()).toMatchObject({ completed: 10 });
    expect(await other.result()).toMatchObject({ completed: 10 });
    expect(new Set(await states(orders))).toEqual(new Set(['completed']));
    expect(await own.violations()).toEqual([]);
  });

  it('lets one leave whose content the database refuses, which its deadline undoes alone, and completes the others', async () => {
    const { owner, orders } = await accepted(20);
    const poison = orders[7] as OrderSagaInput;
    const longest = {
      ...poison,
      orderId: `${poison.orderId}${'x'.repeat(300)}`,
      deadlineAt: Date.now() + 4_000,
      undoBudgetMs: 2_000,
    };
    const batch = orders.map((order) => (order === poison ? longest : order));
    expect(await (await start(owner, batch)).result()).toEqual({
      completed: 19,
      compensated: 0,
      left: 1,
    });
    expect(await own.runOf(poison.gid).result()).toMatchObject({ outcome: 'compensated' });
    expect(await rowsOf([poison])).toEqual([
      { state: 'compensated', owner: poison.gid, lane: 'single' },
    ]);
    expect(await deliveriesOf(poison)).toMatchObject({
      reserveStock: 'undone',
      holdFunds: 'undone',
    });
    expect(await own.violations()).toEqual([]);
  });

  it('keeps one workflow task far below what Temporal takes, with 200 lines an order', async () => {
    const line = (at: number) => ({
      sku: `${own.tenant}.S-${at}`,
      quantity: 1,
      unitPrice: { currency: 'EUR' as const, minorUnits: 1 },
    });
    const { owner, orders } = await accepted(20, {
      lines: Array.from({ length: 200 }, (_, at) => line(at)),
    });
    const handle = await start(owner, orders);
    const { completed, compensated, left } = await handle.result();
    expect(completed + compensated + left).toBe(20);
    const { events = [] } = await handle.fetchHistory();
    const bytes = (events ?? [])
      .filter((event) => event.markerRecordedEventAttributes)
      .reduce((sum, event) => sum + JSON.stringify(event).length, 0);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(2 * 1_048_576);
  });
});
