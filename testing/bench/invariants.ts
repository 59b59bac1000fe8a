/** The checks of the books over many transactions: how long a round takes, and how MySQL finds what is new. */
import { randomBytes } from 'node:crypto';

import { openSession } from '../../invariants/mysql-session';
import { oraclesWith } from '../../invariants/checks';
import { databasesOf } from '../../invariants/generic';
import {
  brokenRows,
  openRunner,
  windowOf,
  type Books,
  type Runner,
  type SqlScope,
} from '../../invariants/runner';
import { shopChecks } from '../../invariants/shop';
import type { Reading } from '../../invariants/reading';
import type { Database } from '../../invariants/reading';
import { provision, unprovision } from '../../runtime/databases/provision';
import { shopDatabases } from '../../runtime/databases/shop';
import { fillBooks } from './filled-books';
import { latencyOf, type Latency } from './latency';

export interface InvariantFigures {
  readonly transactions: number;
  readonly fillSeconds: number;
  readonly rounds: readonly RoundFigures[];
  readonly plans: readonly Plan[];
  /** Violations of all rounds. */
  readonly violations: number;
}

export interface RoundFigures {
  readonly scope: string;
  readonly ms: Latency;
  /** Judged by one round, each check once. */
  readonly rows: number;
  readonly slowest: readonly string[];
}

/** How MySQL reads for one check of what changed lately; rows as it estimates them. */
export interface Plan {
  readonly id: string;
  readonly database: Database;
  readonly steps: readonly {
    readonly table: string;
    readonly type: string;
    readonly key: string;
    readonly rows: number;
  }[];
}

const scopes: readonly {
  readonly name: string;
  readonly scopes: readonly SqlScope[];
  readonly rounds: number;
}[] = [
  { name: 'moment', scopes: ['moment'], rounds: 10 },
  { name: 'ended', scopes: ['ended'], rounds: 10 },
  { name: 'late', scopes: ['late'], rounds: 10 },
  {
    name: 'GET /v1/invariants: moment, ended, late',
    scopes: ['moment', 'ended', 'late'],
    rounds: 10,
  },
  { name: 'whole', scopes: ['whole'], rounds: 3 },
];
const shownSlowest = 5;

/** Measures in databases of its own, on the server of the administrator; they are dropped at the end. */
export async function measureInvariants(
  adminUrl: string,
  transactions: number,
  say: (line: string) => void,
): Promise<InvariantFigures> {
  const prefix = `t${randomBytes(4).toString('hex')}_`; // What a killed measurement leaves is dropped with what tests leave.
  const password = randomBytes(12).toString('hex');
  const urls = await provision(adminUrl, { ...shopDatabases, prefix, secret: () => password });
  const verifyUrls = urls.VERIFY_DATABASE_URLS.split(',');
  try {
    say(`Filling the books with ${transactions} ended transactions …`);
    const began = performance.now();
    await fillBooks(
      (database) => withDatabase(adminUrl, `${prefix}${database}`),
      transactions,
      say,
    );
    const fillSeconds = (performance.now() - began) / 1_000;
    const plans = await plansOf(verifyUrls);
    const pack = openRunner(verifyUrls, {
      checks: shopChecks,
      statementMs: 300_000,
    });
    try {
      const rounds: RoundFigures[] = [];
      let violations = 0;
      for (const one of scopes) {
        say(`${one.rounds} rounds of ${one.name} …`);
        const measured = await measure(pack, one);
        rounds.push(measured.figures);
        const { ms, slowest } = measured.figures;
        say(`  p50 ${ms.p50} ms, max ${ms.max} ms; ${slowest.join(', ')}`);
        violations += measured.violations;
      }
      return { transactions, fillSeconds, rounds, plans, violations };
    } finally {
      await pack.close();
    }
  } finally {
    await unprovision(adminUrl, prefix, shopDatabases);
  }
}

async function measure(pack: Runner, { name, scopes: asked, rounds }: (typeof scopes)[number]) {
  const ms: number[] = [];
  let violations = 0;
  let last: Books | undefined;
  for (let round = 0; round < rounds; round += 1) {
    const began = performance.now();
    last = await pack.check(asked);
    ms.push(performance.now() - began);
    for (const violation of last.violations.slice(0, 3)) console.error(JSON.stringify(violation));
    violations += last.violations.length;
  }
  const checks = last?.checks ?? [];
  const slowest = checks
    .toSorted((one, other) => other.ms - one.ms)
    .slice(0, shownSlowest)
    .map((check) => `${check.id} ${check.database ?? 'across'} ${check.ms.toFixed(0)} ms`);
  const rows = checks.reduce((sum, check) => sum + check.rows, 0);
  return { violations, figures: { scope: name, ms: latencyOf(ms), rows, slowest } };
}

/** The plans of the statements that the first round of a runner sends. */
export async function plansOf(verifyUrls: readonly string[]): Promise<readonly Plan[]> {
  const plans: Plan[] = [];
  for (const url of verifyUrls) {
    const session = openSession(url);
    try {
      await session.snapshot(async (snapshot) => {
        const { database } = snapshot;
        const { window } = await windowOf(snapshot, null, shopChecks.growing[database]);
        for (const oracle of oraclesWith(shopChecks)) {
          const { id, lately } = oracle;
          const asked = databasesOf(oracle).includes(database) && lately?.(window);
          if (!asked) continue;
          const statements = new Map<string, readonly unknown[]>();
          await brokenRows(noting(snapshot, statements), asked);
          const steps: Step[] = [];
          for (const [sql, values] of statements)
            steps.push(
              ...(await snapshot.select<Step>(`EXPLAIN FORMAT=TRADITIONAL ${sql}`, values)),
            );
          plans.push({
            id,
            database,
            steps: steps
              .filter(({ table }) => table !== null)
              .map(({ table, type, key, rows }) => ({
                table: table ?? '',
                type: type ?? '',
                key: key ?? '–',
                rows: Number(rows ?? 0),
              })),
          });
        }
      });
    } finally {
      await session.close();
    }
  }
  return plans;
}

/** Also notes each text that it is asked, with the values of one time. */
const noting = (
  snapshot: Reading,
  statements: Map<string, readonly unknown[]>,
): Pick<Reading, 'select'> => ({
  select(sql, values = []) {
    statements.set(sql, values);
    return snapshot.select(sql, values);
  },
});

interface Step {
  readonly table: string | null;
  readonly type: string | null;
  readonly key: string | null;
  readonly rows: number | string | null;
}

function withDatabase(adminUrl: string, database: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return url.toString();
}
