import type { Connection, RowDataPacket } from 'mysql2/promise';

import { PostconditionFailed } from './mysql-region';

/**
 * A region enters an epoch, in each participant's database, behind the writers that are under way there: who carries an
 * older one is refused from then on. Never back: safe to repeat, and to come late.
 *
 * @param participants names of their databases.
 * @throws PostconditionFailed where a later epoch has begun.
 */
export async function enterEpoch(
  mysql: Connection,
  participants: readonly string[],
  { region, epoch }: { readonly region: string; readonly epoch: number },
): Promise<void> {
  for (const database of participants) {
    await mysql.query('START TRANSACTION');
    // Locked before it is dated: this waits for the writers.
    await mysql.query(`SELECT epoch FROM \`${database}\`.region_epoch WHERE id = 1 FOR UPDATE`);
    await mysql.query(
      `UPDATE \`${database}\`.region_epoch SET epoch = ?, region = ?, changed_at = UTC_TIMESTAMP(3)
         WHERE id = 1 AND epoch < ?`,
      [epoch, region, epoch],
    );
    await mysql.query('COMMIT');
    const [rows] = await mysql.query<(RowDataPacket & { readonly epoch: number })[]>(
      `SELECT epoch FROM \`${database}\`.region_epoch WHERE id = 1`,
    );
    if (rows[0]?.epoch !== epoch)
      throw new PostconditionFailed(`${database} is in epoch ${rows[0]?.epoch ?? '?'}.`);
  }
}
