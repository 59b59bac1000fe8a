/** Settings of every session of Accord, set before its first statement. They do not depend on the server's defaults. */

/** Settings that differ between users of MySQL. */
export interface SessionLimits {
  readonly isolation: 'READ-COMMITTED' | 'REPEATABLE-READ';
  /** For a row, and for a table that is being altered. */
  readonly lockWaitSeconds: number;
  /** MySQL ends a session that is silent for so long: a machine that has vanished loses its locks. */
  readonly idleSeconds: number;
  /** MySQL ends a SELECT that runs for longer; 0: none. Other statements are ended by KILL. */
  readonly selectMs: number;
}

/** Limits for administration: migrations, provisioning, and drills. */
export const administration: SessionLimits = {
  isolation: 'READ-COMMITTED',
  lockWaitSeconds: 50,
  idleSeconds: 28_800,
  selectMs: 0,
};

const sqlMode = [
  'ONLY_FULL_GROUP_BY',
  'STRICT_TRANS_TABLES', // An id that is too long is refused, not cut.
  'NO_ZERO_IN_DATE',
  'NO_ZERO_DATE',
  'ERROR_FOR_DIVISION_BY_ZERO',
  'NO_ENGINE_SUBSTITUTION',
].join(',');

const everySession = {
  character_set_client: 'utf8mb4',
  character_set_results: 'utf8mb4',
  character_set_connection: 'utf8mb4',
  collation_connection: 'utf8mb4_0900_ai_ci',
  sql_mode: sqlMode,
  time_zone: '+00:00',
  transaction_read_only: 0,
  autocommit: 1,
  completion_type: 'NO_CHAIN', // A COMMIT must not begin the next SQL transaction, or end the session.
  default_storage_engine: 'InnoDB',
  sql_safe_updates: 0,
  sql_auto_is_null: 0,
  sql_select_limit: '18446744073709551615', // A server-wide limit would cut sets silently.
  sql_big_selects: 1,
  group_concat_max_len: 1_048_576, // A list that is cut without an error would be compared as if it were whole.
  max_sort_length: 1_024, // Texts that differ only after it would be sorted as equals.
  div_precision_increment: 4,
  foreign_key_checks: 1,
  unique_checks: 1,
  lc_messages: 'en_US', // Operators search for the text of an error.
} as const;

/** Names and values of a session, as MySQL has them. */
export const settingsOf = (limits: SessionLimits): Readonly<Record<string, string | number>> => ({
  ...everySession,
  transaction_isolation: limits.isolation,
  innodb_lock_wait_timeout: limits.lockWaitSeconds,
  lock_wait_timeout: limits.lockWaitSeconds,
  wait_timeout: limits.idleSeconds,
  max_execution_time: limits.selectMs,
});

/** One statement for all settings: MySQL executes all of it, or nothing. */
export function sessionStatement(limits: SessionLimits): string {
  const assignments = Object.entries(settingsOf(limits)).map(([name, value]) => {
    const isNumber = typeof value === 'number' || /^\d+$/.test(value);
    return `SESSION ${name} = ${isNumber ? value : `'${value}'`}`;
  });
  return `SET ${assignments.join(', ')}`;
}
