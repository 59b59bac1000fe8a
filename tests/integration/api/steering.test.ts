import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { auditHash, chainStart } from '../../../api/stores/audit-store';
import { anOrder, aReference, deadPort, ownApis, type OwnApi, type OwnApis } from './own-api';

describe('steering and reading transactions', () => {
  let apis: OwnApis;
  let api: OwnApi;
  /** A process whose Temporal is away: what it accepts stays accepted. */
  let cut: OwnApi;
  let authorization: string;

  beforeAll(async () => {
    apis = await ownApis();
    api = await apis.start();
    cut = await apis.start({ TEMPORAL_ADDRESS: deadPort });
    authorization = await api.credential();
  });
  afterAll(() => apis.close());

  const post = (url: string, payload?: object, on = api) =>
    on.api.inject({
      method: 'POST',
      url,
      headers: { authorization, 'idempotency-key': aReference() },
      ...(payload && { payload }),
    });
  const get = (url: string, as = authorization) =>
    api.api.inject({ url, headers: { authorization: as } });
  const accepted = async (state: string, more = ''): Promise<string> => {
    const orderId = aReference();
    await post('/v1/orders', anOrder(orderId), cut);
    await apis.sql(`UPDATE runs SET state = ?, start_sent_at = NULL ${more} WHERE reference = ?`, [
      state,
      orderId,
    ]);
    return `order:acme.${orderId}`;
  };
  const codeOf = (response: { readonly body: string }): unknown =>
    (JSON.parse(response.body) as { code?: unknown }).code;

  it('cancels a start that was never sent, by compare-and-set, and announces it', async () => {
    const gid = await accepted('accepted');
    const response = await post(`/v1/transactions/${gid}/cancel`);
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({ state: 'compensated', reason: { code: 'cancelled' } });
    const events = await apis.sql('SELECT type FROM outbox WHERE gid = ? ORDER BY id', [gid]);
    expect(events.map(({ type }) => String(type))).toEqual([
      'transaction.accepted',
      'transaction.compensated',
    ]);
    const again = await post(`/v1/transactions/${gid}/cancel`);
    expect(again.statusCode).toBe(200);
  });

  it('asks a caller to come again while a start is under way', async () => {
    const gid = await accepted('accepted', ', start_sent_at = UTC_TIMESTAMP(3)');
    const response = await post(`/v1/transactions/${gid}/cancel`);
    expect(response.statusCode).toBe(409);
    expect(codeOf(response)).toBe('ask_again');
  });

  it('answers a steering call without Temporal with 503 within two seconds', async () => {
    const gid = await accepted('running');
    const began = Date.now();
    const response = await post(`/v1/transactions/${gid}/cancel`, undefined, cut);
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(response.statusCode).toBe(503);
    expect(response.json()).toMatchObject({
      code: 'dependency_unavailable',
      dependency: 'temporal',
    });
  });

  it('retries parked transactions in bulk, and says which refused', async () => {
    const gid = await accepted('parked', ", step = 'releaseStock'");
    const response = await post('/v1/transactions/retry', { reason: 'The stock system is back.' });
    expect(response.statusCode).toBe(200);
    // Temporal knows no such run: its ending would have to be on the row soon.
    expect(response.json()).toEqual({
      retried: 0,
      skipped: [{ gid, code: 'ask_again' }],
      nextCursor: null,
    });
  });

  describe('a call that is sent again with its key', () => {
    const retry = (key: string, limit: number) =>
      api.api.inject({
        method: 'POST',
        url: '/v1/transactions/retry',
        headers: { authorization, 'idempotency-key': key },
        payload: { reason: 'The stock system is back.', filter: { flow: 'transfer' }, limit },
      });
    const kept = (key: string) =>
      apis.sql(
        `SELECT status, expires_at > UTC_TIMESTAMP(3) AS stands FROM steering_calls
           WHERE digest = UNHEX(SHA2(CONCAT_WS(CHAR(0), 'tenant', 'acme', ?, 'POST /v1/transactions/retry', ?), 256))`,
        ['acme-owner', key],
      );

    it('acts once, also where its copies come at once, and with another body is refused', async () => {
      const key = aReference();
      const codes = await Promise.all(
        [1, 2, 3, 4].map(async () => {
          const answer = await retry(key, 5);
          return answer.statusCode === 200 ? 'answered' : codeOf(answer);
        }),
      );
      expect(codes).toContain('answered');
      expect(codes.filter((code) => code !== 'answered')).toEqual(
        codes.filter((code) => code === 'idempotency_in_progress'),
      );
      const again = await retry(key, 5);
      expect(again.headers['idempotent-replayed']).toBe('true');
      expect(await kept(key)).toMatchObject([{ status: 200 }]);
      expect(codeOf(await retry(key, 6))).toBe('idempotency_key_reused');
    });

    it('is taken over from a process that died before it answered, and forgotten after a day', async () => {
      const [dead, old] = [aReference(), aReference()];
      await retry(dead, 5);
      await apis.sql(
        `UPDATE steering_calls SET status = NULL, answer = NULL, claimed_at = claimed_at - INTERVAL 31 SECOND`,
      );
      const answer = await retry(dead, 5);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['idempotent-replayed']).toBeUndefined();
      await apis.sql('UPDATE steering_calls SET expires_at = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND');
      await retry(old, 5);
      expect(await kept(dead)).toEqual([]);
      expect(await kept(old)).toMatchObject([{ status: 200 }]);
    });
  });

  it('chains a row of audit to the one before, for each call that steers', async () => {
    const gid = await accepted('completed', ", ending = '{}', ended_at = UTC_TIMESTAMP(3)");
    await Promise.all(
      Array.from({ length: 8 }, () => post(`/v1/transactions/${gid}/cancel`, { note: 'too late' })),
    );
    const rows = await apis.sql('SELECT * FROM audit ORDER BY id');
    const ofThisOne = rows.filter((row) => String(row['gid']) === gid);
    expect(ofThisOne.map(({ outcome }) => String(outcome))).toEqual(
      ofThisOne.map(() => '409 already_ended'),
    );
    expect(ofThisOne).toHaveLength(8);
    let previous: Buffer = chainStart;
    for (const row of rows) {
      expect(row['prev_hash']).toEqual(previous);
      previous = auditHash(previous, {
        at: row['at'] as Date,
        tenant: String(row['tenant']),
        actor: String(row['actor']),
        operation: String(row['operation']),
        gid: row['gid'] instanceof Buffer ? row['gid'].toString() : null,
        request: row['request'] as never,
        outcome: String(row['outcome']),
      });
      expect(row['hash']).toEqual(previous);
    }
  });

  it('pages through transactions without losing or repeating one, newest first', async () => {
    const tenant = 'pages';
    const as = await api.credential(tenant);
    await apis.sql(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, region, epoch,
         accepted_at, deadline_at, at_risk, start_confirmed_at, state, at_risk_currency, at_risk_minor)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25)
       SELECT CONCAT('order:pages.O-', LPAD(i, 3, '0')), 'pages', 'order', CONCAT('O-', i), 'test', REPEAT('x', 32), '{}',
         'o', 'a', 1, '2026-01-01 00:00:00' + INTERVAL (i DIV 4) SECOND, UTC_TIMESTAMP(3), '[]', UTC_TIMESTAMP(3),
         IF(i % 5 = 0, 'parked', 'running'), 'EUR', i FROM n`,
    );
    const seen: string[] = [];
    let next: string | null = '/v1/transactions?limit=7';
    while (next !== null) {
      const page = await get(next, as);
      const { items, nextCursor } = page.json<{
        items: { gid: string }[];
        nextCursor: string | null;
      }>();
      seen.push(...items.map(({ gid }) => gid));
      next = nextCursor === null ? null : `/v1/transactions?limit=7&cursor=${nextCursor}`;
    }
    expect(seen).toHaveLength(25);
    expect(seen).toEqual([...new Set(seen)].sort().reverse());
    const filtered = await get(
      '/v1/transactions?state=parked,undoing&currency=EUR&minAtRisk=10&count=true&acceptedAfter=2026-01-01T00:00:03.000Z&olderThanMs=1000&stuck=false&lane=single&region=a&flow=order&limit=2',
      as,
    );
    expect(filtered.json()).toMatchObject({
      count: 3,
      items: [{ gid: 'order:pages.O-025' }, { gid: 'order:pages.O-020' }],
    });
    expect(filtered.headers['link']).toContain('rel="next"');
  });

  it('tells the story of a transaction that was not started, and of one that Temporal has forgotten', async () => {
    const waiting = await get(`/v1/transactions/${await accepted('accepted')}/explain`);
    expect(waiting.json()).toMatchObject({
      source: 'row',
      summary: 'Accepted; its start has not been confirmed yet.',
    });
    const reason = {
      code: 'out_of_stock',
      type: 'OutOfStock',
      step: 'reserveStock',
      detail: 'S-1: 2 asked, 1 left',
    };
    const step = {
      name: 'reserveStock',
      state: 'refused',
      startedAt: '2026-11-20T22:10:00.120Z',
      endedAt: '2026-11-20T22:10:00.140Z',
    };
    const gid = await accepted('compensated', ", ended_at = UTC_TIMESTAMP(3), ending = '{}'");
    await apis.sql('UPDATE runs SET ending = ? WHERE gid = ?', [
      Buffer.from(JSON.stringify({ gid, outcome: 'compensated', reason, steps: [step] })),
      gid,
    ]);
    const ended = await get(`/v1/transactions/${gid}/explain`);
    expect(ended.json()).toMatchObject({
      source: 'ending',
      summary: expect.stringContaining('out_of_stock at reserveStock: S-1: 2 asked, 1 left'),
      steps: [{ name: 'reserveStock', state: 'refused', attempts: [] }],
    });
  });

  it('serves orders of the tenant alone, with digits and without the tenant in ids', async () => {
    const customer = aReference();
    const { prefix } = apis.databases;
    for (const [tenant, id] of [
      ['acme', 'O-1'],
      ['acme', 'O-2'],
      ['globex', 'O-1'],
    ] as const) {
      await apis.sql(`INSERT INTO \`${prefix}orders\`.order_views VALUES (?)`, [
        [
          `${tenant}.${customer}${id}`,
          tenant,
          `${tenant}.${customer}`,
          'completed',
          'EUR',
          1250,
          JSON.stringify([
            { sku: `${tenant}.S-1`, quantity: 2, unitPrice: { currency: 'EUR', minorUnits: 625 } },
          ]),
          2,
          new Date(),
        ],
      ]);
    }
    const one = await get(`/v1/orders/${customer}O-1`);
    expect(one.json()).toMatchObject({
      orderId: `${customer}O-1`,
      customerId: customer,
      amount: { currency: 'EUR', minorUnits: '1250' },
      lines: [{ sku: 'S-1', quantity: 2 }],
    });
    const first = await get(`/v1/orders?customer=${customer}&limit=1`);
    const { nextCursor } = first.json<{ nextCursor: string }>();
    const second = await get(`/v1/orders?customer=${customer}&limit=1&cursor=${nextCursor}`);
    expect(
      [first, second].map((page) => page.json<{ items: { orderId: string }[] }>().items),
    ).toMatchObject([[{ orderId: `${customer}O-1` }], [{ orderId: `${customer}O-2` }]]);
    expect(second.json()).toMatchObject({ nextCursor: null });
  });

  it('makes a key that works, lists it without its secret, and revokes it', async () => {
    const made = await post('/v1/api-keys', { owner: 'acme-owner', scopes: ['tx:read'] });
    expect(made.statusCode).toBe(201);
    const { id, credential } = made.json<{ id: string; credential: string }>();
    const as = `Bearer ${credential}`;
    expect((await get('/v1/transactions', as)).statusCode).toBe(200);
    expect((await get('/v1/api-keys', as)).statusCode).toBe(403);
    expect((await get('/v1/api-keys')).body).not.toContain(credential.slice(-43));
    const revoked = await api.api.inject({
      method: 'DELETE',
      url: `/v1/api-keys/${id}`,
      headers: { authorization },
    });
    expect(revoked.statusCode).toBe(204);
    expect((await get('/v1/transactions', as)).statusCode).toBe(401);
  });
});
