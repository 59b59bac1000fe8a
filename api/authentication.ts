import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { ulid } from 'ulid';

import type { Tenant } from '../contracts/ids';
import { Problem } from './errors';
import { isScope, type Scope } from './scopes';
import type { ApiKey, KeysStore } from './stores/keys-store';

/** Who calls, as far as the credential says. */
export interface Principal {
  readonly keyId: string;
  readonly tenant: Tenant;
  /** The person or system behind the key: two keys of one owner are one subject. */
  readonly subject: string;
  readonly scopes: ReadonlySet<Scope>;
}

/** `acc_<keyId>_<secret>`: a fixed form, so that scanners of repositories find a key that leaked. */
const credentialPattern = /^Bearer acc_([0-9A-Z]{26})_([A-Za-z0-9_-]{43})$/i;
const secretBytes = 32;
/** A key is looked up again after this long: the longest that a revoked one still works in another process. */
const cacheMs = 5_000;
const cachedKeysMax = 1_000;
const touchEveryMs = 60_000;

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A new key: what is kept of it, and the credential, which is never seen again. */
export function newKey({ tenant, owner, scopes, createdAt, expiresAt }: Grant) {
  const keyId = ulid();
  const secret = randomBytes(secretBytes).toString('base64url');
  const key = { keyId, tenant, owner, scopes, createdAt, expiresAt, secretSha256: sha256(secret) };
  return { key, credential: `acc_${keyId}_${secret}` };
}
type Grant = Pick<ApiKey, 'tenant' | 'owner' | 'scopes' | 'createdAt' | 'expiresAt'>;

/**
 * Authentication by API key. A key that is unknown, revoked, expired or wrong is the same answer in the same time: its
 * digest is compared either way.
 */
export function createAuthentication(keys: KeysStore, now: () => number = Date.now) {
  const cache = new Map<string, { readonly key: ApiKey | undefined; readonly readAt: number }>();
  const touchedAt = new Map<string, number>();

  async function lookUp(keyId: string): Promise<ApiKey | undefined> {
    const cached = cache.get(keyId);
    if (cached && now() - cached.readAt < cacheMs) return cached.key;
    const key = await keys.find(keyId);
    remember(cache, keyId, { key, readAt: now() });
    return key;
  }

  function touch(keyId: string): void {
    if (now() - (touchedAt.get(keyId) ?? 0) < touchEveryMs) return;
    remember(touchedAt, keyId, now());
    void keys.touch(keyId).catch(() => undefined); // For people who tidy up keys; no request fails for it.
  }

  return {
    /** @throws Problem `unauthenticated`; `dependency_unavailable` when keys cannot be read. */
    async authenticate(authorization: string | undefined): Promise<Principal> {
      const [, keyId = '', secret = ''] = credentialPattern.exec(authorization ?? '') ?? [];
      if (keyId === '') throw new Problem('unauthenticated');
      const key = await lookUp(keyId);
      const isRight = timingSafeEqual(sha256(secret), key?.secretSha256 ?? Buffer.alloc(32));
      if (!key || !isRight || !isLive(key, now())) throw new Problem('unauthenticated');
      touch(keyId);
      return {
        keyId,
        tenant: key.tenant,
        subject: key.owner,
        scopes: new Set(key.scopes.filter(isScope)),
      };
    },
    /** Makes this process look the key up again: it has been revoked. */
    forget: (keyId: string): void => void cache.delete(keyId),
  };
}
export type Authentication = ReturnType<typeof createAuthentication>;

const isLive = ({ revokedAt, expiresAt }: ApiKey, at: number): boolean =>
  revokedAt === null && (expiresAt === null || expiresAt.getTime() > at);

/** Keeps the newest entries: a guesser of key ids must not fill the memory. */
function remember<Value>(map: Map<string, Value>, name: string, value: Value): void {
  map.delete(name);
  map.set(name, value);
  const [oldest] = map.keys();
  if (map.size > cachedKeysMax && oldest !== undefined) map.delete(oldest);
}
