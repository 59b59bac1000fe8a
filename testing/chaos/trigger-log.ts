/**
 * Triggers that only a drill installs: they write down, inside of the SQL transaction itself, what it does to a fence
 * row, to a customer's token and to a run's ending. A write that rolls back takes its line along, and each row is
 * locked until its commit, so the lines of one row stand in the order of their commits.
 */
import { databases as allDatabases, type Database } from '../../runtime/databases/shop';
import type { EndingWrite, Facts, Transition } from './checkers';

/** SQL as the administrator. Triggers write with the rights of the user who created them. */
export type AdminSql = <Row extends object>(
  database: Database,
  statement: string,
  values?: unknown[],
) => Promise<Row[]>;

/** What a drill spoils by hand, as the administrator, is none of the application's doing. */
const byApplication = `SUBSTRING_INDEX(USER(), '@', 1) <> SUBSTRING_INDEX(CURRENT_USER(), '@', 1)`;

const fenceTrigger = (
  event: 'INSERT' | 'UPDATE' | 'DELETE',
  moves: readonly { readonly when: string; readonly from: string; readonly to: string }[],
): string => {
  const row = event === 'DELETE' ? 'OLD' : 'NEW';
  const lines = moves.map(
    ({ when, from, to }) =>
      `IF ${byApplication} AND (${when}) THEN
         INSERT INTO chaos_transitions (session, gid, branch, from_state, to_state)
           VALUES (CONNECTION_ID(), ${row}.gid, ${row}.branch, ${from}, ${to});
       END IF;`,
  );
  return `CREATE TRIGGER chaos_fence_${event.toLowerCase()} AFTER ${event} ON fence FOR EACH ROW
     BEGIN ${lines.join(' ')} END`;
};

const fenceStatements = [
  `CREATE TABLE chaos_transitions (
     id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, session BIGINT UNSIGNED NOT NULL,
     gid VARBINARY(128) NOT NULL, branch VARBINARY(64) NOT NULL,
     from_state VARBINARY(32) NULL, to_state VARBINARY(32) NULL)`,
  fenceTrigger('INSERT', [{ when: 'TRUE', from: 'NULL', to: 'NEW.state' }]),
  fenceTrigger('UPDATE', [
    // A delivery that comes again is a SQL transaction of its own, even where it changes no state.
    {
      when: 'NEW.state <> OLD.state OR NEW.deliveries <> OLD.deliveries',
      from: 'OLD.state',
      to: 'NEW.state',
    },
    // A forgotten reservation could never be taken back.
    {
      when: `NEW.expires_at IS NOT NULL AND NEW.state = 'acted' AND NEW.reserves = 1`,
      from: `'reserving'`,
      to: `'expiring'`,
    },
  ]),
  fenceTrigger('DELETE', [
    {
      when: 'OLD.expires_at IS NULL OR OLD.expires_at >= UTC_TIMESTAMP(3)', // What has expired may go.
      from: 'OLD.state',
      to: 'NULL',
    },
  ]),
];

const tokenStatements = [
  `CREATE TABLE chaos_tokens (
     id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
     customer VARBINARY(96) NOT NULL, token BIGINT UNSIGNED NOT NULL)`,
  ...['INSERT', 'UPDATE'].map(
    (event) =>
      `CREATE TRIGGER chaos_customer_${event.toLowerCase()} AFTER ${event} ON customers FOR EACH ROW
         INSERT INTO chaos_tokens (customer, token) VALUES (NEW.customer_id, NEW.fencing_token)`,
  ),
];

const endingStatements = [
  `CREATE TABLE chaos_endings (
     id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
     gid VARBINARY(128) NOT NULL, from_state VARBINARY(32) NOT NULL, to_state VARBINARY(32) NOT NULL)`,
  `CREATE TRIGGER chaos_run_ending AFTER UPDATE ON runs FOR EACH ROW
     BEGIN
       IF NOT (NEW.ending <=> OLD.ending) OR NOT (NEW.ended_at <=> OLD.ended_at)
          OR (NEW.state <> OLD.state AND (OLD.ended_at IS NOT NULL OR NEW.ended_at IS NOT NULL)) THEN
         INSERT INTO chaos_endings (gid, from_state, to_state) VALUES (NEW.gid, OLD.state, NEW.state);
       END IF;
     END`,
];

const statementsOf = (database: Database): readonly string[] => [
  ...fenceStatements,
  ...(database === 'orders' ? tokenStatements : []),
  ...(database === 'accord' ? endingStatements : []),
];

/** Once, in databases that hold nothing but a drill; they go with their databases. */
export async function installTriggerLog(
  sql: AdminSql,
  databases: readonly Database[] = allDatabases,
): Promise<void> {
  await Promise.all(
    databases.map(async (database) => {
      for (const statement of statementsOf(database)) await sql(database, statement);
    }),
  );
}

/** What the triggers wrote, and the rows that it is held against. To be read when nothing is under way. */
export async function readFacts(sql: AdminSql): Promise<Facts> {
  const [runs, stock, tokens, endings, ...transitions] = await Promise.all([
    sql<Facts['runs'][number]>(
      'accord',
      'SELECT gid, flow, state, idempotency_key AS idempotencyKey FROM runs ORDER BY gid',
    ),
    sql<{ sku: string; total: number }>('inventory', 'SELECT sku, total FROM stock ORDER BY sku'),
    sql<{ customer: string; token: string }>(
      'orders',
      'SELECT customer, CAST(token AS CHAR) AS token FROM chaos_tokens ORDER BY id',
    ),
    sql<EndingWrite>(
      'accord',
      'SELECT gid, from_state AS `from`, to_state AS `to` FROM chaos_endings ORDER BY id',
    ),
    ...allDatabases.map((database) => readTransitions(sql, database)),
  ]);
  return { runs, stock, tokens, endings, transitions: transitions.flat() };
}

interface Logged extends Omit<Transition, 'database'> {
  /** Digits. */
  readonly session: string;
}

/** @returns what each SQL transaction did to a row, all in all, in the order of the commits on that row. */
export async function readTransitions(
  sql: AdminSql,
  database: Database,
): Promise<readonly Transition[]> {
  const lines = await sql<Logged>(
    database,
    `SELECT CAST(session AS CHAR) AS session, gid, branch, from_state AS \`from\`, to_state AS \`to\`
       FROM chaos_transitions ORDER BY gid, branch, id`,
  );
  const net: Logged[] = [];
  for (const line of lines) {
    const before = net.at(-1);
    if (before && isOfOneTransaction(before, line)) net.splice(-1, 1, { ...before, to: line.to });
    else net.push(line);
  }
  return net.flatMap(({ gid, branch, from, to }) =>
    from === to && from !== null ? [] : [{ database, gid, branch, from, to }],
  );
}

/**
 * The fence enters a row as acted before it knows the answer, and refuses, seals or removes it in the same SQL
 * transaction. A trigger does not see transactions. But each such SQL transaction enters the row first, which writes a
 * line of its own. If no other session changes the row in between, the session is still in the same SQL transaction.
 */
const isOfOneTransaction = (entered: Logged, line: Logged): boolean =>
  entered.from === null &&
  entered.to === 'acted' &&
  entered.session === line.session &&
  entered.gid === line.gid &&
  entered.branch === line.branch &&
  (line.to === 'refused' || line.to === 'empty' || line.to === null);
