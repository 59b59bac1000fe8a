import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose';
import { z } from 'zod';

import { tenantPattern } from '../../contracts/engine/ids';
import type { Now } from '../../runtime/server-clock';
import type { OperatorsConfig } from '../config';
import { dependencyUnavailable, Problem } from './errors';
import { peopleBehind, subjectPattern, type People } from './people';
import type { Places } from './realms';
import { isScopeOrOps, type Scope } from './scopes';

/** Whom a credential speaks for, and where. */
export interface Holder extends Places {
  /** The person or system: `sub` of a token, owner of a key. */
  readonly subject: string;
  /** All the people who may stand behind the credential, the subject included. */
  readonly people: People;
  /** Which credential it was, for the log: `jti`, id of a key. */
  readonly credential: string | null;
  /** Id of the API key; `null`: the credential is a token. */
  readonly keyId: string | null;
  /** The scopes as they were given. The realm of each call decides what they mean. */
  readonly scopes: readonly (Scope | 'ops')[];
}

export interface Operators {
  /**
   * Who a token (JWT, RFC 9068) speaks for.
   * @throws Problem `unauthenticated`, with the claim that is wrong where the signature is right;
   *   `dependency_unavailable`
   *   when the keys of the issuer cannot be read.
   */
  verify(token: string): Promise<Holder>;
}

/** Asymmetric algorithms only: a party that can check a token with a shared secret can also make one. */
const algorithms = [
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
  ...['PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'],
];
/** Between the clocks of the issuer and ours. */
const clockToleranceSeconds = 30;
/** Within the two seconds in which every call is answered. */
const keySetMs = 1_500;

/** Names of tenants, or of clusters: both have the same form. */
const names = z.array(z.string().regex(tenantPattern)).max(100).default([]);
const claimsSchema = z
  .object({
    sub: z.string().regex(subjectPattern),
    jti: z.string().optional(),
    scope: z.string().default(''),
    tenants: names,
    clusters: names,
  })
  .refine(({ tenants, clusters }) => tenants.length + clusters.length > 0, { path: ['tenants'] });

/** @param config `null`: no issuer is trusted, so every token is refused. */
export function createOperators(config: OperatorsConfig | null, now: Now): Operators {
  if (!config) return { verify: () => Promise.reject(refusal('This API takes API keys alone.')) };
  const { issuer, audience } = config;
  const keys = 'url' in config ? remoteKeys(config.url) : createLocalJWKSet(config.keySet);
  return {
    async verify(token) {
      try {
        const { payload } = await jwtVerify(token, keys, {
          issuer,
          audience,
          algorithms,
          typ: 'at+jwt', // An identity token of the same issuer says who somebody is, not what he may do here.
          clockTolerance: clockToleranceSeconds,
          requiredClaims: ['exp', 'sub'],
          currentDate: new Date(now()),
        });
        return holderOf(payload);
      } catch (error) {
        throw error instanceof Problem ? error : refusal(whatIsWrong(error), error);
      }
    },
  };
}

function holderOf(payload: JWTPayload): Holder {
  const { success, data, error } = claimsSchema.safeParse(payload);
  if (!success) throw refusal(wrongClaim(String(error.issues[0]?.path[0])));
  return {
    subject: data.sub,
    people: peopleBehind(data.sub), // Its issuer vouches for one person.
    credential: data.jti ?? null,
    keyId: null,
    tenants: data.tenants,
    clusters: data.clusters,
    scopes: data.scope.split(' ').filter(isScopeOrOps), // Those of other services in the same token mean nothing here.
  };
}

/** Kept for ten minutes; a key id that is new is looked for at once, but not more often than each half minute. */
function remoteKeys(url: string): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(url), { timeoutDuration: keySetMs });
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (error) {
      throw isOfToken(error) ? error : dependencyUnavailable('identity', error);
    }
  };
}

/** The set was read, and has no key for this token. */
const isOfToken = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported;

const refusal = (detail?: string, cause?: unknown): Problem =>
  new Problem('unauthenticated', { ...(detail !== undefined && { detail }), cause });

/** Claims are looked at behind the signature, so only who holds a true token learns what is wrong with it. */
function whatIsWrong(error: unknown): string | undefined {
  if (error instanceof errors.JWTExpired) return 'The token has expired.';
  return error instanceof errors.JWTClaimValidationFailed ? wrongClaim(error.claim) : undefined;
}

const wrongClaim = (claim: string): string => `The token's "${claim}" is missing or wrong.`;
