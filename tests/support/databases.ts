import { randomBytes } from 'node:crypto';

import {
  createSqlPool,
  sqlLimits,
  type SqlLimits,
  type SqlPool,
} from '../../activities/fence/sql-transaction';
import { type Database, type DatabaseUrls, shopDatabases } from '../../runtime/databases/shop';
import { provision, unprovision } from '../../runtime/databases/provision';
import { testStack } from './stack';

/** For a test that promises nothing about time: a slow machine does not end its statements. */
export const unhurried: SqlLimits = {
  ...sqlLimits,
  statementMs: 45_000,
  transactionMs: 50_000,
  triesMs: 55_000,
};

/** Databases of one test file alone, and what was opened to them. */
export interface OwnDatabases {
  /** Addresses for the users of the processes, with their rights of production. */
  readonly urls: DatabaseUrls;
  readonly prefix: string;
  /** Address of one of the databases for the administrator, for what no process may do. */
  adminUrl(database: Database): string;
  /** Closed with the databases. */
  pool(
    url: string,
    options?: { readonly connectionLimit?: number; readonly limits?: SqlLimits },
  ): SqlPool;
  /** Closes every pool, then drops databases and users. */
  drop(): Promise<void>;
}

/** Creates and migrates databases under a random prefix. To be dropped in `afterAll`. */
export async function ownDatabases(only: readonly Database[]): Promise<OwnDatabases> {
  const { mysql } = await testStack();
  const prefix = `t${randomBytes(4).toString('hex')}_`;
  const password = randomBytes(12).toString('hex');
  const urls = await provision(mysql.adminUrl, {
    ...shopDatabases,
    prefix,
    only,
    secret: () => password,
  });
  const pools: SqlPool[] = [];
  return {
    urls,
    prefix,
    adminUrl(database) {
      const url = new URL(mysql.adminUrl);
      url.pathname = `/${prefix}${database}`;
      return url.toString();
    },
    pool(url, options = {}) {
      const pool = createSqlPool({ url, connectionLimit: 8, ...options });
      pools.push(pool);
      return pool;
    },
    async drop() {
      await Promise.all(pools.map((pool) => pool.close()));
      await unprovision(mysql.adminUrl, prefix, { ...shopDatabases, only });
    },
  };
}
