/** The MySQL users: one for each process and what it reaches. */
import { databases, relayed, type Database, type DatabaseVariable } from './names';
import {
  accordWorkerRights,
  apiAccountsRights,
  apiBooksRights,
  apiCouponsRights,
  apiInventoryRights,
  apiOrdersRights,
  apiRights,
  consumerRights,
  failoverRights,
  relayRights,
  verifyRights,
  watchRights,
  workerRights,
  type Rights,
} from './rights';

export interface User {
  /** With the prefix at most 32 letters, MySQL's bound. */
  readonly name: string;
  readonly variable: DatabaseVariable;
  readonly databases: readonly Database[];
  readonly rights: Rights;
}

export const users: readonly User[] = [
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

/** Users with rights in any of these databases, and in no other one. */
export const usersOf = (only: readonly Database[]): readonly User[] =>
  users
    .map((user) => ({
      ...user,
      databases: user.databases.filter((database) => only.includes(database)),
    }))
    .filter((user) => user.databases.length > 0);
