/**
 * Every statement whose tables grow with history: how many rows it makes the server read where as many rows wait as are
 * done, how long it takes, and by which plan. The statements are those that the code sends, seen on their way.
 */
import { randomBytes } from 'node:crypto';

import {
  createSqlPool,
  sqlLimits,
  type SqlLimits,
  type SqlPool,
} from '../../activities/fence/sql-transaction';
import { keptAccountSums } from '../../invariants/shop/account-sums';
import { differingBooks } from '../../activities/reconciliation/books';
import { closeUnseen, recordFindings } from '../../activities/reconciliation/findings-store';
import { openRunsBehind } from '../../activities/reconciliation/open-runs';
import { claimStarts } from '../../activities/reconciliation/owners';
import { judgeReservations } from '../../activities/reconciliation/reservations';
import { settlementsDue } from '../../activities/accounts/scheduled-settlements';
import { unbookedSteps } from '../../activities/reconciliation/unbooked-steps';
import {
  deleteExpiredRows,
  endedAmong,
  expireKeys,
  pageOf,
  stampRows,
} from '../../activities/retention/retention-store';
import { createAccountViewsStore } from '../../api/shop/stores/account-views-store';
import { createAuditStore } from '../../api/stores/audit-store';
import type { Database as ApiDatabase } from '../../api/stores/database';
import type { RunFilter } from '../../api/stores/runs/filter';
import { looksMax } from '../../api/stores/runs/lists';
import { createRunsStore } from '../../api/stores/runs-store';
import type { Finding } from '../../contracts/engine/reconciliation';
import { createDeadLetterStore } from '../../workers/consumers/dead-letter-store';
import { createOrderViewStore } from '../../workers/consumers/order-view/store';
import { createOutboxStore } from '../../workers/relay/outbox-store';
import { relayDefaults } from '../../workers/relay/relay';
import { type Database, type DatabaseUrls, shopDatabases } from '../../runtime/databases/shop';
import { provision, unprovision } from '../../runtime/databases/provision';
import { fillHistory, hotAccount, tenant } from './filled-history';
import { patient } from './filling';
import { latencyOf } from './latency';
import { countingPool, inSession, type StatementReads } from './rows-read';

export interface StatementFigures {
  /** Rows of each table that wait, and as many that are done. */
  readonly rows: number;
  readonly fillSeconds: number;
  readonly statements: readonly StatementFigure[];
}

export interface StatementFigure {
  readonly who: string;
  readonly statement: string;
  /** The most that one of its executions read, and what it may read. */
  readonly rowsRead: number;
  readonly rowsMax: number;
  readonly medianMs: number;
  /** Table, access and index of each step. */
  readonly plan: readonly string[];
}

export const isBounded = ({ rowsRead, rowsMax }: StatementFigure): boolean => rowsRead <= rowsMax;

/** Something that the code does again and again. */
interface Probe {
  readonly who: string;
  /** Rows that one of its statements may read. */
  readonly rowsMax: number;
  readonly run: () => Promise<unknown>;
  /** Once, before it is looked at. */
  readonly prepare?: () => Promise<unknown>;
}

/** What the pools of one database have sent, and who may explain it. */
interface Source {
  readonly admin: SqlPool;
  readonly reads: StatementReads[];
}

/** Bound of a counted subquery: its rows are read once, and counted once. */
const countedTwice = (rows: number): number => 2 * rows + 10;

const timesEach = 5;
const page = 200;
const listed = 20;
const used = ['inventory', 'accounts', 'orders', 'accord'] as const satisfies readonly Database[];

/** Measures in databases of its own, which are dropped at the end. */
export async function measureStatements(
  adminUrl: string,
  rows: number,
  say: (line: string) => void,
): Promise<StatementFigures> {
  const prefix = `t${randomBytes(4).toString('hex')}_`; // What a killed measurement leaves is dropped with what tests leave.
  const password = randomBytes(12).toString('hex');
  const urls = await provision(adminUrl, {
    ...shopDatabases,
    prefix,
    only: used,
    secret: () => password,
  });
  const pools: SqlPool[] = [];
  const open = (url: string, limits: SqlLimits = sqlLimits): SqlPool => {
    const pool = createSqlPool({ url, connectionLimit: 4, limits });
    pools.push(pool);
    return pool;
  };
  const admins = new Map(
    used.map((name) => [name, open(urlOf(adminUrl, `${prefix}${name}`), patient)]),
  );
  try {
    const began = performance.now();
    await fillHistory((name) => poolOf(admins, name), rows, say);
    const fillSeconds = (performance.now() - began) / 1_000;
    const sources: Source[] = [];
    const counted = (url: string): SqlPool => {
      const name = new URL(url).pathname.slice(1 + prefix.length);
      const source = { admin: poolOf(admins, name), reads: [] as StatementReads[] };
      sources.push(source);
      return countingPool(open(url), source.reads);
    };
    const statements: StatementFigure[] = [];
    for (const probe of await probesOf(urls, counted)) {
      say(`  ${probe.who} …`);
      statements.push(...(await figuresOf(probe, sources)));
    }
    return { rows, fillSeconds, statements };
  } finally {
    await Promise.all(pools.map((pool) => pool.close()));
    await unprovision(adminUrl, prefix, { ...shopDatabases, only: used });
  }
}

const poolOf = (pools: ReadonlyMap<string, SqlPool>, name: string): SqlPool => {
  const pool = pools.get(name);
  if (!pool) throw new Error(`${name} is not filled.`);
  return pool;
};

function urlOf(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return url.toString();
}

async function probesOf(
  urls: DatabaseUrls,
  counted: (url: string) => SqlPool,
): Promise<readonly Probe[]> {
  const accord = counted(urls.ACCORD_DATABASE_URL);
  const inventory = counted(urls.INVENTORY_DATABASE_URL);
  const accounts = counted(urls.ACCOUNTS_DATABASE_URL);
  const orders = counted(urls.CONSUMER_DATABASE_URL);
  const [relayUrl = ''] = urls.RELAY_DATABASE_URLS.split(',');
  const outbox = createOutboxStore({
    ...{ database: 'inventory', pool: counted(relayUrl), relayId: 'bench', leaseMs: 3_600_000 },
  });
  const { partitions } = await outbox.holdLeases([]);
  const api = apiDatabase(counted(urls.API_DATABASE_URL));
  const runs = createRunsStore(api, 'main');
  const entries = createAccountViewsStore(apiDatabase(counted(urls.API_ACCOUNTS_DATABASE_URL)));
  const views = createOrderViewStore({ pool: orders, consumer: 'bench' });
  const letters = createDeadLetterStore({ pool: orders, consumer: 'bench' });
  let event = 0;
  const list = (who: string, filter: RunFilter, rowsMax = 10 * (listed + 1)): Probe => ({
    who: `list of transactions, ${who}`,
    rowsMax,
    run: () => runs.list(tenant, filter, listed),
  });
  return [
    {
      who: 'relay: read and mark a batch',
      rowsMax: 2 * relayDefaults.batchRowsMax + 50,
      run: async () => {
        const batch = await outbox.unpublished(partitions, relayDefaults.batchRowsMax);
        await outbox.markPublished(batch.map(({ id }) => id));
      },
    },
    {
      who: 'relay: forget what was published',
      rowsMax: 2 * relayDefaults.cleanUpRowsMax + 50,
      run: () => outbox.forgetPublished(partitions, 60, relayDefaults.cleanUpRowsMax),
    },
    { who: 'relay: leases', rowsMax: 200, run: () => outbox.holdLeases([]) },
    {
      who: 'consumer: apply a set',
      rowsMax: 2_000,
      run: () =>
        views.apply(
          Array.from({ length: page }, () => ({
            eventId: `new-${(event += 1)}`,
            orderId: `${tenant}.new-${event}` as never,
            tenant: tenant as never,
            status: 'created' as const,
            version: 1,
            asOf: new Date(),
            facts: null,
          })),
        ),
    },
    {
      who: 'consumer: bury a record',
      rowsMax: 20,
      run: () =>
        letters.bury(
          {
            ...{ topic: 'bench', partition: 0, offset: String(10_000_000 + (event += 1)) },
            ...{ eventId: null, value: null },
          },
          { error: 'Unreadable.', attempts: 1 },
        ),
    },
    {
      who: 'starter: starts that are due',
      rowsMax: 1_000,
      run: () => runs.dueOwners(50),
    },
    { who: 'starter: confirm what has ended', rowsMax: 1_000, run: () => runs.confirmEnded(200) },
    { who: 'starter: backlog', rowsMax: countedTwice(1_000), run: () => runs.backlog(1_000) },
    {
      who: 'health: what waits for persons',
      rowsMax: countedTwice(1_000),
      run: () => runs.attention(),
    },
    list('no filter', {}),
    list('parked', { states: ['parked'] }),
    list('an ending', { states: ['completed'] }),
    list('a reference that no row has', { reference: 'nope' }),
    list('stuck', { stuck: true }, looksMax + 10 * listed),
    list('an amount at risk', { minAtRisk: 1 }, looksMax + 10 * listed),
    list('a region that no row has', { region: 'nowhere' }, looksMax + 10 * listed),
    {
      who: 'count of transactions, parked',
      rowsMax: countedTwice(looksMax),
      run: () => runs.count(tenant, { states: ['parked'] }),
    },
    {
      who: 'entries of an account',
      rowsMax: 2 * listed + 2,
      run: () => entries.entries(hotAccount, listed),
    },
    {
      who: 'audit',
      rowsMax: 2 * listed + 2,
      run: () => createAuditStore(api).list(tenant, listed),
    },
    {
      who: 'recover: open runs',
      rowsMax: 2_010,
      run: () => openRunsBehind(accord, { after: null, rows: listed }),
    },
    {
      who: 'recover: claim starts',
      rowsMax: 2_010,
      run: async () => {
        const { runs: found } = await openRunsBehind(accord, { after: null, rows: listed });
        await claimStarts(
          accord,
          budget(),
          found.map(({ gid }) => gid),
          () => Promise.resolve(false),
        );
      },
    },
    {
      who: 'reconcile: reservations',
      rowsMax: 2 * page + 10,
      run: () =>
        judgeReservations(accord, inventory, { participant: 'inventory', after: null, rows: page }),
    },
    {
      who: 'reconcile: skipped steps',
      rowsMax: 2 * page + 10,
      run: () => unbookedSteps(accord, { after: null, rows: page }),
    },
    {
      who: 'reconcile: sums of accounts, once they are settled',
      rowsMax: 5_000,
      prepare: () => booksRound(accord, accounts),
      run: () => booksRound(accord, accounts),
    },
    {
      who: 'reconcile: write and end findings',
      rowsMax: 100,
      run: async () => {
        await recordFindings(accord, [{ finding: aFinding, state: 'open' }]);
        await closeUnseen(accord, { since: '2100-01-01 00:00:00', kinds: ['books_differ'] });
      },
    },
    {
      who: 'settleDay: tenants and currencies',
      rowsMax: 100,
      run: () => settlementsDue(accounts, { day: '2026-01-01', after: null, rows: 10 }),
    },
    {
      who: 'retention: fence rows without an end',
      rowsMax: 3_010,
      run: async () => {
        const found = await pageOf(inventory, null);
        const gids = found.rows.map(({ gid }) => gid);
        await stampRows(inventory, [...(await endedAmong(accord, gids))], 1_000_000);
      },
    },
    {
      who: 'retention: fence rows whose end has come',
      rowsMax: 2_010,
      run: () => deleteExpiredRows(inventory),
    },
    { who: 'retention: keys', rowsMax: 2_110, run: () => expireKeys(accord, 24 * 3_600_000) },
  ];
}

async function booksRound(accord: SqlPool, accounts: SqlPool): Promise<void> {
  for (let after: string | null = null; ;) {
    const found: Awaited<ReturnType<typeof differingBooks>> = await differingBooks(
      accord,
      accounts,
      keptAccountSums,
      { participant: 'accounts', after, rows: page },
    );
    if (found.next === null) return;
    after = found.next;
  }
}

const aFinding: Finding = {
  kind: 'books_differ',
  participant: 'accounts',
  gid: null,
  branch: null,
  subject: `balance ${hotAccount}`,
  amounts: [],
  ageSeconds: null,
  detail: 'Planted.',
};

const budget = () => ({ signal: new AbortController().signal, deadline: Infinity });

/** The API's stores on a pool of statements; those that are asked here need no more. */
const apiDatabase = (pool: SqlPool): ApiDatabase =>
  ({
    select: (sql, values) => pool.select(sql, values),
    change: (sql, values) => pool.change(sql, values),
    session: (work) => inSession(pool, work),
  }) satisfies Pick<ApiDatabase, 'select' | 'change' | 'session'> as unknown as ApiDatabase;

/** One figure for each statement, by its text: that of the execution that read most. */
async function figuresOf(
  { who, rowsMax, run, prepare }: Probe,
  sources: readonly Source[],
): Promise<readonly StatementFigure[]> {
  await prepare?.();
  for (const { reads } of sources) reads.length = 0;
  for (let time = 0; time < timesEach; time += 1) await run();
  const figures: StatementFigure[] = [];
  for (const { admin, reads } of sources) {
    for (const statement of new Set(reads.map(({ sql }) => shortened(sql)))) {
      const same = reads.filter(({ sql }) => shortened(sql) === statement);
      const most = same.reduce((one, other) => (other.rows > one.rows ? other : one));
      const medianMs = latencyOf(same.map(({ ms }) => ms)).p50;
      const plan = await planOf(admin, most);
      figures.push({ who, statement, rowsRead: most.rows, rowsMax, medianMs, plan });
    }
  }
  return figures;
}

const shortened = (sql: string): string => sql.replace(/\s+/g, ' ').trim().slice(0, 90);

interface Step {
  readonly table: string | null;
  readonly type: string | null;
  readonly key: string | null;
}

/** Each access once: a statement of many ranges repeats it. */
async function planOf(admin: SqlPool, { sql, values }: StatementReads): Promise<readonly string[]> {
  const steps = await admin.select<Step>(`EXPLAIN FORMAT=TRADITIONAL ${sql}`, values);
  const lines = steps
    .filter(({ table, type }) => table !== null && type !== null && !table.startsWith('<'))
    .map(({ table, type, key }) => `${table} ${type} ${key ?? '–'}`);
  return [...new Set(lines)];
}
