import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { checkInvariants } from '../../testing/verify/verification';
import { anOrder, ownApplication, type OwnApplication } from '../support/application';
import { expectEverythingPublished, expectSoundBooks } from '../support/books';
import { eventually } from '../support/eventually';

describe('an order over HTTP', () => {
  let application: OwnApplication;
  let accepted = 0;

  beforeAll(async () => {
    application = await ownApplication();
    await Promise.all([
      application.start('api'),
      application.start('worker'),
      application.start('relay'),
      application.start('consumer'),
    ]);
  }, 60_000);
  afterAll(() => application.close(), 60_000);

  const place = (order: object, options: { key?: string } = {}) =>
    application.request('POST', '/v1/orders', { body: order, waitSeconds: 20, ...options });

  it('is completed within the wait, and its money and stock have moved', async () => {
    const order = anOrder({ sku: 'S-2', quantity: 3, unitPrice: 250 });
    const answer = await place(order);
    accepted += 1;
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ outcome: 'completed', reason: null });
    expect(await stockOf('S-2')).toEqual({ available: 47, frozen: 0, sold: 3 });
    await expectSoundBooks(application, accepted);
  });

  it('is one run with one answer, however often its key comes', async () => {
    const order = anOrder();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => place(order, { key: 'same' })),
    );
    accepted += 1;
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(
      answers.filter(({ headers }) => headers.get('idempotent-replayed') === 'true'),
    ).toHaveLength(4);
    await expectSoundBooks(application, accepted);
  });

  it('is compensated where the money is missing, and the stock is back', async () => {
    const before = await stockOf('S-1');
    const answer = await place(anOrder({ account: 'A-POOR', quantity: 2, unitPrice: 500 }));
    accepted += 1;
    expect(answer.body).toMatchObject({
      outcome: 'compensated',
      reason: { code: 'insufficient_funds', step: 'holdFunds' },
    });
    expect(await stockOf('S-1')).toEqual(before);
    await expectSoundBooks(application, accepted);
  });

  it('shows in the order view as its events tell it', async () => {
    const order = anOrder();
    await place(order);
    accepted += 1;
    const view = await eventually(
      async () => {
        const { body } = await application.request('GET', `/v1/orders/${order.orderId}`);
        return body['status'] === 'completed' && body;
      },
      { withinMs: 20_000, what: 'the view of the order' },
    );
    expect(view).toMatchObject({ customerId: order.customerId, amount: { minorUnits: '100' } });
    await expectEverythingPublished(application);
    await expectSoundBooks(application, accepted);
  });

  // Last: what is planted here stays.
  it('would be found out by the oracles, had it lost a cent', async () => {
    await application.sql(
      'accounts',
      `UPDATE accounts SET balance = balance - 1 WHERE id = 'acme.A-2'`,
    );
    const { violations } = await checkInvariants(application.databases.urls.VERIFY_DATABASE_URLS);
    expect(violations.map(({ oracle }) => oracle.split(':')[0])).toEqual(['A', 'C']);
  });

  async function stockOf(sku: string) {
    const [row] = await application.sql(
      'inventory',
      'SELECT available, frozen, sold FROM stock WHERE sku = ?',
      [`acme.${sku}`],
    );
    return row;
  }
});
