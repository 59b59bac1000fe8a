/**
 * Who is active and who stands by, as the hub says: made so when the servers have started, since none of them knows its
 * own role. What a failover does is none of this: it decides, here everything is decided.
 */
import type { RowDataPacket } from 'mysql2/promise';

import {
  acknowledgeAlone,
  acknowledgeTogether,
  demandStandby,
  follow,
  isReadOnly,
  missingFrom,
  stateOf,
  takeWrites,
  takeWritesOfOperators,
  untilExecuted,
  withRegion,
  type ReplicationSource,
} from '../../activities/regions/switch/mysql-region';
import { holdOpening } from '../../activities/regions/switch/opening';
import { regions, type Region } from '../stack/profile';
import type { RegionAddresses } from './addresses';
import { withRedis } from '../../runtime/redis';
import { openConnection } from '../../runtime/mysql/door';

/**
 * What the hub says of a cluster whose regions have their roles. @param isStandingBy commits are acknowledged by both.
 */
export async function noteRoles(
  hubUrl: string,
  { active, standby }: Roles,
  isStandingBy: boolean,
): Promise<void> {
  const hub = await openConnection({ url: hubUrl });
  try {
    await hub.query(
      `UPDATE cluster_state SET sync = ? WHERE cluster = 'main' AND region = ? AND state = 'steady'`,
      [isStandingBy, active],
    );
    await hub.query(
      `INSERT INTO regions (cluster, region, status, priority, changed_at)
         VALUES ('main', ?, 'ACTIVE', 0, UTC_TIMESTAMP(3)), ('main', ?, ?, 1, UTC_TIMESTAMP(3)) AS told
         ON DUPLICATE KEY UPDATE status = told.status, changed_at = told.changed_at`,
      [active, standby, isStandingBy ? 'STANDBY' : 'FAILED'],
    );
  } finally {
    await hub.end();
  }
}

export interface Roles {
  readonly active: Region;
  readonly standby: Region;
}

const callMs = 5_000;
const catchUpSeconds = 60;

/** @param hubUrl of `accord`, with the row that decides. */
export async function rolesOf(hubUrl: string): Promise<Roles> {
  const hub = await openConnection({ url: hubUrl });
  try {
    const [rows] = await hub.query<(RowDataPacket & { region: string })[]>(
      `SELECT CAST(region AS CHAR) AS region FROM cluster_state WHERE cluster = 'main'`,
    );
    const active = regions.find((region) => region === rows[0]?.region) ?? 'a';
    const standby = regions.find((region) => region !== active) ?? active;
    return { active, standby };
  } finally {
    await hub.end();
  }
}

/** @returns the switch that moves the regions; `null`: none does. */
export async function holderOf(hubUrl: string): Promise<string | null> {
  const hub = await openConnection({ url: hubUrl });
  try {
    const [rows] = await hub.query<(RowDataPacket & { readonly holder: string | null })[]>(
      `SELECT CAST(holder_gid AS CHAR) AS holder FROM cluster_state WHERE cluster = 'main'`,
    );
    return rows[0]?.holder ?? null;
  } finally {
    await hub.end();
  }
}

/** @returns regions that stand by: what they have, the active one has too. */
export async function standbysOf(hubUrl: string): Promise<readonly Region[]> {
  const hub = await openConnection({ url: hubUrl });
  try {
    const [rows] = await hub.query<(RowDataPacket & { region: string })[]>(
      `SELECT CAST(region AS CHAR) AS region FROM regions WHERE cluster = 'main' AND status = 'STANDBY'`,
    );
    return regions.filter((region) => rows.some((row) => row.region === region));
  } finally {
    await hub.end();
  }
}

/**
 * Opens the region that the hub names for writes, and only while no switch or rejoin is under way.
 *
 * @throws where somebody does by now.
 */
export const activate = (
  hubUrl: string,
  active: Region,
  { mysqlUrl }: RegionAddresses,
): Promise<void> =>
  withRegion(mysqlUrl, callMs, async (region) => {
    if (!(await isReadOnly(region))) return;
    await holdOpening(region); // What is read behind it stays so until this session ends.
    if ((await holderOf(hubUrl)) !== null || (await rolesOf(hubUrl)).active !== active)
      throw new Error(`A switch or rejoin is under way: region ${active} is not opened.`);
    await takeWritesOfOperators(region);
    await takeWrites(region);
  });

export interface Replication {
  readonly user: string;
  readonly password: string;
}

/** The account that a standby pulls with, and is rebuilt with. Written before anybody waits for an acknowledgement. */
export const addReplicationUser = (
  { mysqlUrl }: RegionAddresses,
  { user, password }: Replication,
): Promise<void> =>
  withRegion(mysqlUrl, callMs, async (region) => {
    await region.query(`CREATE USER IF NOT EXISTS ?@'%' IDENTIFIED BY ?`, [user, password]);
    await region.query(`GRANT REPLICATION SLAVE, BACKUP_ADMIN ON *.* TO ?@'%'`, [user]);
  });

/**
 * Stands by: pulls from the active one, and acknowledges to it.
 *
 * @returns what it alone has executed; empty: it stands by. Else it must be rebuilt, or that would come back with its
 *   next promotion.
 */
export async function standBy(
  standby: RegionAddresses,
  active: RegionAddresses,
  replication: Replication,
): Promise<string> {
  const { executed } = await withRegion(standby.mysqlUrl, callMs, stateOf);
  const errant = await withRegion(active.mysqlUrl, callMs, (region) =>
    missingFrom(region, executed),
  );
  if (errant !== '') return errant;
  const source: ReplicationSource = {
    host: '127.0.0.1',
    port: active.links.mysql,
    ...replication,
  };
  const now = await withRegion(active.mysqlUrl, callMs, stateOf);
  await withRegion(standby.mysqlUrl, callMs + catchUpSeconds * 1_000, async (region) => {
    const { replica } = await stateOf(region);
    if (!(replica?.isPulling && replica.isApplying)) await follow(region, source);
    await untilExecuted(region, now.executed, catchUpSeconds);
  });
  await withRegion(active.mysqlUrl, callMs, async (region) => {
    await acknowledgeTogether(region);
    await demandStandby(region).catch(async (error: unknown) => {
      await acknowledgeAlone(region); // Otherwise every commit would wait without a standby, also in a retry.
      throw error;
    });
  });
  await followRedis(standby, active);
  return '';
}

async function followRedis(standby: RegionAddresses, active: RegionAddresses): Promise<void> {
  const limits = { connectMs: callMs };
  await withRedis(active.redisUrl, limits, (leader) => leader.replicaof('NO', 'ONE'));
  await withRedis(standby.redisUrl, limits, (replica) =>
    replica.replicaof('127.0.0.1', active.links.redis),
  );
}
