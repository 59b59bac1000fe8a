import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { makerAtHand } from '../../../api/http/authentication';
import { scopes } from '../../../api/http/scopes';
import { aBodyFor, operationsOf, titleOf, type Operation } from '../../unit/api/operations';
import {
  anAccountRow,
  anApprovalRow,
  anOrder,
  aPaymentRow,
  aReference,
  aSettlementRow,
  deadPort,
  ownApis,
  type OwnApi,
  type OwnApis,
} from './own-api';

describe('two tenants on one API', () => {
  const orderId = aReference();
  let apis: OwnApis;
  let api: OwnApi;
  /** Those of a tenant. */
  let operations: readonly Operation[];
  let all: readonly Operation[];
  let keyId: string;

  beforeAll(async () => {
    apis = await ownApis();
    api = await apis.start({ TEMPORAL_ADDRESS: deadPort });
    await apis.insert('accord.regions', {
      ...{ cluster: 'main', region: 'acme-a', status: 'ACTIVE', priority: 0 },
      changed_at: new Date(),
    });
    all = await operationsOf(api.api);
    operations = all.filter(({ realm }) => realm === 'tenant');
    const authorization = await api.credential('acme');
    keyId = authorization.slice('Bearer acc_'.length, -44);
    const headers = { authorization, 'idempotency-key': 'k' };
    await api.api.inject({ method: 'POST', url: '/v1/orders', headers, payload: anOrder(orderId) });
    const cancel = `/v1/transactions/order:acme.${orderId}/cancel`;
    await api.api.inject({ method: 'POST', url: cancel, headers }); // A row of audit.
    await apis.sql(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, region, epoch,
         accepted_at, deadline_at, at_risk)
       SELECT CONCAT('failover:main.', reference), 'main', 'failover', reference, operation, fingerprint, field_digests,
         owner, region, epoch, accepted_at, deadline_at, at_risk FROM runs WHERE reference = ?`,
      [orderId],
    );
    const id = `acme.${orderId}`;
    await apis.insert('orders.order_views', {
      order_id: id,
      tenant: 'acme',
      customer_id: 'acme.C-7',
      status: 'created',
      currency: 'EUR',
      amount_minor: 1250,
      lines: '[]',
      version: 1,
      as_of: new Date(),
    });
    await apis.insert('inventory.stock', { sku: id, tenant: 'acme', total: 1, available: 1 });
    await apis.insert('accounts.accounts', anAccountRow(id));
    await apis.insert('accounts.payments', aPaymentRow(id));
    await apis.insert('accounts.settlements', aSettlementRow(id));
    await apis.insert('accord.approvals', anApprovalRow(orderId));
  });
  afterAll(() => apis.close());

  const ask = async (tenant: string, operation: Operation, query = '', authorization?: string) => {
    const payload = operation.path === '/v1/orders' ? undefined : aBodyFor(operation);
    const id = operation.path.includes('api-keys') ? keyId : orderId;
    return api.api.inject({
      method: operation.method,
      url:
        operation.path
          .replace('{gid}', `order:acme.${orderId}`)
          .replace(/\{(id|sku)\}/, id)
          .replace('{region}', 'acme-a') + query,
      headers: {
        authorization: authorization ?? (await api.credential(tenant)),
        'idempotency-key': aReference(),
      },
      ...(operation.method !== 'GET' && payload && { payload }),
    });
  };
  const codeOf = (answer: Awaited<ReturnType<typeof ask>>): string =>
    answer.json<{ code: string }>().code;
  const withoutRequestId = (body: string): string => body.replace(/urn:accord:request:\w+/, '');

  it('are kept apart: what is behind an id of the other is a 404 like any unknown id', async () => {
    const unknown = await api.api.inject({
      url: '/v1/transactions/order:acme.unknown',
      headers: { authorization: await api.credential('globex') },
    });
    const withId = operations.filter(({ path }) => path.includes('{'));
    expect(withId.length).toBeGreaterThan(12);
    for (const operation of withId.filter(({ method }) => method === 'GET')) {
      const own = await ask('acme', operation);
      expect([titleOf(operation), own.statusCode]).toEqual([titleOf(operation), 200]);
    }
    for (const operation of withId) {
      const answer = await ask('globex', operation);
      expect([titleOf(operation), answer.statusCode]).toEqual([titleOf(operation), 404]);
      expect(withoutRequestId(answer.body)).toBe(withoutRequestId(unknown.body));
    }
    const [key] = await apis.sql('SELECT revoked_at FROM api_keys WHERE key_id = ?', [keyId]);
    expect(key?.['revoked_at']).toBeNull();
  });

  it('see their own in every list, and nothing of the other', async () => {
    const lists = operations.filter(
      ({ method, path }) =>
        method === 'GET' && /^.v1.[\w-]+$/.test(path) && path !== '/v1/invariants',
    );
    expect(lists.map(titleOf).sort()).toEqual([
      'GET /v1/api-keys',
      'GET /v1/approvals',
      'GET /v1/audit',
      'GET /v1/orders',
      'GET /v1/transactions',
    ]);
    for (const operation of lists) {
      const query = operation.path === '/v1/orders' ? '?customer=C-7' : '';
      expect((await ask('acme', operation, query)).json<{ items: unknown[] }>().items).not.toEqual(
        [],
      );
      const { body } = await ask('initech', operation, query);
      expect(body).not.toContain(orderId);
      expect(body).not.toContain('acme');
      expect(body).not.toContain(keyId);
    }
  });

  it('have no regions, also where one has the name of the cluster: those are of its operators', async () => {
    const regional = all.filter(({ realm }) => realm === 'cluster');
    const mallory = makerAtHand('mallory');
    const named = await api.credential('main', scopes, 'mallory', mallory, 'tenant');
    for (const operation of regional) {
      expect([titleOf(operation), codeOf(await ask('acme', operation))]).toEqual([
        ...[titleOf(operation), 'wrong_realm'],
      ]);
      const answer = await ask('main', operation, '', named);
      expect([titleOf(operation), codeOf(answer)]).toEqual([titleOf(operation), 'not_found']);
    }
    const list = regional.find(({ path }) => path === '/v1/failovers');
    const regions = regional.find(({ path }) => path === '/v1/regions');
    if (!list || !regions) throw new Error('There are no regions.');
    expect((await ask('main', list)).body).toContain(`failover:main.${orderId}`);
    expect((await ask('main', regions)).body).toContain('acme-a');
  });

  it('share no list, id or key of idempotency with the operators of the cluster', async () => {
    const url = '/v1/transactions';
    const get = async (tenant: string, path: string) =>
      api.api.inject({ url: path, headers: { authorization: await api.credential(tenant) } });
    const gids = async (tenant: string) =>
      (await get(tenant, url)).json<{ items: { gid: string }[] }>().items.map(({ gid }) => gid);
    expect(await gids('acme')).toEqual([`order:acme.${orderId}`]);
    expect(await gids('main')).toEqual([`failover:main.${orderId}`]);
    for (const [tenant, gid] of [
      ['acme', `failover:main.${orderId}`],
      ['main', `order:acme.${orderId}`],
    ] as const)
      for (const path of [`${url}/${gid}`, `${url}/${gid}/explain`])
        expect(codeOf(await get(tenant, path))).toBe('not_found');
    const key = aReference();
    for (const tenant of ['acme', 'main']) {
      const answer = await api.api.inject({
        ...{ method: 'POST', url: '/v1/api-keys' },
        headers: {
          authorization: await api.credential(tenant, scopes, 'carol'),
          'idempotency-key': key,
        },
        payload: { owner: 'carol', scopes: ['tx:read'] },
      });
      expect(answer.json()).toMatchObject({ realm: tenant === 'main' ? 'cluster' : 'tenant' });
      expect(answer.headers['idempotent-replayed']).toBeUndefined();
    }
  });

  it('have no name of a cluster: an API that finds business under it is not ready, by name', async () => {
    const asked = async (cluster: string) => {
      const { ownPremises } = await apis.start({
        ...{ TEMPORAL_ADDRESS: deadPort, ACCORD_CLUSTER: cluster },
      });
      const source = ownPremises.find(({ server }) => server === 'mysql tenants');
      return source?.ask();
    };
    expect(await asked('main')).toEqual([]);
    expect(await asked('acme')).toMatchObject([
      {
        setting: 'ACCORD_CLUSTER',
        found: 'acme',
        wanted: 'the name of no tenant',
        isRequired: true,
      },
    ]);
  });
});
