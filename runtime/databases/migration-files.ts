/**
 * The migrations of a database: the numbered files of its folder. What every participant's database has stands once, in
 * Accord's own `shared/`, and is included where a line says `-- include shared/<file>.sql`. What counts is the whole text:
 * a checksum is of what ran, however it is put together.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Accord's own: beside the sources, and beside what was built of them. */
const folderOfAccord =
  ['../../scripts/migrations', '../../../scripts/migrations']
    .map((path) => join(__dirname, path))
    .find((path) => existsSync(path)) ?? '';

/** The folder with the migrations of a database that Accord ships: `accord`, and those of the shop. */
export const migrationsOfAccord = (database: string): string => join(folderOfAccord, database);

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
 * @param folder of its migrations.
 * @param included holds `shared/`; left out: Accord's.
 * @throws where a file has no such name, two have one number, or an included file is missing.
 */
export function migrationsOf(
  database: string,
  folder: string,
  included = folderOfAccord,
): MigrationFile[] {
  const migrations = readdirSync(folder)
    .map((file) => migrationOf({ database, folder, included }, file))
    .sort((a, b) => a.version - b.version);
  const twice = migrations.find(({ version }, at) => version === migrations[at + 1]?.version);
  if (twice) throw new Error(`Two migrations of ${database} have the number ${twice.version}.`);
  return migrations;
}

interface Source {
  readonly database: string;
  readonly folder: string;
  readonly included: string;
}

function migrationOf({ database, folder, included }: Source, file: string): MigrationFile {
  const [, version, name] = fileName.exec(file) ?? [];
  if (version === undefined || name === undefined)
    throw new Error(`${database}/${file} is no name of a migration: <number>.do.<name>.sql`);
  const filename = join(folder, file);
  const text = wholeTextOf(filename, included);
  return {
    ...{ version: Number(version), action: 'do', name, filename },
    md5: createHash('md5').update(text, 'utf8').digest('hex'),
    getSql: () => text,
  };
}

/** With what it includes, and LF whatever the checkout has. */
function wholeTextOf(filename: string, included: string): string {
  const text = readFileSync(filename, 'utf8').replace(/\r\n?/g, '\n');
  return text.replace(include, (_line, file: string) =>
    wholeTextOf(join(included, file), included),
  );
}
