/**
 * An installation shares one `accord` database: its processes, participants' databases, Temporal namespace, keys in
 * Redis and topics in Kafka. Two installations in one namespace would run each other's workflows, and move money in
 * each other's databases. So each shared resource has the id of its owner, and refuses processes of another
 * installation.
 */
import { application } from '../contracts/engine/application';
import type { BrokenPremise, PremiseSource } from './premises';

/** A database with the connection of a process. */
export interface OwnedDatabase {
  /** Name for messages, such as `accord_orders`. */
  readonly database: string;
  /** Participant that it must belong to. Left out: the address is from a list, which names no participant. */
  readonly participant?: string;
  /** @throws the driver's error. */
  select<Row extends object>(sql: string): Promise<readonly Row[]>;
}

/** The database of a URL, with the connection that a process opened. */
export const ownedDatabase = (
  url: string,
  opened: Pick<OwnedDatabase, 'select'>,
  participant?: string,
): OwnedDatabase => ({
  ...(participant && { participant }),
  database: decodeURIComponent(new URL(url).pathname.slice(1)),
  select: (sql) => opened.select(sql),
});

export interface Installation {
  /**
   * The id of this process's installation. All databases that answer must have the same id.
   * @throws if the home database does not answer, or if the ids differ.
   */
  id(): Promise<string>;
  /** Every database belongs to this installation, and is the one of the participant that its address was given for. */
  readonly databases: PremiseSource;
}

const unmarked = { noSuchTable: 1146, noRight: 1142 } as const;

/**
 * @param home the database whose id counts: `accord`, if the process has a connection to it.
 * @param others must have the same id.
 */
export function createInstallation(
  home: OwnedDatabase,
  others: readonly OwnedDatabase[] = [],
): Installation {
  let known: string | undefined;

  async function look(): Promise<{
    readonly id: string | undefined;
    readonly broken: readonly BrokenPremise[];
    readonly silent: readonly unknown[];
  }> {
    const id = await idOf(home);
    if (id === undefined) return { id, broken: [withoutInstallation(home)], silent: [] };
    const ask = async (other: OwnedDatabase): Promise<readonly BrokenPremise[]> => {
      const found = await idOf(other);
      return found === id ? misplaced(other) : [strange(other, found, home, id)];
    };
    const exchanged = await misplaced(home);
    const answers = await Promise.all(
      others.map((other) =>
        ask(other).then(
          (broken) => ({ broken }),
          (error: unknown) => ({ broken: [], silent: error }),
        ),
      ),
    );
    return {
      id,
      broken: [...exchanged, ...answers.flatMap(({ broken }) => broken)],
      silent: answers.flatMap((answer) => ('silent' in answer ? [answer.silent] : [])),
    };
  }

  return {
    async id() {
      if (known !== undefined) return known;
      const { id, broken } = await look();
      if (id === undefined || broken.length > 0)
        throw new Error('The databases do not agree on their installation.');
      known = id;
      return id;
    },
    databases: {
      server: 'mysql installation',
      async ask() {
        const { broken, silent } = await look();
        if (broken.length === 0 && silent.length > 0) throw silent[0];
        return broken;
      },
    },
  };
}

/** @returns undefined: the database has no owner. */
async function idOf(database: OwnedDatabase): Promise<string | undefined> {
  try {
    const [row] = await database.select<{ readonly id: string }>(
      'SELECT CAST(id AS CHAR) AS id FROM installation WHERE one = 1',
    );
    return row?.id;
  } catch (error) {
    if (Object.values<unknown>(unmarked).includes(errnoOf(error))) return undefined;
    throw error;
  }
}

/**
 * Finds exchanged addresses: databases of one installation have the same id, so the name decides that provisioning has
 * written on the table `installation`. A database that was provisioned before it did has none, and passes.
 */
async function misplaced(database: OwnedDatabase): Promise<readonly BrokenPremise[]> {
  const { participant: wanted } = database;
  if (wanted === undefined) return [];
  const [table] = await database.select<{ readonly comment: string }>(
    `SELECT CAST(table_comment AS CHAR) AS comment FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_name = 'installation'`,
  );
  const [, found] = /^Database of (\w+)$/.exec(table?.comment ?? '') ?? [];
  if (found === undefined || found === wanted) return [];
  return [
    {
      ...{ product: 'MySQL', version: database.database, isRequired: true },
      ...{ setting: 'participant', found, wanted },
      remedy: `Give the address of the database of ${wanted} instead of ${database.database}.`,
    },
  ];
}

const errnoOf = (error: unknown): unknown =>
  error instanceof Error && 'errno' in error ? error.errno : undefined;

const withoutInstallation = ({ database }: OwnedDatabase): BrokenPremise => ({
  ...{ product: 'MySQL', version: database, isRequired: true, setting: 'installation' },
  ...{ found: 'none', wanted: 'the id of one', remedy: 'Run npm run migrate.' },
});

const strange = (
  other: OwnedDatabase,
  found: string | undefined,
  home: OwnedDatabase,
  id: string,
): BrokenPremise =>
  found === undefined
    ? withoutInstallation(other)
    : {
        ...{ product: 'MySQL', version: other.database, isRequired: true, setting: 'installation' },
        ...{ found, wanted: `${id} as in ${home.database}` },
        remedy: `Give the address of this installation's own database instead of ${other.database}.`,
      };

/** A resource outside of MySQL that only one installation may use. */
export interface Claimed {
  readonly product: string;
  readonly version: string;
  /** Name for messages, such as `namespace default`. */
  readonly what: string;
  /** Its owner: this installation, unless another one claimed it first. */
  readonly owner: string;
  /** The variable that names it, and what to set instead. */
  readonly instead: string;
}

/** Broken premises of a claimed resource; none if this installation owns it. */
export const claimedByAnother = (
  { product, version, what, owner, instead }: Claimed,
  id: string,
): readonly BrokenPremise[] =>
  owner === id
    ? []
    : [
        {
          ...{ product, version, isRequired: true, setting: `installation of ${what}` },
          ...{ found: owner, wanted: id },
          remedy: `${instead} If that installation is gone for good: npm run installation -- claim --from ${owner}.`,
        },
      ];

/** Maximum clusters in a message. */
const namedMax = 5;

/** Checks that `accord` knows the cluster: under an unknown name every write would be refused. */
export const clusterPremise = (accord: OwnedDatabase, cluster: string): PremiseSource => ({
  server: 'mysql cluster',
  async ask() {
    const rows = await accord.select<{ readonly cluster: string }>(
      'SELECT CAST(cluster AS CHAR) AS cluster FROM cluster_state ORDER BY cluster',
    );
    const known = rows.map((row) => row.cluster);
    if (known.includes(cluster)) return [];
    return [
      {
        ...{ product: 'MySQL', version: accord.database, isRequired: true },
        ...{ setting: 'ACCORD_CLUSTER', found: cluster },
        wanted: known.slice(0, namedMax).join(' or ') || 'a row of cluster_state',
        remedy: 'Set ACCORD_CLUSTER to a cluster that the database knows.',
      },
    ];
  },
});

/**
 * Checks that no tenant has the cluster's name, which takes the place of a tenant in rows and ids. Otherwise operators
 * of regions would see the business of this tenant.
 * @param accord database with a user who may read `runs`.
 */
export const reservedName = (accord: OwnedDatabase, cluster: string): PremiseSource => ({
  server: 'mysql tenants',
  async ask() {
    const flows = application()
      .businessFlows.map((flow) => `'${flow}'`)
      .join(', ');
    const rows = await accord.select(
      `SELECT 1 FROM runs WHERE tenant = '${cluster}' AND flow IN (${flows}) LIMIT 1`,
    );
    if (rows.length === 0) return [];
    return [
      {
        ...{ product: 'MySQL', version: accord.database, isRequired: true },
        ...{ setting: 'ACCORD_CLUSTER', found: cluster, wanted: 'the name of no tenant' },
        remedy: 'A tenant of this name has transactions: give the cluster another name.',
      },
    ];
  },
});
