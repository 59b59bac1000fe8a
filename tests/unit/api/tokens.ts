import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';

/** Whoever makes operators' tokens, with a key of a test's own. */
export interface TestIssuer {
  /** What an API reads that takes its tokens. */
  readonly variables: Readonly<Record<string, string>>;
  readonly publicKey: JWK;
  /** A token that is right, but for what is given; a claim or header that is `undefined` is left out. */
  token(claims?: Readonly<Record<string, unknown>>, how?: Signing): Promise<string>;
}
interface Signing {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly key?: CryptoKey | Uint8Array;
}

const issuer = 'https://people.example';
const audience = 'accord';
export const secondsNow = (): number => Math.floor(Date.now() / 1_000);

/** @param alg of its one key. */
export async function testIssuer(alg = 'ES256'): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const published: JWK = { ...(await exportJWK(publicKey)), alg, kid: 'of-today' };
  return {
    publicKey: published,
    variables: {
      OPERATOR_ISSUER: issuer,
      OPERATOR_AUDIENCE: audience,
      OPERATOR_KEYS: JSON.stringify({ keys: [published] }),
    },
    token(claims = {}, { header = {}, key = privateKey } = {}) {
      const now = secondsNow();
      const right = { sub: 'alice', scope: 'tx:read ops', tenants: ['acme'] };
      const times = { iat: now, nbf: now, exp: now + 600 };
      return new SignJWT({ iss: issuer, aud: audience, ...right, ...times, ...claims })
        .setProtectedHeader({ alg, kid: 'of-today', typ: 'at+jwt', ...header })
        .sign(key);
    },
  };
}
