import { randomBytes } from 'node:crypto';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { aCheckout, ownApplication, type OwnApplication } from '../support/application';
import { expectSoundBooks } from '../support/books';
import { eventually } from '../support/eventually';

/** As the seed has them. */
const tenPieces = { code: 'C-10', discount: 100 };
const onePiece = { code: 'C-ONCE', discount: 250 };

const endedWithinMs = 40_000;

describe('a transaction that all participants try before any confirms', () => {
  let application: OwnApplication;
  let accepted = 0;
  const workers = new Set<string>();

  beforeAll(async () => {
    application = await ownApplication();
    await Promise.all([application.start('api'), startWorker('worker')]);
  }, 60_000);
  afterAll(() => application.close(), 60_000);
  afterEach(() => expectSoundBooks(application, accepted));

  const startWorker = (name: string, FAULTS = '') => {
    workers.add(name);
    return application.start('worker', name, { FAULTS });
  };

  const start = async (path: string, body: object, waitSeconds?: number) => {
    const options = waitSeconds === undefined ? { body } : { body, waitSeconds };
    const answer = await application.request('POST', path, options);
    if (answer.status < 300) accepted += 1;
    return answer;
  };
  const checkOut = (checkout: object, waitSeconds?: number) =>
    start('/v1/checkouts', checkout, waitSeconds);

  it('a checkout is confirmed: goods sold, coupon used, the merchant paid, the order completed', async () => {
    const before = await holdings();
    const checkout = aCheckout({ sku: 'S-2', quantity: 2, unitPrice: 400, coupon: tenPieces });
    const answer = await checkOut(checkout, 25);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ outcome: 'completed', reason: null });
    const after = await holdings();
    expect(after.money('A-1') - before.money('A-1')).toBe(-700);
    expect(after.money('merchant-EUR') - before.money('merchant-EUR')).toBe(700);
    expect(after.stock('S-2')).toEqual({ available: 48, frozen: 0, sold: 2 });
    expect(after.coupon('C-10')).toEqual({ available: 9, frozen: 0, used: 1 });
    expect(await statusOf(checkout.orderId)).toBe('completed');
  });

  it('a checkout whose money is missing is cancelled by all: goods and coupon are free again', async () => {
    const before = await holdings();
    const poor = aCheckout({ account: 'A-POOR', unitPrice: 600, coupon: tenPieces });
    const answer = await checkOut(poor, 25);
    expect(answer.body).toMatchObject({
      outcome: 'compensated',
      reason: { code: 'insufficient_funds' },
    });
    const after = await holdings();
    expect(after.all).toEqual(before.all);
  });

  it('of two checkouts that stand before the last coupon one is confirmed, the other one leaves nothing', async () => {
    const before = await holdings();
    const both = [1, 2].map(() => aCheckout({ sku: 'S-1', unitPrice: 900, coupon: onePiece }));
    const gids = both.map(({ orderId }) => `checkout:acme.${orderId}`);
    // Held back together: whoever came later would be refused at the door.
    await application.sql('coupons', 'START TRANSACTION');
    try {
      await application.sql(
        'coupons',
        `SELECT id FROM coupons WHERE id = 'acme.C-ONCE' FOR UPDATE`,
      );
      await Promise.all(both.map((checkout) => checkOut(checkout)));
      for (const gid of gids) await inHand(gid, 'coupons.reserveCoupon');
    } finally {
      await application.sql('coupons', 'COMMIT');
    }
    const endings = await Promise.all(gids.map(ended));
    expect(endings.map(({ state }) => state).sort()).toEqual(['compensated', 'completed']);
    expect(endings.find(({ state }) => state === 'compensated')?.reason).toMatchObject({
      code: 'coupon_unusable',
    });
    const after = await holdings();
    expect(after.coupon('C-ONCE')).toEqual({ available: 0, frozen: 0, used: 1 });
    expect(after.money('A-1') - before.money('A-1')).toBe(-650);
    expect(after.money('merchant-EUR') - before.money('merchant-EUR')).toBe(650);
    expect(after.stock('S-1').sold - before.stock('S-1').sold).toBe(1);
    expect(after.stock('S-1').frozen).toBe(0);
  }, 60_000);

  it('a transfer arrives, and nothing stays on the clearing account', async () => {
    const before = await holdings();
    const answer = await transfer('A-1', 'A-2', 5_000, 25);
    expect(answer.body).toMatchObject({ outcome: 'completed' });
    const after = await holdings();
    expect(after.money('A-1') - before.money('A-1')).toBe(-5_000);
    expect(after.money('A-2') - before.money('A-2')).toBe(5_000);
    expect(after.money('clearing-EUR')).toBe(0);
  });

  it('transfers to and fro at once all end, and no cent is lost on the way', async () => {
    const before = await holdings();
    const amounts = Array.from({ length: 12 }, (_, at) => 100 + at);
    const answers = await Promise.all(
      amounts.map((amount, at) =>
        at % 2 === 0 ? transfer('A-1', 'A-2', amount, 30) : transfer('A-2', 'A-1', amount, 30),
      ),
    );
    expect(answers.map(({ body }) => body['outcome'])).toEqual(amounts.map(() => 'completed'));
    const after = await holdings();
    const moved = amounts.reduce((sum, amount, at) => sum + (at % 2 === 0 ? amount : -amount), 0);
    expect(after.money('A-1') - before.money('A-1')).toBe(-moved);
    expect(after.money('A-2') - before.money('A-2')).toBe(moved);
    expect(after.money('clearing-EUR')).toBe(0);
  }, 60_000);

  it.each([
    ['before the decision', 'coupons.reserveCoupon:afterCommit:kill:1'],
    ['when it is decided', 'accord.decide:afterCommit:kill:1'],
    ['between two confirms', 'accounts.confirmDebit:afterCommit:kill:1'],
  ])(
    'a worker killed during checkouts, %s, loses nothing',
    async (_, FAULTS) => {
      const before = await holdings();
      for (const name of workers)
        if (application.isRunning(name)) await application.end(name, 'SIGTERM');
      const armed = `armed-${randomBytes(3).toString('hex')}`;
      await startWorker(armed, FAULTS);
      const crowd = Array.from({ length: 3 }, () => aCheckout({ coupon: tenPieces }));
      await Promise.all(crowd.map((checkout) => checkOut(checkout)));
      await eventually(() => !application.isRunning(armed), {
        withinMs: 20_000,
        what: 'the death of the worker',
      });
      await startWorker('healthy');
      const endings = await Promise.all(
        crowd.map(({ orderId }) => ended(`checkout:acme.${orderId}`)),
      );
      expect(endings.map(({ state }) => state)).toEqual(crowd.map(() => 'completed'));
      const after = await holdings();
      expect(after.money('merchant-EUR') - before.money('merchant-EUR')).toBe(3 * 400);
      expect(after.coupon('C-10').used - before.coupon('C-10').used).toBe(3);
      expect(after.stock('S-1').sold - before.stock('S-1').sold).toBe(3);
    },
    90_000,
  );

  const transfer = (from: string, to: string, minorUnits: number, waitSeconds: number) =>
    start(
      '/v1/transfers',
      {
        transferId: `T-${randomBytes(6).toString('hex')}`,
        from,
        to,
        amount: { currency: 'EUR', minorUnits },
      },
      waitSeconds,
    );

  const ended = (gid: string) =>
    eventually(
      async () => {
        const { body } = await application.request('GET', `/v1/transactions/${gid}`);
        const { state, reason } = body;
        return (state === 'completed' || state === 'compensated') && { state, reason };
      },
      { withinMs: endedWithinMs, what: `the ending of ${gid}` },
    );

  const inHand = (gid: string, activity: string) =>
    eventually(
      async () => {
        const { raw } = await application.temporal.workflow.getHandle(gid).describe();
        return (raw.pendingActivities ?? []).some(
          ({ activityType, lastWorkerIdentity }) =>
            activityType?.name === activity && Boolean(lastWorkerIdentity),
        );
      },
      { withinMs: 20_000, what: `${activity} of ${gid} in hand` },
    );

  const statusOf = async (orderId: string): Promise<string | undefined> => {
    const sql = 'SELECT status FROM orders WHERE order_id = ?';
    const [row] = await application.sql<{ status: string }>('orders', sql, [`acme.${orderId}`]);
    return row?.status;
  };

  /** What everybody has. */
  const holdings = async () => {
    const accounts = await application.sql<{ id: string; balance: string; held: string }>(
      'accounts',
      'SELECT id, balance, held FROM accounts ORDER BY id',
    );
    const stock = await application.sql<{
      sku: string;
      available: number;
      frozen: number;
      sold: number;
    }>('inventory', 'SELECT sku, available, frozen, sold FROM stock ORDER BY sku');
    const coupons = await application.sql<{
      id: string;
      available: number;
      frozen: number;
      used: number;
    }>('coupons', 'SELECT id, available, frozen, used FROM coupons ORDER BY id');
    const money = (id: string): number => Number(found(accounts, 'id', `acme.${id}`).balance);
    return {
      all: { accounts, stock, coupons },
      money,
      stock: (id: string) => {
        const { available, frozen, sold } = found(stock, 'sku', `acme.${id}`);
        return { available, frozen, sold };
      },
      coupon: (id: string) => {
        const { available, frozen, used } = found(coupons, 'id', `acme.${id}`);
        return { available, frozen, used };
      },
    };
  };
});

function found<Row, Column extends keyof Row>(
  rows: readonly Row[],
  column: Column,
  id: Row[Column],
): Row {
  const row = rows.find((each) => each[column] === id);
  if (!row) throw new Error(`There is no ${String(id)}.`);
  return row;
}
