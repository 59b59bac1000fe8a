import { randomBytes } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import type { RowDataPacket } from 'mysql2/promise';
import { pino } from 'pino';

import { makerAtHand, newKey, type Maker } from '../../../api/http/authentication';
import { loadConfig } from '../../../api/config';
import type { Environment } from '../../../runtime/environment';
import { openDependencies, type Dependencies } from '../../../api/dependencies';
import type { DeliveryPoints } from '../../../runtime/faults/points';
import type { Realm } from '../../../api/http/realms';
import { scopes, type Scope } from '../../../api/http/scopes';
import { shopApi } from '../../../api/shop';
import type { ShopStores } from '../../../api/shop/stores';
import { buildServer, type Server } from '../../../api/server';
import type { NewRun } from '../../../api/stores/runs/acceptance';
import type { Temporal } from '../../../api/transactions/temporal';
import type { Flow } from '../../../contracts/engine/ids';
import { taskQueueOf } from '../../../contracts/engine/task-queues';
import { databases as everyDatabase } from '../../../runtime/databases/shop';
import { ownDatabases, type OwnDatabases } from '../../support/databases';
import { testStack } from '../../support/stack';
import { openConnection } from '../../../runtime/mysql/door';

/** API processes of one test file over its own databases, the real Redis and the real Temporal; no worker runs. */
export interface OwnApis {
  readonly databases: OwnDatabases;
  /** One more process; closed with the others. */
  start(variables?: Environment, more?: More): Promise<OwnApi>;
  /** Writes a row as the administrator: `<database>.<table>`. */
  insert(table: string, row: Readonly<Record<string, unknown>>): Promise<void>;
  /** Runs SQL as the administrator of `accord`. */
  sql(statement: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}
export interface OwnApi extends Server {
  readonly dependencies: Dependencies<ShopStores>;
  /** Those that a process would ask; tests share servers that do not hold all of them. */
  readonly ownPremises: Dependencies['premises'];
  /**
   * A credential of the tenant, or of the cluster that it serves; made by its owner, unless another maker is named.
   */
  credential(
    tenant?: string,
    given?: readonly Scope[],
    owner?: string,
    maker?: Maker,
    realm?: Realm,
  ): Promise<string>;
}
interface More {
  /** The clock of the machine that it runs on; left out: this one's. */
  readonly now?: () => number;
  readonly faults?: DeliveryPoints;
  /** Takes the place of what Temporal would be asked. */
  readonly temporal?: Partial<Temporal>;
}

export async function ownApis(): Promise<OwnApis> {
  const stack = await testStack();
  const databases = await ownDatabases(everyDatabase);
  const admin = await openConnection({ url: databases.adminUrl('accord') });
  const opened: OwnApi[] = [];
  return {
    databases,
    async start(variables = {}, { temporal, now, ...more } = {}) {
      const config = loadConfig(shopApi.variables, {
        API_DATABASE_URL: databases.urls.API_DATABASE_URL,
        API_ORDERS_DATABASE_URL: databases.urls.API_ORDERS_DATABASE_URL,
        API_ACCOUNTS_DATABASE_URL: databases.urls.API_ACCOUNTS_DATABASE_URL,
        API_INVENTORY_DATABASE_URL: databases.urls.API_INVENTORY_DATABASE_URL,
        API_COUPONS_DATABASE_URL: databases.urls.API_COUPONS_DATABASE_URL,
        API_BOOKS_DATABASE_URLS: databases.urls.API_BOOKS_DATABASE_URLS,
        API_SECRET: 'a secret that every process of a test shares',
        REDIS_URL: stack.redis.url,
        TEMPORAL_ADDRESS: stack.temporal.address,
        TEMPORAL_NAMESPACE: stack.temporal.namespace,
        LOG_LEVEL: 'silent',
        LOOP_DELAY_MAX_MS: '60000', // The machine of a test may be busy with other ones.
        ...variables,
      });
      const queueOf = (flow: Flow): string => `test-${databases.prefix}${taskQueueOf(flow)}`;
      const real = openDependencies(config, {
        onError: () => undefined,
        checks: shopApi.checks,
        openStores: (open) => shopApi.stores(config, open),
        queueOf,
        localNow: now,
      });
      await real.clock.premises.ask().catch(() => undefined); // MySQL may be away: a process asks again, too.
      const dependencies = {
        ...real,
        temporal: { ...real.temporal, ...temporal },
        // The namespace is that of all tests of the API: their queues are their own, so nobody else runs their
        // workflows.
        premises: [],
        namespace: { ...real.namespace, demand: () => Promise.resolve() },
      };
      const server = await buildServer({
        config,
        routes: shopApi.routes,
        dependencies,
        logger: pino({ level: 'silent' }),
        ...more,
      });
      const api: OwnApi = {
        ...server,
        dependencies,
        ownPremises: real.premises,
        async credential(
          tenant = 'acme',
          given = scopes,
          owner = `${tenant}-owner`,
          maker = makerAtHand(owner),
          realm = tenant === config.cluster ? 'cluster' : 'tenant',
        ) {
          const createdAt = new Date();
          const grant = { realm, tenant, owner, scopes: given, createdAt };
          const { key, credential } = newKey({ ...grant, expiresAt: null, maker });
          await admin.query(
            'INSERT INTO api_keys (key_id, realm, tenant, owner, people, secret_sha256, scopes, created_at) VALUES (?)',
            [
              [
                ...[key.keyId, realm, tenant, key.owner, key.people && JSON.stringify(key.people)],
                ...[key.secretSha256, JSON.stringify(given), createdAt],
              ],
            ],
          );
          return `Bearer ${credential}`;
        },
      };
      opened.push(api);
      return api;
    },
    async insert(table, row) {
      const columns = Object.keys(row)
        .map((name) => `\`${name}\``)
        .join(', ');
      await admin.query(`INSERT INTO ${databases.prefix}${table} (${columns}) VALUES (?)`, [
        Object.values(row),
      ]);
    },
    async sql(statement, values = []) {
      const [rows] = await admin.query(statement, values);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : []; // A SELECT's rows, as objects.
    },
    async close() {
      const [rows] = await admin.query<(RowDataPacket & { owner: Buffer })[]>(
        'SELECT DISTINCT owner FROM runs',
      );
      await endRuns(rows.map(({ owner }) => owner.toString()));
      for (const api of opened) {
        await api.api.close();
        await api.starter.stop();
        await api.dependencies.close();
      }
      await admin.end();
      await databases.drop();
    },
  };
}

/** Runs that were started here would wait in the shared Temporal for a worker, and for rows that are gone. */
async function endRuns(owners: readonly string[]): Promise<void> {
  await withTemporal(
    (client) =>
      Promise.allSettled(
        owners.map((owner) => client.workflow.getHandle(owner).terminate('The test is over.')),
      ), // Most were never started, or have been ended before.
  );
}

/** What the shared Temporal knows, asked as nobody of the API asks it. */
export async function withTemporal<Result>(
  ask: (client: Client) => Promise<Result>,
): Promise<Result> {
  const { address, namespace } = (await testStack()).temporal;
  const connection = await Connection.connect({ address });
  try {
    return await ask(new Client({ connection, namespace }));
  } finally {
    await connection.close();
  }
}

/** A reference of this test only. Tests share Temporal, and a gid there is never free again. */
export const aReference = (): string => `O-${randomBytes(8).toString('hex')}`;

/** A start as the API hands it over; its input is that of no flow, for no worker runs it. */
export function aStart(more: Partial<NewRun> = {}, reference = aReference()): NewRun {
  const gid = `order:acme.${reference}` as const;
  const deadlineAt = Date.now() + 3_600_000;
  const input = { gid, tenant: 'acme', flow: 'order', deadlineAt, undoBudgetMs: 1 };
  return {
    input,
    inputJson: Buffer.from(JSON.stringify(input)),
    reference,
    operation: 'POST /v1/orders',
    idempotencyKey: reference,
    fingerprint: { digest: randomBytes(32), fields: {} },
    requester: null,
    acceptedAt: new Date(),
    ...more,
  };
}

/** Without an id the API makes one. */
export const anOrder = (orderId: string | undefined, more: object = {}) => ({
  orderId,
  customerId: 'C-7',
  lines: [{ sku: 'S-1', quantity: 2, unitPrice: { currency: 'EUR', minorUnits: 625 } }],
  payment: { accountId: 'A-1', amount: { currency: 'EUR', minorUnits: 1250 } },
  ...more,
});

/** Rows of the participants, as their own activities would have left them. */
export const anAccountRow = (id: string, more: object = {}) => ({
  id,
  tenant: id.split('.')[0],
  kind: 'customer',
  currency: 'EUR',
  ...more,
});
export const aPaymentRow = (id: string, more: object = {}) => ({
  payment_id: id,
  tenant: id.split('.')[0],
  payer_id: 'acme.A-1',
  payee_id: 'acme.A-2',
  currency: 'EUR',
  amount: 1_000,
  requested_by: 'acme-owner',
  gid: `payment:${id}`,
  branch: 'openPayment',
  ...more,
});
export const aSettlementRow = (id: string, more: object = {}) => ({
  settlement_id: id,
  tenant: id.split('.')[0],
  currency: 'EUR',
  day: '2026-01-01',
  closes_at: '2026-01-02 00:00:00.000',
  requested_by: 'acme-owner',
  gid: `settlement:${id}`,
  ...more,
});

export const anApprovalRow = (id: string, more: object = {}) => ({
  id,
  tenant: 'acme',
  kind: 'createKey',
  action: JSON.stringify({
    ...{ kind: 'createKey', keyId: 'K-1', owner: 'shop', scopes: ['admin:keys'] },
    ...{ expiresAt: null, secretSha256: '0'.repeat(64) },
  }),
  rule: 'grants_power',
  asked_by: 'alice',
  asked_people: '["alice"]',
  asked_at: new Date(),
  expires_at: new Date(Date.now() + 1_800_000),
  ...more,
});

/** A port on which nothing listens: connections are refused at once. */
export const deadPort = '127.0.0.1:1';
