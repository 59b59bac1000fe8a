import type { Connection, RowDataPacket } from 'mysql2/promise';

import { PostconditionFailed } from './mysql-region';

/**
 * A region enters an epoch, in each participant's database at once, behind the writers that are under way there: who
 * carries an older one is refused from then on. Never back: safe to repeat, and to come late.
 *
 * @param participants names of their databases, on one server.
 * @throws PostconditionFailed where a later epoch has begun.
 */
export async function enterEpoch(
  mysql: Connection,
  participants: readonly string[],
  { region, epoch }: { readonly region: string; readonly epoch: number },
): Promise<void> {
  await mysql.query('SET SESSION innodb_lock_wait_timeout = 3'); // Nobody waits longer; what it holds would make others wait.
  await mysql.query('START TRANSACTION');
  await epochsOf(mysql, participants, 'FOR UPDATE'); // Locked before they are dated: this waits for the writers.
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

/** One statement for all of them: with clients waiting, each way there and back counts. */
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
