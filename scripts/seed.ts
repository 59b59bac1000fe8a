/** npm run seed: stock, accounts and coupons to begin with. */
import { Command, InvalidArgumentError, Option } from 'commander';

import { businessIdOf, type BusinessId } from '../contracts/engine/ids';
import { isCurrency, type Currency, type Money } from '../contracts/engine/money';
import { createSqlPool, inSqlTransaction, type SqlPool } from '../activities/fence/sql-transaction';
import type { SqlTransaction } from '../activities/fence/participant';
import { runCommand } from './report';
import type { DatabaseUrls } from '../runtime/databases/shop';
import { provisionProfile } from '../testing/stack/provisioning';
import { profiles, type Profile } from '../testing/stack/profile';

export const seedTenant = 'acme';

/** Pieces of each SKU at the start; the last piece of S-RARE is what two orders fight for. */
const stock: Readonly<Record<string, number>> = { 'S-1': 100, 'S-2': 50, 'S-RARE': 1 };

/**
 * Free money of each customer at the start, in minor units. A-POOR cannot pay for anything, A-RICH can pay more than
 * is paid without a person's word.
 */
const customers: Readonly<Record<string, number>> = {
  'A-1': 1_000_000,
  'A-2': 1_000_000,
  'A-3': 50_000,
  'A-POOR': 100,
  'A-RICH': 100_000_000,
  'A-BLOCKED': 100_000,
};
const blockedAccount = 'A-BLOCKED';
const customerCurrency: Currency = 'EUR';

/** A tenant has accounts for merchant, clearing and the outside world in each of these; of others by `--currency`. */
const tenantCurrencies: readonly Currency[] = ['EUR', 'USD', 'GBP', 'JPY', 'KWD', 'CLF'];

/** Names effects that no transaction has. */
const opening = 'opening';

interface Coupon {
  /** Customer that it belongs to. Left out: any customer may use it. */
  readonly customer?: string;
  readonly pieces: number;
  readonly discount: Money;
  readonly expiresAt: Date;
}

const never = new Date('2099-12-31T23:59:59.000Z');
const euro: Money = { currency: 'EUR', minorUnits: 100 };

const coupons: Readonly<Record<string, Coupon>> = {
  'C-10': { pieces: 10, discount: euro, expiresAt: never },
  'C-ONCE': { pieces: 1, discount: { currency: 'EUR', minorUnits: 250 }, expiresAt: never },
  'C-OF-C9': { customer: 'C-9', pieces: 10, discount: euro, expiresAt: never },
  'C-EXPIRED': { pieces: 10, discount: euro, expiresAt: new Date('2025-12-31T23:59:59.000Z') },
};

/** Account that a tenant's money goes to, by currency: what the API's configuration names. */
const merchantAccountIdOf = (tenant: string, currency: Currency): BusinessId =>
  businessIdOf(tenant, `merchant-${currency}`);

/**
 * Where a tenant's money is between the two confirms of a transfer, by currency: as the API's configuration names it.
 */
const clearingAccountIdOf = (tenant: string, currency: Currency): BusinessId =>
  businessIdOf(tenant, `clearing-${currency}`);

const externalAccountIdOf = (tenant: string, currency: Currency): BusinessId =>
  businessIdOf(tenant, `external-${currency}`);

/**
 * Stock, accounts and coupons to begin with, for one tenant. Safe to repeat, with more currencies too: what is there
 * already is left as it is, whatever has been bought since. An opening balance is a ledger entry against the outside
 * world, so the books sum to zero.
 */
export async function seed(
  urls: Pick<
    DatabaseUrls,
    'INVENTORY_DATABASE_URL' | 'ACCOUNTS_DATABASE_URL' | 'COUPONS_DATABASE_URL'
  >,
  tenant: string = seedTenant,
  more: readonly Currency[] = [],
): Promise<void> {
  await withPool(urls.INVENTORY_DATABASE_URL, (inventory) => seedStock(inventory, tenant, stock));
  await withPool(urls.ACCOUNTS_DATABASE_URL, (accounts) =>
    seedAccounts(accounts, tenant, [...tenantCurrencies, ...more]),
  );
  await withPool(urls.COUPONS_DATABASE_URL, (database) => seedCoupons(database, tenant));
}

/** More goods, with so many pieces each: for a crowd. As safe to repeat as `seed`. */
export async function seedGoods(
  { INVENTORY_DATABASE_URL }: Pick<DatabaseUrls, 'INVENTORY_DATABASE_URL'>,
  tenant: string,
  skus: readonly string[],
  pieces: number,
): Promise<void> {
  const goods = Object.fromEntries(skus.map((sku) => [sku, pieces]));
  await withPool(INVENTORY_DATABASE_URL, (inventory) => seedStock(inventory, tenant, goods));
}

async function seedStock(
  inventory: SqlPool,
  tenant: string,
  goods: Readonly<Record<string, number>>,
): Promise<void> {
  const rows = Object.entries(goods).map(([sku, pieces]) => [
    businessIdOf(tenant, sku),
    tenant,
    pieces,
    pieces,
  ]);
  await inventory.change(
    `INSERT INTO stock (sku, tenant, total, available) VALUES ? AS fresh
       ON DUPLICATE KEY UPDATE sku = fresh.sku`,
    [rows],
  );
}

async function seedCoupons(database: SqlPool, tenant: string): Promise<void> {
  const rows = Object.entries(coupons).map(([code, { customer, pieces, discount, expiresAt }]) => [
    businessIdOf(tenant, code),
    tenant,
    customer === undefined ? null : businessIdOf(tenant, customer),
    pieces,
    pieces,
    discount.currency,
    discount.minorUnits,
    expiresAt,
  ]);
  await database.change(
    `INSERT INTO coupons (id, tenant, customer_id, total, available, discount_currency, discount_minor, expires_at) VALUES ? AS fresh
       ON DUPLICATE KEY UPDATE id = fresh.id`,
    [rows],
  );
}

async function seedAccounts(
  accounts: SqlPool,
  tenant: string,
  currencies: readonly Currency[],
): Promise<void> {
  await inSqlTransaction(accounts, unhurried(), async (sql) => {
    for (const currency of currencies) {
      await openAccount(sql, tenant, externalAccountIdOf(tenant, currency), 'external', currency);
      await openAccount(sql, tenant, merchantAccountIdOf(tenant, currency), 'merchant', currency);
      await openAccount(sql, tenant, clearingAccountIdOf(tenant, currency), 'clearing', currency);
    }
    await openCustomers(sql, tenant, Object.entries(customers));
    // IGNORE: the worker's user may add a block, and change none.
    await sql.change('INSERT IGNORE INTO blocked_accounts (account_id, reason) VALUES (?)', [
      [businessIdOf(tenant, blockedAccount), 'Reported as stolen.'],
    ]);
  });
}

/** More customers with money: for a crowd. After `seed`; as safe to repeat. */
export async function seedCustomers(
  { ACCOUNTS_DATABASE_URL }: Pick<DatabaseUrls, 'ACCOUNTS_DATABASE_URL'>,
  tenant: string,
  accounts: readonly string[],
  minorUnits: number,
): Promise<void> {
  await withPool(ACCOUNTS_DATABASE_URL, async (pool) => {
    for (let at = 0; at < accounts.length; at += customersAtOnce) {
      const some = accounts.slice(at, at + customersAtOnce).map((id) => [id, minorUnits] as const);
      await inSqlTransaction(pool, unhurried(), (sql) => openCustomers(sql, tenant, some));
    }
  });
}

/** What a merchant took before Accord was there, in minor units, sale by sale. */
const takings = [4_200, 1_999, 801];

/**
 * A merchant's takings of an earlier day, carried over as not settled yet: what a settlement finds on a machine that
 * has never run on the day before. For one day of a tenant, once; after `seed`.
 *
 * @param day UTC, `2026-11-20`.
 */
export async function seedTakings(
  { ACCOUNTS_DATABASE_URL }: Pick<DatabaseUrls, 'ACCOUNTS_DATABASE_URL'>,
  tenant: string,
  day: string,
): Promise<void> {
  const merchant = merchantAccountIdOf(tenant, customerCurrency);
  await withPool(ACCOUNTS_DATABASE_URL, (pool) =>
    inSqlTransaction(pool, unhurried(), async (sql) => {
      for (const [at, minorUnits] of takings.entries()) {
        const branch = `${day}-${at}`;
        const gid = await payIn(sql, tenant, merchant, customerCurrency, minorUnits, branch);
        await sql.change(
          `INSERT INTO merchant_movements (gid, branch, op, account_id, tenant, currency, amount, occurred_at) VALUES (?)`,
          [
            [
              gid,
              branch,
              opening,
              merchant,
              tenant,
              customerCurrency,
              minorUnits,
              `${day} 12:00:00`,
            ],
          ],
        );
      }
    }),
  );
}

/** Five statements each, and a SQL transaction has four seconds, on a busy machine too. */
const customersAtOnce = 10;

async function openCustomers(
  sql: SqlTransaction,
  tenant: string,
  accounts: readonly (readonly [account: string, minorUnits: number])[],
): Promise<void> {
  for (const [account, minorUnits] of accounts) {
    const id = businessIdOf(tenant, account);
    const isNew = await openAccount(sql, tenant, id, 'customer', customerCurrency);
    if (isNew) await payIn(sql, tenant, id, customerCurrency, minorUnits);
  }
}

/** @returns false where the account was there before. */
async function openAccount(
  sql: SqlTransaction,
  tenant: string,
  id: BusinessId,
  kind: 'customer' | 'merchant' | 'clearing' | 'external',
  currency: Currency,
): Promise<boolean> {
  const found = await sql.select('SELECT id FROM accounts WHERE id = ? FOR UPDATE', [id]);
  if (found.length > 0) return false;
  await sql.change('INSERT INTO accounts (id, tenant, kind, currency) VALUES (?)', [
    [id, tenant, kind, currency],
  ]);
  return true;
}

/**
 * Money from the outside world; the effect is named after the account, since no transaction moves it.
 *
 * @returns the gid of the effect.
 */
async function payIn(
  sql: SqlTransaction,
  tenant: string,
  id: BusinessId,
  currency: Currency,
  minorUnits: number,
  branch = opening,
): Promise<string> {
  const gid = `${opening}:${id}`;
  const external = externalAccountIdOf(tenant, currency);
  await sql.change('UPDATE accounts SET balance = balance - ? WHERE id = ?', [
    minorUnits,
    external,
  ]);
  await sql.change('UPDATE accounts SET balance = balance + ? WHERE id = ?', [minorUnits, id]);
  await sql.change(
    'INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount) VALUES ?',
    [
      [
        [gid, branch, opening, external, currency, -minorUnits],
        [gid, branch, opening, id, currency, minorUnits],
      ],
    ],
  );
  return gid;
}

async function withPool(url: string, work: (pool: SqlPool) => Promise<void>): Promise<void> {
  const pool = createSqlPool({ url, connectionLimit: 1 });
  try {
    await work(pool);
  } finally {
    await pool.close();
  }
}

/** Only the limits of the SQL transaction bound it. */
const unhurried = () => ({ signal: new AbortController().signal, deadline: Infinity });

interface SeedOptions {
  readonly profile: Profile;
  readonly currency: readonly Currency[];
}

function withCurrency(code: string, earlier: readonly Currency[]): readonly Currency[] {
  if (isCurrency(code)) return [...earlier, code];
  throw new InvalidArgumentError('It must be a currency of ISO 4217 with minor units.');
}

if (require.main === module) {
  runCommand(
    new Command('seed')
      .description(
        'Creates stock, accounts and coupons of the tenant acme. Run npm run migrate first. Safe to repeat.',
      )
      .addOption(
        new Option('-p, --profile <name>', 'profile of the databases')
          .choices(profiles)
          .default('dev'),
      )
      .addOption(
        new Option(
          '-c, --currency <codes...>',
          'additional currencies (ISO 4217) to open accounts in',
        )
          .argParser(withCurrency)
          .default([]),
      )
      .action(async ({ profile, currency }: SeedOptions) => {
        await seed(await provisionProfile(profile), seedTenant, currency);
        console.error(`Seeded stock, accounts and coupons of ${seedTenant}.`);
      }),
  );
}
