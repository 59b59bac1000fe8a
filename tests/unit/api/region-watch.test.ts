import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { scopes, type Scope } from '../../../api/http/scopes';
import type { RegionObservation, ServiceObservation } from '../../../api/stores/watch-store';
import { defaultWatchPolicy } from '../../../contracts/regions/watch';
import { aCluster, fakeApi, type FakeApi } from './fake-api';

let api: FakeApi;
beforeEach(async () => {
  api = await fakeApi({}, { OPERATIONS_PER_SECOND: '100000' });
  api.clusters.set('main', aCluster());
});
afterEach(() => api.api.close());

const get = (url: string) =>
  api.api.inject({ url, headers: { authorization: api.credential('main') } });
const put = (payload: object, tenant = 'main', given: readonly Scope[] = scopes) =>
  api.api.inject({
    method: 'PUT',
    url: '/v1/regions/policy',
    headers: { authorization: api.credential(tenant, given, 'alice') },
    payload,
  });
const aPolicy = (more: object = {}) => ({ ...defaultWatchPolicy, maxAttempts: 1, ...more });
const anArmed = (more: object = {}) => aPolicy({ autoFailover: true, ...more });
const approve = (id: string, owner: string) =>
  api.api.inject({
    method: 'POST',
    url: `/v1/approvals/${id}/approve`,
    headers: { authorization: api.credential('main', scopes, owner), 'idempotency-key': owner },
  });

const anObservation = (more: Partial<RegionObservation> = {}): RegionObservation => ({
  ...{ region: 'a', vantage: 'hub', level: 'HEALTHY', latencyMs: 3, lagMs: null, lastError: null },
  seenAt: new Date('2026-01-01T00:00:00.000Z'),
  ...more,
});

describe('the policy of a watch', () => {
  it('lets nothing be done without a person, as long as nobody has said otherwise', async () => {
    expect((await get('/v1/regions')).json()).toMatchObject({ policy: { autoFailover: false } });
  });

  it('is replaced as a whole, shown, and written down with who did it', async () => {
    const policy = aPolicy({ priorities: ['b', 'a'] });
    const answer = await put(policy);
    expect([answer.statusCode, answer.json()]).toEqual([200, policy]);
    expect(api.policies).toEqual([{ policy, by: 'alice' }]);
    expect((await get('/v1/regions')).json()).toMatchObject({ policy });
    expect(api.audited.at(-1)).toMatchObject({
      ...{ operation: 'PUT /v1/regions/policy', tenant: 'main', actor: 'alice', outcome: '200' },
      request: { body: policy },
    });
  });

  it.each<[string, object, number]>([
    ['a part of it', { autoFailover: false }, 400],
    ['two misses are enough', aPolicy({ failureThreshold: 2 }), 400],
    ['one look of the watch is enough', aPolicy({ unhealthyMs: 500 }), 400],
    ['a switch for ever', aPolicy({ maxAttempts: 11 }), 400],
    ['a region twice', aPolicy({ priorities: ['b', 'b'] }), 422],
    ['a region of nowhere', aPolicy({ priorities: ['x'] }), 422],
  ])('is refused: %s', async (_, policy, status) => {
    expect((await put(policy)).statusCode).toBe(status);
    expect(api.policies).toEqual([]);
  });

  it('that arms the watch wants two persons, and one disarms it', async () => {
    const answer = await put(anArmed());
    const { id } = answer.json<{ id: string }>();
    expect(answer.statusCode).toBe(202);
    expect(answer.headers['location']).toBe(`/v1/approvals/${id}`);
    expect(answer.json()).toMatchObject({
      ...{ state: 'pending', rule: 'arms_failover', askedBy: 'alice' },
      action: { kind: 'watchPolicy', version: 0, policy: anArmed(), seen: defaultWatchPolicy },
    });
    expect((await approve(id, 'alice')).json()).toMatchObject({ code: 'second_person_required' });
    expect(api.policies).toEqual([]);
    expect((await approve(id, 'bob')).json()).toMatchObject({ state: 'done' });
    expect(api.policies).toEqual([{ policy: anArmed(), by: 'alice' }]);
    expect((await put(anArmed())).statusCode).toBe(200); // It is so already.
    expect((await put(anArmed({ maxAttempts: 10 }))).statusCode).toBe(202);
    expect((await put(aPolicy())).statusCode).toBe(200);
    expect((await get('/v1/regions')).json()).toMatchObject({ policy: { autoFailover: false } });
  });

  it('is approved as it was seen: what somebody has changed since is not armed by it', async () => {
    const { id } = (await put(anArmed())).json<{ id: string }>();
    await put(aPolicy({ maxAttempts: 0 }));
    expect((await approve(id, 'bob')).json()).toMatchObject({ code: 'state_changed' });
    expect(api.policies).toHaveLength(1);
  });

  it('is armed by one person alone where the glass is broken, and everybody knows', async () => {
    const breakGlass = { reason: 'Nobody else answers.' };
    const withoutPower = scopes.filter((scope) => scope !== 'ops:breakglass');
    const refused = await put({ ...anArmed(), breakGlass }, 'main', withoutPower);
    expect(refused.json()).toMatchObject({ code: 'scope_missing' });
    expect((await put({ ...anArmed(), breakGlass })).json()).toEqual(anArmed());
    expect(api.policies).toHaveLength(1);
    expect(api.audited.map(({ operation }) => operation)).toContain(
      'broke the glass for watchPolicy',
    );
  });

  it('is none of who is not of the cluster, or may not switch regions', async () => {
    expect((await put(aPolicy(), 'acme')).json()).toMatchObject({ code: 'wrong_realm' });
    const others = scopes.filter((scope) => scope !== 'ops:failover');
    expect((await put(aPolicy(), 'main', others)).statusCode).toBe(403);
    expect(api.policies).toEqual([]);
  });
});

describe('a region that is watched', () => {
  const levels = async () =>
    (await get('/v1/regions'))
      .json<{ items: { level: string | null }[] }>()
      .items.map(({ level }) => level);

  it('shows what each vantage point sees, and how far a standby is behind', async () => {
    const error = 'MySQL did not answer within 700 ms.';
    api.observations.push(
      anObservation(),
      anObservation({ vantage: 'link', level: 'DEGRADED', latencyMs: 270, lastError: error }),
      anObservation({ region: 'b', latencyMs: 1, lagMs: 212 }),
    );
    expect((await get('/v1/regions')).json()).toMatchObject({
      items: [
        {
          ...{ region: 'a', level: 'DEGRADED' },
          vantages: [{ vantage: 'hub' }, { vantage: 'link', latencyMs: 270, lastError: error }],
        },
        { region: 'b', level: 'HEALTHY', lagMs: 212 },
      ],
    });
  });

  it('shows how each of its services answers, and how often it did not', async () => {
    const redis: Omit<ServiceObservation, 'errorPercent' | 'seenAt'> = {
      ...{ region: 'b', service: 'redis', level: 'DEGRADED', latencyMs: 2 },
      ...{ lagMs: 1_000, lastError: 'Connection is closed.' },
    };
    api.services.push({ ...redis, errorPercent: 7, seenAt: new Date(0) });
    const { region, ...shown } = redis;
    expect((await get('/v1/regions')).json()).toMatchObject({
      items: [
        { region: 'a', services: [] },
        { region, services: [{ ...shown, errorRate: 0.07, seenAt: '1970-01-01T00:00:00.000Z' }] },
      ],
    });
  });

  it('is unhealthy only where all say so, and healthy alone only with a standby', async () => {
    expect(await levels()).toEqual([null, null]);
    api.observations.push(anObservation({ level: 'UNHEALTHY' }));
    expect(await levels()).toEqual(['UNHEALTHY', null]);
    api.observations.push(anObservation({ vantage: 'link' }));
    expect(await levels()).toEqual(['DEGRADED', null]);
    api.observations.splice(0, 2, anObservation());
    expect(await levels()).toEqual(['HEALTHY', null]);
    api.clusters.set('main', aCluster({ sync: false, state: 'degraded' }));
    expect(await levels()).toEqual(['DEGRADED', null]);
  });

  it('degrades the health of the whole', async () => {
    expect((await get('/healthz')).json()).toMatchObject({ regions: { levels: [{}, {}] } });
    api.observations.push(anObservation({ region: 'b', level: 'UNHEALTHY' }));
    const answer = await get('/healthz');
    expect(answer.statusCode).toBe(206);
    expect(answer.json()).toMatchObject({
      status: 'degraded',
      regions: {
        levels: [
          { region: 'a', level: null },
          { region: 'b', level: 'UNHEALTHY' },
        ],
      },
    });
  });
});
