/**
 * The epoch counts promotions. Every write carries the epoch of the hub, and the written database must be in that
 * epoch. So no write from before a promotion takes effect after it, and no two regions accept writes in one epoch.
 */
import { ApplicationFailure } from '@temporalio/common';

import type { FailureType } from '../../contracts/engine/failures';
import type { SqlTransaction } from './participant';
import type { SqlPool } from './sql-transaction';

/** The epoch that writes carry, taken when an activity starts. */
export interface EpochSource {
  /** The epoch that was last read from the hub, and never from the written database. `forget` makes it read again. */
  carried(): Promise<number>;
  /** Forgets the epoch, because it is out of date. */
  forget(): void;
}

/** The row with the epoch of a database. Every write is compared with it. */
export interface EpochRow {
  /**
   * SELECT of one column `epoch`, locked FOR SHARE. A promotion waits for open writers; later writers see its epoch.
   */
  readonly sql: string;
  readonly values: readonly string[];
}

/** The row of a participant. It is replicated like any row, and only a promotion changes it. */
export const regionEpoch: EpochRow = {
  sql: 'SELECT epoch FROM region_epoch WHERE id = 1 FOR SHARE',
  values: [],
};

/** The row of the hub: `accord` belongs to no region. */
export const clusterEpoch = (cluster: string): EpochRow => ({
  sql: 'SELECT epoch FROM cluster_state WHERE cluster = ? FOR SHARE',
  values: [cluster],
});

/** Reads the epoch from the hub, `accord`, and keeps it. */
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
      known.catch(forget); // A failure is not kept: the next call reads again.
      return known;
    },
    forget,
  };
}

/** Locks the epoch until COMMIT. @throws StaleEpoch if the database is not in the carried epoch. */
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

/** @throws StaleEpoch if the transaction has got an answer in a later epoch than the carried one. */
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
