import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createInventory } from '../../../../activities/inventory/activities';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import type { InventoryActivities } from '../../../../contracts/participants/inventory';
import type { OrderSagaInput } from '../../../../contracts/flows/order';
import type {
  ReconcileInput,
  ReconcileReport,
  ReportedFinding,
} from '../../../../contracts/engine/reconciliation';
import type { Database } from '../../../../runtime/databases/shop';
import { engineSchedules, ensureSchedules } from '../../../../workers/transactions/schedules';
import { shopSchedules } from '../../../../workers/transactions/shop';
import { eventually } from '../../../support/eventually';
import { participantFence } from '../../../support/participant-fence';
import { ownWorker, type OwnWorker } from '../../workers/transactions/own-worker';

let worker: OwnWorker;
let inventory: InventoryActivities;
const admins = new Map<Database, SqlPool>();

beforeAll(async () => {
  worker = await ownWorker({ workflowsPath: 'workflows/index.ts' });
  inventory = createInventory(participantFence(worker.databases.inventory));
}, 90_000);
afterAll(() => worker.close());

function admin(database: Database): SqlPool {
  const pool = admins.get(database) ?? worker.own.pool(worker.own.adminUrl(database));
  admins.set(database, pool);
  return pool;
}

const round = (job: 'recover' | 'reconcile', dryRun: boolean): Promise<ReconcileReport> =>
  worker.workflow.execute<(input: ReconcileInput) => Promise<ReconcileReport>>(job, {
    workflowId: `${job}-${randomUUID()}`,
    taskQueue: worker.taskQueue,
    args: [{ dryRun }],
  });
const reconcile = (): Promise<ReconcileReport> => round('reconcile', false);
const recover = (dryRun = false): Promise<ReconcileReport> => round('recover', dryRun);

const about = ({ findings }: ReconcileReport, gid: string): ReportedFinding | undefined =>
  findings.find((finding) => finding.gid === gid);

/** An accepted order whose row keeps its input, as the API writes it. */
async function accepted(): Promise<OrderSagaInput> {
  const order = await worker.accepted();
  await keepInput(order);
  return order;
}

const keepInput = (order: OrderSagaInput) =>
  admin('accord').change(
    'UPDATE runs SET input = ?, start_confirmed_at = UTC_TIMESTAMP(3) WHERE gid = ?',
    [Buffer.from(JSON.stringify(order)), order.gid],
  );

/** As if the row had been there for an hour, without a move. */
const age = (gid: string) =>
  admin('accord').change(
    `UPDATE runs SET accepted_at = accepted_at - INTERVAL 1 HOUR, deadline_at = deadline_at - INTERVAL 1 HOUR,
       moved_at = 0 WHERE gid = ?`,
    [gid],
  );

async function branchesOf(database: Database, gid: string): Promise<Record<string, string>> {
  const rows = await admin(database).select<{ branch: string; state: string }>(
    'SELECT branch, state FROM fence WHERE gid = ?',
    [gid],
  );
  return Object.fromEntries(rows.map(({ branch, state }) => [branch, state]));
}

async function stateOf(gid: string): Promise<string | undefined> {
  const [row] = await admin('accord').select<{ state: string }>(
    'SELECT state FROM runs WHERE gid = ?',
    [gid],
  );
  return row?.state;
}

const findingsOf = (subject: string) =>
  admin('accord').select<{ kind: string; participant: string; state: string }>(
    'SELECT kind, participant, state FROM findings WHERE subject LIKE ?',
    [`%${subject}`],
  );

/**
 * A run that is held at a step, and then lost. Temporal shows the call of the step by then: a worker that makes its local
 * calls does not hear at once that its run is lost, and may go on to the ending.
 */
async function lost(order: OrderSagaInput, step: string) {
  worker.arm(`${step}:before:throw-retryable:1-1000`);
  await worker.start(order);
  const run = worker.runOf(order.gid);
  await eventually(
    async () => {
      const { raw } = await run.describe();
      return raw.pendingActivities?.some(({ activityType }) => activityType?.name === step);
    },
    { what: `the call of ${step}` },
  );
  await run.terminate('Lost.');
  worker.arm('');
}

describe('an open row whose run was lost', () => {
  it('before the pivot, past its deadline, is compensated and leaves nothing reserved', async () => {
    const order = await accepted();
    await lost(order, 'orders.createOrder');
    await keepInput({ ...order, deadlineAt: Date.now() - 1_000 });
    await age(order.gid);
    expect(about(await recover(true), order.gid)?.action).toBe('would_recover');
    expect(await stateOf(order.gid)).not.toBe('compensated');
    expect(about(await recover(), order.gid)?.action).toBe('recovered');
    await eventually(async () => (await stateOf(order.gid)) === 'compensated', {
      withinMs: 25_000,
      what: 'the ending',
    });
    expect(await branchesOf('inventory', order.gid)).toEqual({ reserveStock: 'undone' });
    expect((await branchesOf('accounts', order.gid))['holdFunds']).toBe('undone');
  }, 60_000);

  it('after the pivot is completed, past its deadline too', async () => {
    const order = await accepted();
    await lost(order, 'inventory.confirmStock');
    await keepInput({ ...order, deadlineAt: Date.now() - 1_000 });
    await age(order.gid);
    await recover();
    await eventually(async () => (await stateOf(order.gid)) === 'completed', {
      withinMs: 25_000,
      what: 'the ending',
    });
    expect(await branchesOf('inventory', order.gid)).toEqual({ reserveStock: 'confirmed' });
  }, 60_000);

  it('is left to an operator where its input was not kept', async () => {
    const { gid } = await worker.accepted();
    await age(gid);
    expect(about(await recover(), gid)?.action).toBe('left');
    await reconcile(); // It does not look for runs, so it says of none that it is gone.
    expect(await findingsOf(gid)).toEqual([
      { kind: 'run_without_owner', participant: 'accord', state: 'open' },
    ]);
    await admin('accord').change('DELETE FROM runs WHERE gid = ?', [gid]);
    await recover();
    expect(await findingsOf(gid)).toMatchObject([{ state: 'gone' }]);
  });
});

describe('a reservation', () => {
  /** By the participant itself, of a run that was told to have ended. */
  async function leaked(ending: string): Promise<string> {
    const { gid, lines } = await accepted();
    const key = `${gid}/reserveStock`;
    const pieces = lines.map(({ sku, quantity }) => ({ sku, quantity }));
    await inventory.reserveStock([{ key, minEpoch: 0, lines: pieces }]);
    await admin('accord').change(
      `UPDATE runs SET state = 'completed', ending = ?, ended_at = UTC_TIMESTAMP(3) WHERE gid = ?`,
      [ending, gid],
    );
    return gid;
  }

  it('of a transaction that is still open is nobody’s finding', async () => {
    const { gid, lines } = await accepted();
    const pieces = lines.map(({ sku, quantity }) => ({ sku, quantity }));
    await inventory.reserveStock([{ key: `${gid}/reserveStock`, minEpoch: 0, lines: pieces }]);
    expect(about(await reconcile(), gid)).toBeUndefined();
    await inventory.releaseStock([{ key: `${gid}/reserveStock`, minEpoch: 0 }]);
  });

  /** As an ending declares that a person has answered for the step that confirms it. */
  const answeredFor = (gid: string, decision: 'done' | 'skip', booked: object | null = null) => {
    const resolution = {
      ...{ step: 'confirmStock', branch: 'reserveStock', decision, booked },
      ...{ by: 'alice', consent: { kind: 'approved', by: 'bob', approval: '01M' } },
      evidence: { kind: 'ticket', ref: 'OPS-1', note: null },
      decidedAt: '2026-01-01T00:00:00.000Z',
      amounts: [{ kind: 'stock', sku: 'acme.S-1', quantity: 1 }],
    };
    return admin('accord').change(
      'UPDATE runs SET by_hand = ?, resolved_by_hand = ? WHERE gid = ?',
      [decision === 'skip' && !booked ? 'open' : 'closed', JSON.stringify([resolution]), gid],
    );
  };

  it('of a step that was skipped by hand is left alone, and found until somebody has booked it', async () => {
    const gid = await leaked('{}');
    await answeredFor(gid, 'skip');
    expect(about(await reconcile(), gid)).toMatchObject({
      kind: 'skipped_by_hand',
      participant: 'inventory',
      subject: `${gid}/confirmStock`,
      action: 'left',
      amounts: [{ kind: 'stock', sku: 'acme.S-1', quantity: 1 }],
      detail: expect.stringContaining('alice skipped confirmStock (ticket OPS-1)'),
    });
    expect(await branchesOf('inventory', gid)).toEqual({ reserveStock: 'acted' });
    await inventory.confirmStock([{ key: `${gid}/reserveStock`, minEpoch: 0 }]);
    await reconcile();
    expect(await findingsOf(`${gid}/confirmStock`)).toMatchObject([{ state: 'open' }]);
    await answeredFor(gid, 'skip', {});
    expect(about(await reconcile(), gid)).toBeUndefined();
    expect(await findingsOf(`${gid}/confirmStock`)).toMatchObject([{ state: 'gone' }]);
  });

  it('that is said to be done by hand, and is not, is found and left alone', async () => {
    const gid = await leaked('{}');
    await answeredFor(gid, 'done');
    expect(about(await reconcile(), gid)).toMatchObject({
      kind: 'leaked_reservation',
      action: 'left',
      detail: expect.stringContaining('it is still reserved'),
    });
    expect(await branchesOf('inventory', gid)).toEqual({ reserveStock: 'acted' });
  });

  it('tells what is at stake and for how long', async () => {
    const gid = await leaked('{}');
    const found = about(await reconcile(), gid);
    expect(found?.amounts).toEqual([expect.objectContaining({ kind: 'stock', quantity: 1 })]);
    expect(found?.ageSeconds).toBeLessThan(60);
    expect(found?.action).toBe('confirmed');
  });
});

it.each([
  ['accounts', 'held A-2', 'UPDATE accounts SET held = held + ? WHERE id = ?'],
  ['inventory', 'stock S-2', 'UPDATE stock SET sold = sold + ?, total = total + ? WHERE sku = ?'],
  ['coupons', 'coupon C-10', 'UPDATE coupons SET used = used + ?, total = total + ? WHERE id = ?'],
] as const)('books of %s that differ are left to an operator: %s', async (database, what, sql) => {
  const [sort, id] = what.split(' ');
  const subject = `${sort} ${worker.tenant}.${id}`;
  const add = (by: number) =>
    admin(database).change(sql, [
      ...Array<number>(sql.split('?').length - 2).fill(by),
      `${worker.tenant}.${id}`,
    ]);
  await add(1);
  const { findings } = await reconcile();
  expect(findings.find((finding) => finding.subject === subject)?.action).toBe('left');
  await add(-1);
  await reconcile();
  expect(await findingsOf(subject)).toEqual([
    { kind: 'books_differ', participant: database, state: 'gone' },
  ]);
});

it('the schedules are there once, however often a worker starts, and stay paused', async () => {
  const { client, taskQueue } = worker;
  const ids = ['recover', 'reconcile', 'retention', 'settlement'];
  const handles = ids.map((id) => client.schedule.getHandle(`accord-${id}`));
  try {
    const ensured = () =>
      ensureSchedules(client, [...engineSchedules, ...shopSchedules], taskQueue);
    await Promise.all([ensured(), ensured()]);
    await handles[0]?.pause('Being looked at.');
    await ensured();
    const seen = await Promise.all(handles.map((handle) => handle.describe()));
    const types = seen.map(({ action }) => 'workflowType' in action && action.workflowType);
    expect(types).toEqual(['recover', 'reconcile', 'retention', 'settleDay']);
    expect(seen.map(({ action }) => action)).toEqual(
      [10, 60, 60, 1_200].map((minutes) =>
        expect.objectContaining({ workflowRunTimeout: minutes * 60_000 }),
      ),
    );
    expect(seen.map(({ state }) => state.paused)).toEqual([true, false, false, false]);
    expect(seen.map(({ policies }) => policies.overlap)).toEqual(ids.map(() => 'SKIP'));
    expect(seen[0]?.spec.intervals).toMatchObject([{ every: 60_000 }]);
  } finally {
    await Promise.all(handles.map((handle) => handle.delete().catch(() => undefined)));
  }
});
