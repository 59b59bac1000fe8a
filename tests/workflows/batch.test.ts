import { randomUUID } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';

import { gidOf } from '../../contracts/engine/ids';
import type { OrderSagaInput } from '../../contracts/flows/order';
import type { TransactionResult } from '../../contracts/engine/transaction';
import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { whatIsAsked } from '../../testing/replay/gate';
import { parseHistory } from '../../testing/replay/history';
import { eventually } from '../support/eventually';
import type { Answer } from './support/fake-participants';
import { fakeParticipants } from './support/fake-participants';
import { anOrder } from './support/builders';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();

const startBatch = (orders: readonly OrderSagaInput[]) =>
  tests.client().workflow.start<OrderBatch>('orderBatch', {
    workflowId: `batch-${randomUUID()}`,
    taskQueue: tests.taskQueue,
    args: [orders],
  });
const runBatch = async (orders: readonly OrderSagaInput[]) => (await startBatch(orders)).result();
type OrderBatch = (orders: readonly OrderSagaInput[]) => Promise<readonly TransactionResult[]>;

describe('the order saga behind the coalescing facade', () => {
  it('runs unchanged for 50 items, some refused, each step one call for all of them', async () => {
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
    for (const { gid } of orders) tests.cast(gid, fakes);

    const results = await runBatch(orders);

    const reasons = results.map((result) =>
      result.outcome === 'compensated' ? result.reason.type : 'completed',
    );
    expect(reasons).toEqual(orders.map((_, at) => expected(at)));
    expect(new Set(fakes.endings.map(({ key }) => key)).size).toBe(50);
    const left = orders.filter(({ gid }) => fakes.stateOf(gid, 'reserveStock') === 'acted');
    expect(left).toEqual([]);
    const callsOf = (activity: string) => fakes.sets.filter((set) => set.activity === activity);
    expect(callsOf('inventory.reserveStock')).toEqual([
      { activity: 'inventory.reserveStock', size: 50 },
    ]);
    expect(callsOf('accounts.holdFunds')).toEqual([{ activity: 'accounts.holdFunds', size: 40 }]);
    expect(callsOf('accounts.captureFunds')).toEqual([
      { activity: 'accounts.captureFunds', size: 34 },
    ]);
  });

  it('B27 gives each item its own verdict when they come shuffled', async () => {
    const { orders } = castThree((verdicts) => [...verdicts].reverse());
    const results = await runBatch(orders);
    expect(results.map(({ outcome }) => outcome)).toEqual(oneOfThreeRefused);
  });

  it.each([
    ['one is missing', (verdicts: readonly unknown[]) => verdicts.slice(1)],
    ['one is foreign', ([first, , third]: readonly unknown[]) => [first, third, third]],
    ['one is too many', (verdicts: readonly unknown[]) => [...verdicts, ...verdicts.slice(0, 1)]],
  ])('B27 fails the workflow task and resolves nothing when %s', async (_what, change) => {
    const { orders, fakes } = castThree(change);
    const handle = await startBatch(orders);
    await eventually(async () => {
      const { events } = await handle.fetchHistory();
      return events?.some((event) => event.workflowTaskFailedEventAttributes);
    });
    expect(fakes.calls.filter((call) => call !== 'inventory.reserveStock')).toEqual([]);
    await handle.terminate();
  });

  it('B27 goes on under a changed build, with one more await, to the same results', async () => {
    const { orders } = castThree((verdicts) => verdicts);
    const handle = await startBatch(orders);
    const results = await handle.result();
    const history = parseHistory(historyToJSON(await handle.fetchHistory()));
    const changedBuild = await bundleWorkflows(
      'tests/workflows/support/changed-build.ts',
      `dist/test-bundles/changed-${process.pid}.js`,
    );
    const { error, asked } = await whatIsAsked(history, { bundlePath: changedBuild });
    expect(error).toBeUndefined();
    expect(asked.find(({ kind }) => kind === 'result')?.content).toEqual([results]);
  });
});

const oneOfThreeRefused = ['completed', 'compensated', 'completed'];

/** Three orders of which the second is out of stock; the verdicts of their reservation are changed on their way. */
function castThree(change: (verdicts: readonly unknown[]) => readonly unknown[]) {
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
  for (const { gid } of orders) tests.cast(gid, fakes);
  return { orders, fakes };
}

const isEvery = (nth: number, key: string): boolean => numberOf(key) % nth === 0;
const numberOf = (key: string): number => Number(/-(\d+)\/[^/]+$/.exec(key)?.[1]);

function expected(at: number): string {
  if (at % 5 === 0) return 'OutOfStock';
  return at % 7 === 0 ? 'InsufficientFunds' : 'completed';
}
