/**
 * Promotions counted: every write carries the epoch that the hub told, and the database that is written to must be in
 * it. So a write from before a promotion cannot land after it, and no two regions accept writes in one epoch.
 */
import { ApplicationFailure } from '@temporalio/common';

import type { FailureType } from '../../contracts/engine/failures';
import type { SqlTransaction } from './participant';
import type { SqlPool } from './sql-transaction';

/** The epoch that writes carry, taken when an activity starts. */
export interface EpochSource {
  /** As the hub told last; asked again after `forget`. Never from the database that is written to. */
  carried(): Promise<number>;
  /** What the hub told is out of date. */
  forget(): void;
}

/** The row that a database's writes are compared with. */
export interface EpochRow {
  /** SELECT of one column `epoch`, locked FOR SHARE: a promotion waits for open writers, later ones see its epoch. */
  readonly sql: string;
  readonly values: readonly string[];
}

/** A participant's, replicated like any row and moved by a promotion alone. */
export const regionEpoch: EpochRow = {
  sql: 'SELECT epoch FROM region_epoch WHERE id = 1 FOR SHARE',
  values: [],
};

/** The hub's own: `accord` is in no region. */
export const clusterEpoch = (cluster: string): EpochRow => ({
  sql: 'SELECT epoch FROM cluster_state WHERE cluster = ? FOR SHARE',
  values: [cluster],
});

/** Reads the hub, `accord`, and keeps what it said. */
export function createEpochSource(hub: Pick<SqlPool, 'select'>, cluster: string): EpochSource {
  let known: Promise<number> | undefined;
  const ask = async (): Promise<number> => {
    const [row] = await hub.select<{ readonly epoch: number }>(
      'SELECT epoch FROM cluster_state WHERE cluster = ?',
      [cluster],
    );
    if (!row) throw new Error(`The hub knows no cluster ${cluster}.`);
    return row.epoch;
  };
  const forget = (): void => {
    known = undefined;
  };
  return {
    carried() {
      if (known) return known;
      known = ask();
      known.catch(forget); // A failure is not kept: the next one asks again.
      return known;
    },
    forget,
  };
}

/** Locks the epoch until COMMIT. @throws StaleEpoch where the database is not in the epoch that is carried. */
export async function demandEpoch(
  sql: SqlTransaction,
  row: EpochRow,
  carried: number,
): Promise<void> {
  const [found] = await sql.select<{ readonly epoch: number }>(row.sql, row.values);
  if (!found) throw new Error('The database has no row for its epoch: it was never migrated.');
  if (found.epoch !== carried) {
    throw staleEpoch(`The database is in epoch ${found.epoch}, the call carries ${carried}.`);
  }
}

/** @throws StaleEpoch where the transaction has been answered from a later epoch than the one that is carried. */
export function demandAtLeast(carried: number, minEpoch: number): void {
  if (carried < minEpoch) {
    throw staleEpoch(`The call carries epoch ${carried}, its transaction has seen ${minEpoch}.`);
  }
}

const staleEpochType: FailureType = 'StaleEpoch';

const staleEpoch = (message: string): ApplicationFailure =>
  ApplicationFailure.retryable(message, staleEpochType);

export const isStaleEpoch = (error: unknown): boolean =>
  error instanceof ApplicationFailure && error.type === staleEpochType;
