import { shopSums } from '../../../../invariants/shop';
import { shopImplementations, shopJobActivities } from '../../../../workers/transactions/shop';
import { randomBytes, randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Registry } from 'prom-client';

import { acceptJobTransaction } from '../../../../activities/fence/accepted-runs';
import { createEpochSource } from '../../../../activities/fence/epoch';
import { createLockStore } from '../../../../activities/locks/lock-store';
import { openRedis } from '../../../../runtime/redis';
import { createStuckMarks } from '../../../../activities/runs/stuck-marks';
import { batchIdOf, itemTimelineQuery } from '../../../../contracts/engine/batches';
import type { OrderSagaInput } from '../../../../contracts/flows/order';
import type { ReconcileInput, ReconcileReport } from '../../../../contracts/engine/reconciliation';
import type {
  SettleDayInput,
  SettleDayReport,
} from '../../../../contracts/participants/settlements';
import { inertFaultPoints, type DeliveryPoints } from '../../../../runtime/faults/points';
import { createLogger } from '../../../../runtime/logger';
import { checkInvariants } from '../../../../testing/verify/verification';
import { bundleWorkflows } from '../../../../scripts/bundle-workflows';
import { databases as databaseNames, type Database } from '../../../../runtime/databases/shop';
import { seed } from '../../../../scripts/seed';
import { createActivities } from '../../../../workers/transactions/activities';
import { createTransactionMetrics } from '../../../../workers/transactions/metrics';
import { createTransactionWorker } from '../../../../workers/transactions/worker';
import { ownDatabases } from '../../../support/databases';
import { eventually } from '../../../support/eventually';
import { holdAt } from '../../../support/fenced-accounts';
import { testStack } from '../../../support/stack';
import { anOrder } from '../../../workflows/support/builders';

/** A worker with every workflow type, over databases of its own. */
async function openScene() {
  const taskQueue = `test-${randomUUID()}`;
  const tenant = `t${randomBytes(4).toString('hex')}`;
  const stack = await testStack();
  const own = await ownDatabases(databaseNames);
  await seed(own.urls, tenant);
  const environment = await TestWorkflowEnvironment.createFromExistingServer(stack.temporal);
  const redis = openRedis(stack.redis.url);
  const pool = (url: string) => own.pool(url, { connectionLimit: 10 });
  const databases = {
    inventory: pool(own.urls.INVENTORY_DATABASE_URL),
    accounts: pool(own.urls.ACCOUNTS_DATABASE_URL),
    orders: pool(own.urls.ORDERS_DATABASE_URL),
    coupons: pool(own.urls.COUPONS_DATABASE_URL),
    accord: pool(own.urls.ACCORD_DATABASE_URL),
  };
  const armed = { current: inertFaultPoints };
  const faults: DeliveryPoints = {
    ...inertFaultPoints,
    reach: (activity, point) => armed.current.reach(activity, point),
  };
  const metrics = createTransactionMetrics(
    new Registry(),
    createLogger({ process: 'test', level: 'silent' }),
  );
  const worker = await createTransactionWorker({
    connection: environment.nativeConnection,
    namespace: stack.temporal.namespace,
    taskQueue,
    workflows: {
      bundlePath: await bundleWorkflows('workflows/index.ts', `dist/test-bundles/${taskQueue}.js`),
    },
    faults,
    metrics,
    stuckMarks: createStuckMarks(databases.accord),
    stuckAlarmMs: 200,
    activities: createActivities({
      databases,
      cluster: 'main',
      epochs: createEpochSource(databases.accord, 'main'),
      locks: createLockStore({ redis }),
      implementations: shopImplementations({ redis, metrics: new Registry() }),
      storedSums: shopSums,
      jobActivities: shopJobActivities({
        poolOf: () => databases.accounts,
        accept: (transaction) => acceptJobTransaction(databases.accord, 'main', transaction),
      }),
      fenceKeepMs: 14 * 24 * 3_600_000,
      faults,
      metrics,
      wake: () => undefined,
    }),
  });
  const running = worker.run();
  const { workflow } = environment.client;
  const admins = new Map(databaseNames.map((name) => [name, own.pool(own.adminUrl(name))]));
  const round = (job: 'reconcile' | 'recover', dryRun: boolean) =>
    workflow.execute<(input: ReconcileInput) => Promise<ReconcileReport>>(job, {
      workflowId: `${job}-${randomUUID()}`,
      taskQueue,
      args: [{ dryRun }],
    });
  return {
    tenant,
    workflow,
    armed,
    start: (type: string, workflowId: string, input: object) =>
      workflow.start(type, { workflowId, taskQueue, args: [input] }),
    reconcile: (dryRun = false) => round('reconcile', dryRun),
    recover: (dryRun = false) => round('recover', dryRun),
    settleDay: (input: SettleDayInput) =>
      workflow.execute<(input: SettleDayInput) => Promise<SettleDayReport>>('settleDay', {
        workflowId: `settle-day-${randomUUID()}`,
        taskQueue,
        args: [input],
      }),
    async sql<Row extends object>(database: Database, sql: string, values: unknown[] = []) {
      const admin = admins.get(database);
      if (!admin) throw new Error(database);
      return /^SELECT/.test(sql)
        ? admin.select<Row>(sql, values)
        : (await admin.change(sql, values), []);
    },
    violations: async () => (await checkInvariants(own.urls.VERIFY_DATABASE_URLS)).violations,
    async close() {
      worker.shutdown();
      await running;
      redis.disconnect();
      await environment.teardown();
      await own.drop();
    },
  };
}

let scene: Awaited<ReturnType<typeof openScene>>;
beforeAll(async () => (scene = await openScene()), 120_000);
afterAll(() => scene.close(), 60_000);

function order(): OrderSagaInput {
  const { tenant } = scene;
  const id = `O-${randomUUID()}`;
  const euros = (minorUnits: number) => ({ currency: 'EUR' as const, minorUnits });
  return anOrder({
    tenant,
    gid: `order:${tenant}.${id}`,
    orderId: `${tenant}.${id}`,
    customerId: `${tenant}.C-${id}`,
    accountId: `${tenant}.A-1`,
    merchantAccountId: `${tenant}.merchant-EUR`,
    lines: [{ sku: `${tenant}.S-1`, quantity: 1, unitPrice: euros(100) }],
    amount: euros(100),
  });
}

/** The row of a run that was accepted ten minutes ago and has not moved since. */
const plantRun = (input: OrderSagaInput, ended: 'completed' | 'compensated' | null = null) =>
  scene.sql(
    'accord',
    `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, input, owner, region, epoch,
       accepted_at, start_confirmed_at, deadline_at, at_risk, state, ended_at, ending)
     VALUES (?, ?, 'order', ?, 'POST /v1/orders', ?, '{}', ?, ?, 'a', 1, UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE,
       UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE, UTC_TIMESTAMP(3) - INTERVAL 5 MINUTE, '[]', ?, ?, ?)`,
    [
      input.gid,
      input.tenant,
      input.orderId,
      Buffer.alloc(32),
      JSON.stringify(input),
      input.gid,
      ended ?? 'running',
      ended && new Date(),
      ended && '{}',
    ],
  );

const age = (gid: string) =>
  scene.sql(
    'accord',
    `UPDATE runs SET moved_at = 0, accepted_at = UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE WHERE gid = ?`,
    [gid],
  );

/** One reserved piece, as the participant would have left it ten minutes ago. */
async function plantReservation(gid: string): Promise<void> {
  const key = [gid, 'reserveStock'];
  await scene.sql(
    'inventory',
    `INSERT INTO fence (gid, branch, state, reserves, attempt_token, epoch, amounts, created_at)
       VALUES (?, ?, 'acted', 1, ?, 1, '[]', UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE)`,
    [...key, randomBytes(16)],
  );
  const sku = `${scene.tenant}.S-1`;
  await scene.sql(
    'inventory',
    'INSERT INTO reservations (gid, branch, sku, qty) VALUES (?, ?, ?, 1)',
    [...key, sku],
  );
  await scene.sql(
    'inventory',
    'UPDATE stock SET available = available - 1, frozen = frozen + 1 WHERE sku = ?',
    [sku],
  );
}

const fenceOf = async (gid: string) =>
  (
    await scene.sql<{ state: string }>(
      'inventory',
      `SELECT state FROM fence WHERE gid = ? AND branch = 'reserveStock'`,
      [gid],
    )
  )[0]?.state;
const findingOf = async (subject: string) =>
  (
    await scene.sql<{ kind: string; state: string }>(
      'accord',
      'SELECT kind, state FROM findings WHERE subject = ?',
      [subject],
    )
  )[0];
const actionOn = ({ findings }: ReconcileReport, subject: string) =>
  findings.find((finding) => finding.subject === subject)?.action;

describe('a round of reconciliation', () => {
  it.each([
    ['compensated', 'would_undo', 'undone', 'undone'],
    ['completed', 'would_confirm', 'confirmed', 'confirmed'],
  ] as const)(
    'ends a reservation as its transaction has ended: %s, and a dry run leaves it',
    async (ending, would, action, state) => {
      const input = order();
      const subject = `${input.gid}/reserveStock`;
      await plantRun(input, ending);
      await plantReservation(input.gid);
      expect(actionOn(await scene.reconcile(true), subject)).toBe(would);
      expect(await fenceOf(input.gid)).toBe('acted');
      expect(await findingOf(subject)).toBeUndefined();
      expect(actionOn(await scene.reconcile(), subject)).toBe(action);
      expect(await fenceOf(input.gid)).toBe(state);
      expect(await findingOf(subject)).toEqual({ kind: 'leaked_reservation', state: 'repaired' });
      expect(actionOn(await scene.reconcile(), subject)).toBeUndefined();
    },
  );

  it('leaves what accord has never accepted to an operator, until it is gone', async () => {
    const { gid } = order();
    const subject = `${gid}/reserveStock`;
    await plantReservation(gid);
    expect(actionOn(await scene.reconcile(), subject)).toBe('left');
    expect(await fenceOf(gid)).toBe('acted');
    expect(await findingOf(subject)).toEqual({ kind: 'unknown_transaction', state: 'open' });
    await plantRun({ ...order(), gid }, 'compensated');
    await scene.reconcile();
    expect(await fenceOf(gid)).toBe('undone');
    expect(await findingOf(subject)).toMatchObject({ kind: 'unknown_transaction', state: 'gone' });
  });

  it('reports a balance beside its entries and touches nothing, until it is gone', async () => {
    const account = `${scene.tenant}.A-1`;
    const add = (by: number) =>
      scene.sql('accounts', 'UPDATE accounts SET balance = balance + ? WHERE id = ?', [
        by,
        account,
      ]);
    await add(7);
    expect(actionOn(await scene.reconcile(), `balance ${account}`)).toBe('left');
    expect(await findingOf(`balance ${account}`)).toEqual({ kind: 'books_differ', state: 'open' });
    await add(-7);
    await scene.reconcile();
    expect((await findingOf(`balance ${account}`))?.state).toBe('gone');
  });

  it.each(['accounts.holdFunds', 'accounts.captureFunds'])(
    'leaves a living run alone, and brings one that died in %s to its ending, once',
    async (activity) => {
      const hold = holdAt('afterCommit');
      scene.armed.current = {
        ...inertFaultPoints,
        reach: async (at, point) => (at === activity ? hold.reach(at, point) : undefined),
      };
      const input = order();
      await plantRun(input);
      const run = await scene.start('orderSaga', input.gid, input);
      await hold.reached;
      await age(input.gid);
      expect(actionOn(await scene.recover(), input.gid)).toBeUndefined();
      await run.terminate();
      scene.armed.current = inertFaultPoints;
      expect(actionOn(await scene.recover(true), input.gid)).toBe('would_recover');
      expect(actionOn(await scene.recover(), input.gid)).toBe('recovered');
      const result: unknown = await scene.workflow.getHandle(input.gid).result();
      expect(result).toMatchObject({ outcome: 'completed' });
      hold.release(); // What the first run still does, it does too late.
      expect(actionOn(await scene.recover(), input.gid)).toBeUndefined();
    },
    60_000,
  );
});

describe('a transaction of a batch', () => {
  /** The rows say for ten minutes that this batch carries them. */
  async function plantBatch(inputs: readonly OrderSagaInput[]): Promise<string> {
    const batch = batchIdOf('order', randomUUID());
    for (const input of inputs) {
      await plantRun(input);
      await scene.sql('accord', "UPDATE runs SET owner = ?, lane = 'batch' WHERE gid = ?", [
        batch,
        input.gid,
      ]);
    }
    return batch;
  }
  const ownerOf = async (gid: string) =>
    (await scene.sql('accord', 'SELECT owner, lane, state FROM runs WHERE gid = ?', [gid]))[0];
  const hangingHold = () => {
    const hold = holdAt('afterCommit');
    const disarm = () => void (scene.armed.current = inertFaultPoints);
    scene.armed.current = {
      ...inertFaultPoints,
      reach: async (at, point) => (at === 'accounts.holdFunds' ? hold.reach(at, point) : undefined),
    };
    return {
      reached: hold.reached,
      disarm,
      letGo: () => {
        disarm();
        hold.release();
      },
    };
  };

  it('is left to its batch while that runs, and goes on alone once the batch is gone, once', async () => {
    const inputs = [order(), order()];
    const gids = inputs.map(({ gid }) => gid);
    const batch = await plantBatch(inputs);
    const hold = hangingHold();
    const run = await scene.start('orderSaga', batch, { batch: inputs });
    await hold.reached;
    for (const gid of gids) await age(gid);
    const alive = await scene.recover();
    expect(gids.map((gid) => actionOn(alive, gid))).toEqual([undefined, undefined]);
    expect(await ownerOf(gids[0] ?? '')).toMatchObject({ owner: batch, lane: 'batch' });
    await run.terminate();
    hold.disarm();
    const found = await scene.recover(true);
    expect(gids.map((gid) => actionOn(found, gid))).toEqual(['would_recover', 'would_recover']);
    const recovered = await scene.recover();
    expect(gids.map((gid) => actionOn(recovered, gid))).toEqual(['recovered', 'recovered']);
    for (const gid of gids) {
      const result: unknown = await scene.workflow.getHandle(gid).result();
      expect(result).toMatchObject({ outcome: 'completed' });
      expect(await ownerOf(gid)).toEqual({ owner: gid, lane: 'single', state: 'completed' });
    }
    hold.letGo(); // What the batch still does, it does too late.
    const wrong = (await scene.violations()).filter(({ row }) =>
      gids.some((gid) => 'gid' in row && row.gid === gid),
    );
    expect(wrong).toEqual([]);
  }, 60_000);

  it('goes on alone where the batch that its row names runs, and does not carry it', async () => {
    const [carried, lost] = [order(), order()];
    const batch = await plantBatch([carried, lost]);
    const hold = hangingHold();
    const run = await scene.start('orderSaga', batch, { batch: [carried] });
    await hold.reached;
    for (const { gid } of [carried, lost]) await age(gid);
    // While a local call hangs the batch gives no answer.
    await eventually(() => run.query(itemTimelineQuery, lost.gid).then((told) => told === null));
    const { findings } = await scene.recover();
    hold.letGo();
    expect(findings).toMatchObject([{ gid: lost.gid, action: 'recovered' }]);
    expect(await run.result()).toMatchObject({ completed: 1 });
    const result: unknown = await scene.workflow.getHandle(lost.gid).result();
    expect(result).toMatchObject({ outcome: 'completed' });
  }, 60_000);
});

describe('the settlements of a day', () => {
  it('are started once, however often the day is settled', async () => {
    const day = '2026-11-19';
    const gid = `settlement:${scene.tenant}.EUR-${day}`;
    const input = order();
    await plantRun(input);
    await (await scene.start('orderSaga', input.gid, input)).result();
    await scene.sql(
      'accounts',
      `UPDATE merchant_movements SET occurred_at = '2026-11-19 12:00:00'`,
    );
    const first = await scene.settleDay({ day });
    expect(first.settlements).toContain(gid);
    await scene.workflow.getHandle(gid).result();
    expect((await scene.settleDay({ day })).settlements).toEqual([]);
    const rows = await scene.sql('accord', `SELECT gid, state FROM runs WHERE flow = 'settlement'`);
    expect(rows).toEqual([{ gid, state: 'completed' }]);
  }, 60_000);
});
