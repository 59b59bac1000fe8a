/** The hub's row as a write of a run needs it. */
import type { Gid } from '../../../contracts/engine/ids';
import { dependencyUnavailable } from '../../http/errors';
import { openMoveOf } from '../cluster-store';
import type { Statements } from '../database';

/** The cluster as a start of an operator's flow was prepared for it. Its number is the next one. */
export interface SwitchSlot {
  readonly sequence: number;
  readonly epoch: number;
}

/** The cluster's row says no; nothing is written. */
export type Refused =
  /** A region is being switched: no business is taken in. */
  | { readonly kind: 'switching' }
  /** Another one moves the regions. */
  | { readonly kind: 'held'; readonly gid: Gid | null }
  /** The cluster has moved since this was prepared. */
  | { readonly kind: 'moved' };

/** Rolls back what has been numbered. */
export class SwitchSlotRefused extends Error {
  constructor(readonly refused: Refused) {
    super(refused.kind);
  }
}

/**
 * Takes the next number of a cluster whose sequence and epoch are as expected, and which no run moves.
 * @throws SwitchSlotRefused
 */
export async function claimSwitchSlot(
  sql: Statements,
  cluster: string,
  { sequence, epoch }: SwitchSlot,
): Promise<HubRow> {
  // Locks the row whether it fits or not: of two at once, the later one sees what has become of the earlier one.
  const taken = await sql.change(
    'UPDATE cluster_state SET sequence = sequence + 1 WHERE cluster = ? AND sequence = ? AND epoch = ?',
    [cluster, sequence, epoch],
  );
  const hub = await activeRegion(sql, cluster);
  const open = await openMoveOf(sql, cluster);
  if (open !== undefined || hub.state === 'failing-over') {
    throw new SwitchSlotRefused({ kind: 'held', gid: hub.holder ?? open ?? null });
  }
  if (taken === 0) throw new SwitchSlotRefused({ kind: 'moved' });
  return hub;
}

interface HubRow {
  readonly region: string;
  readonly epoch: number;
  readonly state: 'steady' | 'failing-over' | 'degraded';
  readonly holder: Gid | null;
  /** The time of MySQL when it was read. */
  readonly at: Date;
}

/** Region and epoch that a write carries, locked against a promotion until it is committed. */
export async function activeRegion(sql: Statements, cluster: string): Promise<HubRow> {
  const [hub] = await sql.select<HubRow>(
    `SELECT region, epoch, state, holder_gid AS holder, UTC_TIMESTAMP(3) AS at FROM cluster_state
     WHERE cluster = ? FOR SHARE`,
    [cluster],
  );
  if (!hub)
    throw dependencyUnavailable('mysql', new Error(`No row of cluster_state for ${cluster}.`));
  return hub;
}
