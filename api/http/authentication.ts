import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { ulid } from 'ulid';

import type { Now } from '../../runtime/server-clock';
import { Problem } from './errors';
import { peopleBehind, type People } from './people';
import type { Holder, Operators } from './operators';
import { placeOf, placesOf, whyReserved, type Place } from './realms';
import { expandScopes, isScope, isScopeOf, type Scope } from './scopes';
import type { ApiKey, KeysStore } from '../stores/keys-store';

/** Who calls, as far as the credential says, and where: what this call is about. */
export interface Principal extends Place {
  /** Which one it was, for the log: id of a key or of a token. */
  readonly credential: string | null;
  /** Id of the API key; `null`: the credential is a token. */
  readonly keyId: string | null;
  /**
   * The person or system behind the credential: two keys of one owner, or a key and a token of one person, are one
   * subject.
   */
  readonly subject: string;
  /** All the people who may stand behind the credential, the subject included. */
  readonly people: People;
  /** Scopes in the realm of the call. */
  readonly scopes: ReadonlySet<Scope>;
}

/** `acc_<keyId>_<secret>`: a fixed form, so that scanners of repositories find a key that leaked. */
const credentialPattern = /^Bearer acc_([0-9A-Z]{26})_([A-Za-z0-9_-]{43})$/i;
/** A JWT in its compact form: three parts. A credential of another shape is not checked as a token. */
const tokenPattern = /^Bearer ([\w-]+\.[\w-]+\.[\w-]*)$/i;
const secretBytes = 32;
/** A key is looked up again after this long: the longest that a revoked one still works in another process. */
const cacheMs = 5_000;
const cachedKeysMax = 1_000;
const touchEveryMs = 60_000;

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Who makes a key, and who stands behind the credential that it is made with. */
export type Maker = Pick<Principal, 'subject' | 'people'>;

/** A person who makes a key without having one: on a command line, with the password of the database. */
export const makerAtHand = (subject: string): Maker => ({
  subject,
  people: peopleBehind(subject),
});

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The id of the key that one call makes, however often it is sent: of who calls, and of the call's own key. */
export function keyIdOf(
  { realm, tenant, subject }: Pick<Principal, 'realm' | 'tenant' | 'subject'>,
  idempotencyKey: string,
  apiSecret: string,
): string {
  const name = `api key\0${realm}\0${tenant}\0${subject}\0${idempotencyKey}`;
  const digest = createHmac('sha256', apiSecret).update(name).digest();
  return [...digest.subarray(0, 26)].map((byte) => crockford[byte % 32]).join('');
}

/**
 * A new key: what is kept of it, and the credential, which is never seen again.
 * @throws Problem `unprocessable`: too many have made keys for each other.
 */
export function newKey({
  keyId = ulid(),
  realm,
  tenant,
  owner,
  scopes,
  createdAt,
  expiresAt,
  maker,
}: Grant) {
  const secret = randomBytes(secretBytes).toString('base64url');
  const key = {
    ...{ keyId, realm, tenant, owner, scopes, createdAt, expiresAt },
    ...{ secretSha256: sha256(secret) },
    ...{ madeBy: maker.subject, people: peopleBehind(owner, maker.people) },
  };
  return { key, credential: `acc_${keyId}_${secret}` };
}
type Grant = Pick<ApiKey, 'realm' | 'tenant' | 'owner' | 'scopes' | 'createdAt' | 'expiresAt'> & {
  readonly maker: Maker;
  /** Left out: a new one. */
  readonly keyId?: string;
};

/** What a caller sends to say who he is. */
interface Credentials {
  readonly authorization: string | undefined;
  /** `Accord-Tenant`, `Accord-Cluster`: which of the credential's tenants, or which cluster, the call is about. */
  readonly tenant: string | undefined;
  readonly cluster: string | undefined;
}

/**
 * Authentication by API key or, for people, by an operator's token. A key that is unknown, revoked, expired or wrong
 * gets the same answer in the same time: its digest is compared either way.
 *
 * A call is about one tenant, or about the cluster. It names one that its credential has; where the credential has only
 * one, the call need not name it. A tenant or cluster of another credential gets the same answer as one that does not
 * exist.
 *
 * @param cluster that this API serves: the only one that it knows, and no tenant has its name.
 */
export function createAuthentication({ keys, operators, cluster }: AuthenticationParts, now: Now) {
  const cache = new Map<string, { readonly key: ApiKey | undefined; readonly readAt: number }>();
  const touchedAt = new Map<string, number>();

  async function lookUp(keyId: string): Promise<ApiKey | undefined> {
    const cached = cache.get(keyId);
    if (cached && performance.now() - cached.readAt < cacheMs) return cached.key;
    const key = await keys.find(keyId);
    remember(cache, keyId, { key, readAt: performance.now() });
    return key;
  }

  function touch(keyId: string): void {
    if (performance.now() - (touchedAt.get(keyId) ?? -Infinity) < touchEveryMs) return;
    remember(touchedAt, keyId, performance.now());
    void keys.touch(keyId).catch(() => undefined); // For people who tidy up keys; no request fails for it.
  }

  async function ownerOf(keyId: string, secret: string): Promise<Holder> {
    const key = await lookUp(keyId);
    const isRight = timingSafeEqual(sha256(secret), key?.secretSha256 ?? Buffer.alloc(32));
    if (!key || !isRight || !isLive(key, now())) throw new Problem('unauthenticated');
    touch(keyId);
    const { owner: subject, realm, tenant, people } = key;
    const scopes = key.scopes.filter(isScope);
    return {
      ...{ subject, people, credential: keyId, keyId, scopes },
      tenants: realm === 'tenant' ? [tenant] : [],
      clusters: realm === 'cluster' ? [tenant] : [],
    };
  }

  function holderOf(authorization = ''): Promise<Holder> {
    const [, keyId, secret] = credentialPattern.exec(authorization) ?? [];
    if (keyId !== undefined && secret !== undefined) return ownerOf(keyId, secret);
    const [, token] = tokenPattern.exec(authorization) ?? [];
    if (token !== undefined) return operators.verify(token);
    return Promise.reject(new Problem('unauthenticated'));
  }

  return {
    /**
     * @throws Problem `unauthenticated`; `not_found`, `tenant_missing` for the tenant or cluster;
     *   `dependency_unavailable` when keys cannot be read.
     */
    async authenticate({ authorization, ...named }: Credentials): Promise<Principal> {
      const { tenants, clusters, scopes, ...holder } = await holderOf(authorization);
      const place = placeNamed({ tenants, clusters }, named, cluster);
      const own = expandScopes(scopes, place.realm).filter(isScopeOf(place.realm));
      return { ...holder, ...place, scopes: new Set(own) };
    },
    /** Makes this process look the key up again: it has been revoked. */
    forget: (keyId: string): void => void cache.delete(keyId),
  };
}
export type Authentication = ReturnType<typeof createAuthentication>;

interface AuthenticationParts {
  readonly keys: KeysStore;
  readonly operators: Operators;
  readonly cluster: string;
}

function placeNamed(
  own: Pick<Holder, 'tenants' | 'clusters'>,
  { tenant, cluster: clusterNamed }: Omit<Credentials, 'authorization'>,
  cluster: string,
): Place {
  const named = [
    ...(tenant === undefined ? [] : [placeOf('tenant', tenant)]),
    ...(clusterNamed === undefined ? [] : [placeOf('cluster', clusterNamed)]),
  ];
  const places = placesOf(own, cluster);
  const meant = places.filter((place) => named.every((one) => isSamePlace(one, place)));
  const [only, ...others] = meant;
  if (only && others.length === 0) return only;
  if (named.length > 1 || others.length > 0) throw new Problem('tenant_missing');
  const isReserved =
    own.tenants.includes(cluster) && (tenant ?? clusterNamed ?? cluster) === cluster;
  throw new Problem('not_found', { ...(isReserved && { detail: whyReserved(cluster) }) });
}

const isSamePlace = (one: Place, other: Place): boolean =>
  one.realm === other.realm && one.tenant === other.tenant;

const isLive = ({ revokedAt, expiresAt }: ApiKey, at: number): boolean =>
  revokedAt === null && (expiresAt === null || expiresAt.getTime() > at);

/** Keeps the newest entries: a guesser of key ids must not fill the memory. */
function remember<Value>(map: Map<string, Value>, name: string, value: Value): void {
  map.delete(name);
  map.set(name, value);
  const [oldest] = map.keys();
  if (map.size > cachedKeysMax && oldest !== undefined) map.delete(oldest);
}
