/** Writes an ending also where one stands already. */
import * as sound from '../../../activities/runs/runs-store';
import type { SqlTransaction } from '../../../activities/fence/participant';
import type { SqlPool } from '../../../activities/fence/sql-transaction';

export { decideRun } from '../../../activities/runs/runs-store';

export const createRunsStore: typeof sound.createRunsStore = (dependencies) => ({
  ...sound.createRunsStore(dependencies),
  end: (requests) =>
    sound.createRunsStore({ ...dependencies, pool: forgetful(dependencies.pool) }).end(requests),
});

const forgetful = (pool: SqlPool): SqlPool => ({
  ...pool,
  async open(budget) {
    const session = await pool.open(budget);
    return { ...session, sql: blind(session.sql) };
  },
});

/** Sees no ending, and overwrites it. */
const blind = (sql: SqlTransaction): SqlTransaction => ({
  select: (statement, values) =>
    sql.select(statement.replace('version, ending', 'version, NULL AS ending'), values),
  change: (statement, values) =>
    sql.change(statement.replace('WHERE r.ended_at IS NULL', ''), values),
});
