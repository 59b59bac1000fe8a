/**
 * How databases come to be. Each process has a MySQL user of its own with the least rights that it needs; the
 * administrator's address never reaches the application.
 */
import { brokenPremisesOf, openConnection } from '../mysql/door';
import { PremisesBroken } from '../premises';
import { passwordOf, provisionUser, urlFor, usersOfOthers, type Secret } from './grants';
import { installationAt, markDatabases, nameDatabase } from './installation-mark';
import { migrateDatabase } from './migration';
import { migrationsOfAccord } from './migration-files';
import { withNamedLock } from './named-lock';
import type { ApplicationDatabases, DatabaseUrls, User } from './names';
import { databasesOf, usersOf } from './users';

export interface Provisioning<
  Participant extends string = string,
  Own extends string = never,
> extends ApplicationDatabases<Participant, Own> {
  /** Begins the name of every database and user: two stacks may share a server. `[a-z0-9_]{0,20}` */
  readonly prefix: string;
  readonly secret: Secret;
  /** Names of participants, and `accord`. Left out: all of them. */
  readonly only?: readonly string[];
  /** To which the databases belong where `accord` is not among them; left out: to none yet. */
  readonly installation?: string;
  /**
   * Gives users that have other passwords those of `secret`. Processes with the old addresses cannot connect any more.
   * Left out: such a user is a reason to refuse.
   */
  readonly rotates?: boolean;
}

/**
 * Creates what is missing: databases, their tables, users, rights. Safe to repeat, and for two processes at once: the
 * second waits for the first.
 *
 * @returns the addresses that processes read from their environment, empty where `only` left nothing of them.
 * @throws PremisesBroken where the server is none that Accord may use.
 * @throws before anything is changed, where a user has another password and `rotates` is left out.
 */
export async function provision<Participant extends string, Own extends string = never>(
  adminUrl: string,
  provisioning: Provisioning<Participant, Own>,
): Promise<DatabaseUrls<Participant, Own>> {
  const { prefix } = provisioning;
  if (!/^[a-z0-9_]{0,20}$/.test(prefix)) throw new RangeError(`Not a prefix: "${prefix}".`);
  const users = usersWithin(provisioning);
  demandShortNames(prefix, users);
  await demandServer(adminUrl);
  const admin = await openConnection({ url: adminUrl });
  try {
    return await withNamedLock(admin, `accord.provision.${prefix}`, async () => {
      if (provisioning.rotates !== true) await demandOwnPasswords(adminUrl, users, provisioning);
      await makeAll(adminUrl, users, provisioning);
      return addressesOf(adminUrl, provisioning);
    });
  } finally {
    await admin.end();
  }
}

/** @throws where users have other passwords: those of another folder, whose processes would lose their databases. */
async function demandOwnPasswords(
  adminUrl: string,
  users: readonly User[],
  { prefix, secret }: Pick<Provisioning, 'prefix' | 'secret'>,
): Promise<void> {
  const others = await usersOfOthers(adminUrl, prefix, users, secret);
  if (others.length === 0) return;
  throw new Error(
    `These MySQL users have other passwords than those kept here: ${others.join(', ')}. Nothing was changed. ` +
      'Migrate from the folder that made them, or give this application a prefix of its own (--prefix). ' +
      'With --rotate they get the passwords kept here; processes with the old addresses can then not connect any more.',
  );
}

async function makeAll(
  adminUrl: string,
  users: readonly User[],
  provisioning: Provisioning<string, string>,
): Promise<void> {
  const { prefix, secret, only = databasesOf(provisioning), installation } = provisioning;
  const folders: Readonly<Record<string, string>> = {
    ...provisioning.migrations,
    accord: migrationsOfAccord('accord'),
  };
  await Promise.all(
    only.map(async (name) => {
      await migrateDatabase(adminUrl, name, prefix, folderOf(folders, name));
      await nameDatabase(adminUrl, `${prefix}${name}`, name);
    }),
  );
  const owner = only.includes('accord')
    ? await installationAt(adminUrl, `${prefix}accord`)
    : installation;
  if (owner !== undefined) {
    const names = only.map((database) => `${prefix}${database}`);
    await markDatabases(adminUrl, names, owner);
  }
  await Promise.all(users.map((user) => provisionUser(adminUrl, prefix, user, secret)));
}

function folderOf(folders: Readonly<Record<string, string>>, database: string): string {
  const folder = folders[database];
  if (folder === undefined) throw new RangeError(`No migrations of the database ${database}.`);
  return folder;
}

/** What `provision` has made is reached there; the server need not be. @returns as `provision`. */
export async function addressesOf<Participant extends string, Own extends string = never>(
  adminUrl: string,
  provisioning: Omit<Provisioning<Participant, Own>, 'installation'>,
): Promise<DatabaseUrls<Participant, Own>> {
  const { prefix, secret } = provisioning;
  const entries = await Promise.all(
    usersWithin(provisioning).map(async (user) => {
      const password = await passwordOf(user, secret);
      const addresses = user.databases.map((database) =>
        urlFor(adminUrl, `${prefix}${user.name}`, password, `${prefix}${database}`),
      );
      return [user.variable, addresses.join(',')] as const;
    }),
  );
  const none = usersOf(provisioning).map(({ variable }) => [variable, ''] as const);
  return Object.fromEntries([...none, ...entries]) as DatabaseUrls<Participant, Own>; // It has every user.
}

/** With the databases that are left, and none without any. */
const usersWithin = <Participant extends string, Own extends string>(
  provisioning: Pick<Provisioning<Participant, Own>, 'migrations' | 'rights' | 'users' | 'only'>,
) => {
  const { only = databasesOf(provisioning) } = provisioning;
  return usersOf(provisioning)
    .map((user) => ({
      ...user,
      databases: user.databases.filter((database) => only.includes(database)),
    }))
    .filter(({ databases }) => databases.length > 0);
};

const userNameLetters = 32;

function demandShortNames(prefix: string, users: readonly User[]): void {
  const long = users.find(({ name }) => `${prefix}${name}`.length > userNameLetters);
  if (long)
    throw new RangeError(
      `${prefix}${long.name} has more than the ${userNameLetters} letters that MySQL takes of a user: give a shorter prefix or name.`,
    );
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
  declared: Pick<Provisioning<string, string>, 'migrations' | 'users' | 'only'>,
): Promise<void> {
  if (prefix === '') throw new RangeError('Without a prefix nothing is dropped.');
  const { only = databasesOf(declared) } = declared;
  const admin = await openConnection({ url: adminUrl });
  try {
    for (const database of only)
      await admin.query(`DROP DATABASE IF EXISTS \`${prefix}${database}\``);
    for (const { name } of usersOf(declared))
      await admin.query(`DROP USER IF EXISTS '${prefix}${name}'@'%'`);
  } finally {
    await admin.end();
  }
}
