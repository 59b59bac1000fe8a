import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { eventually } from '../../support/eventually';
import { anOrder, aReference, deadPort, ownApis, type OwnApi, type OwnApis } from './own-api';

const nowhere = {
  API_DATABASE_URL: `mysql://nobody:x@${deadPort}/accord`,
  API_ORDERS_DATABASE_URL: `mysql://nobody:x@${deadPort}/orders`,
  API_ACCOUNTS_DATABASE_URL: `mysql://nobody:x@${deadPort}/accounts`,
  API_INVENTORY_DATABASE_URL: `mysql://nobody:x@${deadPort}/inventory`,
  API_COUPONS_DATABASE_URL: `mysql://nobody:x@${deadPort}/coupons`,
  REDIS_URL: `redis://${deadPort}`,
  TEMPORAL_ADDRESS: deadPort,
};

describe('an API whose servers are away', () => {
  let apis: OwnApis;
  let whole: OwnApi;
  let authorization: string;

  beforeAll(async () => {
    apis = await ownApis();
    whole = await apis.start();
    authorization = await whole.credential();
  });
  afterAll(() => apis.close());

  const timed = async (on: OwnApi, method: 'GET' | 'POST', url: string, payload?: object) => {
    const began = Date.now();
    const response = await on.api.inject({
      method,
      url,
      headers: { authorization, ...(method === 'POST' && { 'idempotency-key': aReference() }) },
      ...(payload && { payload }),
    });
    return { response, ms: Date.now() - began };
  };

  it.each([
    ['POST', '/v1/orders', anOrder('O-1')],
    ['POST', '/v1/checkouts', anOrder('O-1')],
    ['POST', '/v1/payments/P-1/review', { decision: 'approve' }],
    ['GET', '/v1/payments/P-1', undefined],
    ['GET', '/v1/accounts/A-1', undefined],
    ['GET', '/v1/stock/S-1', undefined],
    ['GET', '/v1/settlements/EUR-2026-01-01/report', undefined],
    ['GET', '/v1/audit', undefined],
    ['GET', '/v1/transactions', undefined],
    ['GET', '/v1/transactions/order:acme.O-1', undefined],
    ['GET', '/v1/transactions/order:acme.O-1/explain', undefined],
    ['POST', '/v1/transactions/order:acme.O-1/cancel', undefined],
    ['GET', '/v1/orders/O-1', undefined],
    ['GET', '/v1/api-keys', undefined],
  ] as const)(
    'answers %s %s with 503 and Retry-After when there is no MySQL',
    async (method, url, body) => {
      const cut = await apis.start(nowhere);
      const { response, ms } = await timed(cut, method, url, body);
      expect(ms).toBeLessThan(2_000);
      expect(response.statusCode).toBe(503);
      expect(response.json()).toMatchObject({
        code: 'dependency_unavailable',
        dependency: 'mysql',
        retryable: true,
      });
      expect(response.headers['retry-after']).toBe('1');
    },
  );

  it('limits by itself, at a quarter, when there is no Redis', async () => {
    const cut = await apis.start({ REDIS_URL: nowhere.REDIS_URL, READS_PER_SECOND: '8' });
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => timed(cut, 'GET', '/v1/transactions')),
    );
    const statuses = answers.map(({ response }) => response.statusCode).sort();
    expect(statuses).toEqual([200, 200, 429, 429, 429, 429, 429, 429]);
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(2_000);
  });

  it('counts a tenant over all processes, with headers that say what is left', async () => {
    const tenant = await whole.credential('limited');
    const variables = { READS_PER_SECOND: '10' };
    const [one, other] = [await apis.start(variables), await apis.start(variables)];
    const ask = (on: OwnApi) =>
      on.api.inject({ url: '/v1/transactions', headers: { authorization: tenant } });
    const leftAt = async (on: OwnApi) =>
      Number(/r=(\d+)/.exec(String((await ask(on)).headers['ratelimit']))?.[1]);
    // In one second of the limit: a busy machine may need several tries to ask twice in it.
    await eventually(async () => (await leftAt(one)) - (await leftAt(other)) === 1, {
      what: 'one process to count what the other has let pass',
    });
    const refused = await eventually(
      async () => {
        const answers = await Promise.all(Array.from({ length: 30 }, () => ask(one)));
        return answers.find(({ statusCode }) => statusCode === 429);
      },
      { what: 'a call above the limit to be refused' },
    );
    expect(refused.json()).toMatchObject({ code: 'rate_limited', retryable: true });
    expect(refused.headers).toMatchObject({
      'retry-after': '1',
      'ratelimit-policy': '"reads";q=10;w=1',
      ratelimit: '"reads";r=0;t=1',
    });
  });

  it('is ready with all of them, degraded without Temporal or Redis, not ready without MySQL', async () => {
    // A probe that a busy machine keeps waiting says "unhealthy", and the next one may not.
    const comesToSay = async (on: OwnApi, status: number, health: string) => {
      const said = async () => {
        const { response } = await timed(on, 'GET', '/readyz');
        return [response.statusCode, response.json<{ status: string }>().status].join();
      };
      await eventually(async () => (await said()) === `${status},${health}`, { what: health });
    };
    await comesToSay(whole, 200, 'healthy');
    await comesToSay(await apis.start({ TEMPORAL_ADDRESS: deadPort }), 200, 'degraded');
    await comesToSay(await apis.start({ REDIS_URL: nowhere.REDIS_URL }), 200, 'degraded');
    await comesToSay(await apis.start(nowhere), 503, 'unhealthy');
    const { response } = await timed(whole, 'GET', '/healthz');
    expect(response.json()).toMatchObject({ status: 'healthy', parked: 0, stuck: 0 });
  });
});
