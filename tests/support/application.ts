import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';

import { Client } from '@temporalio/client';
import type { Connection as SqlConnection } from 'mysql2/promise';

import { makerAtHand, newKey } from '../../api/http/authentication';
import { bytesAsText, openConnection } from '../../runtime/mysql/door';
import { scopes } from '../../api/http/scopes';
import {
  allowFaults,
  createApplication,
  programArguments,
  type Role,
  type Variables,
} from '../../testing/environment/application';
import { build } from '../../testing/environment/build';
import { databases, type Database } from '../../runtime/databases/shop';
import { seed } from '../../scripts/seed';
import { environmentWith } from '../../testing/stack/config';
import { freePort } from '../../runtime/ports';
import { signal, type OwnedProcess } from '../../testing/stack/process';
import { openNamespace } from '../../testing/environment/isolated-environment';
import { ownDatabases, type OwnDatabases } from './databases';
import { eventually } from './eventually';
import { ownKafka, type OwnKafka } from './kafka';
import { testStack } from './stack';

/**
 * The application as production runs it, of one test file alone: processes from `dist/`, its own databases, namespace
 * and topics, and a tenant with stock and accounts.
 */
export interface OwnApplication {
  readonly tenant: string;
  readonly databases: OwnDatabases;
  readonly kafka: OwnKafka;
  readonly temporal: Client;
  start(role: Role, name?: string, variables?: Variables): Promise<OwnedProcess>;
  /** A process of which the test is the parent, so that its exit code is seen. It need not be ready yet. */
  spawn(role: Role, variables?: Variables): ChildProcess;
  /** As SIGTERM from a supervisor, or SIGKILL from the kernel; answers when the process is gone. */
  end(name: string, how: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  isRunning(name: string): boolean;
  /** One more API process than `api`, on a port of its own. @returns its address. */
  startApi(name: string, variables?: Variables): Promise<string>;
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** Rows as the administrator reads them: bytes are text, digits stay digits. */
  sql<Row extends object>(
    database: Database,
    statement: string,
    values?: unknown[],
  ): Promise<Row[]>;
  /** Ends every process, drops everything. */
  close(): Promise<void>;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly key?: string;
  readonly waitSeconds?: number;
  /** Until what to wait; left out: until it is decided. */
  readonly until?: 'ending';
  /** Left out: whatever it is. */
  readonly accept?: string;
  /** Another API process than `api`. */
  readonly at?: string;
  /** As another person, who has started nothing yet. */
  readonly asReviewer?: true;
}
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** What the answer says, empty where it is no JSON; of the fields that a test asks for, it expects what they are. */
  readonly body: Readonly<Record<string, unknown>>;
}

export async function ownApplication(): Promise<OwnApplication> {
  const stack = await testStack();
  const name = `e2e-${randomBytes(4).toString('hex')}`;
  const [own, kafka, namespace, apiPort] = await Promise.all([
    ownDatabases(databases),
    ownKafka(),
    openNamespace(stack.temporal.address, name),
    freePort(),
    build(),
  ]);
  const tenant = 'acme';
  await seed(own.urls, tenant);
  const application = createApplication({
    stack,
    namespace: namespace.name,
    urls: own.urls,
    topicPrefix: kafka.settings.topicPrefix,
    label: `${name}-`,
    apiPort,
    apiSecret: randomBytes(24).toString('base64url'),
    variables: allowFaults,
  });
  const connections = new Map<Database, Promise<SqlConnection>>();
  const started = new Set<string>();
  const children = new Set<ChildProcess>();

  const sql: OwnApplication['sql'] = async (database, statement, values = []) => {
    const open =
      connections.get(database) ?? openConnection({ url: own.adminUrl(database), ...reading });
    connections.set(database, open);
    const [rows] = await (await open).query(statement, values);
    return rows as never; // The caller names the columns that it asks for.
  };
  const authorization = `Bearer ${await addKey(sql, tenant, 'test')}`;
  const reviewer = `Bearer ${await addKey(sql, tenant, 'reviewer')}`;

  const start: OwnApplication['start'] = async (role, as = role, variables = {}) => {
    started.add(as);
    await application.start(role, as, variables);
    const running = application.process(as);
    if (!running) throw new Error(`${as} ended as soon as it was ready.`);
    return running;
  };

  return {
    tenant,
    databases: own,
    kafka,
    temporal: new Client({ connection: namespace.connection, namespace: namespace.name }),
    start,
    spawn(role, variables = {}) {
      const child = spawn(process.execPath, programArguments(role), {
        env: environmentWith({ ...application.environment, ...variables }),
        stdio: 'ignore',
      });
      children.add(child);
      return child;
    },
    async end(as, how) {
      const running = application.process(as);
      if (!running) throw new Error(`${as} is not running.`);
      signal(running, how);
      await eventually(() => application.process(as) === undefined, {
        withinMs: 25_000,
        what: `the end of ${as}`,
      });
    },
    isRunning: (as) => application.process(as) !== undefined,
    async startApi(as, variables = {}) {
      const port = await freePort();
      await start('api', as, { API_PORT: String(port), ...variables });
      return `http://127.0.0.1:${port}`;
    },
    async request(method, path, options = {}) {
      const { body, key, waitSeconds, until, accept, at = application.apiUrl } = options;
      const wait =
        waitSeconds !== undefined && `wait=${waitSeconds}${until ? `, until=${until}` : ''}`;
      const answer = await fetch(`${at}${path}`, {
        method,
        headers: {
          authorization: options.asReviewer ? reviewer : authorization,
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(method === 'POST' && { 'idempotency-key': key ?? randomBytes(8).toString('hex') }),
          ...(wait && { prefer: wait }),
          ...(accept !== undefined && { accept }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      const isJson = /json/.test(answer.headers.get('content-type') ?? '');
      const { status, headers } = answer;
      return { status, headers, text, body: isJson ? parsed(text) : {} };
    },
    sql,
    async close() {
      for (const child of children) child.kill('SIGKILL');
      await Promise.all([...started].map((as) => application.stop(as)));
      for (const open of connections.values()) await (await open).end();
      await Promise.all([own.drop(), kafka.drop(), namespace.drop()]);
    },
  };
}

function parsed(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error(`Not an object: ${text}`);
  return { ...value };
}

const reading = { supportBigNumbers: true, bigNumberStrings: true, typeCast: bytesAsText };

async function addKey(sql: OwnApplication['sql'], tenant: string, owner: string): Promise<string> {
  const grant = {
    realm: 'tenant' as const,
    tenant,
    owner,
    scopes,
    createdAt: new Date(),
    expiresAt: null,
  };
  const { key, credential } = newKey({ ...grant, maker: makerAtHand(owner) });
  await sql(
    'accord',
    'INSERT INTO api_keys (key_id, tenant, owner, people, secret_sha256, scopes, created_at) VALUES (?)',
    [
      [
        ...[key.keyId, tenant, key.owner, JSON.stringify(key.people), key.secretSha256],
        ...[JSON.stringify(scopes), key.createdAt],
      ],
    ],
  );
  return credential;
}

/** An order of one line, by a customer of its own unless it is given. */
export function anOrder({
  account = 'A-1',
  sku = 'S-1',
  quantity = 1,
  unitPrice = 100,
  deadlineMs,
}: {
  readonly account?: string;
  readonly sku?: string;
  readonly quantity?: number;
  readonly unitPrice?: number;
  readonly deadlineMs?: number;
} = {}) {
  const id = randomBytes(6).toString('hex');
  return {
    orderId: `O-${id}`,
    customerId: `C-${id}`,
    lines: [{ sku, quantity, unitPrice: { currency: 'EUR', minorUnits: unitPrice } }],
    payment: {
      accountId: account,
      amount: { currency: 'EUR', minorUnits: unitPrice * quantity },
    },
    ...(deadlineMs !== undefined && { deadlineMs }),
  };
}

/** A checkout of one line, by a customer of its own; a coupon's discount is taken off. */
export function aCheckout({
  account = 'A-1',
  sku = 'S-1',
  quantity = 1,
  unitPrice = 500,
  coupon,
}: {
  readonly account?: string;
  readonly sku?: string;
  readonly quantity?: number;
  readonly unitPrice?: number;
  readonly coupon?: { readonly code: string; readonly discount: number };
} = {}) {
  const { payment, ...order } = anOrder({ account, sku, quantity, unitPrice });
  const minorUnits = unitPrice * quantity - (coupon?.discount ?? 0);
  return {
    ...order,
    ...(coupon && { couponCode: coupon.code }),
    payment: { ...payment, amount: { currency: 'EUR', minorUnits } },
  };
}

/** A payment to the merchant. */
export function aPayment({
  from = 'A-1',
  to = 'merchant-EUR',
  minorUnits = 100,
}: {
  readonly from?: string;
  readonly to?: string;
  readonly minorUnits?: number;
} = {}) {
  return {
    paymentId: `P-${randomBytes(6).toString('hex')}`,
    fromAccount: from,
    toAccount: to,
    amount: { currency: 'EUR', minorUnits },
  };
}
