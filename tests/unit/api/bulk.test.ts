import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';

import type { Scope } from '../../../api/http/scopes';
import { eventually } from '../../support/eventually';
import { anEndedRun, anOrder, aRun, fakeApi, type FakeApi } from './fake-api';

interface AnswerLine {
  readonly line: number;
  readonly status: number;
  readonly replayed?: true;
  readonly retryAfterSeconds?: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const media = 'application/x-ndjson';
const aTransfer = (transferId: string, more: object = {}) => ({
  ...{ transferId, from: 'A-1', to: 'A-2', amount: { currency: 'EUR', minorUnits: 100 } },
  ...more,
});
const aLine = (id: string, more: object = {}, key = id): string =>
  JSON.stringify({ idempotencyKey: key, body: aTransfer(id, more) });

let api: FakeApi;
const open: FakeApi[] = [];
afterEach(() => Promise.all(open.splice(0).map((one) => one.api.close())));

async function anApi(...given: Parameters<typeof fakeApi>): Promise<FakeApi> {
  const made = await fakeApi(...given);
  open.push(made);
  return made;
}

const ask = (lines: readonly string[], headers: object = {}, url = '/v1/transfers/bulk') =>
  api.api.inject({
    method: 'POST',
    url,
    headers: { authorization: api.credential(), 'content-type': media, ...headers },
    payload: lines.join('\n'),
  });
const linesIn = (text: string): AnswerLine[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AnswerLine);
const answers = async (...asked: Parameters<typeof ask>) => linesIn((await ask(...asked)).body);
const statuses = (lines: readonly AnswerLine[]) =>
  lines.map(({ line, status, body }) => `${line} ${status} ${String(body['code'] ?? body['gid'])}`);

describe('many starts in one request', () => {
  it('are answered in their order, each as it would be alone', async () => {
    api = await anApi();
    const response = await ask([aLine('T-1'), aLine('T-2'), aLine('T-3')]);
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-type']).toBe(media);
    const lines = linesIn(response.body);
    expect(statuses(lines)).toEqual([
      '1 202 transfer:acme.T-1',
      '2 202 transfer:acme.T-2',
      '3 202 transfer:acme.T-3',
    ]);
    const alone = await api.api.inject({
      url: '/v1/transactions/transfer:acme.T-2',
      headers: { authorization: api.credential() },
    });
    expect(lines[1]?.body).toEqual(alone.json());
  });

  it.each([
    ['/v1/orders/bulk', anOrder({ orderId: 'O-9' }), 'order:acme.O-9'],
    ['/v1/checkouts/bulk', anOrder({ orderId: 'O-9' }), 'checkout:acme.O-9'],
    [
      '/v1/payments/bulk',
      {
        ...{ paymentId: 'O-9', fromAccount: 'A-1', toAccount: 'A-2' },
        amount: { currency: 'EUR', minorUnits: 100 },
      },
      'payment:acme.O-9',
    ],
  ])('exist for every flow that may go in batches: %s', async (url, body, gid) => {
    api = await anApi();
    const line = JSON.stringify({ idempotencyKey: 'k', body });
    expect(statuses(await answers([line], {}, url))).toEqual([`1 202 ${gid}`]);
  });

  it('have their keys in common with the route of one', async () => {
    api = await anApi();
    const [first] = await answers([aLine('T-1', {}, 'k')]);
    expect(first?.status).toBe(202);
    const accepted = api.inputs.get('transfer:acme.T-1');
    api.claims.set('k', { kind: 'attached', gid: 'transfer:acme.T-1' });
    const alone = await api.api.inject({
      method: 'POST',
      url: '/v1/transfers',
      headers: { authorization: api.credential(), 'idempotency-key': 'k' },
      payload: aTransfer('T-1'),
    });
    expect(alone.headers['idempotent-replayed']).toBe('true');
    expect(await answers([aLine('T-1', {}, 'k')])).toMatchObject([{ status: 202, replayed: true }]);
    expect(api.inputs.get('transfer:acme.T-1')).toBe(accepted);
  });

  it('lose only the lines that are wrong, which name their field and leave nothing behind', async () => {
    api = await anApi();
    const lines = await answers([
      aLine('T-1'),
      '{"idempotencyKey":',
      aLine('T-3', { from: 7 }),
      aLine('T-4', { amount: { currency: 'XXX', minorUnits: 1 } }),
      JSON.stringify({ body: aTransfer('T-5') }),
      aLine('T-6', {}, 'not a key'),
      JSON.stringify({ idempotencyKey: 'k', body: aTransfer('T-7'), dryRun: true }),
      '[]',
      JSON.stringify({ idempotencyKey: 'k' }),
      aLine('T-10', { from: 'x'.repeat(70_000) }),
      '',
      aLine('T-12'),
    ]);
    expect(statuses(lines)).toEqual([
      '1 202 transfer:acme.T-1',
      '2 400 malformed_body',
      '3 400 invalid_request',
      '4 422 unprocessable',
      '5 400 idempotency_key_missing',
      '6 400 idempotency_key_invalid',
      '7 400 invalid_request',
      '8 400 invalid_request',
      '9 400 invalid_request',
      '10 413 body_too_large',
      '12 202 transfer:acme.T-12',
    ]);
    expect(lines.slice(2, 4).map(({ body }) => body['errors'])).toMatchObject([
      [{ pointer: '/from', code: 'invalid_type' }],
      [{ pointer: '/amount/currency', code: 'currency_unknown' }],
    ]);
    expect(lines[6]?.body).toMatchObject({ errors: [{ pointer: 'dryRun' }] });
    expect([...api.rows.keys()]).toEqual(['transfer:acme.T-1', 'transfer:acme.T-12']);
  });

  it('each take one from the limit of starts, and beyond it are told when to come back', async () => {
    api = await anApi({}, { STARTS_PER_SECOND: '8' }); // Without Redis a process alone lets 2 a second through, 4 at once.
    const lines = await answers(Array.from({ length: 8 }, (_, at) => aLine(`T-${at}`)));
    expect(lines.slice(0, 4).map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    for (const line of lines.slice(4))
      expect(line).toMatchObject({
        ...{ status: 429, retryAfterSeconds: 1 },
        body: { code: 'rate_limited', retryable: true },
      });
    expect((await ask([aLine('T-9')])).json()).toMatchObject({ code: 'rate_limited' });
  });

  it('are counted by what became of each', async () => {
    api = await anApi();
    await ask([aLine('T-1'), '{', aLine('T-2')]);
    await ask([aLine('T-3')], { 'content-type': 'application/json' });
    const { values } = await api.metrics.starts.get();
    expect(values.map(({ labels, value }) => [labels.operation, labels.outcome, value])).toEqual([
      ['POST /v1/transfers/bulk', 'malformed_body', 1],
      ['POST /v1/transfers/bulk', '202', 2],
      ['POST /v1/transfers/bulk', 'unsupported_media_type', 1],
    ]);
  });

  it('are answered with their endings where their caller waits, byte for byte', async () => {
    api = await anApi();
    const ending = '{"gid":"transfer:acme.T-1","outcome":"completed","steps":[]}';
    const response = ask([aLine('T-1')], { prefer: 'wait=30' });
    await eventually(() => api.rows.has('transfer:acme.T-1'));
    api.rows.set(
      'transfer:acme.T-1',
      anEndedRun(ending, { gid: 'transfer:acme.T-1', flow: 'transfer', state: 'completed' }),
    );
    const { body, headers } = await response;
    expect(body).toBe(`{"line":1,"status":200,"body":${ending}}\n`);
    expect(headers['preference-applied']).toBe('wait=30');
  });

  it('are refused together where the request itself is wrong', async () => {
    api = await anApi();
    const codeOf = async (...asked: Parameters<typeof ask>) =>
      (await ask(...asked)).json<{ code: string }>().code;
    const line = aLine('T-1');
    expect(await codeOf([line], { 'content-type': 'application/json' })).toBe(
      'unsupported_media_type',
    );
    expect(await codeOf([line], {}, '/v1/transfers')).toBe('idempotency_key_missing');
    expect(await codeOf([line], { 'idempotency-key': 'k' }, '/v1/transfers')).toBe(
      'unsupported_media_type',
    );
    expect(await codeOf([line], { prefer: 'wait=long' })).toBe('invalid_request');
    expect(await codeOf([line], {}, '/v1/transfers/bulk?dryRun=true')).toBe('invalid_request');
    expect(await codeOf([line], { accept: 'application/json' })).toBe('not_acceptable');
    const reading: Scope[] = ['tx:read'];
    expect(await codeOf([line], { authorization: api.credential('acme', reading) })).toBe(
      'scope_missing',
    );
    const empty = await api.api.inject({
      ...{ method: 'POST', url: '/v1/transfers/bulk' },
      headers: { authorization: api.credential() },
    });
    expect(empty.json()).toMatchObject({ code: 'unsupported_media_type' });
    expect(api.rows.size).toBe(0);
  });

  it('leave an order of the name "bulk" to be read', async () => {
    api = await anApi();
    const { statusCode, headers } = await api.api.inject({
      url: '/v1/orders/bulk',
      headers: { authorization: api.credential() },
    });
    expect({ statusCode, allow: headers['allow'] }).toEqual({ statusCode: 404, allow: undefined });
  });

  it('end with the line after which the process stops', async () => {
    api = await anApi();
    const { sent, answered } = await aStream();
    sent.write(`${aLine('T-1')}\n`);
    await eventually(() => answered().length === 1);
    api.stopTakingStarts();
    sent.write(`${aLine('T-2')}\n${aLine('T-3')}\n`);
    await eventually(() => answered().length === 2);
    expect(statuses(answered())[1]).toBe('2 503 stopping');
    sent.end();
  });
});

describe('a request of many starts that is still being sent', () => {
  it('is answered line by line', async () => {
    api = await anApi();
    const { sent, answered } = await aStream();
    for (const id of ['T-1', 'T-2', 'T-3']) {
      sent.write(`${aLine(id)}\n`);
      await eventually(() => statuses(answered()).at(-1)?.endsWith(id) === true);
    }
    expect(sent.writableEnded).toBe(false);
    sent.end();
  });

  it('is read no further while 512 of its lines are under way', async () => {
    api = await anApi({}, { STARTS_PER_SECOND: '100000' });
    const { sent, answered } = await aStream({ prefer: 'wait=30' });
    for (let at = 1; at <= 600; at += 1) sent.write(`${aLine(`T-${at}`)}\n`);
    await eventually(() => api.rows.size === 512);
    expect(answered()).toEqual([]);
    const end = (id: string) =>
      api.rows.set(
        `transfer:acme.${id}`,
        aRun({ gid: `transfer:acme.${id}`, flow: 'transfer', state: 'parked' }),
      );
    for (let at = 2; at <= 512; at += 1) end(`T-${at}`);
    await eventually(() => api.metrics.starts.get().then(({ values }) => values[0]?.value === 511));
    expect([api.rows.size, answered().length]).toEqual([512, 0]);
    end('T-1');
    await eventually(() => answered().length === 512);
    await eventually(() => api.rows.size === 600);
    sent.destroy();
  });

  it('ends when its caller goes: what was accepted goes on, and a line that was cut is nothing', async () => {
    api = await anApi();
    const { sent, gone } = await aStream({ prefer: 'wait=30' });
    sent.write(`${aLine('T-1')}\n${aLine('T-2')}`);
    await eventually(() => api.rows.size === 1);
    sent.destroy();
    await gone;
    await eventually(async () => {
      const metrics = await api.api.inject({
        url: '/metrics',
        headers: { authorization: api.credential() },
      });
      return metrics.body.includes('accord_waiting_requests 0');
    });
    expect([...api.rows.keys()]).toEqual(['transfer:acme.T-1']);
  });
});

/** A request over a real connection, whose body is sent bit by bit. */
async function aStream(headers: Readonly<Record<string, string>> = {}) {
  await api.api.listen({ host: '127.0.0.1', port: 0 });
  const { port } = api.api.server.address() as AddressInfo;
  let text = '';
  const sent = httpRequest({
    ...{ host: '127.0.0.1', port, method: 'POST', path: '/v1/transfers/bulk', agent: false },
    headers: { authorization: api.credential(), 'content-type': media, ...headers },
  });
  sent.on('response', (response: IncomingMessage) => {
    response.setEncoding('utf8').on('data', (data: string) => (text += data));
    response.on('error', () => undefined); // It is cut off where a test goes away.
  });
  sent.on('error', () => undefined);
  const gone = new Promise<void>((resolve) => sent.once('close', resolve));
  return { sent, gone, answered: () => linesIn(text) };
}
