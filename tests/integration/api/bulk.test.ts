import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { anAccountRow, anOrder, aReference, ownApis, type OwnApi, type OwnApis } from './own-api';

let apis: OwnApis;
let api: OwnApi;
let authorization: string;

beforeAll(async () => {
  apis = await ownApis();
  api = await apis.start();
  authorization = await api.credential();
  for (const id of ['acme.A-1', 'acme.A-2'])
    await apis.insert('accounts.accounts', anAccountRow(id));
});
afterAll(() => apis.close());

interface AnswerLine {
  readonly line: number;
  readonly status: number;
  readonly replayed?: true;
  readonly body: Readonly<Record<string, unknown>>;
}

const aTransfer = (transferId: string, from = 'A-1') => ({
  ...{ transferId, from, to: 'A-2', amount: { currency: 'EUR', minorUnits: 100 } },
});
const aLine = (id: string, body: object = aTransfer(id)): string =>
  JSON.stringify({ idempotencyKey: id, body });

async function bulk(lines: readonly string[], url = '/v1/transfers/bulk'): Promise<AnswerLine[]> {
  const { body } = await api.api.inject({
    ...{ method: 'POST', url },
    headers: { authorization, 'content-type': 'application/x-ndjson' },
    payload: lines.join('\n'),
  });
  return body
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AnswerLine);
}

async function written(references: readonly string[]) {
  const [row] = await apis.sql(
    `SELECT COUNT(*) AS accepted, COUNT(DISTINCT owner) AS owners, COUNT(DISTINCT acceptance) AS sets,
            (SELECT COUNT(*) FROM outbox WHERE type = 'transaction.accepted' AND gid IN
              (SELECT gid FROM runs WHERE reference IN (?))) AS events
     FROM runs WHERE reference IN (?)`,
    [references, references],
  );
  return Object.fromEntries(
    Object.entries(row ?? {}).map(([name, value]) => [name, Number(value)]),
  );
}

describe('many starts in one request', () => {
  it('are accepted in sets, once each, and answered in their order, bad ones among them', async () => {
    const references = Array.from({ length: 300 }, () => aReference());
    const lines = references.map((reference, at) =>
      aLine(reference, aTransfer(reference, at % 10 === 5 ? 'A-unknown' : 'A-1')),
    );
    const answers = await bulk(lines);
    expect(answers.map(({ line }) => line)).toEqual(references.map((_, at) => at + 1));
    for (const [at, { status, body }] of answers.entries())
      expect([status, body['code'] ?? body['gid']]).toEqual(
        at % 10 === 5 ? [422, 'unprocessable'] : [202, `transfer:acme.${references[at]}`],
      );
    const { accepted, events, owners, sets } = await written(references);
    expect({ accepted, events }).toEqual({ accepted: 270, events: 270 });
    expect(Math.max(Number(owners), Number(sets))).toBeLessThan(135); // They did come as sets.
  });

  it('are answered from their rows when they come again, by this route or alone', async () => {
    const references = Array.from({ length: 20 }, () => aReference());
    const [first = ''] = references;
    const lines = references.map((reference) => aLine(reference));
    const alone = (body: object) =>
      api.api.inject({
        ...{ method: 'POST', url: '/v1/transfers' },
        headers: { authorization, 'idempotency-key': first },
        payload: body,
      });
    expect((await alone(aTransfer(first))).statusCode).toBe(202);
    const [known, ...others] = await bulk(lines);
    expect(known).toMatchObject({ status: 202, replayed: true });
    expect(others.some(({ replayed }) => replayed)).toBe(false);
    for (const again of await bulk(lines))
      expect(again).toMatchObject({ status: 202, replayed: true });
    expect((await alone(aTransfer(first))).headers['idempotent-replayed']).toBe('true');
    const [reused] = await bulk([aLine(first, aTransfer(first, 'A-other'))]);
    expect(reused).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
    expect(await written(references)).toMatchObject({ accepted: 20, events: 20 });
  });

  it('begin flows that take a lock, too, where these may go in batches', async () => {
    const references = Array.from({ length: 5 }, () => aReference());
    const answers = await bulk(
      references.map((reference) => aLine(reference, anOrder(reference))),
      '/v1/orders/bulk',
    );
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    expect(await written(references)).toMatchObject({ accepted: 5, events: 5 });
  });
});
