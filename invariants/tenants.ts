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
 * The tenant of a row that a check has found. `undefined`: the row names no tenant, or more than one. Such a row is
 * shown to no tenant: a broken check does not prove whose row it is.
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
