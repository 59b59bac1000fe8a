/** npm run seed: stock and accounts to begin with. */
import { Command, Option } from 'commander';

import { businessIdOf, type BusinessId } from '../contracts/ids';
import { currencies, type Currency } from '../contracts/money';
import { createSqlPool, inSqlTransaction, type SqlPool } from '../activities/sql-transaction';
import type { SqlTransaction } from '../activities/participant';
import { provisionProfile, type DatabaseUrls } from './databases';
import { profiles, type Profile } from './stack/profile';

export const seedTenant = 'acme';

/** Pieces of each SKU at the start; the last piece of S-RARE is what two orders fight for. */
const stock: Readonly<Record<string, number>> = { 'S-1': 100, 'S-2': 50, 'S-RARE': 1 };

/** Free money of each customer at the start, in minor units. A-POOR cannot pay for anything. */
const customers: Readonly<Record<string, number>> = {
  'A-1': 1_000_000,
  'A-2': 1_000_000,
  'A-POOR': 100,
};
const customerCurrency: Currency = 'EUR';

/** Account that a tenant's money goes to, by currency: what the API's configuration names. */
export const merchantAccountIdOf = (tenant: string, currency: Currency): BusinessId =>
  businessIdOf(tenant, `merchant-${currency}`);

const externalAccountIdOf = (tenant: string, currency: Currency): BusinessId =>
  businessIdOf(tenant, `external-${currency}`);

/**
 * Stock and accounts to begin with, for one tenant. Safe to repeat: what is there already is left as it is, whatever
 * has been bought since. An opening balance is a ledger entry against the outside world, so the books sum to zero.
 */
export async function seed(
  urls: Pick<DatabaseUrls, 'INVENTORY_DATABASE_URL' | 'ACCOUNTS_DATABASE_URL'>,
  tenant: string = seedTenant,
): Promise<void> {
  await withPool(urls.INVENTORY_DATABASE_URL, (inventory) => seedStock(inventory, tenant));
  await withPool(urls.ACCOUNTS_DATABASE_URL, (accounts) => seedAccounts(accounts, tenant));
}

async function seedStock(inventory: SqlPool, tenant: string): Promise<void> {
  const rows = Object.entries(stock).map(([sku, pieces]) => [
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

async function seedAccounts(accounts: SqlPool, tenant: string): Promise<void> {
  await inSqlTransaction(accounts, unhurried(), async (sql) => {
    for (const currency of currencies) {
      await openAccount(sql, tenant, externalAccountIdOf(tenant, currency), 'external', currency);
      await openAccount(sql, tenant, merchantAccountIdOf(tenant, currency), 'merchant', currency);
    }
    for (const [account, minorUnits] of Object.entries(customers)) {
      const id = businessIdOf(tenant, account);
      const isNew = await openAccount(sql, tenant, id, 'customer', customerCurrency);
      if (isNew) await payIn(sql, tenant, id, customerCurrency, minorUnits);
    }
  });
}

/** @returns false where the account was there before. */
async function openAccount(
  sql: SqlTransaction,
  tenant: string,
  id: BusinessId,
  kind: 'customer' | 'merchant' | 'external',
  currency: Currency,
): Promise<boolean> {
  const found = await sql.select('SELECT id FROM accounts WHERE id = ? FOR UPDATE', [id]);
  if (found.length > 0) return false;
  await sql.change('INSERT INTO accounts (id, tenant, kind, currency) VALUES (?)', [
    [id, tenant, kind, currency],
  ]);
  return true;
}

/** Money from the outside world; the effect is named after the account, since no transaction moves it. */
async function payIn(
  sql: SqlTransaction,
  tenant: string,
  id: BusinessId,
  currency: Currency,
  minorUnits: number,
): Promise<void> {
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
        [`opening:${id}`, 'opening', 'opening', external, currency, -minorUnits],
        [`opening:${id}`, 'opening', 'opening', id, currency, minorUnits],
      ],
    ],
  );
}

async function withPool(url: string, work: (pool: SqlPool) => Promise<void>): Promise<void> {
  const pool = createSqlPool({ url, connectionLimit: 1 });
  try {
    await work(pool);
  } finally {
    await pool.close();
  }
}

/** Nobody waits in another process: the limits of the SQL transaction bound it. */
const unhurried = () => ({ signal: new AbortController().signal, deadline: Infinity });

if (require.main === module) {
  new Command('seed')
    .description('Stock and accounts of the tenant acme, after npm run migrate. Safe to repeat.')
    .addOption(new Option('-p, --profile <name>', 'whose').choices(profiles).default('dev'))
    .action(async ({ profile }: { readonly profile: Profile }) => {
      await seed(await provisionProfile(profile));
      console.error(`Seeded stock and accounts of ${seedTenant}.`);
    })
    .parseAsync()
    .catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    });
}
