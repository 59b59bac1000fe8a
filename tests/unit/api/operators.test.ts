import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { exportSPKI, generateKeyPair, importJWK } from 'jose';

import { Problem } from '../../../api/errors';
import { createOperators } from '../../../api/operators';
import { aConfig, aRun, fakeApi, type FakeApi } from './fake-api';
import { secondsNow, testIssuer, type TestIssuer } from './tokens';

const base64url = (value: object): string =>
  Buffer.from(JSON.stringify(value)).toString('base64url');

/** What a refused token is told. */
const refusalOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'taken',
    (error: unknown) => {
      const { code, message } = error as { code?: string; message?: string };
      return [code, message];
    },
  );
const silent = ['unauthenticated', new Problem('unauthenticated').message];

describe("an operator's token", () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await testIssuer();
  });
  const operators = () => createOperators(aConfig(issuer.variables).operators);
  const verify = async (...how: Parameters<TestIssuer['token']>) =>
    operators().verify(await issuer.token(...how));

  it('says which person it is, for which tenants, with which scopes', async () => {
    const claims = { tenants: ['acme', 'globex'], scope: 'tx:read ops openid', jti: 'token-1' };
    expect(await verify(claims)).toEqual({
      subject: 'alice',
      people: ['alice'],
      credential: 'token-1',
      tenants: ['acme', 'globex'],
      scopes: ['tx:read', 'ops:read', 'ops:resolve', 'ops:approve', 'ops:failover'],
    });
  });

  it('lets nobody break the glass who was not given just that', async () => {
    expect((await verify({ scope: 'ops' })).scopes).not.toContain('ops:breakglass');
    expect((await verify({ scope: 'ops ops:breakglass' })).scopes).toContain('ops:breakglass');
  });

  it.each([
    ['of another issuer', { iss: 'https://people.example/' }, 'iss'],
    ['for another audience', { aud: 'another' }, 'aud'],
    ['without an audience', { aud: undefined }, 'aud'],
    ['without an end', { exp: undefined }, 'exp'],
    ['from the future', { nbf: secondsNow() + 60 }, 'nbf'],
    ['of nobody', { sub: undefined }, 'sub'],
    ['of somebody without a name', { sub: '' }, 'sub'],
    ['of somebody whose name the audit cannot hold', { sub: 'x'.repeat(129) }, 'sub'],
    ['for no tenant', { tenants: [] }, 'tenants'],
    ['without tenants', { tenants: undefined }, 'tenants'],
    ['for what is no tenant', { tenants: ['acme', 'ACME.'] }, 'tenants'],
  ])('is refused where it is %s, and told what is wrong', async (_, claims, claim) => {
    expect(await refusalOf(verify(claims))).toEqual([
      'unauthenticated',
      `The token's "${claim}" is missing or wrong.`,
    ]);
  });

  it('may be half a minute late or early, and not more', async () => {
    const now = secondsNow();
    const at = (ms: number) => createOperators(aConfig(issuer.variables).operators, () => ms);
    const token = await issuer.token({ nbf: now, exp: now + 600 });
    const expired = ['unauthenticated', 'The token has expired.'];
    expect(await refusalOf(at((now + 600 + 29) * 1_000).verify(token))).toBe('taken');
    expect(await refusalOf(at((now + 600 + 31) * 1_000).verify(token))).toEqual(expired);
    expect(await refusalOf(at((now - 29) * 1_000).verify(token))).toBe('taken');
    expect(await refusalOf(at((now - 31) * 1_000).verify(token))).toEqual([
      'unauthenticated',
      `The token's "nbf" is missing or wrong.`,
    ]);
  });

  it.each([['JWT'], ['id+jwt'], [undefined]])(
    'is refused where it is of the type %s: it may have been made for something else',
    async (typ) => {
      const told = await refusalOf(verify({}, { header: { typ } }));
      expect(told).toEqual(['unauthenticated', `The token's "typ" is missing or wrong.`]);
    },
  );

  it('is refused without a word where its signature is not of a published key', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    expect(await refusalOf(verify({}, { key: privateKey }))).toEqual(silent);
    expect(await refusalOf(verify({}, { header: { kid: 'of-tomorrow' } }))).toEqual(silent);
    const [header = '', , signature = ''] = (await issuer.token()).split('.');
    const other = base64url({ sub: 'mallory', scope: 'ops', tenants: ['acme'] });
    expect(await refusalOf(operators().verify([header, other, signature].join('.')))).toEqual(
      silent,
    );
  });

  it('is refused where it is signed with nothing, or with the public key as a secret', async () => {
    const notAllowed = { code: 'unauthenticated', cause: { code: 'ERR_JOSE_ALG_NOT_ALLOWED' } };
    const [, payload = ''] = (await issuer.token()).split('.');
    const unsigned = `${base64url({ alg: 'none', typ: 'at+jwt' })}.${payload}.`;
    await expect(operators().verify(unsigned)).rejects.toMatchObject(notAllowed);
    const publicKey = await importJWK(issuer.publicKey, 'ES256', { extractable: true });
    const texts = [
      JSON.stringify(issuer.publicKey),
      publicKey instanceof Uint8Array ? '' : await exportSPKI(publicKey),
    ];
    for (const text of texts) {
      const key = new TextEncoder().encode(text);
      const forged = verify({}, { header: { alg: 'HS256' }, key });
      await expect(forged).rejects.toMatchObject(notAllowed);
    }
  });

  it.each(['EdDSA', 'RS256', 'PS256', 'ES384'])('may be signed with %s', async (alg) => {
    const another = await testIssuer(alg);
    const { subject } = await createOperators(aConfig(another.variables).operators).verify(
      await another.token(),
    );
    expect(subject).toBe('alice');
  });

  it('is refused where no issuer is configured, and says so', async () => {
    const none = createOperators(aConfig().operators);
    expect(await refusalOf(none.verify(await issuer.token()))).toEqual([
      'unauthenticated',
      'This API takes API keys alone.',
    ]);
  });
});

describe('the keys of an issuer that are published at an address', () => {
  let server: Server | undefined;
  afterEach(async () => {
    const closing = server;
    server = undefined;
    if (closing) await new Promise((resolve) => closing.close(resolve));
  });

  /** @returns what an API reads that looks there. */
  async function publishing(issuer: TestIssuer, status = 200): Promise<Record<string, string>> {
    const opened = createServer((_, response) => {
      response.statusCode = status;
      response.end(issuer.variables['OPERATOR_KEYS']);
    });
    server = opened;
    await new Promise<void>((resolve) => opened.listen(0, '127.0.0.1', resolve));
    const { port } = opened.address() as AddressInfo; // It listens on a port, not on a pipe.
    const url = `http://127.0.0.1:${port}/keys`;
    return { ...issuer.variables, OPERATOR_KEYS: '', OPERATOR_KEYS_URL: url };
  }

  it('are read from there', async () => {
    const issuer = await testIssuer();
    const operators = createOperators(aConfig(await publishing(issuer)).operators);
    expect(await operators.verify(await issuer.token())).toMatchObject({ subject: 'alice' });
    const other = await testIssuer();
    expect(await refusalOf(operators.verify(await other.token()))).toEqual(silent);
    const unknown = await issuer.token({}, { header: { kid: 'of-tomorrow' } });
    expect(await refusalOf(operators.verify(unknown))).toEqual(silent);
  });

  it('leave open whether a token is right while they cannot be read', async () => {
    const issuer = await testIssuer();
    const variables = await publishing(issuer, 500);
    const operators = createOperators(aConfig(variables).operators);
    const [code] = (await refusalOf(operators.verify(await issuer.token()))) as string[];
    expect(code).toBe('dependency_unavailable');
  });
});

describe('the tenant of a call', () => {
  let issuer: TestIssuer;
  let api: FakeApi;
  beforeAll(async () => {
    issuer = await testIssuer();
    api = await fakeApi({}, issuer.variables);
  });
  afterAll(() => api.api.close());

  const codeOf = async (authorization: string, tenant?: string): Promise<string> => {
    const answer = await api.api.inject({
      url: '/v1/transactions',
      headers: { authorization, ...(tenant !== undefined && { 'accord-tenant': tenant }) },
    });
    return answer.statusCode === 200 ? 'taken' : answer.json<{ code: string }>().code;
  };

  it('is the one that a credential is for, if it is for one', async () => {
    const one = `Bearer ${await issuer.token({ tenants: ['acme'] })}`;
    expect(await codeOf(one)).toBe('taken');
    expect(await codeOf(one, 'acme')).toBe('taken');
    expect(await codeOf(api.credential('acme'), 'acme')).toBe('taken');
  });

  it('is named where a credential is for several', async () => {
    const two = `Bearer ${await issuer.token({ tenants: ['acme', 'globex'] })}`;
    expect(await codeOf(two)).toBe('tenant_missing');
    expect(await codeOf(two, 'globex')).toBe('taken');
  });

  it('is as unknown as any other where the credential is not for it', async () => {
    const one = `Bearer ${await issuer.token({ tenants: ['acme'] })}`;
    for (const tenant of ['globex', 'nobody', '', 'acme, acme']) {
      expect(await codeOf(one, tenant)).toBe('not_found');
      expect(await codeOf(api.credential('acme'), tenant)).toBe('not_found');
    }
  });

  it('is what an operator sees, and nothing of another one', async () => {
    const two = { authorization: `Bearer ${await issuer.token({ tenants: ['acme', 'globex'] })}` };
    const url = '/v1/transactions/order:acme.O-1';
    api.rows.set('order:acme.O-1', aRun());
    const as = (tenant: string) =>
      api.api.inject({ url, headers: { ...two, 'accord-tenant': tenant } });
    expect((await as('acme')).statusCode).toBe(200);
    expect((await as('globex')).statusCode).toBe(404);
  });
});
