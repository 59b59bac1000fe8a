/**
 * Which databases there are, who may do what in them, and how they come to be. Each process has a MySQL user of its own
 * with the least rights that it needs; the administrator's address never reaches the application.
 */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { migrateDatabase } from './database-migration';
import { givenAddresses } from './stack/config';
import { readStack, secret as secretOf, type Profile } from './stack/stack';
import { brokenPremisesOf, openConnection } from '../processes/mysql/door';
import { PremisesBroken } from '../processes/premises';

export const databases = ['inventory', 'accounts', 'orders', 'coupons', 'accord'] as const;
export type Database = (typeof databases)[number];

/** Those whose outbox a relay empties. */
export const relayed = [
  'inventory',
  'accounts',
  'orders',
  'coupons',
  'accord',
] as const satisfies readonly Database[];

export const databaseVariables = [
  'INVENTORY_DATABASE_URL',
  'ACCOUNTS_DATABASE_URL',
  'ORDERS_DATABASE_URL',
  'COUPONS_DATABASE_URL',
  'ACCORD_DATABASE_URL',
  'RELAY_DATABASE_URLS',
  'CONSUMER_DATABASE_URL',
  'API_DATABASE_URL',
  'API_ORDERS_DATABASE_URL',
  'API_ACCOUNTS_DATABASE_URL',
  'API_INVENTORY_DATABASE_URL',
  'API_COUPONS_DATABASE_URL',
  'API_BOOKS_DATABASE_URLS',
  'FAILOVER_DATABASE_URL',
  'WATCH_DATABASE_URL',
  'VERIFY_DATABASE_URLS',
] as const;
/** A variable that a process reads. The plural ones hold several addresses, separated by commas. */
export type DatabaseVariable = (typeof databaseVariables)[number];
export type DatabaseUrls = Readonly<Record<DatabaseVariable, string>>;

const read = 'SELECT';
const append = 'SELECT, INSERT';
const change = 'SELECT, INSERT, UPDATE';

/** Rights on one table; `undefined`: none. */
type Rights = (table: string) => string | undefined;

/** Of a transaction worker in its participant's database. What is not named here is a table of the business. */
const workerRights: Rights = (table) => {
  switch (table) {
    case 'schemaversion':
    case 'outbox_leases':
      return undefined;
    case 'region_epoch': // Moved by a promotion alone, which is an administrator's.
    case 'cluster_state':
    case 'payment_transitions':
      return read;
    case 'fence': // A fresh row goes where a refusal is not recorded.
      return `${change}, DELETE`;
    case 'outbox':
    case 'ledger_entries':
    case 'payment_audit':
    case 'blocked_accounts': // A block is lifted by an administrator.
    case 'events':
      return append;
    case 'merchant_movements':
      return `${append}, UPDATE (settlement_id, settlement_page)`;
    case 'order_views': // The consumer's.
    case 'consumed':
    case 'dead_letters':
      return undefined;
    default:
      return change;
  }
};

/** In `accord` a worker decides and moves runs; keys and audit are the API's. */
const accordWorkerRights: Rights = (table) => {
  switch (table) {
    case 'runs': // A scheduled settlement is accepted by the worker.
    case 'findings':
      return change;
    case 'fence':
    case 'outbox':
    case 'cluster_state':
      return workerRights(table);
    default:
      return undefined;
  }
};

const relayRights: Rights = (table) => {
  switch (table) {
    case 'outbox':
      return 'SELECT, UPDATE (published_at), DELETE'; // What was published long ago is forgotten.
    case 'outbox_leases':
      return change; // The first relay adds the seats.
    case 'cluster_state': // Of which region it is the turn.
      return read;
    default:
      return undefined;
  }
};

const consumerRights: Rights = (table) => {
  switch (table) {
    case 'order_views':
    case 'dead_letters':
      return change;
    case 'consumed':
      return append;
    default:
      return undefined;
  }
};

const apiRights: Rights = (table) => {
  switch (table) {
    case 'runs':
    case 'heartbeats':
      return change;
    case 'api_keys': // Whose it is, who made it and what it may stays as it was made.
      return 'SELECT, INSERT, UPDATE (revoked_at, last_used_at)';
    case 'approvals': // What was asked, and by whom, stays as it was asked.
      return 'SELECT, INSERT, DELETE, UPDATE (state, decided_by, decided_people, decided_at, note, closed_at, open_digest)';
    case 'steering_calls':
      return 'SELECT, INSERT, DELETE, UPDATE (request, fields, claim, claimed_at, status, answer, expires_at)';
    case 'audit':
    case 'outbox':
      return append;
    case 'cluster_state': // It numbers switches; a failover worker alone moves the regions.
      return 'SELECT, UPDATE (sequence)';
    case 'watch_policies':
      return change;
    case 'fence':
    case 'regions':
    case 'cluster_heartbeats':
    case 'region_sights':
    case 'service_health':
    case 'watch_events':
      return read;
    default:
      return undefined;
  }
};

const apiOrdersRights: Rights = (table) => (table === 'order_views' ? read : undefined);

/** What the API shows of accounts, and what it looks at before it accepts. */
const apiAccountsRights: Rights = (table) => {
  switch (table) {
    case 'accounts':
    case 'ledger_entries':
    case 'payments':
    case 'refunds':
    case 'risk_assessments':
    case 'payment_reviews':
    case 'settlements':
    case 'settlement_positions':
    case 'merchant_movements':
      return read;
    default:
      return undefined;
  }
};

const apiInventoryRights: Rights = (table) => (table === 'stock' ? read : undefined);

const apiCouponsRights: Rights = (table) => (table === 'coupons' ? read : undefined);

/** What the checks compare, which the API shows to operators: names, states and sums, never what anybody wrote. */
const apiBooksRights: Rights = (table) => {
  switch (table) {
    case 'fence':
      return 'SELECT (gid, branch, state, reserves, epoch, created_at, expires_at)';
    case 'outbox':
      return 'SELECT (id, event_id, gid, branch, op, aggregate_id, sequence, created_at, published_at)';
    case 'runs': // With the steps that persons have answered for.
      return 'SELECT (gid, state, by_hand, resolved_by_hand, ended_at)';
    case 'payments':
      return 'SELECT (payment_id, status, amount, captured, refunding, refunded, charging_back, charged_back, gid, branch)';
    case 'refunds':
      return 'SELECT (payment_id, kind, state, amount, gid, branch)';
    case 'orders':
      return 'SELECT (order_id, gid, branch, status, amount_minor, discount_minor)';
    case 'events':
      return 'SELECT (aggregate_id, version)';
    case 'order_views':
      return 'SELECT (order_id, version)';
    case 'schemaversion':
    case 'region_epoch':
    case 'cluster_state':
    case 'accounts':
    case 'account_sums':
    case 'ledger_entries':
    case 'holds':
    case 'credits':
    case 'merchant_movements':
    case 'settlements':
    case 'settlement_positions':
    case 'stock':
    case 'stock_sums':
    case 'reservations':
    case 'coupons':
    case 'coupon_sums':
    case 'coupon_reservations':
    case 'order_lines':
    case 'consumed':
      return read;
    default:
      return undefined;
  }
};

/** The failover worker coordinates its own runs, and is the one that moves the cluster's row. */
const failoverRights: Rights = (table) => {
  switch (table) {
    case 'cluster_state':
    case 'regions':
    case 'cluster_heartbeats':
    case 'region_sights':
    case 'service_health':
      return change;
    case 'watch_policies': // A person's.
      return read;
    case 'outbox': // What the lost region's Kafka had is published again.
      return 'SELECT, INSERT, UPDATE (published_at)';
    case 'watch_events':
    case 'region_decisions': // Once, and for good.
    case 'approvals': // It asks, and never decides.
      return append;
    default:
      return accordWorkerRights(table);
  }
};

/** Of who proves that a region takes writes, from wherever: nothing but the proof. */
const watchRights: Rights = (table) => {
  switch (table) {
    case 'heartbeat':
      return change;
    case 'region_epoch':
      return read;
    default:
      return undefined;
  }
};

const verifyRights: Rights = () => read;

const accessDenied = 1045;

interface User {
  /** With the prefix at most 32 letters, MySQL's bound. */
  readonly name: string;
  readonly variable: DatabaseVariable;
  readonly databases: readonly Database[];
  readonly rights: Rights;
}

const users: readonly User[] = [
  {
    name: 'inventory',
    variable: 'INVENTORY_DATABASE_URL',
    databases: ['inventory'],
    rights: workerRights,
  },
  {
    name: 'accounts',
    variable: 'ACCOUNTS_DATABASE_URL',
    databases: ['accounts'],
    rights: workerRights,
  },
  { name: 'orders', variable: 'ORDERS_DATABASE_URL', databases: ['orders'], rights: workerRights },
  {
    name: 'coupons',
    variable: 'COUPONS_DATABASE_URL',
    databases: ['coupons'],
    rights: workerRights,
  },
  {
    name: 'accord',
    variable: 'ACCORD_DATABASE_URL',
    databases: ['accord'],
    rights: accordWorkerRights,
  },
  { name: 'relay', variable: 'RELAY_DATABASE_URLS', databases: relayed, rights: relayRights },
  {
    name: 'consumer',
    variable: 'CONSUMER_DATABASE_URL',
    databases: ['orders'],
    rights: consumerRights,
  },
  { name: 'api', variable: 'API_DATABASE_URL', databases: ['accord'], rights: apiRights },
  {
    name: 'api_orders',
    variable: 'API_ORDERS_DATABASE_URL',
    databases: ['orders'],
    rights: apiOrdersRights,
  },
  {
    name: 'api_accounts',
    variable: 'API_ACCOUNTS_DATABASE_URL',
    databases: ['accounts'],
    rights: apiAccountsRights,
  },
  {
    name: 'api_inventory',
    variable: 'API_INVENTORY_DATABASE_URL',
    databases: ['inventory'],
    rights: apiInventoryRights,
  },
  {
    name: 'api_coupons',
    variable: 'API_COUPONS_DATABASE_URL',
    databases: ['coupons'],
    rights: apiCouponsRights,
  },
  {
    name: 'api_books',
    variable: 'API_BOOKS_DATABASE_URLS',
    databases,
    rights: apiBooksRights,
  },
  {
    name: 'failover',
    variable: 'FAILOVER_DATABASE_URL',
    databases: ['accord'],
    rights: failoverRights,
  },
  { name: 'watch', variable: 'WATCH_DATABASE_URL', databases: ['orders'], rights: watchRights },
  { name: 'verify', variable: 'VERIFY_DATABASE_URLS', databases, rights: verifyRights },
];

export interface Provisioning {
  /** Begins the name of every database and user: two stacks may share a server. `[a-z0-9_]{0,20}` */
  readonly prefix: string;
  /** The password of a user, by a name that is stable; letters, digits, - and _, of each kind one. */
  readonly secret: (name: string) => Promise<string> | string;
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
  const urlOf = (variable: DatabaseVariable): string => urls.get(variable) ?? '';
  return {
    INVENTORY_DATABASE_URL: urlOf('INVENTORY_DATABASE_URL'),
    ACCOUNTS_DATABASE_URL: urlOf('ACCOUNTS_DATABASE_URL'),
    ORDERS_DATABASE_URL: urlOf('ORDERS_DATABASE_URL'),
    COUPONS_DATABASE_URL: urlOf('COUPONS_DATABASE_URL'),
    ACCORD_DATABASE_URL: urlOf('ACCORD_DATABASE_URL'),
    RELAY_DATABASE_URLS: urlOf('RELAY_DATABASE_URLS'),
    CONSUMER_DATABASE_URL: urlOf('CONSUMER_DATABASE_URL'),
    API_DATABASE_URL: urlOf('API_DATABASE_URL'),
    API_ORDERS_DATABASE_URL: urlOf('API_ORDERS_DATABASE_URL'),
    API_ACCOUNTS_DATABASE_URL: urlOf('API_ACCOUNTS_DATABASE_URL'),
    API_INVENTORY_DATABASE_URL: urlOf('API_INVENTORY_DATABASE_URL'),
    API_COUPONS_DATABASE_URL: urlOf('API_COUPONS_DATABASE_URL'),
    API_BOOKS_DATABASE_URLS: urlOf('API_BOOKS_DATABASE_URLS'),
    FAILOVER_DATABASE_URL: urlOf('FAILOVER_DATABASE_URL'),
    WATCH_DATABASE_URL: urlOf('WATCH_DATABASE_URL'),
    VERIFY_DATABASE_URLS: urlOf('VERIFY_DATABASE_URLS'),
  };
}

/** Users with rights in any of these databases, and in no other one. */
const usersOf = (only: readonly Database[]): readonly User[] =>
  users
    .map((user) => ({
      ...user,
      databases: user.databases.filter((database) => only.includes(database)),
    }))
    .filter((user) => user.databases.length > 0);

const passwordOf = async ({ name }: User, secret: Provisioning['secret']): Promise<string> =>
  secret(`mysql-${name}`);

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
async function markDatabases(
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

/** Of a profile's own databases, in development, tests and demo. */
export const databasePrefix = 'accord_';

/**
 * `provision` for a profile of this checkout, with the profile's secrets. MYSQL_URL, an administrator's address, takes
 * the place of its own server.
 *
 * @throws one sentence where there is no MySQL.
 */
export async function provisionProfile(profile: Profile): Promise<DatabaseUrls> {
  const adminUrl = givenAddresses().mysql ?? (await readStack(profile))?.mysql.adminUrl;
  if (adminUrl === undefined) {
    throw new Error(
      `No MySQL: set MYSQL_URL, or bring one up with npm run stack -- up --profile ${profile}.`,
    );
  }
  return provision(adminUrl, {
    prefix: databasePrefix,
    secret: (name) => secretOf(profile, name),
  });
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

async function provisionUser(
  adminUrl: string,
  prefix: string,
  user: User,
  secret: Provisioning['secret'],
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
      await grant(admin, `${prefix}${database}`, name, user.rights);
    }
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
  rights: Rights,
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

function urlFor(adminUrl: string, user: string, password: string, database: string): string {
  const url = new URL(adminUrl);
  url.username = user;
  url.password = password;
  url.pathname = `/${database}`;
  return url.toString();
}
