import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { problems, type ProblemCode } from '../../../api/http/errors';
import { isScope, scopes, type Scope } from '../../../api/http/scopes';
import { anOrder, aRun, fakeApi, type FakeApi } from './fake-api';
import { anApproval } from './fake-approvals';
import { aBodyFor, operationsOf, titleOf, type Operation } from './operations';

interface Answer {
  readonly statusCode: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

/** The answer is this problem, whole, with the status of the table. */
function expectProblem(answer: Answer, code: ProblemCode): void {
  expect(answer.headers['content-type']).toContain('application/problem+json');
  expect(JSON.parse(answer.body)).toMatchObject({
    type: `urn:accord:problem:${code}`,
    code,
    status: problems[code].status,
    retryable: problems[code].retryable,
    instance: `urn:accord:request:${String(answer.headers['x-request-id'])}`,
  });
  expect(answer.statusCode).toBe(problems[code].status);
  expect(answer.headers['cache-control']).toBe('no-store');
}

describe('every operation of the API', () => {
  let api: FakeApi;
  let operations: readonly Operation[];
  beforeAll(async () => {
    api = await fakeApi(
      {},
      { OPERATIONS_PER_SECOND: '100000', FAILED_CREDENTIALS_PER_SECOND: '100000' },
    );
    operations = await operationsOf(api.api);
  });
  afterAll(() => api.api.close());

  const guarded = () => operations.filter(({ scope }) => scope !== undefined);
  /** Those that take one JSON body; `bulk.test.ts` has the others. */
  const posts = () =>
    operations.filter(({ method, path }) => method === 'POST' && !path.endsWith('/bulk'));
  /** A credential of what the operation is about. */
  const as = ({ realm }: Operation, given: readonly Scope[] = scopes): string =>
    api.credential(realm === 'tenant' ? 'acme' : 'main', given);
  const ask = (operation: Operation, headers: Record<string, string>, payload?: string) =>
    api.api.inject({
      method: operation.method,
      url: operation.path.replace('{gid}', 'order:acme.O-1').replace(/\{(id|sku|region)\}/, 'O-1'),
      headers: { ...headers, ...(payload !== undefined && { 'content-type': 'application/json' }) },
      ...(payload !== undefined && { payload }),
    });

  it('is one of those that the contract names', () => {
    expect(operations.map(titleOf).sort()).toEqual([
      'DELETE /v1/api-keys/{id}',
      'GET /healthz',
      'GET /livez',
      'GET /metrics',
      'GET /readyz',
      'GET /v1/accounts/{id}',
      'GET /v1/accounts/{id}/entries',
      'GET /v1/api-keys',
      'GET /v1/approvals',
      'GET /v1/approvals/{id}',
      'GET /v1/audit',
      'GET /v1/failovers',
      'GET /v1/failovers/{id}',
      'GET /v1/invariants',
      'GET /v1/orders',
      'GET /v1/orders/{id}',
      'GET /v1/payments/{id}',
      'GET /v1/regions',
      'GET /v1/settlements/{id}',
      'GET /v1/settlements/{id}/report',
      'GET /v1/stock/{sku}',
      'GET /v1/transactions',
      'GET /v1/transactions/{gid}',
      'GET /v1/transactions/{gid}/explain',
      'POST /v1/api-keys',
      'POST /v1/approvals/{id}/approve',
      'POST /v1/approvals/{id}/reject',
      'POST /v1/checkouts',
      'POST /v1/checkouts/bulk',
      'POST /v1/failovers',
      'POST /v1/failovers/{id}/abort',
      'POST /v1/orders',
      'POST /v1/orders/bulk',
      'POST /v1/payments',
      'POST /v1/payments/bulk',
      'POST /v1/payments/{id}/refunds',
      'POST /v1/payments/{id}/review',
      'POST /v1/refunds/{id}/review',
      'POST /v1/regions/{region}/rejoin',
      'POST /v1/settlements',
      'POST /v1/transactions/retry',
      'POST /v1/transactions/{gid}/book',
      'POST /v1/transactions/{gid}/cancel',
      'POST /v1/transactions/{gid}/park',
      'POST /v1/transactions/{gid}/resolve',
      'POST /v1/transactions/{gid}/retry',
      'POST /v1/transfers',
      'POST /v1/transfers/bulk',
      'PUT /v1/regions/policy',
    ]);
    expect(guarded().every(({ scope }) => scope !== undefined && isScope(scope))).toBe(true);
  });

  it('wants a credential', async () => {
    for (const operation of guarded()) {
      const answer = await ask(operation, {});
      expectProblem(answer, 'unauthenticated');
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="accord"');
      const wrong = api.credential().slice(0, -43) + 'x'.repeat(43);
      expectProblem(await ask(operation, { authorization: wrong }), 'unauthenticated');
    }
  });

  it('wants its scope, and no other one will do', async () => {
    for (const operation of guarded()) {
      const others = scopes.filter((scope) => scope !== operation.scope);
      expectProblem(
        await ask(operation, { authorization: as(operation, others) }),
        'scope_missing',
      );
    }
  });

  it('wants a credential of its realm, whatever scopes another one has', async () => {
    const regional = guarded().filter(({ realm }) => realm === 'cluster');
    expect(regional.map(titleOf).sort()).toEqual([
      'GET /v1/failovers',
      'GET /v1/failovers/{id}',
      'GET /v1/regions',
      'POST /v1/failovers',
      'POST /v1/failovers/{id}/abort',
      'POST /v1/regions/{region}/rejoin',
      'PUT /v1/regions/policy',
    ]);
    for (const operation of regional)
      expectProblem(await ask(operation, { authorization: api.credential('acme') }), 'wrong_realm');
    const business = guarded().filter(({ path }) =>
      /accounts|checkouts|orders|payments|settlements|stock|transfers/.test(path),
    );
    expect(business.length).toBeGreaterThan(12);
    for (const operation of business)
      expectProblem(await ask(operation, { authorization: api.credential('main') }), 'wrong_realm');
  });

  it('wants a key of its own where it changes something', async () => {
    for (const operation of posts()) {
      const authorization = as(operation);
      expect(operation.needsKey).toBe(true);
      expectProblem(await ask(operation, { authorization }), 'idempotency_key_missing');
      for (const key of ['', 'a, b', '"a", "b"', 'with space', 'ü', 'x'.repeat(256)]) {
        const answer = await ask(operation, { authorization, 'idempotency-key': key });
        expectProblem(answer, 'idempotency_key_invalid');
      }
    }
  });

  it('refuses a body that is no JSON, not JSON alone, or not its own', async () => {
    for (const operation of posts()) {
      const headers = { authorization: as(operation), 'idempotency-key': 'k' };
      for (const bad of [
        '{',
        '{"a":1,"a":2}',
        '{"a":1.5}',
        '{"__proto__":1}',
        '"\\ud800"',
        '['.repeat(2_000),
      ]) {
        expectProblem(await ask(operation, headers, bad), 'malformed_body');
      }
      expectProblem(await ask(operation, headers, '{"unknown":1}'), 'invalid_request');
      expectProblem(await ask(operation, headers, '[]'), 'invalid_request');
      expectProblem(await ask(operation, headers, `"${'x'.repeat(70_000)}"`), 'body_too_large');
      const text = { ...headers, 'content-type': 'text/plain' };
      const url = operation.path.replace('{gid}', 'order:acme.O-1');
      const answer = await api.api.inject({ method: 'POST', url, headers: text, payload: '{}' });
      expectProblem(answer, 'unsupported_media_type');
    }
  });

  it('refuses an unknown parameter of its query', async () => {
    const lists = operations.filter(
      ({ method, path }) =>
        method === 'GET' &&
        /(approvals|audit|entries|failovers|orders|report|transactions)$/.test(path),
    );
    expect(lists).toHaveLength(7);
    for (const operation of lists) {
      const asked = { ...operation, path: `${operation.path}?customer=C-1&unknown=1` };
      expectProblem(await ask(asked, { authorization: as(operation) }), 'invalid_request');
    }
  });

  it('names the fields that are wrong', async () => {
    const headers = { authorization: api.credential(), 'idempotency-key': 'k' };
    const answer = await api.api.inject({
      method: 'POST',
      url: '/v1/orders',
      headers,
      payload: anOrder({ customerId: 7 }),
    });
    expect(answer.json()).toMatchObject({
      errors: [{ pointer: '/customerId', code: 'invalid_type' }],
    });
  });

  it('answers another method with 405 and the methods that it takes', async () => {
    const allowed = new Map<string, string[]>();
    for (const { path, method } of operations)
      allowed.set(path, [...(allowed.get(path) ?? []), method]);
    for (const [path, taken] of allowed) {
      const answer = await api.api.inject({ method: 'PATCH', url: path.replace(/\{\w+\}/, 'x') });
      expectProblem(answer, 'method_not_allowed');
      const named = String(answer.headers['allow']).split(', ');
      expect(taken.every((method) => named.includes(method))).toBe(true);
    }
  });

  it('answers in JSON or not at all', async () => {
    for (const accept of ['text/html', 'text/csv', 'application/json;q=0']) {
      for (const operation of guarded().filter(({ path }) => path.startsWith('/v1/'))) {
        if (accept === 'text/csv' && operation.path.endsWith('/report')) continue; // It has both.
        const headers = { authorization: api.credential(), accept };
        expectProblem(await ask(operation, headers), 'not_acceptable');
      }
    }
  });

  it('hides what is behind an id of another tenant as if it were not there', async () => {
    api.rows.set('order:acme.O-1', aRun());
    api.rows.set('payment:acme.O-1', aRun({ gid: 'payment:acme.O-1', flow: 'payment' }));
    api.approvals.set('O-1', anApproval({ id: 'O-1' }));
    const headers = { authorization: api.credential('globex'), 'idempotency-key': 'k' };
    for (const operation of operations.filter(
      ({ path, realm }) => realm === 'tenant' && path.includes('{'),
    )) {
      const body = aBodyFor(operation);
      const answer = await ask(operation, headers, body && JSON.stringify(body));
      expectProblem(answer, 'not_found');
    }
  });

  it('writes down each steering call with its outcome, refused ones too', async () => {
    const before = api.audited.length;
    for (const operation of operations.filter(({ path }) =>
      /\{gid\}.|\/review$|\/abort$/.test(path),
    )) {
      const headers = { authorization: as(operation, ['tx:read']), 'idempotency-key': 'k' };
      await ask(operation, headers);
    }
    const entries = api.audited.slice(before);
    expect(entries.map(({ gid }) => gid).sort()).toEqual([
      'failover:main.O-1',
      ...Array.from({ length: 5 }, () => 'order:acme.O-1'),
      'payment:acme.O-1',
      'refund:acme.O-1',
    ]);
    expect(entries.map(({ operation, outcome }) => `${operation} → ${outcome}`).sort()).toEqual([
      'POST /v1/failovers/:id/abort → 403 scope_missing',
      'POST /v1/payments/:id/review → 403 scope_missing',
      'POST /v1/refunds/:id/review → 403 scope_missing',
      'POST /v1/transactions/:gid/book → 403 scope_missing',
      'POST /v1/transactions/:gid/cancel → 403 scope_missing',
      'POST /v1/transactions/:gid/park → 403 scope_missing',
      'POST /v1/transactions/:gid/resolve → 403 scope_missing',
      'POST /v1/transactions/:gid/retry → 403 scope_missing',
    ]);
  });
});

describe('a request outside of every route', () => {
  let api: FakeApi;
  beforeAll(async () => {
    api = await fakeApi();
  });
  afterAll(() => api.api.close());

  it.each([
    ['/nowhere', 'route_not_found'],
    ['/v1/orders/%zz', 'bad_url'],
    [`/v1/orders/${'x'.repeat(200)}`, 'uri_too_long'],
  ] as const)('is a problem, too: %s', async (url, code) => {
    expectProblem(await api.api.inject({ url }), code);
  });

  it('keeps the request id of the client if it is one, and makes one if not', async () => {
    const asked = async (id: string) =>
      (await api.api.inject({ url: '/livez', headers: { 'x-request-id': id } })).headers;
    expect((await asked('my-request-1'))['x-request-id']).toBe('my-request-1');
    expect((await asked('no id!'))['x-request-id']).toMatch(/^[0-9A-Z]{26}$/);
  });

  it('shows its description and a page to read it', async () => {
    expect((await api.api.inject({ url: '/docs/' })).statusCode).toBe(200);
    const report = {
      content: { 'application/json': {}, 'text/csv': { schema: { type: 'string' } } },
    };
    expect((await api.api.inject({ url: '/openapi.json' })).json()).toMatchObject({
      openapi: '3.1.0',
      paths: { '/v1/settlements/{id}/report': { get: { responses: { 200: report } } } },
    });
  });

  it('sets the headers that keep a browser out of trouble, and allows no other origin', async () => {
    const { headers } = await api.api.inject({
      url: '/livez',
      headers: { origin: 'https://example.com' },
    });
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'SAMEORIGIN',
    });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});

describe('POST /v1/orders', () => {
  let api: FakeApi;
  beforeAll(async () => {
    api = await fakeApi();
  });
  afterAll(() => api.api.close());

  const post = (payload: object, query = '') =>
    api.api.inject({
      method: 'POST',
      url: `/v1/orders${query}`,
      headers: { authorization: api.credential(), 'idempotency-key': 'k' },
      payload,
    });
  const line = (sku: string, currency = 'EUR') => ({
    sku,
    quantity: 1,
    unitPrice: { currency, minorUnits: 625 },
  });
  const paying = (currency: string, minorUnits: number) => ({
    accountId: 'A-1',
    amount: { currency, minorUnits },
  });

  it.each([
    ['sum_differs', anOrder({ payment: paying('EUR', 1251) })],
    ['duplicate_line', anOrder({ lines: [line('S-1'), line('S-1')] })],
    ['currency_mixed', anOrder({ lines: [line('S-1'), line('S-2', 'USD')] })],
    ['currency_unknown', anOrder({ lines: [line('S-1', 'XXX')], payment: paying('XXX', 625) })],
    ['deadline_too_short', anOrder({ deadlineMs: 999 })],
    ['deadline_too_long', anOrder({ deadlineMs: 86_400_001 })],
  ])('refuses what fits its schema and cannot mean anything: %s', async (code, body) => {
    const answer = await post(body);
    expectProblem(answer, 'unprocessable');
    expect(answer.json()).toMatchObject({ errors: [{ code }] });
  });

  it('adds up without losing a unit, however large the lines are', async () => {
    const unitPrice = { currency: 'EUR', minorUnits: 999_999_999_999_999 };
    const answer = await post(anOrder({ lines: [{ sku: 'S-1', quantity: 1_000_000, unitPrice }] }));
    expect(answer.json()).toMatchObject({
      errors: [{ message: 'the lines make 9999999999999990000.00 EUR' }],
    });
  });

  it('tells the plan of a dry run, without a key, and writes nothing', async () => {
    const answer = await api.api.inject({
      method: 'POST',
      url: '/v1/orders?dryRun=true',
      headers: { authorization: api.credential() },
      payload: anOrder({ deadlineMs: 60_000 }),
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      gid: 'order:acme.O-1',
      locks: ['customer'],
      pivot: 'captureFunds',
      undoOrder: ['cancelOrder', 'releaseFunds', 'releaseStock'],
      worstCaseMs: 30_000,
    });
    expect(answer.json<{ steps: { key: string }[] }>().steps.map(({ key }) => key)).toContain(
      'order:acme.O-1/reserveStock',
    );
    expect(api.rows.size).toBe(0);
  });
});
