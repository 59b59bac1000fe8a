/** How memory and stored data grow while a load runs. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { Connection, RowDataPacket } from 'mysql2/promise';

import { databasePrefix } from '../../../runtime/databases/names';
import { folderOf, type Profile } from '../../stack/profile';
import { memoryMiB } from '../meter';

/** One look, in MiB. */
export interface Growth {
  readonly atSeconds: number;
  readonly memory: Readonly<Record<string, number>>;
  /** Files of the tables, by `database/table`; of those that hold anything worth telling. */
  readonly tables: Readonly<Record<string, number>>;
  /** What Temporal has written, where it is ours. */
  readonly temporal: number | undefined;
}

/** Empty tables have as much: they tell nothing. */
const leastMiB = 1;

export async function growthNow(
  admin: Connection,
  profile: Profile,
  names: Iterable<string>,
  atSeconds: number,
): Promise<Growth> {
  // The files' own sizes: the statistics of tables are as old as their last analysis.
  const [rows] = await admin.query<(RowDataPacket & { name: string; bytes: number })[]>(
    `SELECT NAME AS name, FILE_SIZE AS bytes FROM information_schema.INNODB_TABLESPACES
       WHERE LEFT(NAME, ?) = ? ORDER BY FILE_SIZE DESC`,
    [databasePrefix.length, databasePrefix],
  );
  const tables = rows
    .map(({ name, bytes }) => [name.slice(databasePrefix.length), mebibytes(bytes)] as const)
    .filter(([, size]) => size >= leastMiB);
  return {
    atSeconds,
    memory: Object.fromEntries(
      [...memoryMiB(profile, names)].map(([name, size]) => [name, round(size)]),
    ),
    tables: Object.fromEntries(tables),
    temporal: sizeOf(join(folderOf(profile), 'data', 'temporal')),
  };
}

function sizeOf(folder: string): number | undefined {
  try {
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
    return mebibytes(sizes.reduce((all, one) => all + one, 0));
  } catch {
    return undefined; // Another machine's, or none.
  }
}

/** The tables that have grown most between the first look and the last. */
export function grownMost(looks: readonly Growth[], most: number): readonly string[] {
  const first = looks[0]?.tables ?? {};
  const last = looks.at(-1)?.tables ?? {};
  return Object.entries(last)
    .map(([name, size]) => [name, size - (first[name] ?? 0)] as const)
    .sort(([, one], [, other]) => other - one)
    .slice(0, most)
    .map(([name]) => name);
}

const round = (value: number): number => Math.round(value * 10) / 10;
const mebibytes = (bytes: number): number => round(bytes / 2 ** 20);
