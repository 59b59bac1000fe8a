/**
 * MySQL of one region, for switches and rejoins. Every function brings about a state and verifies it. A repeated call
 * changes nothing more. Statements, order and traps: docs/failover.md.
 */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { killConnection, openConnection } from '../../../runtime/mysql/door';

/** Source of a replica: a link through the router, so that it can be cut. */
export interface ReplicationSource {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/** A verification failed after a change. The caller must stop. */
export class PostconditionFailed extends Error {
  override readonly name = 'PostconditionFailed';
}

export interface ReplicaState {
  readonly isPulling: boolean;
  readonly isApplying: boolean;
  /** Received GTIDs, applied or not. */
  readonly retrieved: string;
  /** The last error of either thread; empty: none. */
  readonly error: string;
}

export interface MySqlRegionState {
  readonly uuid: string;
  readonly isReadOnly: boolean;
  readonly executed: string;
  /** `null`: it replicates from no source. */
  readonly replica: ReplicaState | null;
  /** Number of standbys that acknowledge each commit; `null`: the region acknowledges alone. */
  readonly acknowledging: number | null;
}

/** Opens a connection of the operator. Its deadline includes the time to connect. */
export async function withRegion<Result>(
  url: string,
  deadlineMs: number,
  work: (region: Connection) => Promise<Result>,
): Promise<Result> {
  const began = performance.now();
  const region = await openConnection({ url, connectMs: deadlineMs });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => {
        // Its statement could take effect later, after another decision. So it is killed on the server, too.
        void killConnection(region, url).catch(() => undefined);
        reject(new Error(`MySQL did not answer within ${deadlineMs} ms.`));
      },
      deadlineMs - (performance.now() - began),
    );
  });
  try {
    return await Promise.race([work(region), late]);
  } finally {
    clearTimeout(timer);
    region.destroy();
  }
}

export async function stateOf(region: Connection): Promise<MySqlRegionState> {
  const [row] = await rowsOf<{
    uuid: string;
    readOnly: number;
    executed: string;
    together: number;
  }>(
    region,
    `SELECT @@server_uuid AS uuid, @@read_only AS readOnly, @@gtid_executed AS executed,
            @@rpl_semi_sync_source_enabled AS together`,
  );
  if (!row) throw new Error('MySQL told nothing of itself.');
  return {
    uuid: row.uuid,
    isReadOnly: row.readOnly === 1,
    executed: row.executed.replaceAll('\n', ''),
    replica: await replicaOf(region),
    acknowledging: row.together === 1 ? await acknowledgingOf(region) : null,
  };
}

/** Whether it takes no writes of applications. A server that takes an administrator's writes may soon take others. */
export async function isReadOnly(region: Connection): Promise<boolean> {
  const [row] = await rowsOf<{ readOnly: number }>(region, 'SELECT @@read_only AS readOnly');
  return row?.readOnly === 1;
}

async function replicaOf(region: Connection): Promise<ReplicaState | null> {
  const [row] = await rowsOf<Record<string, string>>(region, 'SHOW REPLICA STATUS');
  if (!row) return null;
  return {
    isPulling: row['Replica_IO_Running'] === 'Yes',
    isApplying: row['Replica_SQL_Running'] === 'Yes',
    retrieved: (row['Retrieved_Gtid_Set'] ?? '').replaceAll('\n', ''),
    error: [row['Last_IO_Error'], row['Last_SQL_Error']].filter(Boolean).join(' '),
  };
}

/** Number of acknowledging standbys. 0 also if semi-sync no longer waits, which should never happen. */
async function acknowledgingOf(region: Connection): Promise<number> {
  const rows = await rowsOf<{ Variable_name: string; Value: string }>(
    region,
    `SHOW GLOBAL STATUS WHERE Variable_name IN ('Rpl_semi_sync_source_clients', 'Rpl_semi_sync_source_status')`,
  );
  const valueOf = (name: string) => rows.find(({ Variable_name: of }) => of === name)?.Value;
  return valueOf('Rpl_semi_sync_source_status') === 'ON'
    ? Number(valueOf('Rpl_semi_sync_source_clients'))
    : 0;
}

/** Makes the region a read-only replica of `source`. */
export async function follow(
  region: Connection,
  { host, port, user, password }: ReplicationSource,
): Promise<void> {
  await region.query('SET GLOBAL super_read_only = ON');
  // Its applier would wait for acknowledgements that never come.
  await region.query('SET GLOBAL rpl_semi_sync_source_enabled = OFF');
  await region.query('SET GLOBAL rpl_semi_sync_replica_enabled = ON');
  await region.query('STOP REPLICA');
  await region.query(
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST = ?, SOURCE_PORT = ?, SOURCE_USER = ?, SOURCE_PASSWORD = ?,
       SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 86400,
       SOURCE_HEARTBEAT_PERIOD = 0.5`,
    [host, port, user, password],
  );
  await region.query('START REPLICA');
}

/** @throws PostconditionFailed if it has not executed all of `gtids` within the time. */
export async function untilExecuted(
  region: Connection,
  gtids: string,
  seconds: number,
): Promise<void> {
  const [row] = await rowsOf<{ left: number | null }>(
    region,
    'SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?) AS `left`',
    [gtids, seconds],
  );
  if (row?.left !== 0)
    throw new PostconditionFailed(`It has not executed ${gtids} within ${seconds} s.`);
}

/** From now on the region acknowledges a commit only when a standby has it. Without a standby, commits wait. */
export async function acknowledgeTogether(region: Connection): Promise<void> {
  await region.query('SET GLOBAL rpl_semi_sync_source_timeout = 4294967295');
  await region.query('SET GLOBAL rpl_semi_sync_source_enabled = ON');
}

/** @throws PostconditionFailed if no standby acknowledges. */
export async function demandStandby(region: Connection): Promise<void> {
  const { acknowledging } = await stateOf(region);
  if (acknowledging === null || acknowledging < 1)
    throw new PostconditionFailed('No standby acknowledges.');
}

/** Acknowledges alone, and at once all waiting commits. Commits that no standby has are lost with this region. */
export async function acknowledgeAlone(region: Connection): Promise<void> {
  await region.query('SET GLOBAL rpl_semi_sync_source_enabled = OFF');
}

/**
 * Prepares a standby for promotion: it receives no more, and has applied all that it received. From now on the old
 * primary can acknowledge no commit.
 *
 * @throws PostconditionFailed if it is not applied in time, or if a server without data never received anything.
 */
export async function drain(region: Connection, seconds: number): Promise<void> {
  await region.query('STOP REPLICA IO_THREAD');
  const { replica, executed } = await stateOf(region);
  if (!replica) throw new PostconditionFailed('It follows nobody: there is nothing to drain.');
  if (replica.retrieved === '' && executed === '')
    throw new PostconditionFailed('It has no data: it would be promoted empty.');
  if (replica.retrieved !== '') await untilExecuted(region, replica.retrieved, seconds);
  await killAppliers(region);
}

/**
 * Kills appliers. An applier in an incomplete transaction would delay STOP REPLICA by a minute. MySQL rolls it back.
 */
async function killAppliers(region: Connection): Promise<void> {
  const threads = await rowsOf<{ Id: number; User: string }>(region, 'SHOW PROCESSLIST');
  for (const { Id } of threads.filter(({ User }) => User === 'system user')) {
    await region.query('KILL ?', [Id]).catch(() => undefined); // The applier has ended by itself.
  }
}

/** Opens a drained standby, or a fenced region, for writes of operators only. */
export async function takeWritesOfOperators(region: Connection): Promise<void> {
  await region.query('STOP REPLICA');
  await region.query('RESET REPLICA ALL');
  await region.query('SET GLOBAL rpl_semi_sync_replica_enabled = OFF');
  await acknowledgeAlone(region); // It stays so until a standby follows it.
  // This comes first: a session that ends here must not leave the region open to all.
  await region.query('SET GLOBAL read_only = ON');
  await region.query('SET GLOBAL super_read_only = OFF');
}

/** Opens the region for writes of all users. */
export async function takeWrites(region: Connection): Promise<void> {
  await region.query('SET GLOBAL read_only = OFF'); // MySQL switches super_read_only off with it.
}

/** Refuses all writes, also of the administrator. Hangs while sessions wait for an acknowledgement: bound it. */
export async function refuseWrites(region: Connection): Promise<void> {
  await region.query('SET GLOBAL super_read_only = ON');
  if (!(await isReadOnly(region))) throw new PostconditionFailed('It still takes writes.');
}

/** @returns GTIDs that `other` has executed, and this region has not; empty: none. */
export async function missingFrom(region: Connection, other: string): Promise<string> {
  const [row] = await rowsOf<{ missing: string }>(
    region,
    'SELECT GTID_SUBTRACT(?, @@gtid_executed) AS missing',
    [other],
  );
  return (row?.missing ?? '').replaceAll('\n', '');
}

const restartAfterClone = 3707;

/**
 * Replaces all data of this server by those of the donor. The server then ends itself, and its agent starts it again.
 * After that it can follow.
 *
 * @param donor through the router, as `host:port`.
 */
export async function cloneFrom(
  region: Connection,
  { host, port, user, password }: ReplicationSource,
): Promise<void> {
  await region.query('STOP REPLICA');
  await region.query('RESET REPLICA ALL');
  await region.query('SET GLOBAL super_read_only = OFF'); // Otherwise it refuses to be overwritten.
  await region.query('SET GLOBAL clone_valid_donor_list = ?', [`${host}:${port}`]);
  try {
    await region.query('CLONE INSTANCE FROM ?@?:? IDENTIFIED BY ?', [user, host, port, password]);
  } catch (error) {
    // mysqld cannot restart itself: this error means that the clone has succeeded.
    if (!hasErrno(error, restartAfterClone)) throw error;
  }
}

const hasErrno = (error: unknown, errno: number): boolean =>
  typeof error === 'object' && error !== null && 'errno' in error && error.errno === errno;

async function rowsOf<Row extends object>(
  region: Connection,
  statement: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const [rows] = await region.query<(RowDataPacket & Row)[]>(statement, [...values]);
  return rows;
}
