import type { Connection, RowDataPacket } from 'mysql2/promise';

/** How long a second process waits for the first one: longer than any migration may take. */
const lockWaitSeconds = 120;

/** MySQL's bound. */
const lockNameLetters = 64;

/**
 * MySQL's own lock, held by this connection: it ends with it, however that ends.
 *
 * @throws one sentence where another process holds it for longer than any migration may take.
 */
export async function withNamedLock<Result>(
  connection: Connection,
  lock: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const name = lock.slice(0, lockNameLetters);
  const [[row]] = await connection.query<RowDataPacket[]>('SELECT GET_LOCK(?, ?) AS taken', [
    name,
    lockWaitSeconds,
  ]);
  if (row?.['taken'] !== 1) throw new Error(`Another process holds the lock ${lock}.`);
  try {
    return await work();
  } finally {
    // Without its connection the lock is gone, and the work has its own outcome.
    await connection.query('SELECT RELEASE_LOCK(?)', [name]).catch(() => undefined);
  }
}
