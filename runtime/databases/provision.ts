/**
 * How databases come to be. Each process has a MySQL user of its own with the least rights that it needs; the
 * administrator's address never reaches the application.
 */
import { brokenPremisesOf, openConnection } from '../mysql/door';
import { PremisesBroken } from '../premises';
import { passwordOf, provisionUser, urlFor, type Secret } from './grants';
import { installationAt, markDatabases } from './installation-mark';
import { migrateDatabase } from './migration';
import { databases, databaseVariables, type Database, type DatabaseUrls } from './names';
import { users, usersOf } from './users';

export interface Provisioning {
  /** Begins the name of every database and user: two stacks may share a server. `[a-z0-9_]{0,20}` */
  readonly prefix: string;
  readonly secret: Secret;
  /** Left out: all of them. */
  readonly only?: readonly Database[];
  /** To which the databases belong where `accord` is not among them; left out: to none yet. */
  readonly installation?: string;
}

/**
 * Creates what is missing: databases, their tables, users, rights. Safe to repeat, and for two processes at once.
 *
 * @returns the addresses that processes read from their environment, empty where `only` left nothing of them.
 * @throws PremisesBroken where the server is none that Accord may use.
 */
export async function provision(
  adminUrl: string,
  { prefix, secret, only = databases, installation }: Provisioning,
): Promise<DatabaseUrls> {
  if (!/^[a-z0-9_]{0,20}$/.test(prefix)) throw new RangeError(`Not a prefix: "${prefix}".`);
  await demandServer(adminUrl);
  await Promise.all(only.map((database) => migrateDatabase(adminUrl, database, prefix)));
  const owner = only.includes('accord')
    ? await installationAt(adminUrl, `${prefix}accord`)
    : installation;
  if (owner !== undefined) {
    const names = only.map((database) => `${prefix}${database}`);
    await markDatabases(adminUrl, names, owner);
  }
  await Promise.all(usersOf(only).map((user) => provisionUser(adminUrl, prefix, user, secret)));
  return addressesOf(adminUrl, { prefix, secret, only });
}

/** What `provision` has made is reached there; the server need not be. @returns as `provision`. */
export async function addressesOf(
  adminUrl: string,
  { prefix, secret, only = databases }: Omit<Provisioning, 'installation'>,
): Promise<DatabaseUrls> {
  const entries = await Promise.all(
    usersOf(only).map(async (user) => {
      const password = await passwordOf(user, secret);
      const addresses = user.databases.map((database) =>
        urlFor(adminUrl, `${prefix}${user.name}`, password, `${prefix}${database}`),
      );
      return [user.variable, addresses.join(',')] as const;
    }),
  );
  const urls = new Map(entries);
  const variables = databaseVariables.map((variable) => [variable, urls.get(variable) ?? '']);
  return Object.fromEntries(variables) as DatabaseUrls; // It has every variable, by the line above.
}

/** @throws PremisesBroken before anything is made on a server that every process would refuse. */
async function demandServer(adminUrl: string): Promise<void> {
  const admin = await openConnection({ url: adminUrl });
  try {
    const broken = await brokenPremisesOf(admin);
    if (broken.length > 0) throw new PremisesBroken(broken);
  } finally {
    await admin.end();
  }
}

/** Drops what `provision` made with this prefix. For tests and drills; there is no way back. */
export async function unprovision(
  adminUrl: string,
  prefix: string,
  only: readonly Database[] = databases,
): Promise<void> {
  if (prefix === '') throw new RangeError('Without a prefix nothing is dropped.');
  const admin = await openConnection({ url: adminUrl });
  try {
    for (const database of only)
      await admin.query(`DROP DATABASE IF EXISTS \`${prefix}${database}\``);
    for (const { name } of users) await admin.query(`DROP USER IF EXISTS '${prefix}${name}'@'%'`);
  } finally {
    await admin.end();
  }
}
