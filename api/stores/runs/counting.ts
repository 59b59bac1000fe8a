import type { Database, SqlValue } from '../database';

/** How many rows a statement finds; it bounds them itself. */
export async function countOf(
  database: Database,
  sql: string,
  values: readonly SqlValue[],
): Promise<number> {
  const [row] = await database.select<{ readonly n: number }>(
    `SELECT COUNT(*) AS n FROM (${sql}) AS counted`,
    values,
  );
  return row?.n ?? 0;
}
