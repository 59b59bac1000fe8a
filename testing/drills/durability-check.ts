/** What the databases say of what a drill's clients were told. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { databasePrefix } from '../../runtime/databases/names';
import { pause } from '../../runtime/waiting';
import { drillTable } from './writers';
import { openConnection } from '../../runtime/mysql/door';

const lookEveryMs = 200;

/** The database that a drill's own writes are made in. */
export function databaseOf(adminUrl: string): string {
  const address = new URL(adminUrl);
  address.pathname = `/${databasePrefix}orders`;
  return address.toString();
}

const withDatabase = async <Result>(
  uri: string,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> => {
  const connection = await openConnection({ url: uri });
  try {
    return await work(connection);
  } finally {
    connection.destroy();
  }
};

const select = async <Row extends object>(
  connection: Connection,
  statement: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> => {
  const [rows] = await connection.query<(RowDataPacket & Row)[]>(statement, [...values]);
  return rows;
};

/** Empty, and with pieces enough for a day of drills. */
export const prepareTable = (url: string): Promise<void> =>
  withDatabase(url, async (connection) => {
    await connection.query(
      `CREATE TABLE IF NOT EXISTS ${drillTable} (id VARBINARY(96) NOT NULL PRIMARY KEY, epoch INT UNSIGNED NOT NULL)`,
    );
    await connection.query(`TRUNCATE TABLE ${drillTable}`);
    await connection.query(
      `UPDATE \`${databasePrefix}inventory\`.stock SET total = total + 100000, available = available + 100000
         WHERE sku = 'acme.S-1' AND available < 50000`,
    );
  });

export const writesIn = (url: string): Promise<ReadonlySet<string>> =>
  withDatabase(url, async (connection) => {
    const rows = await select<{ readonly id: string }>(
      connection,
      `SELECT CAST(id AS CHAR) AS id FROM ${drillTable}`,
    );
    return new Set(rows.map(({ id }) => id));
  });

export const hubEpoch = (hubUrl: string): Promise<number> =>
  withDatabase(hubUrl, async (hub) => {
    const [row] = await select<{ readonly epoch: number }>(
      hub,
      `SELECT epoch FROM cluster_state WHERE cluster = 'main'`,
    );
    return Number(row?.epoch);
  });

/** Time passes: the watch holds still after a switch, and would do so for the rest of the drills. */
export const forgetEarlierSwitches = (hubUrl: string): Promise<void> =>
  withDatabase(hubUrl, async (hub) => {
    await hub.query(
      `UPDATE runs SET accepted_at = accepted_at - INTERVAL 2 HOUR, ended_at = ended_at - INTERVAL 2 HOUR
         WHERE flow = 'failover' AND ended_at > UTC_TIMESTAMP(3) - INTERVAL 1 HOUR`,
    );
  });

/** @returns how many have not ended within the time. */
export const untilAllEnded = (hubUrl: string, withinMs: number): Promise<number> =>
  withDatabase(hubUrl, async (hub) => {
    const until = Date.now() + withinMs;
    for (;;) {
      const [row] = await select<{ readonly n: number }>(
        hub,
        'SELECT COUNT(*) AS n FROM runs WHERE ended_at IS NULL',
      );
      const open = Number(row?.n);
      if (open === 0 || Date.now() > until) return open;
      await pause(lookEveryMs);
    }
  });

/** Count of orders that were compensated because their time for acting was over. */
export const outOfTime = 'out of time';

/** @returns how many of them are in each state, or `outOfTime`; `unheard of`: there is no row. */
export const endingsOf = (
  hubUrl: string,
  gids: readonly string[],
): Promise<Readonly<Record<string, number>>> =>
  withDatabase(hubUrl, async (hub) => {
    if (gids.length === 0) return {};
    const rows = await select<{ readonly state: string; readonly n: number }>(
      hub,
      `SELECT IF(JSON_UNQUOTE(JSON_EXTRACT(CONVERT(ending USING utf8mb4), '$.reason.code')) = 'deadline_exceeded', ?, state)
                AS state, COUNT(*) AS n FROM runs WHERE gid IN (?) GROUP BY 1`,
      [outOfTime, gids],
    );
    const found = rows.map(({ state, n }) => [state, n] as const);
    const missing = gids.length - found.reduce((sum, [, n]) => sum + n, 0);
    return Object.fromEntries([
      ...found,
      ...(missing > 0 ? [['unheard of', missing] as const] : []),
    ]);
  });
