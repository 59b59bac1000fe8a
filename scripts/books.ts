/**
 * The oracles: what is wrong with the databases, so an empty result is green (docs/guarantees.md). Sound at any moment,
 * also beside writers: a check inside of one database reads a snapshot, a check across them reads in an order that
 * makes up for having none.
 */
import { readAuditChain, readPaymentChains, type ChainsRead } from './books/chains';
import { crossOracles, crossViolations } from './books/cross';
import { oracles } from './books/oracles';
import { databaseOf, openLatest, openSnapshot, type Reading } from './books/reading';
import type { Database } from './databases';

/** What an oracle found wrong. */
export interface Violation {
  readonly oracle: string;
  readonly database: Database;
  readonly row: object;
}

/** One oracle as it was asked. */
export interface Check {
  readonly oracle: string;
  /** `null`: it is asked of all databases together. */
  readonly database: Database | null;
  readonly violations: number;
}

export interface Books {
  /** Oracles asked, each once a database: a check that asked none proves nothing. */
  readonly asked: number;
  readonly checks: readonly Check[];
  readonly violations: readonly Violation[];
}

/** Violations that one oracle lists, at most: the first of many already say that something is wrong. */
const listedMax = 100;

const chains: readonly {
  readonly name: string;
  readonly database: Database;
  readonly read: (snapshot: Reading) => Promise<ChainsRead>;
}[] = [
  { name: 'L: the audit is a whole chain', database: 'accord', read: readAuditChain },
  {
    name: "L2: each payment's audit is a whole chain",
    database: 'accounts',
    read: readPaymentChains,
  },
];

/** @param verifyUrls addresses of a user who may read, separated by commas: VERIFY_DATABASE_URLS. */
export async function checkBooks(verifyUrls: string): Promise<Books> {
  const urls = verifyUrls.split(',');
  const found = [
    ...(await Promise.all(urls.map(askOne))),
    ...(urls.some((url) => databaseOf(url) === 'accord') ? [await askAcross(urls)] : []),
  ];
  const checks = found.flatMap((books) => books.checks);
  return {
    asked: checks.length,
    checks,
    violations: found.flatMap(({ violations }) => violations),
  };
}

type Asked = Omit<Books, 'asked'>;

/** Everything that one database says about itself, in one state of it. */
async function askOne(url: string): Promise<Asked> {
  const snapshot = await openSnapshot(url);
  const { database } = snapshot;
  const checks: Check[] = [];
  const violations: Violation[] = [];
  const note = (oracle: string, rows: readonly object[]): void => {
    checks.push({ oracle, database, violations: rows.length });
    violations.push(...rows.map((row) => ({ oracle, database, row })));
  };
  try {
    for (const { name, sql } of oracles.filter((oracle) => oracle.databases.includes(database))) {
      note(name, await snapshot.select(`${sql} LIMIT ${listedMax}`));
    }
    for (const { name, read } of chains.filter((chain) => chain.database === database)) {
      note(name, (await read(snapshot)).broken);
    }
  } finally {
    await snapshot.close();
  }
  return { checks, violations };
}

async function askAcross(urls: readonly string[]): Promise<Asked> {
  const opened = await Promise.all(urls.map(openLatest));
  try {
    const readings = new Map(opened.map((reading) => [reading.database, reading]));
    const violations = await crossViolations(readings);
    const checks = Object.values(crossOracles).map((oracle) => ({
      oracle,
      database: null,
      violations: violations.filter((violation) => violation.oracle === oracle).length,
    }));
    return { checks, violations };
  } finally {
    await Promise.all(opened.map((reading) => reading.close()));
  }
}
