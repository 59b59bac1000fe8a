import type { Connection, RowDataPacket } from 'mysql2/promise';

/** MySQL ends a session after this time without a statement. No attempt pauses for so long between two statements. */
const silentSeconds = 10;

/**
 * Takes a lock of the server until this session ends, so it need not be given back. A vanished machine loses session
 * and lock within seconds. The server does not execute what the machine sends later.
 *
 * @param seconds maximum wait for the present owner.
 * @throws if another session still has the lock.
 */
export async function takeLock(mysql: Connection, name: string, seconds: number): Promise<void> {
  await mysql.query('SET SESSION wait_timeout = ?', [silentSeconds]);
  const [rows] = await mysql.query<(RowDataPacket & { readonly isMine: number | null })[]>(
    'SELECT GET_LOCK(?, ?) AS isMine',
    [name, seconds],
  );
  if (rows[0]?.isMine !== 1)
    throw new Error(`Another session has the lock ${name} of this server.`);
}
