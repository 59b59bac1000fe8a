/**
 * The migrations of a database: numbered files of `scripts/migrations/<database>/`. What several databases share stands
 * once, in `shared/` beside them, and is included where a line says `-- include shared/<file>.sql`. What counts is the
 * whole text: a checksum is of what ran, however it is put together.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Migrations of this checkout. */
const migrationsFolder = join(__dirname, '../../scripts/migrations');

/** One migration, as Postgrator takes it. */
export interface MigrationFile {
  readonly version: number;
  readonly action: 'do';
  readonly name: string;
  readonly filename: string;
  /** Hash of its whole text. */
  readonly md5: string;
  readonly getSql: () => string;
}

const fileName = /^(\d+)\.do\.([a-z-]+)\.sql$/;
const include = /^-- include (\S+)\n/gm;

/**
 * Every migration of a database, oldest first.
 *
 * @param folder holds a folder for each database, and `shared/`.
 * @throws where a file has no such name, two have one number, or an included file is missing.
 */
export function migrationsOf(database: string, folder = migrationsFolder): MigrationFile[] {
  const migrations = readdirSync(join(folder, database))
    .map((file) => migrationOf(folder, database, file))
    .sort((a, b) => a.version - b.version);
  const twice = migrations.find(({ version }, at) => version === migrations[at + 1]?.version);
  if (twice) throw new Error(`Two migrations of ${database} have the number ${twice.version}.`);
  return migrations;
}

function migrationOf(folder: string, database: string, file: string): MigrationFile {
  const [, version, name] = fileName.exec(file) ?? [];
  if (version === undefined || name === undefined)
    throw new Error(`${database}/${file} is no name of a migration: <number>.do.<name>.sql`);
  const text = wholeTextOf(folder, join(database, file));
  return {
    ...{ version: Number(version), action: 'do', name, filename: join(folder, database, file) },
    md5: createHash('md5').update(text, 'utf8').digest('hex'),
    getSql: () => text,
  };
}

/** With what it includes, and LF whatever the checkout has. */
function wholeTextOf(folder: string, file: string): string {
  const text = readFileSync(join(folder, file), 'utf8').replace(/\r\n?/g, '\n');
  return text.replace(include, (_line, included: string) => wholeTextOf(folder, included));
}
