import type { SqlPool, SqlSession } from '../../activities/fence/sql-transaction';

/** What one statement made the server read. */
export interface StatementReads {
  readonly sql: string;
  readonly values: readonly unknown[] | undefined;
  /** Rows that the storage engine handed out: of tables, of indexes and of what was sorted. */
  readonly rows: number;
  readonly ms: number;
}

/** Statements as every door to MySQL offers them. */
interface AnyStatements {
  select(sql: string, values?: never): Promise<readonly object[]>;
  change(sql: string, values?: never): Promise<number>;
}

/** Rows read by this connection since it was opened. The server counts, so a busy machine changes nothing. */
async function rowsSoFar(sql: AnyStatements): Promise<number> {
  const rows = await sql.select(`SHOW SESSION STATUS LIKE 'Handler\\_read%'`);
  return rows.reduce((sum, row) => sum + Number('Value' in row ? row.Value : 0), 0);
}

/** @returns the same statements; what each of them read is told to `tell`. */
export function countedStatements<Statements extends AnyStatements>(
  statements: Statements,
  tell: (reads: StatementReads) => void,
): Statements {
  const counted = async <Result>(
    sql: string,
    values: readonly unknown[] | undefined,
    work: () => Promise<Result>,
  ): Promise<Result> => {
    // Rows that an index condition leaves out inside the engine are not counted: it is to hand out all that it reads.
    await statements.change(`SET SESSION optimizer_switch = 'index_condition_pushdown=off'`);
    const calibrated = await rowsSoFar(statements);
    const before = await rowsSoFar(statements);
    const began = performance.now();
    const result = await work();
    const ms = performance.now() - began;
    const after = await rowsSoFar(statements);
    tell({ sql, values, rows: after - before - (before - calibrated), ms });
    return result;
  };
  return {
    ...statements,
    select: (sql: string, values?: never) =>
      counted(sql, values, () => statements.select(sql, values)),
    change: (sql: string, values?: never) =>
      counted(sql, values, () => statements.change(sql, values)),
  };
}

/** @returns a pool that adds to `reads` what each of its statements read. */
export function countingPool(pool: SqlPool, reads: StatementReads[]): SqlPool {
  const open: SqlPool['open'] = async (budget): Promise<SqlSession> => {
    const session = await pool.open(budget);
    return { ...session, sql: countedStatements(session.sql, (read) => reads.push(read)) };
  };
  return {
    ...pool,
    open,
    select: (sql, values) => inSession({ open }, (own) => own.select(sql, values)),
    change: (sql, values) => inSession({ open }, (own) => own.change(sql, values)),
  };
}

/** Several statements on one connection, each committed by itself. */
export async function inSession<Result>(
  { open }: Pick<SqlPool, 'open'>,
  work: (sql: SqlSession['sql']) => Promise<Result>,
): Promise<Result> {
  const session = await open({ signal: new AbortController().signal, deadline: Infinity });
  try {
    const result = await work(session.sql);
    session.close('clean');
    return result;
  } catch (error) {
    session.close('unknown');
    throw error;
  }
}

/** The most that one statement read. */
export const mostRead = (reads: readonly StatementReads[]): StatementReads =>
  reads.reduce((most, one) => (one.rows > most.rows ? one : most), {
    ...{ sql: '', values: undefined, rows: 0, ms: 0 },
  });
