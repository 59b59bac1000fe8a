/** Which databases there are, and by which variables processes reach them. */
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

/** Prefix of the databases of a profile, in development, tests and demo. */
export const databasePrefix = 'accord_';
