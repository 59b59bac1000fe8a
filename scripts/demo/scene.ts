/** What a run of the demo may use: the API as any client does, and hands that reach in from outside. */
import { randomUUID } from 'node:crypto';

import { Client, Connection } from '@temporalio/client';
import { createConnection, type Connection as SqlConnection } from 'mysql2/promise';
import { z } from 'zod';

import { newKey } from '../../api/authentication';
import { openKeys } from '../../api/dependencies';
import { expandScopes } from '../../api/scopes';
import { businessIdOf, gidOf, type Gid } from '../../contracts/ids';
import type { Application } from '../application';
import { databasePrefix, type Database } from '../databases';
import type { LocalApplication } from '../local-application';
import { pause } from '../stack/waiting';

const stepSchema = z.object({
  name: z.string(),
  state: z.string(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  fence: z.string().nullable(),
  detail: z.string().nullable(),
});
const answerSchema = z.looseObject({
  gid: z.string(),
  state: z.string(),
  version: z.number().optional(),
  reason: z.looseObject({ code: z.string() }).nullable().optional(),
  steps: z.array(stepSchema).optional(),
});
/** A transaction as the API tells of it: its row, or its ending. */
export type Told = z.infer<typeof answerSchema>;
export type ToldStep = z.infer<typeof stepSchema>;

export interface OrderRequest {
  readonly name: string;
  readonly account: string;
  readonly sku: string;
  readonly quantity: number;
  readonly unitPrice: number;
}

/** A call that a worker is busy with. */
export interface CallInHand {
  readonly activity: string;
  readonly workerPid: number;
  /** The cancel has come to it; whether it obeys is its own affair. */
  readonly isCancelAsked: boolean;
}

export interface Scene {
  readonly tenant: string;
  readonly application: Application;
  gidOf(order: OrderRequest): Gid;
  /** Places an order; answers with its ending, or at once with its row where `waitSeconds` is 0. */
  place(order: OrderRequest, waitSeconds: number): Promise<Told>;
  /** Waits for the ending, or for being parked. */
  settled(gid: Gid): Promise<Told>;
  /** Waits for the ending, also of one whose row still says parked. */
  ended(gid: Gid): Promise<Told>;
  /** The whole story, with its steps. */
  explain(gid: Gid): Promise<Told>;
  cancel(gid: Gid): Promise<Told>;
  retry(gid: Gid, step: string, version: number): Promise<Told>;
  /**
   * Keeps the row of an account locked in a session of its own: a slow database, as the application sees it.
   * @returns what lets go of it.
   */
  lockAccount(account: string): Promise<() => Promise<void>>;
  /** Changes a fence row behind the back of everybody. */
  tamper(database: Database, gid: Gid, branch: string, from: string, to: string): Promise<void>;
  /** Waits until a worker is busy with this activity of a run, and the call is as `isWanted` wants it. */
  callInHand(
    gid: Gid,
    activity: string,
    isWanted?: (call: CallInHand) => boolean,
  ): Promise<CallInHand>;
  /** Rows that the administrator reads. */
  rows<Row extends object>(
    database: Database,
    sql: string,
    values: readonly unknown[],
  ): Promise<Row[]>;
  close(): Promise<void>;
}

const endingWithinSeconds = 30;
const inHandWithinMs = 15_000;
/** PendingActivityState of the service's protocol. */
const cancelRequested = 3;

/** @param tenant of this demo alone, seeded: nothing that an earlier one left can change a number. */
export async function openScene(local: LocalApplication, tenant: string): Promise<Scene> {
  const { stack, application, urls } = local;
  const authorization = `Bearer ${await keyOf(urls.API_DATABASE_URL, tenant)}`;
  const admin = await createConnection(adminOptions(stack.mysql.adminUrl));
  const connection = await Connection.connect({ address: stack.temporal.address });
  const temporal = new Client({ connection, namespace: stack.temporal.namespace });

  async function request(
    method: string,
    path: string,
    body?: object,
    waitSeconds = 0,
  ): Promise<Told> {
    const answer = await fetch(`${application.apiUrl}${path}`, {
      method,
      headers: {
        authorization,
        ...(method === 'POST' && { 'idempotency-key': randomUUID() }),
        ...(body && { 'content-type': 'application/json' }),
        ...(waitSeconds > 0 && { prefer: `wait=${waitSeconds}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
    return answerSchema.parse(JSON.parse(text));
  }

  const gidOfOrder = ({ name }: OrderRequest): Gid => gidOf('order', businessIdOf(tenant, name));
  const settled = (gid: Gid): Promise<Told> =>
    request('GET', `/v1/transactions/${gid}`, undefined, endingWithinSeconds);

  return {
    tenant,
    application,
    gidOf: gidOfOrder,
    place: (order, waitSeconds) => request('POST', '/v1/orders', bodyOf(order), waitSeconds),
    settled,
    async ended(gid) {
      const deadline = Date.now() + endingWithinSeconds * 1_000;
      let told = await settled(gid);
      while (told.state === 'parked' && Date.now() < deadline) {
        await pause(50);
        told = await settled(gid);
      }
      return told;
    },
    explain: (gid) => request('GET', `/v1/transactions/${gid}/explain`),
    cancel: (gid) => request('POST', `/v1/transactions/${gid}/cancel`),
    retry: (gid, step, version) =>
      request('POST', `/v1/transactions/${gid}/retry`, { step, expect: { version } }),
    async lockAccount(account) {
      const session = await createConnection(adminOptions(stack.mysql.adminUrl));
      await session.query('START TRANSACTION');
      await session.query(
        `SELECT id FROM ${table('accounts', 'accounts')} WHERE id = ? FOR UPDATE`,
        [businessIdOf(tenant, account)],
      );
      return () => session.end(); // Ends the transaction, too.
    },
    async tamper(database, gid, branch, from, to) {
      const sql = `UPDATE ${table(database, 'fence')} SET state = ? WHERE gid = ? AND branch = ? AND state = ?`;
      const [result] = await admin.query(sql, [to, gid, branch, from]);
      const isChanged = 'affectedRows' in result && result.affectedRows === 1;
      if (!isChanged) throw new Error(`The fence row ${gid}/${branch} was not ${from}.`);
    },
    async callInHand(gid, activity, isWanted = () => true) {
      const deadline = Date.now() + inHandWithinMs;
      while (Date.now() < deadline) {
        const { raw } = await temporal.workflow.getHandle(gid).describe();
        const call = (raw.pendingActivities ?? []).find(
          ({ activityType, lastWorkerIdentity }) =>
            activityType?.name === activity && lastWorkerIdentity,
        );
        const inHand = {
          activity,
          workerPid: Number.parseInt(call?.lastWorkerIdentity ?? '', 10), // `<pid>@<host>`
          isCancelAsked: Number(call?.state) === cancelRequested,
        };
        if (inHand.workerPid > 0 && isWanted(inHand)) return inHand;
        await pause(20);
      }
      throw new Error(`${activity} of ${gid} was not in hand within ${inHandWithinMs / 1_000} s.`);
    },
    rows: (database, sql, values) => rowsOf(admin, database, sql, values),
    async close() {
      await admin.end();
      await connection.close();
    },
  };
}

const table = (database: Database, name: string): string =>
  `\`${databasePrefix}${database}\`.${name}`;

async function rowsOf<Row extends object>(
  admin: SqlConnection,
  database: Database,
  sql: string,
  values: readonly unknown[],
): Promise<Row[]> {
  await admin.changeUser({ database: `${databasePrefix}${database}` });
  const [rows] = await admin.query(sql, [...values]);
  return rows as Row[]; // The caller names the columns that it asks for.
}

/** Bytes are text: ids are VARBINARY. */
const adminOptions = (uri: string) => ({
  uri,
  typeCast: (
    field: { type: string; string: (encoding?: string) => string | null },
    next: () => unknown,
  ) => (field.type === 'VAR_STRING' ? field.string('utf8') : next()),
});

async function keyOf(apiDatabaseUrl: string, tenant: string): Promise<string> {
  const createdAt = new Date();
  const { key, credential } = newKey({
    tenant,
    owner: 'demo',
    scopes: expandScopes(['tx:start', 'tx:read', 'tx:cancel', 'ops']),
    createdAt,
    expiresAt: new Date(createdAt.getTime() + 24 * 3_600_000),
  });
  const { keys, close } = openKeys(apiDatabaseUrl);
  try {
    await keys.add(key);
  } finally {
    await close();
  }
  return credential;
}

/** Each order has a customer of its own: none waits for another's lock. */
const bodyOf = ({ name, account, sku, quantity, unitPrice }: OrderRequest): object => ({
  orderId: name,
  customerId: `C-${name}`,
  lines: [{ sku, quantity, unitPrice: { currency: 'EUR', minorUnits: unitPrice } }],
  payment: {
    accountId: account,
    amount: { currency: 'EUR', minorUnits: quantity * unitPrice },
  },
});
