/** Lets every fence row expire at once: of open transactions, and reservations too. */
import * as sound from '../../../activities/retention/retention-store';
import type { SqlPool } from '../../../activities/fence/sql-transaction';

export { deleteExpiredRows, expireKeys } from '../../../activities/retention/retention-store';

/** Rows of transactions that are most likely under way are looked at as well. */
const eager = (pool: SqlPool): SqlPool => ({
  ...pool,
  select: (statement, values) =>
    pool.select(statement.replace('- INTERVAL ? SECOND', '- INTERVAL ? * 0 SECOND'), values),
  change: (statement, values) =>
    pool.change(statement.replace("AND NOT (state = 'acted' AND reserves = 1)", ''), values),
});

export const pageOf: typeof sound.pageOf = async (pool, after) => {
  const { rows, next } = await sound.pageOf(eager(pool), after);
  return { rows: rows.map((row) => ({ ...row, isOpen: false })), next };
};

export const endedAmong: typeof sound.endedAmong = (_accord, gids) =>
  Promise.resolve(new Set(gids));

export const stampRows: typeof sound.stampRows = (pool, gids) =>
  sound.stampRows(eager(pool), gids, 0);
