import type { SqlPool } from './sql-transaction';

/** A pool for each database with a fence, by its participant. Every application has `accord`. */
export type FencedDatabases = Readonly<Record<string, SqlPool>> & { readonly accord: SqlPool };

/** @throws RangeError for a participant without a fence of its own. */
export function poolOfParticipant(databases: FencedDatabases, participant: string): SqlPool {
  const pool = Object.hasOwn(databases, participant) ? databases[participant] : undefined;
  if (!pool) throw new RangeError(`${participant} has no fence.`);
  return pool;
}
