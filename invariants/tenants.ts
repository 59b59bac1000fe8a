import { partsOfBusinessId, partsOfGid, type Tenant } from '../contracts/engine/ids';

/** Columns that name a transaction, an effect or something of the business. */
const naming: ReadonlySet<string> = new Set([
  'gid',
  'subject',
  'aggregate_id',
  'order_id',
  'payment_id',
  'settlement_id',
  'account_id',
]);

/**
 * Whose a row is that a check has found. `undefined`: it names nobody, or more than one; then it is shown to no tenant,
 * because a check that is broken says nothing certain about whose its rows are.
 */
export function tenantOfRow(row: object): Tenant | undefined {
  const tenants = new Set<Tenant | undefined>();
  for (const [name, value] of Object.entries(row)) {
    if (naming.has(name) && value !== null) tenants.add(tenantOf(String(value)));
  }
  const [only] = tenants;
  return tenants.size === 1 ? only : undefined;
}

/** Tenant of a business id, of a gid, or of a value that begins with one. */
function tenantOf(value: string): Tenant | undefined {
  const [head = ''] = value.split('/');
  return partsOfBusinessId(partsOfGid(head)?.businessId ?? head)?.tenant;
}
