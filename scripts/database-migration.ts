import { join } from 'node:path';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { openConnection } from '../processes/mysql/door';

const migrationsOf = (database: string): string => join(__dirname, 'migrations', database, '*.sql');

/** How long a second process waits for the one that migrates: longer than any migration may take. */
const lockWaitSeconds = 120;

/**
 * Creates the database `<prefix><name>` and brings it to the newest migration of `migrations/<name>/`. Safe to repeat,
 * and for two processes at once: the second waits, then finds nothing to do.
 *
 * @throws where a migration that ran has been edited since (its checksum differs), or its SQL fails. MySQL commits each
 *   DDL statement by itself, so migrations are written to be run again.
 */
export async function migrateDatabase(
  adminUrl: string,
  name: string,
  prefix: string,
): Promise<readonly string[]> {
  const database = `${prefix}${name}`;
  const connection = await openConnection({
    url: adminUrl,
    multipleStatements: true,
  });
  try {
    await connection.query(
      `CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci`,
    );
    await connection.query(`USE \`${database}\``);
    return await withNamedLock(connection, `accord.migrate.${database}`, () =>
      runMigrations(connection, name, database),
    );
  } finally {
    await connection.end();
  }
}

async function runMigrations(
  connection: Connection,
  name: string,
  database: string,
): Promise<readonly string[]> {
  // Published as an ES module only, which a CommonJS file may import when it runs.
  const { default: Postgrator } = await import('postgrator');
  const postgrator = new Postgrator({
    driver: 'mysql',
    database,
    migrationPattern: migrationsOf(name),
    newline: 'LF', // A checkout with other line ends has the same checksums.
    execQuery: async (sql) => {
      const [rows] = await connection.query<RowDataPacket[]>(sql);
      return { rows };
    },
  });
  const applied = await postgrator.migrate();
  return applied.map((migration) => `${name}/${migration.version} ${migration.name}`);
}

/** MySQL's own lock, held by this connection: it ends with it, however that ends. */
async function withNamedLock<Result>(
  connection: Connection,
  lock: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const [[row]] = await connection.query<RowDataPacket[]>('SELECT GET_LOCK(?, ?) AS taken', [
    lock.slice(0, 64),
    lockWaitSeconds,
  ]);
  if (row?.['taken'] !== 1) throw new Error(`Another process holds the lock ${lock}.`);
  try {
    return await work();
  } finally {
    await connection.query('SELECT RELEASE_LOCK(?)', [lock.slice(0, 64)]);
  }
}
