/** What a run of the demo may use: the API as any client does, and hands that reach in from outside. */
import { randomUUID } from 'node:crypto';

import { Client } from '@temporalio/client';
import type { Connection as SqlConnection } from 'mysql2/promise';
import { z } from 'zod';

import { bytesAsText, openConnection } from '../../runtime/mysql/door';
import { businessIdOf, gidOf, type Flow, type Gid } from '../../contracts/engine/ids';
import { authorizationOf } from '../../testing/environment/credentials';
import { databasePrefix } from '../../runtime/databases/names';
import { type Database } from '../../runtime/databases/shop';
import type { LocalApplication } from '../../testing/environment/local-application';
import { connectTemporal } from '../../testing/stack/temporal-client';
import { pause } from '../../runtime/waiting';

/** A transaction as a client starts it. */
export interface Start {
  readonly flow: Flow;
  /** The client's own id; with flow and tenant it makes the gid. */
  readonly reference: string;
  readonly path: string;
  readonly body: object;
}

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

const startedSchema = z.looseObject({
  gid: z.string(),
  /** Payments only: the early status. */
  payment: z.looseObject({ status: z.string() }).optional(),
});
type Started = z.infer<typeof startedSchema>;
export type ToldStep = z.infer<typeof stepSchema>;

/** A call that a worker is busy with. */
export interface CallInHand {
  readonly activity: string;
  readonly workerPid: number;
  /** The cancel has come to it; whether it obeys is its own affair. */
  readonly isCancelAsked: boolean;
}

export interface Scene {
  readonly tenant: string;
  gidOf(start: Start): Gid;
  /**
   * Starts a transaction; answers with its ending or, a payment, as soon as it is decided; at once where `waitSeconds`
   * is 0.
   */
  start(start: Start, waitSeconds: number): Promise<Started>;
  /** Waits for the ending, or for being parked. */
  settled(gid: Gid): Promise<Told>;
  /** Waits for the ending, also of one whose row still says parked. */
  ended(gid: Gid): Promise<Told>;
  /** The whole story, with its steps. */
  explain(gid: Gid): Promise<Told>;
  cancel(gid: Gid): Promise<Told>;
  retry(gid: Gid, step: string, version: number): Promise<Told>;
  /** As another person, who may: lets a payment go on that is in review. */
  approve(paymentId: string, note: string): Promise<void>;
  /** What a path answers as CSV. */
  csv(path: string): Promise<string>;
  /**
   * Keeps one row of a table locked in a session of its own: a slow database, as the application sees it.
   * @param key the column of its id; left out: `id`. @returns what lets go of it.
   */
  lockRow(
    database: Database,
    table: string,
    id: string,
    key?: string,
  ): Promise<() => Promise<void>>;
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

interface Request {
  readonly body?: object;
  readonly waitSeconds?: number;
  readonly accept?: string;
  /** The header `Authorization` of somebody else. */
  readonly as?: string;
}

const endingWithinSeconds = 30;
const inHandWithinMs = 15_000;
/** PendingActivityState of the service's protocol. */
const cancelRequested = 3;

/** @param tenant of this demo alone, seeded: nothing that an earlier one left can change a number. */
export async function openScene(local: LocalApplication, tenant: string): Promise<Scene> {
  const { stack, application, urls } = local;
  const [client, reviewer] = await Promise.all([
    authorizationOf(urls.API_DATABASE_URL, {
      tenant,
      owner: 'demo',
      scopes: ['tx:start', 'tx:read', 'tx:cancel', 'ops'],
    }),
    authorizationOf(urls.API_DATABASE_URL, {
      tenant,
      owner: 'reviewer',
      scopes: ['tx:read', 'payments:review'],
    }),
  ]);
  const admin = await openConnection({ url: stack.mysql.adminUrl, typeCast: bytesAsText });
  const connection = await connectTemporal(stack.temporal.address);
  const temporal = new Client({ connection, namespace: stack.temporal.namespace });

  async function text(method: string, path: string, request: Request = {}): Promise<string> {
    const { body, waitSeconds = 0, accept = 'application/json', as = client } = request;
    const answer = await fetch(`${application.apiUrl}${path}`, {
      method,
      headers: {
        accept,
        authorization: as,
        ...(method === 'POST' && { 'idempotency-key': randomUUID() }),
        ...(body && { 'content-type': 'application/json' }),
        ...(waitSeconds > 0 && { prefer: `wait=${waitSeconds}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const told = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${told}`);
    return told;
  }
  const ask = async (method: string, path: string, request?: Request): Promise<Told> =>
    answerSchema.parse(JSON.parse(await text(method, path, request)));

  const settled = (gid: Gid): Promise<Told> =>
    ask('GET', `/v1/transactions/${gid}`, { waitSeconds: endingWithinSeconds });

  return {
    tenant,
    gidOf: ({ flow, reference }) => gidOf(flow, businessIdOf(tenant, reference)),
    start: async ({ path, body }, waitSeconds) =>
      startedSchema.parse(JSON.parse(await text('POST', path, { body, waitSeconds }))),
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
    explain: (gid) => ask('GET', `/v1/transactions/${gid}/explain`),
    cancel: (gid) => ask('POST', `/v1/transactions/${gid}/cancel`),
    retry: (gid, step, version) =>
      ask('POST', `/v1/transactions/${gid}/retry`, { body: { step, expect: { version } } }),
    async approve(paymentId, note) {
      const body = { decision: 'approve', note };
      await text('POST', `/v1/payments/${paymentId}/review`, { body, as: reviewer });
    },
    csv: (path) => text('GET', path, { accept: 'text/csv' }),
    async lockRow(database, name, id, key = 'id') {
      const session = await openConnection({ url: stack.mysql.adminUrl, typeCast: bytesAsText });
      await session.query('START TRANSACTION');
      await session.query(`SELECT 1 FROM ${table(database, name)} WHERE ${key} = ? FOR UPDATE`, [
        businessIdOf(tenant, id),
      ]);
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
      throw new Error(`${activity} of ${gid} did not start within ${inHandWithinMs / 1_000} s.`);
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
  await admin.query(`USE \`${databasePrefix}${database}\``);
  const [rows] = await admin.query(sql, [...values]);
  return rows as Row[]; // The caller names the columns that it asks for.
}
