/** The databases of the shop, the users that its processes have beside the engine's, and what each may do. */
import { migrationsOfAccord } from './migration-files';
import type { ApplicationDatabases, DatabaseUrls as Urls, User } from './names';
import { append, change, failoverRights, read, type BusinessRights, type Rights } from './rights';
import { databasesOf, usersOf } from './users';

const only = (tables: readonly string[], right: string) => (table: string) =>
  tables.includes(table) ? right : undefined;

const accounts: BusinessRights = {
  worker(table) {
    switch (table) {
      case 'payment_transitions':
        return read;
      case 'ledger_entries':
      case 'payment_audit':
      case 'blocked_accounts': // A block is lifted by an administrator.
        return append;
      case 'merchant_movements':
        return `${append}, UPDATE (settlement_id, settlement_page)`;
      default:
        return change;
    }
  },
  checks(table) {
    switch (table) {
      case 'payments':
        return 'SELECT (payment_id, status, amount, captured, refunding, refunded, charging_back, charged_back, gid, branch)';
      case 'refunds':
        return 'SELECT (payment_id, kind, state, amount, gid, branch)';
      case 'accounts':
      case 'account_sums':
      case 'ledger_entries':
      case 'holds':
      case 'credits':
      case 'merchant_movements':
      case 'settlements':
      case 'settlement_positions':
        return read;
      default:
        return undefined;
    }
  },
};

const orders: BusinessRights = {
  worker(table) {
    switch (table) {
      case 'events':
        return append;
      case 'order_views': // The consumer's.
      case 'consumed':
      case 'dead_letters':
        return undefined;
      default:
        return change;
    }
  },
  checks(table) {
    switch (table) {
      case 'orders':
        return 'SELECT (order_id, gid, branch, status, amount_minor, discount_minor)';
      case 'events':
        return 'SELECT (aggregate_id, version)';
      case 'order_views':
        return 'SELECT (order_id, version)';
      case 'order_lines':
      case 'consumed':
        return read;
      default:
        return undefined;
    }
  },
};

const inventory: BusinessRights = {
  worker: () => change,
  checks: only(['stock', 'stock_sums', 'reservations'], read),
};

const coupons: BusinessRights = {
  worker: () => change,
  checks: only(['coupons', 'coupon_sums', 'coupon_reservations'], read),
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

/** What the API shows of accounts, and what it looks at before it accepts. */
const apiAccountsRights = only(
  [
    ...['accounts', 'ledger_entries', 'payments', 'refunds', 'risk_assessments', 'payment_reviews'],
    ...['settlements', 'settlement_positions', 'merchant_movements'],
  ],
  read,
);

/** Rights of the user that proves that a region takes writes, from any vantage point: only this proof. */
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

type OwnVariable =
  | 'CONSUMER_DATABASE_URL'
  | 'API_ORDERS_DATABASE_URL'
  | 'API_ACCOUNTS_DATABASE_URL'
  | 'API_INVENTORY_DATABASE_URL'
  | 'API_COUPONS_DATABASE_URL'
  | 'FAILOVER_DATABASE_URL'
  | 'WATCH_DATABASE_URL';

const users: readonly User<OwnVariable>[] = [
  {
    ...{ name: 'consumer', variable: 'CONSUMER_DATABASE_URL', databases: ['orders'] },
    rights: consumerRights,
  },
  {
    ...{ name: 'api_orders', variable: 'API_ORDERS_DATABASE_URL', databases: ['orders'] },
    rights: only(['order_views'], read),
  },
  {
    ...{ name: 'api_accounts', variable: 'API_ACCOUNTS_DATABASE_URL', databases: ['accounts'] },
    rights: apiAccountsRights,
  },
  {
    ...{ name: 'api_inventory', variable: 'API_INVENTORY_DATABASE_URL', databases: ['inventory'] },
    rights: only(['stock'], read),
  },
  {
    ...{ name: 'api_coupons', variable: 'API_COUPONS_DATABASE_URL', databases: ['coupons'] },
    rights: only(['coupons'], read),
  },
  {
    ...{ name: 'failover', variable: 'FAILOVER_DATABASE_URL', databases: ['accord'] },
    rights: failoverRights,
  },
  {
    ...{ name: 'watch', variable: 'WATCH_DATABASE_URL', databases: ['orders'] },
    rights: watchRights,
  },
];

type Participant = 'inventory' | 'accounts' | 'orders' | 'coupons';
export type Database = Participant | 'accord';

export const shopDatabases: ApplicationDatabases<Participant, OwnVariable> = {
  migrations: {
    inventory: migrationsOfAccord('inventory'),
    accounts: migrationsOfAccord('accounts'),
    orders: migrationsOfAccord('orders'),
    coupons: migrationsOfAccord('coupons'),
  },
  rights: { inventory, accounts, orders, coupons },
  users,
};

export const databases = databasesOf(shopDatabases) as readonly Database[]; // Keys of the record above.

export type DatabaseUrls = Urls<Participant, OwnVariable>;
export const databaseVariables = usersOf(shopDatabases).map(({ variable }) => variable);
