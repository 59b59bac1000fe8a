import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

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
  let operations: readonly Operation[];
  let keyId: string;

  beforeAll(async () => {
    apis = await ownApis();
    // The name of a cluster stands in the place of the tenant: this one is acme's.
    api = await apis.start({ TEMPORAL_ADDRESS: deadPort, ACCORD_CLUSTER: 'acme' });
    const changed = { changed_at: new Date() };
    const cluster = { cluster: 'acme', region: 'acme-a' };
    await apis.insert('accord.cluster_state', { ...cluster, epoch: 1, ...changed });
    await apis.insert('accord.regions', { ...cluster, status: 'ACTIVE', priority: 0, ...changed });
    operations = await operationsOf(api.api);
    const authorization = await api.credential('acme');
    keyId = authorization.slice('Bearer acc_'.length, -44);
    const headers = { authorization, 'idempotency-key': 'k' };
    await api.api.inject({ method: 'POST', url: '/v1/orders', headers, payload: anOrder(orderId) });
    const cancel = `/v1/transactions/order:acme.${orderId}/cancel`;
    await api.api.inject({ method: 'POST', url: cancel, headers }); // A row of audit.
    await apis.sql(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, region, epoch,
         accepted_at, deadline_at, at_risk)
       SELECT CONCAT('failover:acme.', reference), tenant, 'failover', reference, operation, fingerprint, field_digests,
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

  const ask = async (tenant: string, operation: Operation, query = '') => {
    const payload = operation.path === '/v1/orders' ? undefined : aBodyFor(operation);
    const id = operation.path.includes('api-keys') ? keyId : orderId;
    return api.api.inject({
      method: operation.method,
      url:
        operation.path
          .replace('{gid}', `order:acme.${orderId}`)
          .replace(/\{(id|sku)\}/, id)
          .replace('{region}', 'acme-a') + query,
      headers: { authorization: await api.credential(tenant), 'idempotency-key': aReference() },
      ...(operation.method === 'POST' && payload && { payload }),
    });
  };
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
      'GET /v1/failovers',
      'GET /v1/orders',
      'GET /v1/regions',
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
});
