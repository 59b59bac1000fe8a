/** Payments of many payers into one merchant account, so many in flight: what one hot row lets through. */
import { randomUUID } from 'node:crypto';

import type { Connection, RowDataPacket } from 'mysql2/promise';
import { z } from 'zod';

import { businessIdOf, gidOf } from '../../contracts/engine/ids';
import { checkInvariants } from '../verify/verification';
import { authorizationOf } from '../environment/credentials';
import { databasePrefix } from '../../runtime/databases/names';
import type { LocalApplication } from '../environment/local-application';
import { seed, seedCustomers } from '../../scripts/seed';
import { reasonOf } from '../../runtime/waiting';
import { latencyOf, type Latency } from './latency';
import { usedSince, type CpuSeconds } from './machine';
import { sqlRetriesOf } from './worker-metrics';
import { openConnection } from '../../runtime/mysql/door';

export interface Load {
  readonly payments: number;
  /** Most payments that are accepted and not ended at one time. */
  readonly inFlight: number;
}

export interface Observer {
  /** Is told what is being done. */
  readonly say: (line: string) => void;
  readonly cpuNow: () => CpuSeconds;
}

export interface HotAccountFigures {
  readonly seconds: number;
  readonly paymentsPerSecond: number;
  /** Time from the request to the answer that says *authorised*. */
  readonly earlyAnswer: Latency;
  /** Time from the request to the ending. */
  readonly ending: Latency;
  /** SQL transactions that workers rolled back and tried again: what the callers have not seen. */
  readonly sqlRetries: number;
  readonly cpu: CpuSeconds;
}

/** A count and what it must be: what makes a figure worth anything. */
export interface Counter {
  readonly name: string;
  readonly seen: string;
  readonly expected: string;
}

export interface Measurement {
  readonly figures: HotAccountFigures;
  readonly counters: readonly Counter[];
}

const minorUnits = 100;
const merchant = 'merchant-EUR';
/** Not measured: plans, caches and compilers are cold. */
const warmUpPayments = 50;
const waitSeconds = 30;
/** Above what any load here may take: a payment that is late is undone. */
const deadlineMs = 1_200_000;
const endedWithinMs = 600_000;

const answerSchema = z.looseObject({
  gid: z.string(),
  /** An early answer has none. */
  state: z.string().optional(),
  payment: z.looseObject({ status: z.string() }).optional(),
});

/** One payment as its caller saw it. */
interface Paid {
  readonly earlyMs: number | undefined;
  readonly endedMs: number;
  readonly state: string;
  /** Answers that were neither 200 nor 202, and answers that never came. The first one ends its waiting. */
  readonly errors: readonly string[];
}

export async function measureHotAccount(
  local: LocalApplication,
  load: Load,
  { say, cpuNow }: Observer,
): Promise<Measurement> {
  const { urls, stack, application } = local;
  const tenant = `bench${Date.now().toString(36)}`; // A tenant of this measurement only.
  const all = warmUpPayments + load.payments;
  say(`Opening ${all} payers: one payment each, so that only the merchant is hot …`);
  await seed(urls, tenant);
  const payers = Array.from({ length: all }, (_, at) => `payer-${at}`);
  await seedCustomers(urls, tenant, payers, minorUnits);
  const scopes = ['tx:start', 'tx:read'] as const;
  const pay = payer(application.apiUrl, {
    tenant,
    authorization: await authorizationOf(urls.API_DATABASE_URL, { tenant, owner: 'bench', scopes }),
  });
  const admin = await openConnection({ url: stack.mysql.adminUrl, supportBigNumbers: true });
  try {
    const warm = await inLanes(payers.slice(0, warmUpPayments), load.inFlight, pay);
    say(`${load.payments} payments, ${load.inFlight} in flight …`);
    const retriesBefore = await sqlRetriesOf(local);
    const cpuBefore = cpuNow();
    const began = performance.now();
    const paid = await inLanes(payers.slice(warmUpPayments), load.inFlight, pay);
    const seconds = (performance.now() - began) / 1_000;
    const cpu = usedSince(cpuBefore, cpuNow());
    return {
      figures: {
        seconds,
        paymentsPerSecond: load.payments / seconds,
        earlyAnswer: latencyOf(paid.flatMap(({ earlyMs }) => earlyMs ?? [])),
        ending: latencyOf(paid.map(({ endedMs }) => endedMs)),
        sqlRetries: (await sqlRetriesOf(local)) - retriesBefore,
        cpu,
      },
      counters: await countersOf(local, admin, tenant, [...warm, ...paid]),
    };
  } finally {
    await admin.end();
  }
}

/** Each lane takes the next one as soon as its last has ended. */
async function inLanes<Item, Result>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const next = items.values();
  await Promise.all(
    Array.from({ length: Math.min(lanes, items.length) }, async () => {
      for (const item of next) results.push(await work(item)); // One iterator for all: each item is taken once.
    }),
  );
  return results;
}

/** @returns what pays once from an account, waits for the early answer, then for the ending. */
function payer(
  apiUrl: string,
  { tenant, authorization }: { readonly tenant: string; readonly authorization: string },
): (account: string) => Promise<Paid> {
  return async (account) => {
    const errors: string[] = [];
    const headers = { authorization, prefer: `wait=${waitSeconds}` };
    const began = performance.now();
    const since = (): number => performance.now() - began;

    async function ask(path: string, init: RequestInit) {
      try {
        const answer = await fetch(`${apiUrl}${path}`, init);
        const text = await answer.text();
        if (answer.ok) return answerSchema.parse(JSON.parse(text));
        errors.push(`${answer.status} ${text}`);
      } catch (error) {
        errors.push(reasonOf(error)); // Cut off: what became of it, the counters tell.
      }
      return undefined;
    }

    const idempotencyKey = randomUUID(); // Sent again with it, a payment that is not decided yet is waited for again.
    const post = () =>
      ask('/v1/payments', {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          'idempotency-key': idempotencyKey,
        },
        body: JSON.stringify({
          paymentId: account,
          fromAccount: account,
          toAccount: merchant,
          amount: { currency: 'EUR', minorUnits },
          deadlineMs,
        }),
      });
    let status: string | undefined;
    while (status === undefined && errors.length === 0 && since() < endedWithinMs) {
      status = (await post())?.payment?.status;
    }
    const earlyMs = status === 'authorised' ? since() : undefined;
    if (errors.length > 0) return { earlyMs, endedMs: since(), state: 'not accepted', errors };

    const path = `/v1/transactions/${gidOf('payment', businessIdOf(tenant, account))}`;
    let state = 'not ended';
    while (!isEnded(state) && errors.length === 0 && since() < endedWithinMs) {
      state = (await ask(path, { headers }))?.state ?? state;
    }
    return { earlyMs, endedMs: since(), state, errors };
  };
}

const isEnded = (state: string): boolean => state === 'completed' || state === 'compensated';

/** What must be so at the end, however quick it was. */
async function countersOf(
  { urls }: LocalApplication,
  admin: Connection,
  tenant: string,
  paid: readonly Paid[],
): Promise<readonly Counter[]> {
  const all = String(paid.length);
  const errors = paid.flatMap((each) => each.errors);
  for (const error of errors.slice(0, 3)) console.error(error);
  const one = async (sql: string, values: readonly unknown[]): Promise<string> => {
    const [[row]] = await admin.query<(RowDataPacket & { n: string | number })[]>(sql, [...values]);
    return String(row?.n ?? 'none');
  };
  const accounts = `\`${databasePrefix}accounts\`.accounts`;
  const runs = `\`${databasePrefix}accord\`.runs`;
  const merchantId = businessIdOf(tenant, merchant);
  const { violations } = await checkInvariants(urls.VERIFY_DATABASE_URLS);
  return [
    {
      name: 'accepted: rows of accord.runs',
      seen: await one(`SELECT COUNT(*) AS n FROM ${runs} WHERE tenant = ?`, [tenant]),
      expected: all,
    },
    {
      name: 'answered early as authorised',
      seen: String(paid.filter(({ earlyMs }) => earlyMs !== undefined).length),
      expected: all,
    },
    {
      name: 'completed, as the callers saw it',
      seen: String(paid.filter(({ state }) => state === 'completed').length),
      expected: all,
    },
    {
      name: 'errors that callers saw, deadlocks and time-outs among them',
      seen: String(errors.length),
      expected: '0',
    },
    {
      name: 'balance of the merchant, in cents',
      seen: await one(`SELECT balance AS n FROM ${accounts} WHERE id = ?`, [merchantId]),
      expected: String(paid.length * minorUnits),
    },
    {
      name: 'left with the payers, free or held',
      seen: await one(
        `SELECT COALESCE(SUM(balance + held), 0) AS n FROM ${accounts} WHERE tenant = ? AND id LIKE ?`,
        [tenant, businessIdOf(tenant, 'payer-%')],
      ),
      expected: '0',
    },
    { name: 'violations of the books', seen: String(violations.length), expected: '0' },
  ];
}
