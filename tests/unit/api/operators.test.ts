import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { exportSPKI, generateKeyPair, importJWK } from 'jose';

import { Problem } from '../../../api/http/errors';
import { createOperators } from '../../../api/http/operators';
import { expandScopes, scopes } from '../../../api/http/scopes';
import { aCluster, aConfig, aRun, fakeApi, type FakeApi } from './fake-api';
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
  const operators = () => createOperators(aConfig(issuer.variables).operators, Date.now);
  const verify = async (...how: Parameters<TestIssuer['token']>) =>
    operators().verify(await issuer.token(...how));

  it('says which person it is, for which tenants and clusters, with which scopes', async () => {
    const claims = {
      tenants: ['acme', 'globex'],
      clusters: ['main'],
      scope: 'tx:read ops openid',
      jti: 'token-1',
    };
    expect(await verify(claims)).toEqual({
      subject: 'alice',
      people: ['alice'],
      credential: 'token-1',
      keyId: null,
      tenants: ['acme', 'globex'],
      clusters: ['main'],
      scopes: ['tx:read', 'ops'],
    });
  });

  it('lets nobody break the glass who was not given just that', async () => {
    const given = async (scope: string) =>
      expandScopes((await verify({ scope })).scopes, 'cluster');
    expect(await given('ops')).not.toContain('ops:breakglass');
    expect(await given('ops ops:breakglass')).toContain('ops:breakglass');
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
    ['for what is no cluster', { clusters: ['main-1'] }, 'clusters'],
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
    const { subject } = await createOperators(
      aConfig(another.variables).operators,
      Date.now,
    ).verify(await another.token());
    expect(subject).toBe('alice');
  });

  it('is refused where no issuer is configured, and says so', async () => {
    const none = createOperators(aConfig().operators, Date.now);
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
    const operators = createOperators(aConfig(await publishing(issuer)).operators, Date.now);
    expect(await operators.verify(await issuer.token())).toMatchObject({ subject: 'alice' });
    const other = await testIssuer();
    expect(await refusalOf(operators.verify(await other.token()))).toEqual(silent);
    const unknown = await issuer.token({}, { header: { kid: 'of-tomorrow' } });
    expect(await refusalOf(operators.verify(unknown))).toEqual(silent);
  });

  it('leave open whether a token is right while they cannot be read', async () => {
    const issuer = await testIssuer();
    const variables = await publishing(issuer, 500);
    const operators = createOperators(aConfig(variables).operators, Date.now);
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

describe('the realm of a call', () => {
  let issuer: TestIssuer;
  let api: FakeApi;
  beforeAll(async () => {
    issuer = await testIssuer();
    api = await fakeApi({}, issuer.variables);
    api.clusters.set('main', aCluster());
  });
  afterAll(() => api.api.close());

  const ask = async (authorization: string, url: string, headers: object = {}) =>
    api.api.inject({ url, headers: { authorization, ...headers } });
  const codeOf = async (...call: Parameters<typeof ask>): Promise<string> => {
    const answer = await ask(...call);
    return answer.statusCode === 200 ? 'taken' : answer.json<{ code: string }>().code;
  };
  const regions = '/v1/regions';
  const orders = '/v1/orders?customer=C-7';

  it('is that of its credential: a cluster has no business, and a tenant no regions', async () => {
    const tokens = {
      tenant: `Bearer ${await issuer.token({ tenants: ['acme'], scope: 'ops tx:read' })}`,
      cluster: `Bearer ${await issuer.token({ tenants: [], clusters: ['main'], scope: 'ops tx:read' })}`,
    };
    const keys = { tenant: api.credential('acme'), cluster: api.credential('main') };
    for (const { tenant, cluster } of [tokens, keys]) {
      expect([await codeOf(tenant, regions), await codeOf(cluster, orders)]).toEqual([
        ...['wrong_realm', 'wrong_realm'],
      ]);
      expect([await codeOf(cluster, regions), await codeOf(tenant, orders)]).toEqual([
        ...['taken', 'taken'],
      ]);
    }
  });

  it('is no tenant of the name of the cluster, in keys and tokens alike', async () => {
    const token = (claims: object) => issuer.token({ scope: 'ops tx:read', ...claims });
    const named = [
      api.credential('main', scopes, 'mallory', undefined, 'tenant'),
      `Bearer ${await token({ tenants: ['main'] })}`,
      `Bearer ${await token({ tenants: ['acme', 'main'] })}`,
    ];
    for (const credential of named)
      for (const url of [regions, '/v1/failovers', '/v1/transactions', '/v1/audit']) {
        const answer = await ask(credential, url, { 'accord-tenant': 'main' });
        expect([url, answer.statusCode, answer.json<{ detail: string }>().detail]).toEqual([
          ...[url, 404, 'main is a cluster, and no tenant may have its name.'],
        ]);
        expect(await codeOf(credential, url, { 'accord-cluster': 'main' })).toBe('not_found');
        const unknown = await ask(credential, url, { 'accord-cluster': 'acme' });
        expect([unknown.statusCode, unknown.json()]).toEqual([
          404,
          expect.not.objectContaining({ detail: expect.anything() }),
        ]);
      }
  });

  it('is named where a credential is of both, and another cluster is as unknown as any', async () => {
    const both = `Bearer ${await issuer.token({ clusters: ['main', 'other'], scope: 'ops tx:read' })}`;
    expect(await codeOf(both, '/v1/transactions')).toBe('tenant_missing');
    const [tenant, cluster] = [{ 'accord-tenant': 'acme' }, { 'accord-cluster': 'main' }];
    expect(await codeOf(both, '/v1/transactions', { ...tenant, ...cluster })).toBe(
      'tenant_missing',
    );
    expect(await codeOf(both, orders, tenant)).toBe('taken');
    expect(await codeOf(both, regions, cluster)).toBe('taken');
    expect(await codeOf(both, regions, tenant)).toBe('wrong_realm');
    expect(await codeOf(both, orders, cluster)).toBe('wrong_realm');
    expect(await codeOf(both, regions, { 'accord-cluster': 'other' })).toBe('not_found');
  });

  it('says which scopes a key may be given: none that its credentials could never use', async () => {
    const give = async (place: string, names: readonly string[]) => {
      const answer = await api.api.inject({
        method: 'POST',
        url: '/v1/api-keys',
        headers: { authorization: api.credential(place), 'idempotency-key': names.join('+') },
        payload: { owner: 'shop', scopes: names },
      });
      const { code, errors, approval } = answer.json<{
        code?: string;
        errors?: object[];
        approval?: { action: { realm: string; scopes: string[] } };
      }>();
      return code ? [code, errors] : [approval?.action.realm, approval?.action.scopes];
    };
    const refused = (pointer: string) => [
      'unprocessable',
      [expect.objectContaining({ pointer, code: 'scope_of_other_realm' })],
    ];
    expect(await give('acme', ['tx:read', 'ops:failover'])).toEqual(refused('/scopes/1'));
    expect(await give('main', ['tx:start'])).toEqual(refused('/scopes/0'));
    const ops = ['ops:read', 'ops:resolve', 'ops:approve'];
    expect(await give('acme', ['ops'])).toEqual(['tenant', ops]);
    expect(await give('main', ['ops'])).toEqual(['cluster', [...ops, 'ops:failover']]);
  });
});
