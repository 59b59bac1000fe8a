/**
 * The books, asked in rounds on connections that stay open: sound also beside writers. A check inside of one database
 * reads a snapshot; a check across them reads in an order that makes up for having none.
 */
import { noChecks, oraclesWith, type Checks } from './checks';
import { askAcross } from './cross-database';
import type { Branch, Gid } from '../contracts/engine/ids';
import { openDeclarations } from './endings';
import { openSession, withReadings, type Session, type SessionLimits } from './mysql-session';
import { databasesOf } from './generic';
import type { Oracle, Window } from './oracle';
import { unpublishedOracle } from './unpublished';
import type { Database, Reading } from './reading';
import { differencesIn } from './stored-sums';

/**
 * What a round looks at.
 * `moment`: what holds at any moment, in what changed lately. `ended`: what holds of transactions that ended lately.
 * `whole`: both, of everything that is kept. `late`: events that Kafka should have by now; no rule while it is away.
 */
export type SqlScope = 'moment' | 'ended' | 'whole' | 'late';

/** What a check found wrong. */
export interface Violation {
  /** Id of the check. */
  readonly id: string;
  /** `<id>: <name>`. */
  readonly oracle: string;
  readonly database: Database;
  readonly row: object;
}

/** One check as it was asked. */
export interface Check {
  readonly id: string;
  /** `<id>: <name>`. */
  readonly oracle: string;
  /** `null`: it is asked of several together. */
  readonly database: Database | null;
  /** `not asked` is never a success: whatever it needs was not given, or is not built. */
  readonly verdict: 'sound' | 'broken' | 'not asked';
  /** How many it judged: a check that judged none proves nothing. */
  readonly rows: number;
  readonly violations: number;
  /**
   * Rows that stand otherwise than they should, and are declared by an ending that was resolved by hand: no violations.
   */
  readonly declared: number;
  readonly ms: number;
  /** Why it was not asked. */
  readonly because?: string;
}

export interface Books {
  /** Checks asked, each once a database. */
  readonly asked: number;
  readonly checks: readonly Check[];
  readonly violations: readonly Violation[];
}

/** A check by a program, in a snapshot of its database; asked of the whole alone. */
export interface Program {
  readonly id: string;
  readonly name: string;
  readonly database: Database;
  readonly ask: (snapshot: Reading) => Promise<{
    readonly rows: number;
    readonly violations: readonly object[];
  }>;
}

/** A database by its whole name, such as `accord_orders`. */
export interface NamedDatabase {
  readonly database: string;
  /** @throws the driver's error. */
  select<Row extends object>(sql: string): Promise<readonly Row[]>;
}

export interface Runner {
  /** There is something to ask. */
  readonly isOpen: boolean;
  /** Each database, to be asked whose it is. */
  readonly databases: readonly NamedDatabase[];
  /** One round at a time: a second one waits for the first. @throws the driver's error where a database is away. */
  check(scopes: readonly SqlScope[]): Promise<Books>;
  close(): Promise<void>;
}

/** Violations that one check lists, at most: the first of many already say that something is wrong. */
const listedMax = 100;
/**
 * What lately is, for the first round, at least and at most: a round that comes late looks at what the last one has not
 * seen. A transaction takes seconds; what is confirmed or undone later than `least` after it began, the whole shows.
 */
const latelySeconds = { first: 120, least: 30, most: 600 } as const;
/** A row bears the time of its statement and is seen at its COMMIT, which comes within seconds. */
const overlapSeconds = 15;
/** New rows of tables that only grow: at least so many, and what came since the last round. */
const newRows = { least: 2_000, most: 50_000, overlap: 500 } as const;

/** What is asked beside the checks that every application has. */
interface Given {
  readonly checks?: Checks;
  readonly programs?: readonly Program[];
}

/** @param urls of a user who may read, one a database; a check across them needs `accord` among them. */
export function openRunner(
  urls: readonly string[],
  { checks = noChecks, programs = [], ...limits }: SessionLimits & Given = {},
): Runner {
  const databases = urls.map((url) => ({
    ...createAsker(openSession(url, limits), checks, programs),
    name: decodeURIComponent(new URL(url).pathname.slice(1)),
  }));
  let busy: Promise<unknown> = Promise.resolve();
  let endedBefore: string | null = null;

  async function across(isWhole: boolean): Promise<Answers> {
    const sessions = databases.map(({ session }) => session);
    const accord = sessions.find(({ database }) => database === 'accord');
    if (!accord) return none;
    return withReadings(sessions, async (readings) => {
      const reading = readings.get('accord');
      const clock = reading && (await clockOf(reading, endedBefore, overlapSeconds));
      const answers = await askAcross(
        readings,
        isWhole ? null : (clock?.since ?? null),
        checks.across,
      );
      endedBefore = clock?.now ?? endedBefore;
      return together(
        answers.map(({ id, name, rows, ms, violations, declared }) =>
          answered({ id, name, database: null }, rows, ms, violations, declared),
        ),
      );
    });
  }

  /** What one database finds wrong may be what an ending declares: `accord` alone knows. */
  async function excused(answers: readonly Answers[]): Promise<Answers[]> {
    const accord = databases.find(({ session }) => session.database === 'accord');
    const gids = new Set(answers.flatMap(({ violations }) => violations.flatMap(gidOf)));
    if (!accord || gids.size === 0) return [...answers];
    const declared = await accord.session.latest((reading) => openDeclarations(reading, [...gids]));
    return answers.map((one) => setAside(one, declared));
  }

  async function round(scopes: readonly SqlScope[]): Promise<Books> {
    const isWhole = scopes.includes('whole');
    const answers = await excused(await Promise.all(databases.map(({ ask }) => ask(scopes))));
    if (isWhole || scopes.includes('ended')) answers.push(await across(isWhole));
    const report = together(answers);
    return {
      asked: report.checks.filter(({ verdict }) => verdict !== 'not asked').length,
      ...report,
    };
  }

  return {
    isOpen: urls.length > 0,
    databases: databases.map(({ session, name }) => ({
      database: name,
      select: (sql) => session.latest((reading) => reading.select(sql)),
    })),
    check(scopes) {
      const next = busy.then(() => round(scopes));
      busy = next.catch(() => undefined);
      return next;
    },
    async close() {
      await busy;
      await Promise.all(databases.map(({ session }) => session.close()));
    },
  };
}

/** What checks answered, before they are a report. */
export interface Answers {
  readonly checks: readonly Check[];
  readonly violations: readonly Violation[];
}
const none: Answers = { checks: [], violations: [] };

const together = (answers: readonly Answers[]): Answers => ({
  checks: answers.flatMap(({ checks }) => checks),
  violations: answers.flatMap(({ violations }) => violations),
});

/** One check's answer, as every report shows it. */
export function answered(
  {
    id,
    name,
    database,
  }: { readonly id: string; readonly name: string; readonly database: Database | null },
  rows: number,
  ms: number,
  found: readonly { readonly database: Database; readonly row: object }[],
  declared = 0,
): Answers {
  const oracle = `${id}: ${name}`;
  const verdict = found.length === 0 ? 'sound' : 'broken';
  const check = {
    id,
    oracle,
    database,
    verdict,
    rows,
    violations: found.length,
    declared,
  } as const;
  return {
    checks: [{ ...check, ms: Math.round(ms * 10) / 10 }],
    violations: found.slice(0, listedMax).map((one) => ({ id, oracle, ...one })),
  };
}

const effectOf = ({ row }: Violation): { readonly gid?: unknown; readonly branch?: unknown } => row;

const gidOf = (violation: Violation): readonly Gid[] => {
  const { gid, branch } = effectOf(violation);
  return typeof gid === 'string' && typeof branch === 'string' ? [gid] : [];
};

/** A full list is left as it is: rows beyond its end may be undeclared violations. */
function setAside(
  { checks, violations }: Answers,
  declared: ReadonlyMap<Gid, ReadonlySet<Branch>>,
): Answers {
  const full = new Set(
    checks.filter((check) => check.violations >= listedMax).map(({ oracle }) => oracle),
  );
  const isDeclared = (violation: Violation): boolean => {
    const { gid, branch } = effectOf(violation);
    return (
      typeof gid === 'string' &&
      typeof branch === 'string' &&
      !full.has(violation.oracle) &&
      declared.get(gid)?.has(branch) === true
    );
  };
  const left = violations.filter((violation) => !isDeclared(violation));
  return {
    violations: left,
    checks: checks.map((check) => {
      if (check.verdict !== 'broken' || full.has(check.oracle)) return check;
      const count = left.filter(({ oracle }) => oracle === check.oracle).length;
      const verdict = count === 0 ? 'sound' : 'broken';
      return { ...check, verdict, violations: count, declared: check.violations - count };
    }),
  };
}

/** What one database says about itself, in one state of it. */
function createAsker(session: Session, checks: Checks, programs: readonly Program[]) {
  const { database } = session;
  const own = oraclesWith(checks).filter((oracle) => databasesOf(oracle).includes(database));
  let seen: Seen | null = null;

  async function askSnapshot(snapshot: Reading, scopes: readonly SqlScope[]): Promise<Answers> {
    const isWhole = scopes.includes('whole');
    const answers: Answers[] = [];
    let looked = seen;
    const counts = new Map<string, Promise<number>>();
    if (isWhole || scopes.includes('moment')) {
      const { window, now } = await windowOf(snapshot, seen, checks.growing[database]);
      looked = now;
      for (const oracle of own) {
        const asked = isWhole ? oracle.whole : oracle.lately?.(window);
        if (asked) answers.push(await askOracle(snapshot, oracle, asked, counts));
      }
    }
    if (isWhole) {
      for (const program of programs.filter((one) => one.database === database)) {
        answers.push(await askProgram(snapshot, program));
      }
    }
    if (scopes.includes('late')) {
      answers.push(await askOracle(snapshot, unpublishedOracle, unpublishedOracle.whole, counts));
    }
    seen = looked; // A round that failed has not looked.
    return together(answers);
  }

  return {
    session,
    ask: (scopes: readonly SqlScope[]): Promise<Answers> =>
      scopes.every((scope) => scope === 'ended')
        ? Promise.resolve(none)
        : session.snapshot((snapshot) => askSnapshot(snapshot, scopes)),
  };
}

type Latest = ReturnType<NonNullable<Oracle['lately']>>;

async function askOracle(
  snapshot: Reading,
  { id, name }: Pick<Oracle, 'id' | 'name'>,
  asked: Oracle['whole'] | Latest,
  counts: Map<string, Promise<number>>,
): Promise<Answers> {
  const { database } = snapshot;
  const began = performance.now();
  const rows = await brokenRows(snapshot, asked);
  const ms = performance.now() - began;
  const { counted } = asked;
  const counting = counts.get(counted) ?? countOf(snapshot, counted);
  counts.set(counted, counting);
  const found = rows.map((row) => ({ database, row }));
  return answered({ id, name, database }, await counting, ms, found);
}

/** The first that are wrong, by one statement or by several in one state of the database. */
export async function brokenRows(
  snapshot: Pick<Reading, 'select'>,
  asked: Oracle['whole'] | Latest,
): Promise<readonly object[]> {
  if ('sql' in asked) return snapshot.select(`${asked.sql} LIMIT ${listedMax}`);
  const keys = await snapshot.select<{ readonly id: string }>(asked.keys);
  const ids = keys.map(({ id }) => id);
  return differencesIn(snapshot, asked.sums, ids, listedMax);
}

async function askProgram(snapshot: Reading, { id, name, ask }: Program): Promise<Answers> {
  const { database } = snapshot;
  const began = performance.now();
  const { rows, violations } = await ask(snapshot);
  const found = violations.map((row) => ({ database, row }));
  return answered({ id, name, database }, rows, performance.now() - began, found);
}

async function countOf(snapshot: Reading, sql: string): Promise<number> {
  const [row] = await snapshot.select<{ readonly n: number }>(sql);
  return row?.n ?? 0;
}

/** How far a round has looked. */
export interface Seen {
  readonly now: string;
  readonly newest: Window['after'];
}

/** @param growing tables of the database that only grow, beside its outbox. */
export async function windowOf(
  snapshot: Reading,
  seen: Seen | null,
  growing: readonly string[] = [],
): Promise<{ readonly window: Window; readonly now: Seen }> {
  const { now, since } = await clockOf(snapshot, seen?.now ?? null, latelySeconds.least);
  const newest: Record<string, string> = {};
  const after: Record<string, string> = {};
  for (const table of ['outbox', ...growing]) {
    const last = await newestOf(snapshot, table);
    newest[table] = last;
    after[table] = behind(BigInt(last), seen?.newest[table]);
  }
  return { window: { since, after }, now: { now, newest } };
}

/** @param seen the newest of the last round; `undefined`: there was none. */
function behind(last: bigint, seen: string | undefined): string {
  const came = seen === undefined ? 0n : last - BigInt(seen) + BigInt(newRows.overlap);
  const rows = came > newRows.least ? came : BigInt(newRows.least);
  const bounded = rows > newRows.most ? BigInt(newRows.most) : rows;
  return String(last > bounded ? last - bounded : 0n);
}

/** The newest id of a table; digits. */
async function newestOf(snapshot: Reading, table: string): Promise<string> {
  const [row] = await snapshot.select<{ readonly newest: string }>(
    `SELECT CAST(COALESCE(MAX(id), 0) AS CHAR) AS newest FROM ${table}`,
  );
  return row?.newest ?? '0';
}

/**
 * Lately: at least `seconds`, further back where the last round is, never beyond the bound. By the database's clock.
 */
async function clockOf(
  reading: Reading,
  last: string | null,
  seconds: number,
): Promise<{ readonly now: string; readonly since: string }> {
  const [clock] = await reading.select<{ readonly now: string; readonly since: string }>(
    `SELECT CAST(UTC_TIMESTAMP(3) AS CHAR) AS now,
            CAST(GREATEST(UTC_TIMESTAMP(3) - INTERVAL ? SECOND,
              LEAST(UTC_TIMESTAMP(3) - INTERVAL ? SECOND,
                COALESCE(CAST(? AS DATETIME(3)) - INTERVAL ? SECOND, UTC_TIMESTAMP(3) - INTERVAL ? SECOND))) AS CHAR) AS since`,
    [latelySeconds.most, seconds, last, overlapSeconds, latelySeconds.first],
  );
  if (!clock) throw new Error(`${reading.database} tells no time.`);
  return clock;
}
