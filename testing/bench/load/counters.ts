/** Whether every transaction that was acknowledged came to exactly one ending: what makes a figure worth anything. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { databasePrefix } from '../../../runtime/databases/names';
import { pause } from '../../../runtime/waiting';
import type { LocalApplication } from '../../environment/local-application';
import { checkInvariants } from '../../verify/verification';
import type { Counter } from '../hot-account';
import { notAccepted } from './caller';
import { hasEnded } from './figures';
import type { Sample } from './generator';

/** What the caller of a transaction was told, and what it asked for. */
type Told = Pick<Sample, 'gid' | 'ending' | 'mustBeRefused'>;

export interface Proof {
  readonly counters: readonly Counter[];
  /** What the product's own checks found in all of its databases. */
  readonly violations: readonly object[];
}

const quietWithinMs = 120_000;
const lookEveryMs = 500;
const rowsAtOnce = 20_000;

/** Reads every row of the tenant, once nothing of it is open any more, and then runs every check over everything. */
export async function prove(
  { urls }: LocalApplication,
  admin: Connection,
  tenant: string,
  samples: readonly Told[],
): Promise<Proof> {
  const openOnes = await waitUntilQuiet(admin, tenant);
  const rows = await endingsOf(admin, tenant);
  const acknowledged = samples.filter(({ gid }) => gid !== undefined);
  const count = (is: (sample: Told) => boolean): string => String(acknowledged.filter(is).length);
  const rowOf = ({ gid }: Told): string | undefined => rows.get(gid ?? '');
  const expectedOf = ({ mustBeRefused }: Told): string =>
    mustBeRefused ? 'compensated' : 'completed';
  const { violations } = await checkInvariants(urls.VERIFY_DATABASE_URLS);
  return {
    violations,
    counters: [
      counter(
        'refused at the door, though not for the load',
        String(
          samples.filter(({ gid, ending }) => gid === undefined && ending !== notAccepted).length,
        ),
      ),
      counter(
        'acknowledged, and without a row: lost',
        count((one) => rowOf(one) === undefined),
      ),
      counter('open when nothing more came', String(openOnes)),
      counter(
        'acknowledged, and not ended as the caller saw it',
        count((one) => !hasEnded(one)),
      ),
      counter(
        'the caller saw another ending than the row says',
        count((one) => hasEnded(one) && rowOf(one) !== one.ending),
      ),
      counter(
        'completed without money, or not completed with money',
        count((one) => hasEnded(one) && one.ending !== expectedOf(one)),
      ),
      counter('without exactly one event of its ending', await endedEventsAmiss(admin, tenant)),
      counter('violations of the books', String(violations.length)),
    ],
  };
}

const counter = (name: string, seen: string): Counter => ({ name, seen, expected: '0' });

const runs = `\`${databasePrefix}accord\`.runs`;
const outbox = `\`${databasePrefix}accord\`.outbox`;

async function waitUntilQuiet(admin: Connection, tenant: string): Promise<number> {
  const deadline = performance.now() + quietWithinMs;
  for (;;) {
    const open = await numberOf(
      admin,
      `SELECT COUNT(*) AS n FROM ${runs} WHERE tenant = ? AND ended_at IS NULL AND state <> 'parked'`,
      tenant,
    );
    if (open === 0 || performance.now() > deadline) return open;
    await pause(lookEveryMs);
  }
}

async function endingsOf(admin: Connection, tenant: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (let after = ''; ;) {
    const [rows] = await admin.query<(RowDataPacket & { gid: string; state: string })[]>(
      `SELECT CAST(gid AS CHAR) AS gid, CAST(state AS CHAR) AS state FROM ${runs}
         WHERE tenant = ? AND gid > ? ORDER BY gid LIMIT ${rowsAtOnce}`,
      [tenant, after],
    );
    for (const { gid, state } of rows) found.set(gid, state);
    const last = rows.at(-1);
    if (!last) return found;
    after = last.gid;
  }
}

/** Events that are published stay for RELAY_KEEP_HOURS: longer than any load. */
async function endedEventsAmiss(admin: Connection, tenant: string): Promise<string> {
  const amiss = await numberOf(
    admin,
    `SELECT COUNT(*) AS n FROM (
       SELECT r.gid FROM ${runs} r LEFT JOIN ${outbox} o
           ON o.gid = r.gid AND o.type IN ('transaction.completed', 'transaction.compensated')
         WHERE r.tenant = ? AND r.ended_at IS NOT NULL GROUP BY r.gid HAVING COUNT(o.id) <> 1) AS wrong`,
    tenant,
  );
  return String(amiss);
}

async function numberOf(admin: Connection, sql: string, tenant: string): Promise<number> {
  const [[row]] = await admin.query<(RowDataPacket & { n: number | string })[]>(sql, [tenant]);
  return Number(row?.n);
}
