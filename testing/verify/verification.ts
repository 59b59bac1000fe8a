/**
 * The books of an application: what is wrong with its databases and between them and the other servers, so an empty
 * answer is sound (docs/guarantees.md). SQL is asked by `invariants/`, as the API asks it; what needs Kafka, Temporal
 * or the API is asked here, and only where its address is given.
 */
import type { Client } from '@temporalio/client';

import { openSession, withReadings, type Session } from '../../invariants/mysql-session';
import {
  answered,
  openRunner,
  type Answers,
  type Books,
  type Check,
  type Program,
  type Runner,
  type Violation,
} from '../../invariants/runner';
import type { Database, Reading } from '../../invariants/reading';
import { checksOf, type Checks, type OwnCheck } from '../../invariants/checks';
import { shopChecks } from '../../invariants/shop';
import type { Gid } from '../../contracts/engine/ids';
import { createInstallation } from '../../runtime/installation';
import { PremisesBroken } from '../../runtime/premises';
import { demandOwnNamespace } from '../../runtime/temporal-premises';
import type { KafkaSettings } from '../../runtime/kafka/client';
import { auditProgram, chainPrograms } from './chains';
import { compareExplanations, type ApiAccess } from './explanations';
import { findErrant, type RegionServers } from './errant';
import type { Finding } from './findings';
import { compareOwners, findUnowned } from './open-rows';
import { compareRuns } from './runs-in-temporal';
import { askTopics } from './topics';

export type { Books, Check, Violation };

/**
 * What a round looks at. `moment`, `ended`: what changed, or ended, lately; cheap, and sound beside a load. `whole`:
 * all that SQL says, whatever its age. `quiescent`: that, and everything that needs the other servers.
 */
export type Scope = 'moment' | 'ended' | 'whole' | 'quiescent';

/** What is left out is not asked, and reported so. */
export interface InvariantAddresses {
  /** Addresses for a user who may read, separated by commas: VERIFY_DATABASE_URLS. */
  readonly verifyUrls: string;
  readonly kafka?: KafkaSettings | undefined;
  /** Bound to the application's namespace. */
  readonly temporal?: Client | undefined;
  readonly api?: ApiAccess | undefined;
  /** Where there are several. */
  readonly regions?: RegionServers | undefined;
  /** What clients were told is accepted, as far as they know it now. */
  readonly accepted?: (() => readonly Gid[]) | undefined;
}

export interface InvariantRound extends Books {
  /**
   * Nothing was open or written while it was read: what a `quiescent` round says holds of the end, not of a moment.
   * `null`: it was not checked.
   */
  readonly isQuiet: boolean | null;
}

export interface OpenInvariants {
  /**
   * @throws PremisesBroken where databases or the namespace are of several installations: books of two agree in
   * nothing.
   */
  demandOneInstallation(): Promise<void>;
  /** One round at a time: a second one waits for the first. @throws where a server is away. */
  check(scope: Scope): Promise<InvariantRound>;
  close(): Promise<void>;
}

/** What is asked of an application beside what every one must keep. */
export interface AskedOf {
  readonly checks: Checks;
  readonly programs: readonly Program[];
}
export const askedOfShop: AskedOf = { checks: shopChecks, programs: chainPrograms };

/** @throws a plain error where the id of a check is taken. */
export const askedOfProject = (own: readonly OwnCheck[]): AskedOf => ({
  checks: checksOf(own),
  programs: [auditProgram],
});

/**
 * Keeps its connections to MySQL until it is closed; one that is lost is opened again. The others are the caller's.
 *
 * @param asked left out: what is asked of Accord's own application.
 */
export function openInvariants(
  addresses: string | InvariantAddresses,
  asked: AskedOf = askedOfShop,
): OpenInvariants {
  const given = typeof addresses === 'string' ? { verifyUrls: addresses } : addresses;
  const urls = given.verifyUrls.split(',');
  const runner = openRunner(urls, asked);
  const sessions = urls.map((url) => openSession(url));

  async function quiescent(): Promise<InvariantRound> {
    const before = await versionsOf(sessions);
    const sql = await runner.check(['whole', 'late']);
    const outside = await askOutside(sessions, given);
    const after = await versionsOf(sessions);
    return {
      ...together(sql, outside),
      isQuiet: before.open === 0 && JSON.stringify(before) === JSON.stringify(after),
    };
  }

  return {
    demandOneInstallation: () => demandOneInstallation(runner.databases, given.temporal),
    check: async (scope) =>
      scope === 'quiescent' ? quiescent() : { ...(await runner.check([scope])), isQuiet: null },
    async close() {
      await runner.close();
      await Promise.all(sessions.map((session) => session.close()));
    },
  };
}

/**
 * One round over everything that SQL says, whatever its age.
 *
 * @param verifyUrls addresses of a user who may read, separated by commas: VERIFY_DATABASE_URLS.
 */
export async function checkInvariants(verifyUrls: string): Promise<Books> {
  const runner = openRunner(verifyUrls.split(','), askedOfShop);
  try {
    return await runner.check(['whole']);
  } finally {
    await runner.close();
  }
}

function together(sql: Books, outside: readonly Answers[]): Books {
  const checks = [...sql.checks, ...outside.flatMap((answers) => answers.checks)];
  return {
    asked: checks.filter(({ verdict }) => verdict !== 'not asked').length,
    checks,
    violations: [...sql.violations, ...outside.flatMap(({ violations }) => violations)],
  };
}

type Compared = Promise<{ readonly rows: number; readonly violations: readonly Finding[] }>;

/** A check that needs another server than MySQL; `null`: its address was not given. */
interface Outside {
  readonly id: string;
  readonly name: string;
  readonly needs: string;
  readonly ask: ((readings: ReadonlyMap<Database, Reading>) => Compared) | null;
}

function outsideChecks({
  kafka,
  temporal,
  api,
  accepted,
  regions,
}: InvariantAddresses): readonly Outside[] {
  return [
    {
      id: 'X1',
      name: 'who was accepted has a row, and who was started has a run',
      needs: 'the address of Temporal',
      ask:
        temporal === undefined
          ? null
          : (readings) => compareRuns(accordOf(readings), temporal, accepted?.() ?? []),
    },
    {
      id: 'X3',
      name: 'outbox, Kafka and what was consumed are one, in order',
      needs: 'the address of Kafka',
      ask: kafka === undefined ? null : (readings) => askTopics(readings, kafka),
    },
    {
      id: 'X5',
      name: "the API's explanation is what the rows say",
      needs: 'the address of an API, and a key',
      ask: api === undefined ? null : (readings) => compareExplanations(readings, api),
    },
    {
      id: 'X7',
      name: 'an open row has an owner',
      needs: 'the address of Temporal',
      ask: temporal === undefined ? null : (readings) => findUnowned(accordOf(readings), temporal),
    },
    {
      id: 'X8',
      name: 'the owner of an open row runs, names it, and is parked exactly if the row says so',
      needs: 'the address of Temporal',
      ask:
        temporal === undefined ? null : (readings) => compareOwners(accordOf(readings), temporal),
    },
    {
      id: 'I6',
      name: "a counter in Redis is what MySQL's stock says",
      needs: 'a counter: no stock is counted in Redis in this build',
      ask: null,
    },
    {
      id: 'I19',
      name: 'a region rejoins without transactions of its own',
      needs: 'a second region: there is one',
      ask: regions === undefined ? null : () => findErrant(regions),
    },
  ];
}

async function demandOneInstallation(
  named: Runner['databases'],
  temporal: Client | undefined,
): Promise<void> {
  const home = named.find(({ database }) => database.endsWith('accord')) ?? named[0];
  if (!home) return;
  const others = named.filter((database) => database !== home);
  const installation = createInstallation(home, others);
  const broken = await installation.databases.ask();
  if (broken.length > 0) throw new PremisesBroken(broken);
  if (temporal) await demandOwnNamespace(temporal, await installation.id());
}

async function askOutside(
  sessions: readonly Session[],
  addresses: InvariantAddresses,
): Promise<readonly Answers[]> {
  const answers: Answers[] = [];
  for (const { id, name, needs, ask } of outsideChecks(addresses)) {
    if (!ask) {
      answers.push({ checks: [notAsked(id, name, `It needs ${needs}.`)], violations: [] });
      continue;
    }
    const began = performance.now();
    const { rows, violations } = await withReadings(sessions, ask);
    const ms = performance.now() - began;
    answers.push(answered({ id, name, database: null }, rows, ms, violations));
  }
  return answers;
}

const notAsked = (id: string, name: string, because: string): Check => ({
  id,
  oracle: `${id}: ${name}`,
  database: null,
  verdict: 'not asked',
  rows: 0,
  violations: 0,
  declared: 0,
  ms: 0,
  because,
});

function accordOf(readings: ReadonlyMap<Database, Reading>): Reading {
  const accord = readings.get('accord');
  if (!accord) throw new Error('VERIFY_DATABASE_URLS names no database accord.');
  return accord;
}

/** Transactions that are under way, and what grows with every write. */
async function versionsOf(sessions: readonly Session[]) {
  return withReadings(sessions, async (readings) => {
    const versions: Record<string, object | undefined> = {};
    let open = 0;
    for (const [database, reading] of readings) {
      const [version] = await reading.select(
        `SELECT COUNT(*) AS n, CAST(MAX(updated_at) AS CHAR) AS newest, (SELECT MAX(id) FROM outbox) AS events,
                (SELECT COUNT(*) FROM outbox WHERE published_at IS NULL) AS waiting FROM fence`,
      );
      versions[database] = version;
      if (database !== 'accord') continue;
      const [row] = await reading.select<{ readonly n: number }>(
        `SELECT COUNT(*) AS n FROM runs WHERE ended_at IS NULL AND state <> 'parked'`,
      );
      open = row?.n ?? 0;
    }
    return { open, versions };
  });
}
