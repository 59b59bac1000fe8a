import { shopImplementations } from '../../../../workers/transactions/shop';
import { randomBytes, randomUUID } from 'node:crypto';

import type { WorkflowHandle } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Registry } from 'prom-client';

import { createEpochSource } from '../../../../activities/fence/epoch';
import { faultMenu } from '../../../../runtime/faults/menu';
import type { ArmedFaultPoints, DeliveryPoints } from '../../../../runtime/faults/points';
import { inertFaultPoints, parseFaults } from '../../../../runtime/faults/points';
import { createLockStore } from '../../../../activities/locks/lock-store';
import { openRedis } from '../../../../runtime/redis';
import { createStuckMarks } from '../../../../activities/runs/stuck-marks';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import type { OrderSagaInput } from '../../../../contracts/flows/order';
import type { TransactionResult } from '../../../../contracts/engine/transaction';
import { checkInvariants } from '../../../../testing/verify/verification';
import { bundleWorkflows } from '../../../../scripts/bundle-workflows';
import { seed } from '../../../../scripts/seed';
import { createLogger } from '../../../../runtime/logger';
import { shopSums } from '../../../../invariants/shop';
import { createActivities } from '../../../../workers/transactions/activities';
import { createTransactionMetrics } from '../../../../workers/transactions/metrics';
import { createTransactionWorker } from '../../../../workers/transactions/worker';
import { ownDatabases } from '../../../support/databases';
import { testStack } from '../../../support/stack';
import { anOrder } from '../../../workflows/support/builders';

export type OrderHandle = WorkflowHandle<(order: OrderSagaInput) => Promise<TransactionResult>>;
export type OwnWorker = Awaited<ReturnType<typeof ownWorker>>;

/** A transaction worker of one test file: shipped activities, interceptors and kernel over databases of its own. */
export async function ownWorker({
  workflowsPath = 'tests/integration/workers/transactions/stock-only.ts',
} = {}) {
  const taskQueue = `test-${randomUUID()}`;
  const tenant = `t${randomBytes(4).toString('hex')}`;
  const stack = await testStack();
  const own = await ownDatabases(['inventory', 'accounts', 'orders', 'coupons', 'accord']);
  await seed(own.urls, tenant);
  const environment = await TestWorkflowEnvironment.createFromExistingServer(stack.temporal);
  const redis = openRedis(stack.redis.url);
  const databases = {
    inventory: own.pool(own.urls.INVENTORY_DATABASE_URL, { connectionLimit: 20 }),
    accounts: own.pool(own.urls.ACCOUNTS_DATABASE_URL, { connectionLimit: 20 }),
    orders: own.pool(own.urls.ORDERS_DATABASE_URL, { connectionLimit: 20 }),
    coupons: own.pool(own.urls.COUPONS_DATABASE_URL, { connectionLimit: 20 }),
    accord: own.pool(own.urls.ACCORD_DATABASE_URL, { connectionLimit: 20 }),
  };
  const api = own.pool(own.urls.API_DATABASE_URL);
  const armed: { current: DeliveryPoints } = { current: inertFaultPoints };
  const faults: DeliveryPoints = {
    reach: (...visit) => armed.current.reach(...visit),
    deliver: (...delivery) => armed.current.deliver(...delivery),
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
      bundlePath: await bundleWorkflows(workflowsPath, `dist/test-bundles/${taskQueue}.js`),
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
      jobActivities: {},
      storedSums: shopSums,
      fenceKeepMs: 14 * 24 * 3_600_000,
      faults,
      metrics,
      wake: () => undefined,
    }),
  });
  const running = worker.run();
  const { workflow } = environment.client;
  const runOf = (gid: string): OrderHandle => workflow.getHandle(gid);

  return {
    own,
    tenant,
    taskQueue,
    client: environment.client,
    databases,
    workflow,
    runOf,
    /** Arms fault points; `''` disarms them. */
    arm(text: string): ArmedFaultPoints {
      const points = parseFaults(text, { seed: 1, places: faultMenu() });
      armed.current = points;
      return points;
    },
    armWith: (points: DeliveryPoints) => void (armed.current = points),
    /** An order of the test's own tenant, with its row as the API writes it. */
    async accepted(overrides: Partial<OrderSagaInput> = {}): Promise<OrderSagaInput> {
      const order = anOrder({ tenant, ...idsOf(tenant), ...overrides });
      await insertRun(api, order);
      return order;
    },
    start: (
      order: OrderSagaInput,
      { type = 'orderSaga', workflowId = order.gid } = {},
    ): Promise<OrderHandle> =>
      workflow.start<(order: OrderSagaInput) => Promise<TransactionResult>>(type, {
        workflowId,
        taskQueue,
        args: [order],
        workflowIdReusePolicy: 'REJECT_DUPLICATE',
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    endingOf: async ({ gid }: OrderSagaInput): Promise<string | undefined> => {
      const [row] = await api.select<{ ending: Buffer | null }>(
        'SELECT ending FROM runs WHERE gid = ?',
        [gid],
      );
      return row?.ending?.toString('utf8');
    },
    isStuck: async ({ gid }: OrderSagaInput): Promise<boolean> => {
      const rows = await api.select(
        'SELECT gid FROM runs WHERE gid = ? AND stuck_since IS NOT NULL',
        [gid],
      );
      return rows.length > 0;
    },
    /** What the oracles find wrong; they are asked of every database. */
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

function idsOf(tenant: string) {
  const id = `O-${randomUUID()}`;
  const euros = (minorUnits: number) => ({ currency: 'EUR' as const, minorUnits });
  return {
    gid: `order:${tenant}.${id}`,
    orderId: `${tenant}.${id}`,
    customerId: `${tenant}.C-${id}`,
    accountId: `${tenant}.A-1`,
    merchantAccountId: `${tenant}.merchant-EUR`,
    lines: [{ sku: `${tenant}.S-1`, quantity: 1, unitPrice: euros(100) }],
    amount: euros(100),
  };
}

async function insertRun(api: SqlPool, { gid, tenant, orderId }: OrderSagaInput): Promise<void> {
  await api.change(
    `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner,
                       region, epoch, accepted_at, deadline_at, at_risk)
       VALUES (?, ?, 'order', ?, 'POST /v1/orders', ?, '{}', ?, 'a', 1, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), '[]')`,
    [gid, tenant, orderId, Buffer.alloc(32), gid],
  );
}
