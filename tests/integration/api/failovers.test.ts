import { randomBytes } from 'node:crypto';

import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { FailoverInput } from '../../../contracts/regions/regions';
import { failoverTaskQueue } from '../../../contracts/engine/task-queues';
import { eventually } from '../../support/eventually';
import { testStack } from '../../support/stack';
import { testIssuer, type TestIssuer } from '../../unit/api/tokens';
import {
  anAccountRow,
  anOrder,
  aReference,
  deadPort,
  ownApis,
  type OwnApi,
  type OwnApis,
} from './own-api';

/** A cluster of this file only. Tests share Temporal, and a gid there is never free again. */
const cluster = `c${randomBytes(6).toString('hex')}`;

let apis: OwnApis;
let issuer: TestIssuer;
/** Two processes over the same databases. */
let api: OwnApi;
let other: OwnApi;
/** A process whose Temporal is away, and that takes no business because of it. */
let cut: OwnApi;
let alice: string;
let bob: string;
let carol: string;
/** A customer. */
let shop: string;

beforeAll(async () => {
  apis = await ownApis();
  issuer = await testIssuer();
  // The limits of a tenant are shared with whatever other test runs beside this one.
  const variables = {
    ...issuer.variables,
    ACCORD_CLUSTER: cluster,
    OPERATIONS_PER_SECOND: '100000',
  };
  api = await apis.start(variables);
  other = await apis.start(variables);
  cut = await apis.start({ ...variables, TEMPORAL_ADDRESS: deadPort, START_BACKLOG_MAX: '0' });
  [alice, bob, carol] = [await person('alice'), await person('bob'), await person('carol')];
  shop = await api.credential();
  await apis.insert('accord.cluster_state', {
    ...{ cluster, region: 'a', epoch: 7, changed_at: new Date() },
  });
});
afterAll(() => apis.close());
/** Region a is active, b stands by, and nobody moves them. */
beforeEach(async () => {
  await endAll();
  await hubSays(
    `region = 'a', epoch = 7, sync = 1, state = 'steady', holder_gid = NULL, sequence = sequence + 1`,
  );
  await apis.sql('DELETE FROM regions');
  for (const [region, status, priority] of [
    ['a', 'ACTIVE', 0],
    ['b', 'STANDBY', 1],
    ['c', 'STANDBY', 2],
  ])
    await apis.insert('accord.regions', {
      ...{ cluster, region, status, priority, changed_at: new Date() },
    });
});

const hubSays = (set: string) =>
  apis.sql(`UPDATE cluster_state SET ${set} WHERE cluster = ?`, [cluster]);
const endAll = (ending = '{"outcome":"completed"}') =>
  apis.sql(
    `UPDATE runs SET state = 'completed', ending = ?, ended_at = UTC_TIMESTAMP(3), input = NULL
     WHERE tenant = ? AND ended_at IS NULL`,
    [Buffer.from(ending), cluster],
  );
const person = async (sub: string, scope = 'ops tx:read', tenants?: string[]): Promise<string> =>
  `Bearer ${await issuer.token({ sub, scope, tenants, clusters: tenants ? [] : [cluster] })}`;
const post = (
  as: string,
  url: string,
  payload: object = {},
  { on = api, key = aReference() } = {},
) =>
  on.api.inject({
    method: 'POST',
    url,
    headers: { authorization: as, 'idempotency-key': key },
    payload,
  });
const get = (as: string, url: string, on = api) =>
  on.api.inject({ url, headers: { authorization: as } });
type Answer = Awaited<ReturnType<typeof post>>;
const codeOf = (answer: Answer): unknown =>
  answer.statusCode < 400 ? answer.statusCode : answer.json<{ code: unknown }>().code;
const gidOf = (answer: Answer): string => answer.json<{ gid: string }>().gid;

const planned = { from: 'a', to: 'b', kind: 'planned', reason: 'New disks.' };
const unplanned = { ...planned, kind: 'unplanned', acceptLoss: 250, reason: 'It is gone.' };
const nextGid = async (flow = 'failover'): Promise<string> =>
  `${flow}:${cluster}.${(await sequence()) + 1}`;
const sequence = async (): Promise<number> => {
  const [row] = await apis.sql('SELECT sequence FROM cluster_state WHERE cluster = ?', [cluster]);
  return Number(row?.['sequence']);
};
/** Switches and rejoins so far, and questions about them. */
const written = async (): Promise<unknown> =>
  apis.sql(
    `SELECT (SELECT COUNT(*) FROM runs WHERE tenant = ?) AS runs, (SELECT COUNT(*) FROM approvals) AS approvals,
       (SELECT COUNT(*) FROM outbox) AS events, (SELECT sequence FROM cluster_state WHERE cluster = ?) AS number`,
    [cluster, cluster],
  );
const inputOf = async (gid: string): Promise<FailoverInput> => {
  const [row] = await apis.sql('SELECT input FROM runs WHERE gid = ?', [gid]);
  return JSON.parse(String(row?.['input'])) as FailoverInput;
};

describe('a planned switch of regions', () => {
  it('is durable before it is answered, and runs where the failover worker listens', async () => {
    const gid = await nextGid();
    const answer = await post(alice, '/v1/failovers', planned);
    expect(answer.statusCode).toBe(202);
    const failoverId = gid.split('.')[1] ?? '';
    expect(answer.headers['location']).toBe(`/v1/failovers/${failoverId}`);
    expect(answer.json()).toMatchObject({ gid, failoverId, state: 'running', from: 'a', epoch: 7 });
    expect(await inputOf(gid)).toMatchObject({
      ...{ gid, tenant: cluster, cluster, from: 'a', to: 'b', kind: 'planned', epoch: 7 },
      ...{ reason: 'New disks.', lossAllowedMs: 0, mayBeginAlone: false },
    });
    const { temporal: server } = await testStack();
    const connection = await Connection.connect({ address: server.address });
    const client = new Client({ connection, namespace: server.namespace });
    const { type, taskQueue } = await client.workflow.getHandle(gid).describe();
    await connection.close();
    expect([type, taskQueue]).toEqual([
      'regionFailover',
      `test-${apis.databases.prefix}${failoverTaskQueue}`,
    ]);
    const events = await apis.sql('SELECT type FROM outbox WHERE gid = ?', [gid]);
    expect(events.map(({ type: name }) => String(name))).toEqual(['transaction.accepted']);
  });

  it('is one switch, however often it comes with one key', async () => {
    const [gid, key] = [await nextGid(), aReference()];
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        post(alice, '/v1/failovers', planned, { key, on: at % 2 === 0 ? api : other }),
      ),
    );
    const taken = answers.filter(({ statusCode }) => statusCode === 202);
    expect(new Set(taken.map(gidOf))).toEqual(new Set([gid]));
    const others = new Set(answers.filter((one) => !taken.includes(one)).map(codeOf));
    for (const code of others)
      expect(['failover_in_progress', 'idempotency_in_progress']).toContain(code);
    expect(gid).toBe(`failover:${cluster}.${await sequence()}`);
    const again = await post(alice, '/v1/failovers', planned, { key });
    expect([gidOf(again), again.headers['idempotent-replayed']]).toEqual([gid, 'true']);
    const otherBody = await post(alice, '/v1/failovers', { ...planned, to: 'c' }, { key });
    expect(otherBody.json()).toMatchObject({
      code: 'idempotency_key_reused',
      errors: [{ pointer: '/to', code: 'differs' }],
    });
  });

  it('is answered with the bytes of its ending once it has ended, though the regions have moved', async () => {
    const key = aReference();
    await post(alice, '/v1/failovers', planned, { key });
    await endAll('{"outcome":"completed",  "odd":"ü"}');
    await hubSays(`region = 'b', epoch = 8`);
    const again = await post(alice, '/v1/failovers', planned, { key });
    expect([again.statusCode, again.body]).toEqual([200, '{"outcome":"completed",  "odd":"ü"}']);
    expect(codeOf(await post(alice, '/v1/failovers', planned))).toBe('unprocessable');
  });

  it('is one at a time: of many at once one is accepted, and the others are told which', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        at % 4 === 3
          ? post(alice, '/v1/regions/b/rejoin', {}, { on: other })
          : post(alice, '/v1/failovers', planned, { on: at % 2 === 0 ? api : other }),
      ),
    );
    const accepted = answers.filter(({ statusCode }) => statusCode === 202);
    expect(accepted).toHaveLength(1);
    for (const answer of answers.filter((one) => !accepted.includes(one)))
      expect(answer.json()).toMatchObject({
        ...{ code: 'failover_in_progress', status: 409, retryable: false },
        gid: gidOf(accepted[0] ?? answer),
      });
    expect(accepted.map((answer) => gidOf(answer).split('.')[1])).toEqual([
      String(await sequence()),
    ]);
  });

  it('is accepted again under the next number once the one before it has ended', async () => {
    const first = gidOf(await post(alice, '/v1/failovers', planned));
    await endAll();
    const second = await nextGid();
    expect(second).not.toBe(first);
    expect(gidOf(await post(alice, '/v1/failovers', planned))).toBe(second);
  });

  it.each([
    ['/from', 'region_unknown', { from: 'x' }],
    ['/from', 'not_active', { from: 'b', to: 'a' }],
    ['/to', 'same_region', { to: 'a' }],
    ['/to', 'region_unknown', { to: 'x' }],
  ])(
    'that cannot be is refused at %s with %s, and nothing is written',
    async (pointer, code, more) => {
      const before = await written();
      for (const body of [planned, unplanned]) {
        const answer = await post(alice, '/v1/failovers', { ...body, ...more });
        expect(answer.statusCode).toBe(422);
        expect(answer.json()).toMatchObject({
          errors: expect.arrayContaining([expect.objectContaining({ pointer, code })]),
        });
      }
      expect(await written()).toEqual(before);
    },
  );

  it('goes to nobody where nobody stands by, and to the first who does where none is named', async () => {
    const anywhere = { ...planned, to: undefined };
    const goesTo = async () =>
      (await inputOf(gidOf(await post(alice, '/v1/failovers', anywhere)))).to;
    expect(await goesTo()).toBe('b');
    await endAll();
    await apis.sql(`UPDATE regions SET status = 'FAILED' WHERE region = 'b'`);
    expect(await goesTo()).toBe('c');
    await endAll();
    await apis.sql(`UPDATE regions SET status = 'RECOVERING' WHERE region = 'c'`);
    const before = await written();
    expect((await post(alice, '/v1/failovers', anywhere)).json()).toMatchObject({
      errors: [{ pointer: '/to', code: 'no_standby' }],
    });
    expect(await written()).toEqual(before);
  });

  it('is accepted for the cluster that it was prepared for, and for no other one', async () => {
    const number = await sequence();
    const gid = `failover:${cluster}.${number + 1}`;
    const accept = (turn: { sequence: number; epoch: number }) =>
      api.dependencies.runs.accept({
        input: {
          ...{ gid, tenant: cluster, flow: 'failover' },
          ...{ deadlineAt: Date.now() + 60_000, undoBudgetMs: 1 },
        },
        requester: ['alice'],
        ...{ reference: String(number + 1), operation: 'test', idempotencyKey: aReference() },
        fingerprint: { digest: Buffer.alloc(32), fields: {} },
        ...{ inputJson: Buffer.from('{}'), acceptedAt: new Date(), turn },
      });
    const before = await written();
    expect(await accept({ sequence: number, epoch: 6 })).toEqual({ kind: 'moved' });
    expect(await accept({ sequence: number - 1, epoch: 7 })).toEqual({ kind: 'moved' });
    await hubSays(`state = 'failing-over', holder_gid = 'failover:${cluster}.by-hand'`);
    expect(await accept({ sequence: number, epoch: 7 })).toEqual({
      ...{ kind: 'held', gid: `failover:${cluster}.by-hand` },
    });
    expect(await written()).toEqual(before);
    await hubSays(`state = 'degraded', holder_gid = NULL`);
    expect(await accept({ sequence: number, epoch: 7 })).toEqual({
      ...{ kind: 'accepted', owner: gid, sentAt: null }, // It is marked as sent when it is sent.
    });
  });

  it('is accepted while Temporal is away and business is refused because of it', async () => {
    cut.starter.begin();
    await post(shop, '/v1/orders', anOrder(aReference()), { on: cut });
    await eventually(async () => {
      const answer = await post(shop, '/v1/orders', anOrder(aReference()), { on: cut });
      return codeOf(answer) === 'dependency_unavailable';
    });
    const answer = await post(alice, '/v1/failovers', planned, { on: cut });
    expect(answer.json()).toMatchObject({ state: 'accepted' });
    const story = await get(alice, answer.headers['location'] as string, cut);
    expect(story.json()).toMatchObject({
      ...{ state: 'accepted', source: 'row', asked: { to: 'b', kind: 'planned' } },
    });
  });

  it('is shown with what was asked, in a list of its cluster, and to nobody else', async () => {
    const answer = await post(alice, '/v1/failovers', planned);
    const url = answer.headers['location'] as string;
    const { items } = (await get(bob, '/v1/failovers?limit=1')).json<{ items: unknown[] }>();
    expect(items).toMatchObject([{ gid: gidOf(answer), from: 'a', links: { failover: url } }]);
    const stranger = await person('bob', 'ops tx:read', ['acme']);
    for (const request of [get(stranger, url), post(stranger, `${url}/abort`)])
      expect(codeOf(await request)).toBe('wrong_realm');
    expect(codeOf(await get(stranger, '/v1/failovers'))).toBe('wrong_realm');
    expect(codeOf(await post(stranger, '/v1/failovers', planned))).toBe('wrong_realm');
    expect(codeOf(await get(stranger, `/v1/transactions/${gidOf(answer)}`))).toBe('not_found');
  });

  it('is aborted before anything has run, and the regions are free again', async () => {
    const gid = gidOf(await post(alice, '/v1/failovers', planned, { on: cut }));
    const id = gid.split('.')[1] ?? '';
    await apis.sql('UPDATE runs SET start_sent_at = NULL WHERE gid = ?', [gid]);
    const answer = await post(bob, `/v1/failovers/${id}/abort`, { note: 'It came back.' });
    expect(answer.json()).toMatchObject({ gid, state: 'compensated' });
    const [audit] = await apis.sql(
      'SELECT actor, outcome FROM audit WHERE gid = ? AND operation LIKE ?',
      [gid, '%abort'],
    );
    expect([String(audit?.['actor']), String(audit?.['outcome'])]).toEqual(['bob', '200']);
    expect(codeOf(await post(alice, '/v1/failovers', planned))).toBe(202);
  });

  it('is not aborted behind the promotion', async () => {
    const gid = gidOf(await post(alice, '/v1/failovers', planned));
    await apis.sql('UPDATE runs SET pivot_passed = 1 WHERE gid = ?', [gid]);
    const answer = await post(alice, `/v1/failovers/${gid.split('.')[1] ?? ''}/abort`);
    expect(codeOf(answer)).toBe('past_pivot');
  });
});

describe('an unplanned switch of regions', () => {
  interface Approval {
    readonly id: string;
    readonly state: string;
  }
  const asked = async (as = alice): Promise<Approval> => {
    const answer = await post(as, '/v1/failovers', unplanned);
    expect(answer.statusCode).toBe(202);
    return answer.json<Approval>();
  };
  const approve = (as: string, { id }: { readonly id: string }, on = api) =>
    post(as, `/v1/approvals/${id}/approve`, {}, { on });
  const stateOf = async ({ id }: Approval): Promise<string> =>
    (await get(carol, `/v1/approvals/${id}`)).json<Approval>().state;
  const switches = async (): Promise<readonly string[]> =>
    (await apis.sql('SELECT gid FROM runs WHERE tenant = ? AND ended_at IS NULL', [cluster])).map(
      ({ gid }) => String(gid),
    );

  it('waits for a second person, and nothing happens until then', async () => {
    const [gid, number] = [await nextGid(), await sequence()];
    const answer = await post(alice, '/v1/failovers', unplanned);
    const { id } = answer.json<Approval>();
    expect(answer.headers['location']).toBe(`/v1/approvals/${id}`);
    expect((await get(bob, `/v1/approvals/${id}`)).json()).toMatchObject({
      ...{ state: 'pending', rule: 'unplanned_failover', askedBy: 'alice' },
      action: { kind: 'failover', gid, from: 'a', to: 'b', acceptLoss: 250, force: false },
      links: { transaction: `/v1/transactions/${gid}` },
    });
    expect([await switches(), await sequence()]).toEqual([[], number]);
    expect(codeOf(await approve(alice, { id }))).toBe('second_person_required');
    expect((await asked()).id).toBe(id); // Asked again it is the same question.
  });

  it('is started once, however many approve it at once, in several processes', async () => {
    const gid = await nextGid();
    const question = await asked();
    const answers = await Promise.all(
      [bob, carol, bob, carol, bob, carol].map((as, at) =>
        approve(as, question, at % 2 === 0 ? api : other),
      ),
    );
    expect(answers.map(codeOf)).toEqual([200, 200, 200, 200, 200, 200]);
    expect([await switches(), await stateOf(question)]).toEqual([[gid], 'done']);
    expect(await inputOf(gid)).toMatchObject({
      ...{ gid, kind: 'unplanned', epoch: 7, lossAllowedMs: 250, mayBeginAlone: false },
    });
    const audit = await apis.sql(
      'SELECT actor, operation FROM audit WHERE gid = ? ORDER BY id LIMIT 2',
      [gid],
    );
    expect(audit.map(({ actor, operation }) => `${String(actor)}: ${String(operation)}`)).toEqual([
      'alice: POST /v1/failovers',
      expect.stringMatching(/^(bob|carol): approved failover$/),
    ]);
  });

  it('is started by a third person where a process died before the start, and known as started where it died behind it', async () => {
    const question = await asked();
    const die = () =>
      apis.sql(
        `UPDATE approvals SET state = 'approved', decided_by = 'bob', decided_people = '["bob"]' WHERE id = ?`,
        [question.id],
      );
    await die();
    expect(codeOf(await approve(carol, question))).toBe(200);
    const [gid] = await switches();
    await die();
    expect(codeOf(await approve(carol, question, other))).toBe(200);
    expect([await switches(), await stateOf(question)]).toEqual([[gid], 'done']);
  });

  it('is not started again though its key has been forgotten', async () => {
    const question = await asked();
    await approve(bob, question);
    await endAll();
    await apis.sql('UPDATE runs SET idempotency_key = NULL WHERE tenant = ?', [cluster]);
    await apis.sql(`UPDATE approvals SET state = 'approved' WHERE id = ?`, [question.id]);
    expect(codeOf(await approve(bob, question))).toBe('state_changed');
    expect([await switches(), await stateOf(question)]).toEqual([[], 'void']);
  });

  it.each([
    ['another one is under way', () => post(alice, '/v1/failovers', planned)],
    ['the regions have moved', () => hubSays(`region = 'b', epoch = 8`)],
    ['somebody moves them by hand', () => hubSays(`state = 'failing-over'`)],
  ])('is void when %s', async (_, happens) => {
    const question = await asked();
    await happens();
    const before = await switches();
    expect(codeOf(await approve(bob, question))).toBe('state_changed');
    expect([await switches(), await stateOf(question)]).toEqual([before, 'void']);
  });

  it('asks nobody where the glass is broken', async () => {
    const dave = await person('dave', 'ops ops:breakglass');
    const breakGlass = { reason: 'Nobody else answers.' };
    expect(codeOf(await post(alice, '/v1/failovers', { ...unplanned, breakGlass }))).toBe(
      'scope_missing',
    );
    const gid = await nextGid();
    const answer = await post(dave, '/v1/failovers', { ...unplanned, breakGlass });
    expect([gidOf(answer), await switches()]).toEqual([gid, [gid]]);
    const [first] = await apis.sql(
      'SELECT operation, request FROM audit WHERE gid = ? ORDER BY id',
      [gid],
    );
    expect(String(first?.['operation'])).toBe('broke the glass for failover');
    expect(first?.['request']).toMatchObject(breakGlass);
  });
});

describe('a policy that lets the watch switch by itself', () => {
  const unarmed = {
    ...{ autoFailover: false, failureThreshold: 3, unhealthyMs: 1_500, maxAttempts: 2 },
    ...{ priorities: ['b'], dataSyncTimeoutSeconds: 10 },
  };
  const armed = { ...unarmed, autoFailover: true };
  const put = (as: string, payload: object, on = api) =>
    on.api.inject({
      ...{ method: 'PUT', url: '/v1/regions/policy', payload },
      headers: { authorization: as },
    });
  const asked = async (policy: object = armed): Promise<string> => {
    const answer = await put(alice, policy);
    expect(answer.statusCode).toBe(202);
    return answer.json<{ id: string }>().id;
  };
  const approve = (as: string, id: string, on = api) =>
    post(as, `/v1/approvals/${id}/approve`, {}, { on });
  const stateOf = async (id: string) =>
    (await get(carol, `/v1/approvals/${id}`)).json<{ state: string }>().state;
  const shown = async () => (await get(alice, '/v1/regions')).json<{ policy: object }>().policy;
  const row = () =>
    apis.sql(
      `SELECT version, CAST(changed_by AS CHAR) AS changedBy, CAST(approval AS CHAR) AS approval
       FROM watch_policies`,
    );
  beforeEach(() => apis.sql('DELETE FROM watch_policies'));

  it('is armed by two persons once, however many approve it at once, also where it is the first', async () => {
    const id = await asked();
    expect(await row()).toEqual([]);
    const answers = await Promise.all(
      [bob, carol, bob, carol].map((as, at) => approve(as, id, at % 2 === 0 ? api : other)),
    );
    expect(answers.map(codeOf)).toEqual([200, 200, 200, 200]);
    expect([await shown(), await stateOf(id)]).toEqual([armed, 'done']);
    expect(await row()).toEqual([{ version: 1, changedBy: 'alice', approval: id }]);
  });

  it('is known as armed where a process died behind it, and is not armed again', async () => {
    const id = await asked();
    await approve(bob, id);
    await apis.sql(`UPDATE approvals SET state = 'approved' WHERE id = ?`, [id]);
    expect(codeOf(await approve(carol, id, other))).toBe(200);
    expect(await row()).toMatchObject([{ version: 1 }]);
  });

  it('is void where anybody has changed it since, and what that one has said stands', async () => {
    const id = await asked();
    expect(codeOf(await put(bob, unarmed))).toBe(200);
    expect(codeOf(await approve(bob, id))).toBe('state_changed');
    expect([await shown(), await stateOf(id)]).toEqual([unarmed, 'void']);
  });

  it('is one of two that were approved: the other one was asked for what is there no more', async () => {
    const ids = [await asked(), await asked({ ...armed, maxAttempts: 10 })];
    const answers = await Promise.all(ids.map((id) => approve(bob, id)));
    expect(answers.map(codeOf).sort()).toEqual([200, 'state_changed']);
    expect(await row()).toMatchObject([{ version: 1 }]);
  });

  it('is disarmed by one person, whatever else that one changes', async () => {
    await approve(bob, await asked());
    expect(codeOf(await put(carol, { ...unarmed, maxAttempts: 0 }))).toBe(200);
    expect(await shown()).toEqual({ ...unarmed, maxAttempts: 0 });
    expect(await row()).toEqual([{ version: 2, changedBy: 'carol', approval: null }]);
  });
});

describe('while a region is switched', () => {
  const begins = () =>
    hubSays(`state = 'failing-over', holder_gid = 'failover:${cluster}.by-hand'`);

  it('starts of business are refused, with the time to come back, and nothing is written', async () => {
    await begins();
    const amount = { currency: 'EUR', minorUnits: 100 };
    for (const id of ['acme.A-1', 'acme.A-2'])
      await apis.insert('accounts.accounts', anAccountRow(id));
    const before = await apis.sql(
      'SELECT (SELECT COUNT(*) FROM runs) AS n, (SELECT COUNT(*) FROM outbox) AS e',
    );
    for (const [url, body] of [
      ['/v1/orders', anOrder(aReference())],
      ['/v1/transfers', { from: 'A-1', to: 'A-2', amount }],
      ['/v1/payments', { fromAccount: 'A-1', toAccount: 'A-2', amount }],
      ['/v1/settlements', { currency: 'EUR', day: '2026-01-01' }],
    ] as const) {
      const answer = await post(shop, url, body);
      expect(answer.json()).toMatchObject({
        code: 'region_switching',
        status: 503,
        retryable: true,
      });
      expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
      expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(5);
    }
    const after = await apis.sql(
      'SELECT (SELECT COUNT(*) FROM runs) AS n, (SELECT COUNT(*) FROM outbox) AS e',
    );
    expect(after).toEqual(before);
  });

  it('what was accepted before is answered, shown and cancelled', async () => {
    const [orderId, key] = [aReference(), aReference()];
    await post(shop, '/v1/orders', anOrder(orderId), { key });
    await begins();
    const again = await post(shop, '/v1/orders', anOrder(orderId), { key });
    expect([again.statusCode, again.headers['idempotent-replayed']]).toEqual([202, 'true']);
    const gid = `order:acme.${orderId}`;
    expect((await get(shop, `/v1/transactions/${gid}`)).statusCode).toBe(200);
    await apis.sql(`UPDATE runs SET state = 'accepted', start_sent_at = NULL WHERE gid = ?`, [gid]);
    expect((await post(shop, `/v1/transactions/${gid}/cancel`)).json()).toMatchObject({
      state: 'compensated',
    });
  });

  it('another switch is told who holds the regions, not to come back', async () => {
    await begins();
    for (const [url, body] of [
      ['/v1/failovers', planned],
      ['/v1/failovers', unplanned],
      ['/v1/regions/b/rejoin', {}],
    ] as const)
      expect((await post(alice, url, body)).json()).toMatchObject({
        ...{ code: 'failover_in_progress', gid: `failover:${cluster}.by-hand` },
      });
  });

  it('no start slips in behind its beginning', async () => {
    const orderId = aReference();
    await apis.sql('START TRANSACTION');
    await begins();
    const answer = post(shop, '/v1/orders', anOrder(orderId));
    const isWaiting = eventually(async () => {
      const waiting = await apis.sql(
        `SELECT 1 FROM information_schema.processlist WHERE info LIKE '%cluster_state%FOR SHARE' AND db = ?`,
        [`${apis.databases.prefix}accord`],
      );
      return waiting.length > 0;
    });
    await isWaiting.finally(() => apis.sql('COMMIT'));
    expect(codeOf(await answer)).toBe('region_switching');
    expect(await apis.sql('SELECT gid FROM runs WHERE reference = ?', [orderId])).toEqual([]);
  });

  it('its end opens the intake again', async () => {
    await begins();
    const [body, key] = [anOrder(aReference()), aReference()];
    expect(codeOf(await post(shop, '/v1/orders', body, { key }))).toBe('region_switching');
    await hubSays(`state = 'steady', holder_gid = NULL`);
    expect(codeOf(await post(shop, '/v1/orders', body, { key }))).toBe(202);
  });
});

describe('the regions of a cluster', () => {
  it('are shown as the hub knows them', async () => {
    await apis.sql(`UPDATE regions SET status = 'FAILED' WHERE region = 'c'`);
    await apis.sql('REPLACE INTO cluster_heartbeats (cluster, acknowledged_us) VALUES (?, ?)', [
      cluster,
      (Date.now() - 1_000) * 1_000,
    ]);
    const { items } = (await get(alice, '/v1/regions')).json<{ items: { lagMs: number }[] }>();
    expect(items).toMatchObject([
      { region: 'a', status: 'ACTIVE', active: true, epoch: 7, sync: true },
      { region: 'b', status: 'STANDBY', active: false, epoch: 7, sync: true, lagMs: null },
      { region: 'c', status: 'FAILED', active: false, epoch: null, sync: null, lagMs: null },
    ]);
    expect(items[0]?.lagMs).toBeGreaterThanOrEqual(1_000);
  });

  it('say in the health whether a standby has what is acknowledged', async () => {
    const health = async () => (await get(alice, '/healthz')).json<{ status: string }>();
    expect(await health()).toMatchObject({
      regions: { active: 'a', epoch: 7, state: 'steady', sync: true },
    });
    await hubSays('sync = 0');
    expect(await health()).toMatchObject({ status: 'degraded', regions: { sync: false } });
    await apis.sql('DELETE FROM regions');
    expect(await health()).not.toHaveProperty('regions');
  });

  it('that were lost stand by again through a rejoin, one move of regions at a time', async () => {
    await hubSays(`region = 'b', epoch = 8, sync = 0`);
    await apis.sql(`UPDATE regions SET status = IF(region = 'b', 'ACTIVE', 'FAILED')`);
    const [gid, key] = [await nextGid('failback'), aReference()];
    const answer = await post(alice, '/v1/regions/a/rejoin', {}, { key });
    expect(gidOf(answer)).toBe(gid);
    expect(answer.headers['location']).toBe(`/v1/transactions/${gid}`);
    expect(await inputOf(gid)).toMatchObject({ cluster, region: 'a', active: 'b', epoch: 8 });
    const again = await post(alice, '/v1/regions/a/rejoin', {}, { key });
    expect([gidOf(again), again.headers['idempotent-replayed']]).toEqual([gid, 'true']);
    for (const [url, body] of [
      ['/v1/regions/c/rejoin', {}],
      ['/v1/failovers', { ...planned, from: 'b', to: 'a', force: true }],
    ] as const)
      expect((await post(alice, url, body)).json()).toMatchObject({
        ...{ code: 'failover_in_progress', gid },
      });
  });
});
