/**
 * What one transaction costs the database: statements, durable commits and flushes of logs, counted by MySQL itself.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import type { Connection, RowDataPacket } from 'mysql2/promise';
import { z } from 'zod';

import { authorizationOf } from '../environment/credentials';
import type { LocalApplication } from '../environment/local-application';
import { seed } from '../../scripts/seed';
import { openConnection } from '../../runtime/mysql/door';

export interface CostFigures {
  readonly flow: string;
  readonly transactions: number;
  /** Statements of all processes for one transaction. What they send while idle is subtracted. */
  readonly statements: number;
  readonly commits: number;
  readonly logFlushes: number;
  readonly completed: number;
}

const endedSchema = z.looseObject({ gid: z.string(), state: z.string().optional() });
const money = (minorUnits: number) => ({ currency: 'EUR', minorUnits });
/** Events reach Kafka and views within this. */
const quietMs = 3_000;
const idleMs = 15_000;
const waitSeconds = 30;

const flows = [
  {
    flow: 'order',
    path: '/v1/orders',
    bodyOf: (id: string) => ({
      ...{ orderId: id, customerId: 'C-1' },
      lines: [{ sku: 'S-1', quantity: 1, unitPrice: money(100) }],
      payment: { accountId: 'A-1', amount: money(100) },
    }),
  },
  {
    flow: 'transfer',
    path: '/v1/transfers',
    bodyOf: (id: string) => ({ transferId: id, from: 'A-2', to: 'A-3', amount: money(100) }),
  },
  {
    flow: 'payment',
    path: '/v1/payments',
    bodyOf: (id: string) => ({
      ...{ paymentId: id, fromAccount: 'A-1', toAccount: 'merchant-EUR', amount: money(100) },
    }),
  },
] as const;

/** One at a time, each waited for to its ending: nothing shares a flush. */
export async function measureCosts(
  { urls, stack, application }: LocalApplication,
  transactions: number,
  say: (line: string) => void,
): Promise<readonly CostFigures[]> {
  const tenant = `bench${Date.now().toString(36)}`;
  await seed(urls, tenant);
  const scopes = ['tx:start', 'tx:read'] as const;
  const authorization = await authorizationOf(urls.API_DATABASE_URL, {
    ...{ tenant, owner: 'bench', scopes },
  });
  const admin = await openConnection({ url: stack.mysql.adminUrl });
  const play = async (path: string, body: object): Promise<boolean> => {
    const ask = async (
      at: string,
      init: { readonly method?: string; readonly body?: string } = {},
      more: Readonly<Record<string, string>> = {},
    ) => {
      const answer = await fetch(`${application.apiUrl}${at}`, {
        ...init,
        headers: { ...more, authorization, prefer: `wait=${waitSeconds}` },
      });
      return endedSchema.parse(await answer.json());
    };
    let { gid, state } = await ask(
      path,
      { method: 'POST', body: JSON.stringify(body) },
      { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
    );
    for (let tries = 0; tries < 10 && state !== 'completed' && state !== 'compensated'; tries += 1)
      ({ gid, state } = await ask(`/v1/transactions/${gid}`));
    return state === 'completed';
  };
  try {
    for (const { path, bodyOf } of flows) await play(path, bodyOf('warm-up'));
    await delay(quietMs);
    say(`${idleMs / 1_000} s without a transaction …`);
    const idle = await countersOver(admin, () => delay(idleMs));
    const figures: CostFigures[] = [];
    for (const { flow, path, bodyOf } of flows) {
      say(`${transactions} of ${flow}, one at a time …`);
      let completed = 0;
      const seen = await countersOver(admin, async () => {
        for (let at = 0; at < transactions; at += 1)
          if (await play(path, bodyOf(`${flow}-${at}`))) completed += 1;
        await delay(quietMs);
      });
      const of = (name: keyof Counters): number =>
        Math.max(0, seen[name] - (idle[name] * seen.ms) / idle.ms) / transactions;
      figures.push({
        ...{ flow, transactions, completed },
        statements: of('statements'),
        commits: of('commits'),
        logFlushes: of('logFlushes'),
      });
    }
    return figures;
  } finally {
    await admin.end();
  }
}

interface Counters {
  readonly ms: number;
  readonly statements: number;
  readonly commits: number;
  readonly logFlushes: number;
}

async function countersOver(admin: Connection, work: () => Promise<unknown>): Promise<Counters> {
  const before = await countersOf(admin);
  await work();
  const after = await countersOf(admin);
  return {
    ms: after.ms - before.ms,
    statements: after.statements - before.statements,
    commits: after.commits - before.commits,
    logFlushes: after.logFlushes - before.logFlushes,
  };
}

/** Each statement is one round trip. A SQL transaction that changed rows is one in the binary log. */
async function countersOf(admin: Connection): Promise<Counters> {
  const [rows] = await admin.query<(RowDataPacket & { Variable_name: string; Value: string })[]>(
    `SHOW GLOBAL STATUS WHERE Variable_name IN ('Questions', 'Binlog_cache_use', 'Innodb_os_log_fsyncs')`,
  );
  const of = (name: string): number =>
    Number(rows.find((row) => row.Variable_name === name)?.Value);
  return {
    ms: performance.now(),
    statements: of('Questions'),
    commits: of('Binlog_cache_use'),
    logFlushes: of('Innodb_os_log_fsyncs'),
  };
}
