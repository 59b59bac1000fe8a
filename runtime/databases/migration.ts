import { basename } from 'node:path';

import type { Connection, RowDataPacket } from 'mysql2/promise';

import { openConnection } from '../mysql/door';
import { migrationsOf, type MigrationFile } from './migration-files';
import { withNamedLock } from './named-lock';

/**
 * Creates the database `<prefix><name>` and brings it to the newest migration of the folder. Safe to repeat, and for two
 * processes at once: the second waits, then finds nothing to do.
 *
 * @throws where a migration that ran has been edited since (its checksum differs), or its SQL fails. MySQL commits each
 *   DDL statement by itself, so migrations are written to be run again.
 */
export async function migrateDatabase(
  adminUrl: string,
  name: string,
  prefix: string,
  folder: string,
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
    const migrations = migrationsOf(name, folder);
    const applied = await withNamedLock(connection, `accord.migrate.${database}`, () =>
      runMigrations(connection, { name, database, migrations }),
    );
    return applied.map((migration) => `${name}/${migration}`);
  } finally {
    await connection.end();
  }
}

interface Migrating {
  /** Name of the database, without its prefix. */
  readonly name: string;
  readonly database: string;
  readonly migrations: MigrationFile[];
}

async function runMigrations(
  connection: Connection,
  { name, database, migrations }: Migrating,
): Promise<readonly string[]> {
  // Published as an ES module only, which a CommonJS file may import when it runs.
  const { default: Postgrator } = await import('postgrator');
  const postgrator = new Postgrator({
    driver: 'mysql',
    database,
    execQuery: async (sql) => {
      const [rows] = await connection.query<RowDataPacket[]>(sql);
      return { rows };
    },
  });
  // Postgrator would read files as they are, and knows no text that is put together.
  Object.assign(postgrator, { migrations, getMigrations: () => Promise.resolve(migrations) });
  /** The migration that is compared or run now. */
  let now: { readonly file: string; readonly hasRun: boolean } | undefined;
  const begins = (hasRun: boolean) => (migration: { readonly filename: string }) => {
    now = { file: `${name}/${basename(migration.filename)}`, hasRun };
  };
  postgrator.on('validation-started', begins(true));
  postgrator.on('migration-started', begins(false));
  const ends = () => (now = undefined);
  postgrator.on('validation-finished', ends);
  postgrator.on('migration-finished', ends);
  try {
    const applied = await postgrator.migrate();
    return applied.map((migration) => `${migration.version} ${migration.name}`);
  } catch (error) {
    throw now ? new Error(whyNotMigrated(now, error), { cause: error }) : error;
  }
}

function whyNotMigrated(
  { file, hasRun }: { readonly file: string; readonly hasRun: boolean },
  error: unknown,
): string {
  const reason = (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
  if (hasRun && reason.startsWith('MD5 checksum failed'))
    return `${file} has run, and was edited since. Put it back as it was, and write the change as a new migration.`;
  const next = isOfItsSql(error) ? 'Mend the file, then migrate again.' : 'Then migrate again.';
  return `${file} has failed: ${reason}. ${next}`;
}

/** SQLSTATE class 42: a syntax error, or a name that is unknown. Any other error may pass with the next try. */
const isOfItsSql = (error: unknown): boolean =>
  error instanceof Error && 'sqlState' in error && String(error.sqlState).startsWith('42');
