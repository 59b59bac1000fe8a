/** Writes along the way that clients take, and notes in the hub what was acknowledged: how far a standby may be behind. */
import type { SqlPool } from '../../activities/fence/sql-transaction';
import { repeat } from '../../runtime/repeat';

const everyMs = 250;

export interface Heartbeats {
  stop(): Promise<void>;
}

/**
 * Each heartbeat is later than the one before it, whichever worker writes it. With several workers one clock is behind
 * another, and a heartbeat that went back would read as a loss.
 *
 * @param active of a database of the active region.
 * @param hub of `accord`.
 * @param now of the hub, in milliseconds since 1970: a loss is measured by it.
 */
export function startHeartbeats(
  {
    active,
    hub,
    cluster,
    now,
  }: {
    readonly active: SqlPool;
    readonly hub: SqlPool;
    readonly cluster: string;
    readonly now: () => number;
  },
  onFailure: (error: unknown) => void,
): Heartbeats {
  async function beat(): Promise<number> {
    await active.change(
      `INSERT INTO heartbeat (source, seq, at_us, epoch)
         SELECT 'hub', 1, ?, epoch FROM region_epoch WHERE id = 1
         ON DUPLICATE KEY UPDATE seq = heartbeat.seq + 1, at_us = GREATEST(heartbeat.at_us + 1, VALUES(at_us)),
           epoch = VALUES(epoch)`,
      [now() * 1_000],
    );
    // The value in the row is acknowledged, whichever worker wrote it: a commit becomes visible only when the standby
    // has it.
    const [beaten] = await active.select<{ readonly at: string }>(
      `SELECT CAST(at_us AS CHAR) AS at FROM heartbeat WHERE source = 'hub'`,
    );
    await hub.change(
      `INSERT INTO cluster_heartbeats (cluster, acknowledged_us) VALUES (?, ?) AS told
         ON DUPLICATE KEY UPDATE acknowledged_us = GREATEST(cluster_heartbeats.acknowledged_us, told.acknowledged_us)`,
      [cluster, beaten?.at ?? 0],
    );
    return everyMs;
  }
  // What was acknowledged last is what a switch measures its loss by: it must not stay old behind an outage.
  return repeat(
    beat,
    {
      onFailure: (error, failures) => {
        if (failures === 1) onFailure(error); // Once an outage.
      },
      onRecovery: () => undefined,
    },
    everyMs,
  );
}
