import type { BusinessId } from '../../contracts/engine/ids';
import type { SqlTransaction } from '../fence/participant';
import { chunksOf, expectRows } from '../fence/set-statements';

/** Newest fencing token by customer. */
export type CustomerTokens = ReadonlyMap<BusinessId, bigint>;

/**
 * Locks the rows of the customers, and reads the newest token that wrote an order of each. A new customer gets a row
 * first: otherwise two concurrent first orders would find no row to lock.
 */
export async function lockCustomerTokens(
  sql: SqlTransaction,
  customers: readonly BusinessId[],
): Promise<Map<BusinessId, bigint>> {
  const tokens = new Map<BusinessId, bigint>();
  for (const keys of chunksOf([...new Set(customers)].sort())) {
    await sql.change(
      'INSERT INTO customers (customer_id) VALUES ? ON DUPLICATE KEY UPDATE fencing_token = fencing_token',
      [keys.map((key) => [key])],
    );
    const rows = await sql.select<{ readonly customer_id: string; readonly fencing_token: string }>(
      `SELECT customer_id, fencing_token FROM customers FORCE INDEX (PRIMARY)
         WHERE customer_id IN (?) ORDER BY customer_id FOR UPDATE`,
      [keys],
    );
    for (const row of rows) tokens.set(row.customer_id, BigInt(row.fencing_token));
  }
  return tokens;
}

/** Writes the tokens that are newer than the stored ones. The rows are locked. */
export async function raiseCustomerTokens(
  sql: SqlTransaction,
  raised: CustomerTokens,
): Promise<void> {
  for (const rows of chunksOf([...raised])) {
    const changed = await sql.change(
      `UPDATE (VALUES ${rows.map(() => 'ROW(?, ?)').join(', ')}) AS d (customer_id, fencing_token)
         STRAIGHT_JOIN customers c FORCE INDEX (PRIMARY) ON c.customer_id = CAST(d.customer_id AS BINARY)
         SET c.fencing_token = d.fencing_token`,
      rows.flat(),
    );
    expectRows('customers', changed, rows.length);
  }
}
