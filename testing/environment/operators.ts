/**
 * Operators for development: a key pair in a folder that makes their tokens, and what an API reads to take them. In
 * production that is an identity provider.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import { z } from 'zod';

import type { Tenant } from '../../contracts/engine/ids';
import { writeJson } from '../../runtime/whole-file';
import { withLock } from '../stack/lock';
import type { Variables } from './application';

/** What a token says. */
export interface Claims {
  readonly subject: string;
  readonly tenants?: readonly Tenant[];
  readonly clusters?: readonly string[];
  readonly scopes: readonly string[];
  readonly minutes: number;
}

/** Who makes the tokens. */
export interface Issuer {
  /** Where its keys stand; made where it is missing. */
  readonly folder: string;
  /** `iss` of its tokens. */
  readonly name: string;
}

const algorithm = 'ES256';
const audience = 'accord';

const privateKeySchema = z.object({
  kty: z.literal('EC'),
  crv: z.string(),
  x: z.string(),
  y: z.string(),
  d: z.string(),
  kid: z.string(),
});
type PrivateKey = z.infer<typeof privateKeySchema>;

/** What an API reads so that it takes the tokens of this issuer, and no others. */
export async function operatorVariables(issuer: Issuer): Promise<Variables> {
  await privateKeyOf(issuer);
  return {
    OPERATOR_ISSUER: issuer.name,
    OPERATOR_AUDIENCE: audience,
    OPERATOR_KEYS_FILE: publicFileOf(issuer),
    // A shell that knows a real issuer must not make two of them.
    OPERATOR_KEYS: '',
    OPERATOR_KEYS_URL: '',
  };
}

/** A token that an API with the variables of this issuer takes. */
export async function operatorToken(issuer: Issuer, claims: Claims): Promise<string> {
  const key = await privateKeyOf(issuer);
  const { scopes, tenants = [], clusters = [] } = claims;
  return new SignJWT({ scope: scopes.join(' '), tenants, clusters })
    .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: key.kid })
    .setIssuer(issuer.name)
    .setAudience(audience)
    .setSubject(claims.subject)
    .setJti(randomUUID())
    .setIssuedAt()
    .setNotBefore('0s')
    .setExpirationTime(`${claims.minutes}m`)
    .sign(await importJWK(key, algorithm));
}

const privateFileOf = ({ folder }: Issuer): string => join(folder, 'private-key.json');
const publicFileOf = ({ folder }: Issuer): string => join(folder, 'keys.json');

/** Generated when it is first asked for, and the same as long as its folder. Safe when several processes ask at once. */
async function privateKeyOf(issuer: Issuer): Promise<PrivateKey> {
  return withLock(`${issuer.folder}.lock`, async () => {
    mkdirSync(issuer.folder, { recursive: true, mode: 0o700 });
    const known = readKey(privateFileOf(issuer));
    const key = known ?? (await newKey());
    if (!known) writeJson(privateFileOf(issuer), key);
    const { kty, crv, x, y, kid } = key;
    const published = { keys: [{ kty, crv, x, y, kid, alg: algorithm }] };
    if (!isWritten(publicFileOf(issuer), published)) writeJson(publicFileOf(issuer), published);
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
