/**
 * Operators of a profile of this checkout: a key pair in the profile's folder that makes their tokens, and what an API
 * reads to take them. In production that is an identity provider.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import { z } from 'zod';

import type { Tenant } from '../contracts/engine/ids';
import type { Variables } from '../testing/environment/application';
import { withLock } from '../testing/stack/lock';
import { folderOf, makeFolder, type Profile } from '../testing/stack/profile';
import { writeJson } from '../runtime/whole-file';

/** What a token says. */
export interface Claims {
  readonly subject: string;
  readonly tenants?: readonly Tenant[];
  readonly clusters?: readonly string[];
  readonly scopes: readonly string[];
  readonly minutes: number;
}

const algorithm = 'ES256';
const audience = 'accord';
const issuerOf = (profile: Profile): string => `urn:accord:${profile}`;

const privateKeySchema = z.object({
  kty: z.literal('EC'),
  crv: z.string(),
  x: z.string(),
  y: z.string(),
  d: z.string(),
  kid: z.string(),
});
type PrivateKey = z.infer<typeof privateKeySchema>;

/** What an API of this profile reads so that it takes the profile's tokens, and no others. */
export async function operatorVariables(profile: Profile): Promise<Variables> {
  await privateKeyOf(profile);
  return {
    OPERATOR_ISSUER: issuerOf(profile),
    OPERATOR_AUDIENCE: audience,
    OPERATOR_KEYS_FILE: publicFileOf(profile),
    // A shell that knows a real issuer must not make two of them.
    OPERATOR_KEYS: '',
    OPERATOR_KEYS_URL: '',
  };
}

/** A token that an API of this profile takes. */
export async function operatorToken(profile: Profile, claims: Claims): Promise<string> {
  const key = await privateKeyOf(profile);
  const { scopes, tenants = [], clusters = [] } = claims;
  return new SignJWT({ scope: scopes.join(' '), tenants, clusters })
    .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: key.kid })
    .setIssuer(issuerOf(profile))
    .setAudience(audience)
    .setSubject(claims.subject)
    .setJti(randomUUID())
    .setIssuedAt()
    .setNotBefore('0s')
    .setExpirationTime(`${claims.minutes}m`)
    .sign(await importJWK(key, algorithm));
}

const folderOfKeys = (profile: Profile): string => join(folderOf(profile), 'operators');
const privateFileOf = (profile: Profile): string => join(folderOfKeys(profile), 'private-key.json');
const publicFileOf = (profile: Profile): string => join(folderOfKeys(profile), 'keys.json');

/** Generated when it is first asked for, and the same until `reset`. Safe when several processes ask at once. */
async function privateKeyOf(profile: Profile): Promise<PrivateKey> {
  makeFolder(profile);
  return withLock(`${folderOf(profile)}.operators.lock`, async () => {
    mkdirSync(folderOfKeys(profile), { recursive: true, mode: 0o700 });
    const known = readKey(privateFileOf(profile));
    const key = known ?? (await newKey());
    if (!known) writeJson(privateFileOf(profile), key);
    const { kty, crv, x, y, kid } = key;
    const published = { keys: [{ kty, crv, x, y, kid, alg: algorithm }] };
    if (!isWritten(publicFileOf(profile), published)) writeJson(publicFileOf(profile), published);
    return key;
  });
}

async function newKey(): Promise<PrivateKey> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const key = await exportJWK(privateKey);
  return privateKeySchema.parse({ ...key, kid: await calculateJwkThumbprint(key) });
}

/** Absent or damaged: another pair takes its place, and tokens that were made are worth nothing any more. */
function readKey(file: string): PrivateKey | undefined {
  try {
    return privateKeySchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

function isWritten(file: string, value: object): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(readFileSync(file, 'utf8')), value);
  } catch {
    return false;
  }
}
