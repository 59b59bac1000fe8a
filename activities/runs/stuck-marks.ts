import type { Gid } from '../../contracts/engine/ids';
import type { SqlPool } from '../fence/sql-transaction';

/** Marks on rows of `accord.runs` whose step has been failing transiently for longer than its alarm. */
export interface StuckMarks {
  /**
   * Best effort and unfenced: the row's next move or its ending clears the mark, and nothing is decided on it.
   * @param forMs since the step was first tried.
   */
  mark(gids: readonly Gid[], forMs: number): Promise<void>;
}

export const createStuckMarks = (pool: Pick<SqlPool, 'change'>): StuckMarks => ({
  async mark(gids, forMs) {
    if (gids.length === 0) return;
    await pool.change(
      `UPDATE runs FORCE INDEX (PRIMARY) SET stuck_since = UTC_TIMESTAMP(3) - INTERVAL ? MICROSECOND
         WHERE gid IN (?) AND stuck_since IS NULL AND ended_at IS NULL AND state IN ('running', 'undoing')`,
      [Math.round(forMs * 1_000), gids],
    );
  },
});
