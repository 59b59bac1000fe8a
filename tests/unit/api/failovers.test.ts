import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { dependencyUnavailable } from '../../../api/http/errors';
import { regionOf } from '../../../api/routes/regions';
import { scopes, type Scope } from '../../../api/http/scopes';
import type { ClusterView } from '../../../api/stores/cluster-store';
import { aCluster, anEndedRun, aRegion, aRun, aTemporal, fakeApi, type FakeApi } from './fake-api';

let api: FakeApi;
let key: number;
/** Runs that were asked to undo. */
let cancelled: string[];
beforeEach(async () => {
  api = await fakeApi({
    temporal: aTemporal({
      timeline: () => Promise.reject(dependencyUnavailable('temporal')),
      cancel: (gid) => Promise.resolve(void cancelled.push(gid)),
    }),
  });
  api.clusters.set('main', aCluster());
  key = 0;
  cancelled = [];
});
afterEach(() => api.api.close());

const aSwitch = (more: object = {}) => ({
  from: 'a',
  to: 'b',
  kind: 'planned',
  reason: 'New disks.',
  ...more,
});
const mostScopes = scopes.filter((scope) => scope !== 'ops:breakglass');
const post = (
  url: string,
  payload: object = {},
  tenant = 'main',
  given: readonly Scope[] = scopes,
) =>
  api.api.inject({
    method: 'POST',
    url,
    headers: {
      authorization: api.credential(tenant, given),
      'idempotency-key': `k-${(key += 1)}`,
    },
    payload,
  });
const get = (url: string, tenant = 'main') =>
  api.api.inject({ url, headers: { authorization: api.credential(tenant) } });
const nothingWritten = () => expect([api.rows.size, api.approvals.size]).toEqual([0, 0]);

describe('a planned switch', () => {
  it('is accepted under the next number, for the epoch of the row, and goes to the first standby', async () => {
    const regions = [aRegion('a', 'ACTIVE'), aRegion('c', 'STANDBY'), aRegion('b', 'STANDBY')];
    api.clusters.set('main', aCluster({ regions }));
    const answer = await post('/v1/failovers', aSwitch({ to: undefined }));
    expect(answer.statusCode).toBe(202);
    expect(answer.headers['location']).toBe('/v1/failovers/4');
    expect(answer.json()).toMatchObject({ gid: 'failover:main.4', failoverId: '4', from: 'a' });
    expect(api.inputs.get('failover:main.4')).toMatchObject({
      ...{ tenant: 'main', flow: 'failover', cluster: 'main', from: 'a', to: 'c' },
      ...{ kind: 'planned', epoch: 7, reason: 'New disks.' },
      ...{ lossAllowedMs: 0, mayBeginAlone: false },
    });
  });

  it('wants one person alone, also where the glass could be broken', async () => {
    const body = aSwitch({ force: true, breakGlass: { reason: 'In haste.' } });
    expect((await post('/v1/failovers', body)).statusCode).toBe(202);
    expect(api.inputs.get('failover:main.4')).toMatchObject({ mayBeginAlone: true });
    expect(api.approvals.size).toBe(0);
    expect(api.audited.map(({ operation, gid }) => [operation, gid])).toEqual([
      ['POST /v1/failovers', 'failover:main.4'],
    ]);
  });
});

describe('a switch that cannot be', () => {
  const lost = aCluster({ regions: [aRegion('a', 'ACTIVE'), aRegion('b', 'FAILED')] });
  const inOnePlace = aCluster({ regions: [], sync: false });
  it.each<[string, ClusterView, object, string, string]>([
    ['from nowhere', aCluster(), { from: 'x' }, '/from', 'region_unknown'],
    ['to nowhere', aCluster(), { to: 'x' }, '/to', 'region_unknown'],
    ['from a standby', aCluster(), { from: 'b', to: 'a' }, '/from', 'not_active'],
    ['to where it comes from', aCluster(), { to: 'a' }, '/to', 'same_region'],
    ['to a lost region', lost, {}, '/to', 'not_standby'],
    ['to nobody', lost, { to: undefined }, '/to', 'no_standby'],
    ['in one place', inOnePlace, { to: undefined, force: true }, '/to', 'no_standby'],
    ['planned, with a loss', aCluster(), { acceptLoss: 1 }, '/acceptLoss', 'planned_loses_nothing'],
    ['alone', aCluster({ sync: false }), {}, '/force', 'not_acknowledged'],
  ])(
    'is refused with the field, and nobody is asked: %s',
    async (_, cluster, body, pointer, code) => {
      api.clusters.set('main', cluster);
      for (const kind of 'acceptLoss' in body ? ['planned'] : ['planned', 'unplanned']) {
        const answer = await post('/v1/failovers', aSwitch({ kind, ...body }));
        expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([
          422,
          'unprocessable',
        ]);
        expect(answer.json<{ errors: unknown[] }>().errors).toContainEqual(
          expect.objectContaining({ pointer, code }),
        );
      }
      nothingWritten();
    },
  );

  it('is refused while another one is under way, and told which one, whatever else is wrong', async () => {
    api.clusters.set('main', aCluster({ holder: 'failover:main.3', region: 'b' }));
    for (const url of ['/v1/failovers', '/v1/regions/a/rejoin']) {
      const answer = await post(url, url.endsWith('rejoin') ? {} : aSwitch());
      expect(answer.statusCode).toBe(409);
      expect(answer.json()).toMatchObject({
        code: 'failover_in_progress',
        gid: 'failover:main.3',
      });
    }
    nothingWritten();
  });

  it.each([
    { reason: undefined },
    { reason: '' },
    { kind: 'sudden' },
    { acceptLoss: -1 },
    { acceptLoss: 86_400_001 },
    { from: 'A B' },
  ])('does not fit the schema: %j', async (more) => {
    expect((await post('/v1/failovers', aSwitch(more))).statusCode).toBe(400);
  });
});

describe('an unplanned switch', () => {
  const lossy = aSwitch({ kind: 'unplanned', acceptLoss: 250, force: true });

  it('waits for a second person, who is shown all of it', async () => {
    const answer = await post('/v1/failovers', lossy);
    expect(answer.statusCode).toBe(202);
    const { id } = answer.json<{ id: string }>();
    expect(answer.headers['location']).toBe(`/v1/approvals/${id}`);
    expect(answer.json()).toMatchObject({
      state: 'pending',
      rule: 'unplanned_failover',
      action: {
        ...{ kind: 'failover', failover: 'unplanned', from: 'a', to: 'b', reason: 'New disks.' },
        ...{ acceptLoss: 250, force: true, epoch: 7, sequence: 3, gid: 'failover:main.4' },
      },
    });
    expect(api.rows.size).toBe(0);
    expect(api.audited.at(-1)).toMatchObject({ gid: 'failover:main.4', tenant: 'main' });
  });

  it('is started alone where the glass is broken, which is written down first', async () => {
    const breakGlass = { reason: 'Nobody else answers.' };
    const refused = await post('/v1/failovers', { ...lossy, breakGlass }, 'main', mostScopes);
    expect(refused.json()).toMatchObject({ code: 'scope_missing' });
    nothingWritten();
    const answer = await post('/v1/failovers', { ...lossy, breakGlass });
    expect(answer.json()).toMatchObject({ gid: 'failover:main.4', state: 'accepted' });
    expect(api.inputs.get('failover:main.4')).toMatchObject({
      ...{ kind: 'unplanned', lossAllowedMs: 250, mayBeginAlone: true },
    });
    expect(api.audited.map(({ operation }) => operation).slice(1)).toEqual([
      'broke the glass for failover',
      'POST /v1/failovers',
    ]);
  });
});

describe('who is not of the cluster', () => {
  it('has no regions, and switches none', async () => {
    for (const answer of [
      await get('/v1/regions', 'acme'),
      await get('/v1/failovers', 'acme'),
      await post('/v1/failovers', aSwitch(), 'acme'),
      await post('/v1/regions/b/rejoin', {}, 'acme'),
    ])
      expect(answer.json()).toMatchObject({ code: 'wrong_realm', status: 403 });
    nothingWritten();
  });
});

describe('a switch that was accepted', () => {
  const gid = 'failover:main.4';
  const aFailover = (more: object = {}) =>
    aRun({ gid, tenant: 'main', flow: 'failover', step: 'fenceRegion', ...more });

  it('is shown with what was asked, also while Temporal is away', async () => {
    await post('/v1/failovers', aSwitch({ force: true }));
    api.rows.set(gid, aFailover());
    const answer = await get('/v1/failovers/4');
    expect(answer.json()).toMatchObject({
      ...{ gid, failoverId: '4', state: 'running', step: 'fenceRegion', from: 'a' },
      ...{ asked: { to: 'b', kind: 'planned', reason: 'New disks.', acceptLoss: 0, force: true } },
      ...{ source: 'row', steps: [], parked: [], links: { failover: '/v1/failovers/4' } },
    });
    expect((await get('/v1/failovers')).json()).toMatchObject({ items: [{ gid }] });
    expect((await get('/v1/failovers/5')).statusCode).toBe(404);
  });

  it('is shown with the steps of its ending', async () => {
    const step = { name: 'beginSwitch', state: 'refused', detail: 'No.' };
    const times = { startedAt: '2026-01-01T00:00:00.000Z', endedAt: null };
    const ending = JSON.stringify({ gid, outcome: 'compensated', steps: [{ ...step, ...times }] });
    api.rows.set(gid, { ...anEndedRun(ending), gid, tenant: 'main', flow: 'failover' });
    expect((await get('/v1/failovers/4')).json()).toMatchObject({
      ...{ state: 'compensated', source: 'ending', asked: null },
      steps: [{ name: 'beginSwitch', key: `${gid}/beginSwitch`, state: 'refused' }],
    });
  });

  it.each([
    ['before the promotion', { state: 'running' }, 202],
    ['behind it', { state: 'running', pivotPassed: true }, 409],
    ['once it is undone', { state: 'compensated' }, 200],
    ['once it is done', { state: 'completed' }, 409],
  ] as const)('is aborted as a transaction is cancelled: %s', async (_, row, status) => {
    api.rows.set(gid, aFailover(row));
    expect((await post('/v1/failovers/4/abort', { note: 'It is back.' })).statusCode).toBe(status);
    expect(cancelled).toEqual(status === 202 ? [gid] : []);
  });
});

describe('a rejoin', () => {
  it('is accepted under the next number, as a copy of the active region', async () => {
    const regions = [aRegion('a', 'FAILED'), aRegion('b', 'ACTIVE')];
    api.clusters.set('main', aCluster({ region: 'b', regions, sync: false }));
    const answer = await post('/v1/regions/a/rejoin');
    expect(answer.headers['location']).toBe('/v1/transactions/failback:main.4');
    expect(api.inputs.get('failback:main.4')).toMatchObject({
      ...{ cluster: 'main', region: 'a', active: 'b', epoch: 7 },
    });
    expect(api.audited.at(-1)?.gid).toBe('failback:main.4');
  });

  it('is none of the active region, nor of one that is not there', async () => {
    expect((await post('/v1/regions/a/rejoin')).json()).toMatchObject({
      errors: [{ pointer: ':region', code: 'is_active' }],
    });
    expect((await post('/v1/regions/x/rejoin')).statusCode).toBe(404);
    nothingWritten();
  });
});

describe('a region', () => {
  it('tells epoch, acknowledgement and lag as far as the hub knows them', () => {
    const at = Date.parse('2026-01-01T00:00:00.000Z');
    const view = aCluster({ region: 'b', sync: false });
    const told = (['ACTIVE', 'STANDBY', 'FAILED'] as const).map((status, n) =>
      regionOf(view, aRegion(['b', 'c', 'a'][n] ?? '', status), [], at + 250),
    );
    expect(told).toMatchObject([
      { region: 'b', active: true, epoch: 7, sync: false, lagMs: 250 },
      { region: 'c', active: false, epoch: 7, sync: false, lagMs: null },
      { region: 'a', active: false, epoch: null, sync: null, lagMs: null },
    ]);
    expect(
      regionOf({ ...view, acknowledgedAt: null }, aRegion('b', 'ACTIVE'), [], at).lagMs,
    ).toBeNull();
  });
});

describe('the health of a cluster', () => {
  const health = async () => (await get('/healthz')).json<Record<string, unknown>>();
  const one = ['parked', 'stuck', 'unbooked', 'timestamp', 'checks', 'status'].sort();

  it('shows nothing of regions where there are none', async () => {
    for (const view of [aCluster({ regions: [], sync: false }), undefined]) {
      if (view) api.clusters.set('main', view);
      else api.clusters.delete('main');
      expect(Object.keys(await health()).sort()).toEqual(one);
    }
  });

  it('shows whether a standby has what is acknowledged, and is degraded where none has', async () => {
    expect(await health()).toMatchObject({
      regions: { active: 'a', epoch: 7, state: 'steady', sync: true },
    });
    api.clusters.set('main', aCluster({ sync: false }));
    const answer = await get('/healthz');
    expect(answer.statusCode).toBe(206);
    expect(answer.json()).toMatchObject({ status: 'degraded', regions: { sync: false } });
  });
});
