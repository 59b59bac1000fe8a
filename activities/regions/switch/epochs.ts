import type { Connection, RowDataPacket } from 'mysql2/promise';

import { PostconditionFailed } from './mysql-region';

/**
 * Sets the epoch of a region, in the databases of all participants at once, after the writers that are under way. From
 * then on writes with an older epoch are refused. It never sets an older epoch, so it may be repeated and arrive late.
 *
 * @param participants names of their databases, on one server.
 * @throws PostconditionFailed if a later epoch has begun.
 */
export async function enterEpoch(
  mysql: Connection,
  participants: readonly string[],
  { region, epoch }: { readonly region: string; readonly epoch: number },
): Promise<void> {
  // It does not wait longer: other writers wait for the locks that it holds.
  await mysql.query('SET SESSION innodb_lock_wait_timeout = 3');
  await mysql.query('START TRANSACTION');
  await epochsOf(mysql, participants, 'FOR UPDATE'); // Locked before the update: this waits for the writers.
  for (const database of participants) {
    await mysql.query(
      `UPDATE \`${database}\`.region_epoch SET epoch = ?, region = ?, changed_at = UTC_TIMESTAMP(3)
         WHERE id = 1 AND epoch < ?`,
      [epoch, region, epoch],
    );
  }
  await mysql.query('COMMIT');
  const found = new Map(
    (await epochsOf(mysql, participants, '')).map((row) => [row.name, row.epoch]),
  );
  for (const database of participants)
    if (found.get(database) !== epoch)
      throw new PostconditionFailed(`${database} is in epoch ${found.get(database) ?? '?'}.`);
}

/** Epochs of all databases in one statement: clients are waiting, so each round trip counts. */
async function epochsOf(
  mysql: Connection,
  participants: readonly string[],
  lock: 'FOR UPDATE' | '',
): Promise<readonly { readonly name: string; readonly epoch: number }[]> {
  const each = participants.map(
    (database) =>
      `(SELECT '${database}' AS name, epoch FROM \`${database}\`.region_epoch WHERE id = 1 ${lock})`,
  );
  const [rows] = await mysql.query<
    (RowDataPacket & { readonly name: string; readonly epoch: number })[]
  >(each.join(' UNION ALL '));
  return rows;
}
