/** Probes one region. An acknowledged write proves that it works; a ping succeeds on a frozen disk, too. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { stateOf, withRegion } from '../switch/mysql-region';
import type { Probed, StandbyLook } from './observation';

/**
 * Writes a heartbeat, on a connection of its own. An error is a result, too. It takes little longer than `withinMs`.
 *
 * @param url address of the database with the table `heartbeat`.
 * @param source the vantage point. Each has a row of its own, so that one that hangs does not block the others.
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
      // An earlier heartbeat may wait for its acknowledgement, with its row locked. Later ones must not queue behind
      // it.
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
 * Probes a standby as its operator.
 *
 * @param database database with the table `heartbeat`. The hub's row in it shows how far the standby is behind.
 * @param now clock of the hub, which gives that row its time.
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

/** Time of the newest heartbeat, in microseconds since 1970. */
async function newestHeartbeat(region: Connection, database: string): Promise<number | null> {
  const [rows] = await region.query<(RowDataPacket & { readonly at: string | null })[]>(
    `SELECT CAST(MAX(at_us) AS CHAR) AS at FROM \`${database}\`.heartbeat WHERE source = 'hub'`,
  );
  const at = rows[0]?.at ?? null;
  return at === null ? null : Number(at);
}

/** Address by the hub's own route. The route of clients is closed during a switch. */
export function alongHub(watchUrl: string, { mysqlUrl }: { readonly mysqlUrl: string }): string {
  const url = new URL(watchUrl);
  url.host = new URL(mysqlUrl).host;
  return url.toString();
}

/** Text of an error. It has no password: drivers do not write one into their messages. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
