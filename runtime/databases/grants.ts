/** How a user comes to its password and its rights. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { openConnection } from '../mysql/door';
import { read } from './rights';
import type { User } from './names';

const accessDenied = 1045;

/** The password of a user, by a name that is stable; letters, digits, - and _, of each kind one. */
export type Secret = (name: string) => Promise<string> | string;

export const passwordOf = async ({ name }: User, secret: Secret): Promise<string> =>
  secret(`mysql-${name}`);

/** Creates the user, and gives it the password and its rights. Safe to repeat. */
export async function provisionUser(
  adminUrl: string,
  prefix: string,
  user: User,
  secret: Secret,
): Promise<void> {
  const name = `${prefix}${user.name}`;
  const password = await passwordOf(user, secret);
  const admin = await openConnection({ url: adminUrl });
  try {
    await admin.query(`CREATE USER IF NOT EXISTS ?@'%' IDENTIFIED BY ?`, [name, password]);
    // A process cannot choose another password: with `default_password_lifetime` all would stop on one day.
    await admin.query(`ALTER USER ?@'%' PASSWORD EXPIRE NEVER`, [name]);
    // The same one again is refused where the server keeps a `password_history`.
    if (!(await opens(adminUrl, name, password)))
      await admin.query(`ALTER USER ?@'%' IDENTIFIED BY ?`, [name, password]);
    for (const database of user.databases) {
      await grant(admin, `${prefix}${database}`, name, (table) => user.rights(table, database));
    }
  } finally {
    await admin.end();
  }
}

/** @returns names of the users that exist, and have another password. */
export async function usersOfOthers(
  adminUrl: string,
  prefix: string,
  users: readonly User[],
  secret: Secret,
): Promise<readonly string[]> {
  const admin = await openConnection({ url: adminUrl });
  try {
    const [rows] = await admin.query<(RowDataPacket & { name: string })[]>(
      `SELECT CAST(user AS CHAR) AS name FROM mysql.user WHERE host = '%' AND user IN (?)`,
      [users.map(({ name }) => `${prefix}${name}`)],
    );
    const existing = new Set(rows.map(({ name }) => name));
    const asked = users
      .filter(({ name }) => existing.has(`${prefix}${name}`))
      .map(async (user) => {
        const name = `${prefix}${user.name}`;
        return { name, isOurs: await opens(adminUrl, name, await passwordOf(user, secret)) };
      });
    return (await Promise.all(asked)).filter(({ isOurs }) => !isOurs).map(({ name }) => name);
  } finally {
    await admin.end();
  }
}

/** This is the user's password. @throws where the server cannot be asked. */
async function opens(adminUrl: string, user: string, password: string): Promise<boolean> {
  try {
    const connection = await openConnection({ url: urlFor(adminUrl, user, password, '') });
    await connection.end();
    return true;
  } catch (error) {
    if (error instanceof Error && 'errno' in error && error.errno === accessDenied) return false;
    throw error;
  }
}

async function grant(
  admin: Connection,
  database: string,
  user: string,
  rights: (table: string) => string | undefined,
): Promise<void> {
  const [tables] = await admin.query<(RowDataPacket & { table: string })[]>(
    'SELECT table_name AS `table` FROM information_schema.tables WHERE table_schema = ?',
    [database],
  );
  for (const { table } of tables) {
    // Whoever may look into a database may know whose it is.
    const granted = table === 'installation' ? read : rights(table);
    if (granted === undefined) continue;
    await admin.query(`GRANT ${granted} ON \`${database}\`.\`${table}\` TO ?@'%'`, [user]);
  }
}

/** The address of a database for a user. */
export function urlFor(adminUrl: string, user: string, password: string, database: string): string {
  const url = new URL(adminUrl);
  url.username = user;
  url.password = password;
  url.pathname = `/${database}`;
  return url.toString();
}
