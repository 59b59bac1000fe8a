/** To which installation databases belong: the id that `accord` bears is written into the others. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { openConnection } from '../mysql/door';

/** The id of the installation whose `accord` this is, as its first migration made it. */
export async function installationAt(adminUrl: string, database: string): Promise<string> {
  const admin = await openConnection({ url: adminUrl });
  try {
    return await ownerOf(admin, database);
  } finally {
    await admin.end();
  }
}

async function ownerOf(admin: Connection, database: string): Promise<string> {
  const [[row]] = await admin.query<RowDataPacket[]>(
    `SELECT CAST(id AS CHAR) AS id FROM \`${database}\`.installation`,
  );
  return String(row?.['id']);
}

/** @throws where a database belongs to another installation: nothing of it is changed. */
export async function markDatabases(
  adminUrl: string,
  names: readonly string[],
  id: string,
): Promise<void> {
  const admin = await openConnection({ url: adminUrl });
  try {
    for (const database of names) {
      await admin.query(
        `INSERT IGNORE INTO \`${database}\`.installation (one, id, created_at) VALUES (1, ?, UTC_TIMESTAMP(3))`,
        [id],
      );
      const found = await ownerOf(admin, database);
      if (found === id) continue;
      throw new Error(
        `The database ${database} belongs to the installation ${found}, and accord to ${id}. Give this installation ` +
          'databases of its own; where these are copies that shall be one from now on: npm run installation -- renew.',
      );
    }
  } finally {
    await admin.end();
  }
}

/** Writes on the table `installation` which participant's database this is: processes find exchanged addresses by it. Safe to repeat. */
export async function nameDatabase(
  adminUrl: string,
  database: string,
  participant: string,
): Promise<void> {
  const comment = `Database of ${participant}`;
  const admin = await openConnection({ url: adminUrl });
  try {
    const [[table]] = await admin.query<RowDataPacket[]>(
      `SELECT CAST(table_comment AS CHAR) AS comment FROM information_schema.tables
        WHERE table_schema = ? AND table_name = 'installation'`,
      [database],
    );
    if (!table || table['comment'] === comment) return; // An ALTER that changes nothing would wait for its readers.
    await admin.query(`ALTER TABLE \`${database}\`.installation COMMENT = ?`, [comment]);
  } finally {
    await admin.end();
  }
}
