import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';

import { inertFaultPoints, parseFaults } from '../../../runtime/faults/points';
import { faultMenu } from '../../../runtime/faults/menu';
import { eventually } from '../../support/eventually';
import { testStack } from '../../support/stack';
import { anOrder, aReference, deadPort, ownApis, type OwnApi, type OwnApis } from './own-api';

describe('starting an order over HTTP', () => {
  let apis: OwnApis;
  let api: OwnApi;
  let authorization: string;
  let temporal: Client;

  beforeAll(async () => {
    apis = await ownApis();
    api = await apis.start();
    api.starter.begin();
    authorization = await api.credential();
    const { temporal: server } = await testStack();
    const connection = await Connection.connect({ address: server.address });
    temporal = new Client({ connection, namespace: server.namespace });
  });
  afterAll(async () => {
    release();
    await temporal.connection.close();
    await apis.close();
  });

  const post = (key: string, body: object, { on = api, headers = {} } = {}) =>
    on.api.inject({
      method: 'POST',
      url: '/v1/orders',
      headers: { authorization, 'idempotency-key': key, ...headers },
      payload: body,
    });
  const rowOf = async (orderId: string) => {
    const [row] = await apis.sql('SELECT * FROM runs WHERE reference = ?', [orderId]);
    return row;
  };
  const isOpen = async (orderId: string): Promise<boolean> => {
    const { status } = await temporal.workflow.getHandle(`order:acme.${orderId}`).describe();
    return status.name === 'RUNNING';
  };

  it('commits the row and its event before it answers 202, and starts the run under the gid', async () => {
    const orderId = aReference();
    const response = await post(orderId, anOrder(orderId));
    expect(response.statusCode).toBe(202);
    expect(response.headers['location']).toBe(`/v1/transactions/order:acme.${orderId}`);
    expect(response.json()).toMatchObject({ state: 'running', region: 'a', epoch: 1, version: 2 });
    expect(await rowOf(orderId)).toMatchObject({
      state: 'running',
      input: expect.any(Buffer), // Until it has ended: whoever finds the run gone tells it again.
    });
    expect(await isOpen(orderId)).toBe(true);
    const events = await apis.sql('SELECT type FROM outbox WHERE gid = ?', [
      `order:acme.${orderId}`,
    ]);
    expect(events.map(({ type }) => String(type))).toEqual(['transaction.accepted']);
  });

  it('makes one run of fifty requests with one key that come at once', async () => {
    const orderId = aReference();
    const withoutId = anOrder(undefined);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => untilAnswered(() => post(orderId, withoutId))),
    );
    const accepted = answers.filter(({ statusCode }) => statusCode === 202);
    const others = answers.filter(({ statusCode }) => statusCode !== 202);
    expect(new Set(accepted.map((answer) => answer.json<{ gid: string }>().gid)).size).toBe(1);
    expect(others.map((answer) => answer.json<{ code: string }>().code)).toEqual(
      others.map(() => 'idempotency_in_progress'),
    );
    const rows = await apis.sql('SELECT gid FROM runs WHERE idempotency_key = ?', [orderId]);
    expect(rows).toHaveLength(1);
  });

  it('attaches a repeated request, and takes a key in quotes for the same key', async () => {
    const orderId = aReference();
    await post(orderId, anOrder(orderId));
    const again = await post(`"${orderId}"`, anOrder(orderId));
    expect(again.statusCode).toBe(202);
    expect(again.headers['idempotent-replayed']).toBe('true');
  });

  it('names the fields in which a reused key differs', async () => {
    const orderId = aReference();
    await post(orderId, anOrder(orderId));
    const other = await post(orderId, anOrder(orderId, { customerId: 'C-8' }));
    expect(other.statusCode).toBe(422);
    expect(other.json()).toMatchObject({
      code: 'idempotency_key_reused',
      errors: [{ pointer: '/customerId', code: 'differs' }],
    });
  });

  it('refuses a used reference under another key, and names its transaction', async () => {
    const orderId = aReference();
    await post(orderId, anOrder(orderId));
    const other = await post(`${orderId}-other`, anOrder(orderId));
    expect(other.statusCode).toBe(409);
    expect(other.json()).toMatchObject({
      code: 'transaction_exists',
      gid: `order:acme.${orderId}`,
    });
  });

  it('gives two tenants a key and a reference each', async () => {
    const orderId = aReference();
    await post(orderId, anOrder(orderId));
    const other = await api.credential('globex');
    const response = await post(orderId, anOrder(orderId), { headers: { authorization: other } });
    expect(response.json()).toMatchObject({ gid: `order:globex.${orderId}` });
  });

  it('says that the first request is in progress while its claim is not committed', async () => {
    const orderId = aReference();
    const sql = (statement: string, values: unknown[] = []) => apis.sql(statement, values);
    await post(orderId, anOrder(orderId));
    await sql('START TRANSACTION');
    await sql('UPDATE runs SET idempotency_key = NULL WHERE reference = ?', [orderId]);
    const response = await post(orderId, anOrder(orderId));
    await sql('ROLLBACK');
    expect(response.statusCode).toBe(409);
    expect(response.json()).toMatchObject({ code: 'idempotency_in_progress', retryable: true });
    expect(response.headers['retry-after']).toBe('1');
  });

  it('answers an ended transaction with the bytes of its row, however often it is asked', async () => {
    const orderId = aReference();
    const ending = `{"outcome":"compensated",  "gid":"order:acme.${orderId}", "odd": "ü"}`;
    await post(orderId, anOrder(orderId));
    await end(orderId, ending);
    const answers = [await post(orderId, anOrder(orderId)), await post(orderId, anOrder(orderId))];
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    expect(answers.map(({ body }) => body)).toEqual([ending, ending]);
    expect(answers.map(({ headers }) => headers['idempotent-replayed'])).toEqual(['true', 'true']);
  });

  it('wakes a caller that waits, without a wake-up as with one', async () => {
    const byPoll = aReference();
    const byWakeUp = aReference();
    const waits = [byPoll, byWakeUp].map((orderId) =>
      post(orderId, anOrder(orderId), { headers: { prefer: 'wait=20' } }),
    );
    for (const orderId of [byPoll, byWakeUp]) {
      await eventually(async () => (await rowOf(orderId))?.['state'] === 'running');
      await end(orderId, `{"gid":"order:acme.${orderId}","outcome":"completed"}`);
    }
    await api.dependencies.redis.publish('accord:runs', `order:acme.${byWakeUp}`);
    const answers = await Promise.all(waits);
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    expect(answers[0]?.headers['preference-applied']).toBe('wait=20');
  });

  it('ends a wait with 202 when the transaction is parked', async () => {
    const orderId = aReference();
    const wait = post(orderId, anOrder(orderId), { headers: { prefer: 'wait=20' } });
    await eventually(async () => (await rowOf(orderId))?.['state'] === 'running');
    await apis.sql("UPDATE runs SET state = 'parked', version = version + 1 WHERE reference = ?", [
      orderId,
    ]);
    const response = await wait;
    expect(response.statusCode).toBe(202);
    expect(response.json()).toMatchObject({ state: 'parked' });
  });

  it.each(['before', 'begun', 'afterCommit', 'beforeAck'] as const)(
    'loses and doubles no run when its process dies at "%s" of the start path',
    async (dyingAt) => {
      const orderId = aReference();
      const faults = {
        ...inertFaultPoints,
        reach: (_: string, point: string) => (point === dyingAt ? held : Promise.resolve()),
      };
      const dying = await apis.start({}, { faults });
      let isSilent = true;
      void post(orderId, anOrder(orderId), { on: dying }).then(() => (isSilent = false));
      const isCommitted = dyingAt === 'afterCommit' || dyingAt === 'beforeAck';
      if (isCommitted) await eventually(async () => Boolean(await rowOf(orderId)));
      const isStarted = dyingAt === 'beforeAck';
      if (isStarted) await eventually(() => isOpen(orderId));
      const again = await post(orderId, anOrder(orderId));
      expect(again.statusCode).toBe(202);
      expect(again.headers['idempotent-replayed']).toBe(isCommitted ? 'true' : undefined);
      await eventually(() => isOpen(orderId));
      await eventually(async () => (await rowOf(orderId))?.['state'] === 'running');
      expect(await apis.sql('SELECT gid FROM runs WHERE reference = ?', [orderId])).toHaveLength(1);
      expect(isSilent).toBe(true);
    },
  );

  it('accepts a start that is delivered twice once, and answers as to a repeated request', async () => {
    const orderId = aReference();
    const faults = parseFaults(`api.start:before:dup:of=${orderId}`, {
      seed: 1,
      places: faultMenu(),
    });
    const doubling = await apis.start({}, { faults });
    const answer = await post(orderId, anOrder(orderId), { on: doubling });
    expect([...faults.fired().values()]).toEqual([1]);
    expect(answer.statusCode).toBe(202);
    expect(answer.headers['idempotent-replayed']).toBe('true');
    expect(await apis.sql('SELECT gid FROM runs WHERE reference = ?', [orderId])).toHaveLength(1);
    await eventually(() => isOpen(orderId));
  });

  it('sends a start again whose confirmation was lost, and takes a run that is there for started', async () => {
    const orderId = aReference();
    await post(orderId, anOrder(orderId));
    await apis.sql(
      `UPDATE runs SET start_confirmed_at = NULL, state = 'accepted', start_sent_at = UTC_TIMESTAMP(3) - INTERVAL 11 SECOND,
         input = ? WHERE reference = ?`,
      [
        Buffer.from(
          JSON.stringify({ gid: `order:acme.${orderId}`, tenant: 'acme', flow: 'order' }),
        ),
        orderId,
      ],
    );
    const another = await apis.start();
    another.starter.begin();
    await eventually(async () => (await rowOf(orderId))?.['start_confirmed_at'] !== null);
    expect(await rowOf(orderId)).toMatchObject({ state: 'running' });
  });

  it('accepts while Temporal is away, and another process sends it later', async () => {
    const orderId = aReference();
    const cut = await apis.start({ TEMPORAL_ADDRESS: deadPort });
    const began = Date.now();
    const response = await post(orderId, anOrder(orderId), { on: cut });
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(response.statusCode).toBe(202);
    expect(response.json()).toMatchObject({ state: 'accepted' });
    await apis.sql(
      'UPDATE runs SET start_sent_at = start_sent_at - INTERVAL 11 SECOND WHERE reference = ?',
      [orderId],
    );
    await eventually(async () => (await rowOf(orderId))?.['state'] === 'running');
    expect(await isOpen(orderId)).toBe(true);
  });

  it('refuses starts when too many accepted ones wait for Temporal', async () => {
    const cut = await apis.start({ TEMPORAL_ADDRESS: deadPort, START_BACKLOG_MAX: '0' });
    const orderId = aReference();
    await post(orderId, anOrder(orderId), { on: cut });
    cut.starter.begin();
    const refused = await eventually(async () => {
      const response = await post(aReference(), anOrder(aReference()), { on: cut });
      return response.statusCode === 503 && response;
    });
    expect(refused.json()).toMatchObject({
      code: 'dependency_unavailable',
      dependency: 'temporal',
    });
    expect(refused.headers['retry-after']).toBe('1');
    await cut.starter.stop();
  });

  const end = (orderId: string, ending: string) =>
    apis.sql(
      `UPDATE runs SET state = 'compensated', ending = ?, ended_at = UTC_TIMESTAMP(3), version = version + 1
       WHERE reference = ?`,
      [Buffer.from(ending), orderId],
    );
});

/** A process that never gets past this point, for as long as the tests run. */
let release: () => void = () => undefined;
const held = new Promise<void>((resolve) => (release = resolve));

/** Comes again at 503, as its Retry-After says: on a busy machine a statement may outlive its deadline. */
async function untilAnswered<Answer extends { readonly statusCode: number }>(
  ask: () => Promise<Answer>,
): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    if (answer.statusCode !== 503) return answer;
  }
}
