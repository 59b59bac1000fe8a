import type { Connection, RowDataPacket } from 'mysql2/promise';

/** MySQL ends a session that is silent for so long. Longer than any attempt is between two statements. */
const silentSeconds = 10;

/**
 * A lock of that server, until this session ends: a server has no other, and nobody has to give it back. A machine that
 * has vanished loses session and lock within seconds; what it sends later is not carried out.
 *
 * @param seconds that it waits for whoever has it.
 * @throws where somebody else has it still.
 */
export async function takeLock(mysql: Connection, name: string, seconds: number): Promise<void> {
  await mysql.query('SET SESSION wait_timeout = ?', [silentSeconds]);
  const [rows] = await mysql.query<(RowDataPacket & { readonly isMine: number | null })[]>(
    'SELECT GET_LOCK(?, ?) AS isMine',
    [name, seconds],
  );
  if (rows[0]?.isMine !== 1) throw new Error(`Somebody else has the lock ${name} of this server.`);
}
