/** Keys of the API for scripts that call it, as any client does. */
import { makerAtHand, newKey } from '../../api/http/authentication';
import { openKeys } from '../../api/dependencies';
import { expandScopes, type Scope } from '../../api/http/scopes';
import type { Tenant } from '../../contracts/engine/ids';

const lifeMs = 24 * 3_600_000;

/** What a credential of a tenant is for. */
export interface Holder {
  readonly tenant: Tenant;
  /** The person or system that it speaks for. */
  readonly owner: string;
  readonly scopes: readonly (Scope | 'ops')[];
}

/** @returns the value of the header `Authorization`; good for a day. */
export async function authorizationOf(
  apiDatabaseUrl: string,
  { tenant, owner, scopes }: Holder,
): Promise<string> {
  const { keys, now, close } = openKeys(apiDatabaseUrl);
  try {
    const createdAt = await now();
    const { key, credential } = newKey({
      realm: 'tenant',
      tenant,
      owner,
      scopes: expandScopes(scopes, 'tenant'),
      createdAt,
      expiresAt: new Date(createdAt.getTime() + lifeMs),
      maker: makerAtHand(owner), // Each caller of these scripts plays one person, who makes the own key.
    });
    await keys.add(key);
    return `Bearer ${credential}`;
  } finally {
    await close();
  }
}
