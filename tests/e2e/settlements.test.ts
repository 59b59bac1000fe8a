import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { aPayment, ownApplication, type OwnApplication } from '../support/application';
import { expectSoundBooks } from '../support/books';
import { eventually } from '../support/eventually';

const dayMs = 24 * 3_600_000;
const utcDay = (at: number): string => new Date(at).toISOString().slice(0, 10);

describe('a settlement over HTTP', () => {
  let application: OwnApplication;
  let accepted = 0;

  beforeAll(async () => {
    application = await ownApplication();
    await Promise.all([application.start('api'), application.start('worker')]);
  }, 60_000);
  afterAll(() => application.close(), 60_000);
  afterEach(() => expectSoundBooks(application, accepted));

  const start = async (path: string, body: object, key?: string) => {
    const answer = await application.request('POST', path, {
      body,
      waitSeconds: 25,
      until: 'ending',
      ...(key !== undefined && { key }),
    });
    const isNew = answer.headers.get('idempotent-replayed') !== 'true';
    if (answer.status < 300 && isNew) accepted += 1;
    return answer;
  };
  const settle = (day: string, key?: string) =>
    start('/v1/settlements', { currency: 'EUR', day }, key);

  const pay = async (minorUnits: number) => {
    const { body } = await start('/v1/payments', aPayment({ minorUnits }));
    expect(body['outcome']).toBe('completed');
  };

  /** As if what was paid so far had been paid on another day: nobody waits for midnight. */
  const backdate = (day: string) =>
    application.sql(
      'accounts',
      `UPDATE merchant_movements SET occurred_at = ? WHERE settlement_id IS NULL`,
      [`${day} 12:00:00.000`],
    );

  const report = async (day: string) => {
    const path = `/v1/settlements/EUR-${day}/report`;
    const [json, csv] = await Promise.all([
      application.request('GET', path, { accept: 'application/json' }),
      application.request('GET', path, { accept: 'text/csv' }),
    ]);
    return { json, csv };
  };

  const lineOf = (day: string, movements: number, net: number): string =>
    `EUR-${day},EUR,${day},closed,merchant-EUR,${movements},${net},0,${net}\r\n`;

  const yesterday = utcDay(Date.now() - dayMs);
  const dayBefore = utcDay(Date.now() - 2 * dayMs);

  it('of a day that is not over is refused, and settles nothing', async () => {
    await pay(700);
    const answer = await settle(utcDay(Date.now()));
    expect(answer.body['outcome']).not.toBe('completed');
    expect(await unsettled()).toBe(1);
  });

  it('asked for twice is one: every movement of the day is in it once', async () => {
    await pay(300);
    await backdate(dayBefore);
    const [one, other] = await Promise.all([settle(dayBefore), settle(dayBefore)]);
    const statuses = [one.status, other.status].sort();
    expect(statuses).toEqual([200, 409]);
    expect(await unsettled()).toBe(0);
    const { json, csv } = await report(dayBefore);
    expect(json.body).toMatchObject({
      status: 'closed',
      positions: [{ account: 'merchant-EUR', movements: 2, credited: '1000', net: '1000' }],
    });
    expect(csv.headers.get('content-type')).toContain('text/csv');
    expect(csv.text).toContain(lineOf(dayBefore, 2, 1_000));
    const again = await report(dayBefore);
    expect(again.csv.text).toBe(csv.text);
    expect(again.json.text).toBe(json.text);
  });

  it('takes what came late to an earlier day, and leaves what came today', async () => {
    await pay(50);
    await backdate(dayBefore); // Its own settlement is closed.
    await pay(60);
    const answer = await settle(yesterday, 'late');
    expect(answer.body).toMatchObject({ outcome: 'completed' });
    expect((await settle(yesterday, 'late')).text).toBe(answer.text);
    expect(await unsettled()).toBe(1);
    const { csv } = await report(yesterday);
    expect(csv.text).toContain(lineOf(yesterday, 1, 50));
  });

  it('whose worker dies with a page claimed is closed by another one, with the same sum', async () => {
    const day = utcDay(Date.now() - 5 * dayMs);
    await pay(11);
    await backdate(day);
    await application.end('worker', 'SIGTERM');
    const FAULTS = 'accounts.claimSettlementPage:afterCommit:kill:1';
    await application.start('worker', 'armed', { FAULTS });
    const asked = application.request('POST', '/v1/settlements', {
      body: { currency: 'EUR', day },
    });
    await eventually(() => !application.isRunning('armed'), {
      withinMs: 20_000,
      what: 'the death of the worker',
    });
    accepted += 1;
    expect((await asked).status).toBe(202);
    await application.start('worker');
    const gid = `settlement:acme.EUR-${day}`;
    await eventually(
      async () => {
        const { body } = await application.request('GET', `/v1/transactions/${gid}`);
        return body['state'] === 'completed';
      },
      { withinMs: 30_000, what: 'the closed settlement' },
    );
    expect(await unsettled()).toBe(0);
    // With the 60 that were open before.
    expect((await report(day)).csv.text).toContain(lineOf(day, 2, 71));
  }, 60_000);

  const unsettled = async (): Promise<number> => {
    const sql = 'SELECT COUNT(*) AS n FROM merchant_movements WHERE settlement_id IS NULL';
    const [row] = await application.sql<{ n: string }>('accounts', sql);
    return Number(row?.n);
  };
});
