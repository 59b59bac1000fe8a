/** Looks at one region: a write that is acknowledged proves that it works; pings stay green on a frozen disk. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { stateOf, withRegion } from '../switch/mysql-region';
import type { Probed, StandbyLook } from './observation';

/**
 * Writes a heartbeat, on a connection of its own. Whatever goes wrong is an answer; it takes little longer than `withinMs`.
 *
 * @param url of the database that has the table `heartbeat`.
 * @param source the vantage point: it has a row of its own, or one that hangs would make the others hang.
 */
export async function heartbeat(url: string, source: string, withinMs: number): Promise<Probed> {
  const began = performance.now();
  let reads = false;
  const told = (writes: boolean, error: string | null): Probed => ({
    ...{ reads, writes, error },
    ms: Math.round(performance.now() - began),
  });
  try {
    await withRegion(url, withinMs, async (region) => {
      // An earlier heartbeat may wait for its acknowledgement, with its row locked: those behind it must not pile up.
      await region.query(
        `SET SESSION innodb_lock_wait_timeout = 1, SESSION transaction_isolation = 'READ-COMMITTED'`,
      );
      await region.query('SELECT epoch FROM region_epoch WHERE id = 1');
      reads = true;
      await region.query(
        `INSERT INTO heartbeat (source, seq, at_us, epoch)
           SELECT ?, 1, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)), epoch FROM region_epoch WHERE id = 1
           ON DUPLICATE KEY UPDATE seq = heartbeat.seq + 1, at_us = VALUES(at_us), epoch = VALUES(epoch)`,
        [source],
      );
    });
    return told(true, null);
  } catch (error) {
    return told(false, reasonOf(error));
  }
}

/**
 * Looks at a standby, as its operator.
 *
 * @param database that has the table `heartbeat`, where the hub's own row tells how far it is behind.
 * @param now of the hub, whose clock that row is stamped by.
 */
export async function lookAtStandby(
  url: string,
  database: string,
  { withinMs, now }: { readonly withinMs: number; readonly now: () => number },
): Promise<StandbyLook> {
  const began = performance.now();
  const ms = (): number => Math.round(performance.now() - began);
  try {
    return await withRegion(url, withinMs, async (region) => {
      const { replica } = await stateOf(region);
      const at = await newestHeartbeat(region, database);
      const lagMs = at === null ? null : Math.max(0, Math.round(now() - at / 1_000));
      const follows = replica !== null && replica.isPulling && replica.isApplying;
      const error = replica?.error === '' ? null : (replica?.error ?? 'It follows nobody.');
      return { reads: true, follows, lagMs, error, ms: ms() };
    });
  } catch (error) {
    return { reads: false, follows: false, lagMs: null, error: reasonOf(error), ms: ms() };
  }
}

/** In microseconds since 1970. */
async function newestHeartbeat(region: Connection, database: string): Promise<number | null> {
  const [rows] = await region.query<(RowDataPacket & { readonly at: string | null })[]>(
    `SELECT CAST(MAX(at_us) AS CHAR) AS at FROM \`${database}\`.heartbeat WHERE source = 'hub'`,
  );
  const at = rows[0]?.at ?? null;
  return at === null ? null : Number(at);
}

/** Not along the way that clients take: that one is closed while a region is switched. */
export function alongHub(watchUrl: string, { mysqlUrl }: { readonly mysqlUrl: string }): string {
  const url = new URL(watchUrl);
  url.host = new URL(mysqlUrl).host;
  return url.toString();
}

/** Without an address's password: the drivers tell none. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
