import { afterEach, describe, expect, it } from '@jest/globals';

import { dependencyUnavailable } from '../../../api/http/errors';
import type { AccountStanding } from '../../../api/shop/stores/account-views-store';
import type { CouponView } from '../../../api/shop/stores/coupon-views-store';
import type { PaymentBalance } from '../../../api/shop/stores/payment-views-store';
import type { ShopStores } from '../../../api/shop/stores';
import { anEndedRun, anOrder, aRun, fakeApi, type FakeApi } from './fake-api';

const euros = (minorUnits: number) => ({ currency: 'EUR', minorUnits });
const aPurchase = (couponCode: string | undefined, minorUnits: number) =>
  anOrder({ couponCode, payment: { accountId: 'A-1', amount: euros(minorUnits) } });
const aTransfer = (more: object = {}) => ({
  transferId: 'T-1',
  from: 'A-1',
  to: 'A-2',
  amount: euros(100),
  ...more,
});
const aPayment = (more: object = {}) => ({
  paymentId: 'P-1',
  fromAccount: 'A-1',
  toAccount: 'A-2',
  amount: euros(100),
  ...more,
});
const aRefund = (more: object = {}) => ({
  refundId: 'R-1',
  kind: 'refund',
  reason: 'It came back.',
  ...more,
});

let api: FakeApi;
const open: FakeApi[] = [];
afterEach(() => Promise.all(open.splice(0).map((one) => one.api.close())));

async function anApi(...given: Parameters<typeof fakeApi>): Promise<FakeApi> {
  const made = await fakeApi(...given);
  open.push(made);
  return made;
}

const post = (url: string, payload: object, headers: Record<string, string> = {}) =>
  api.api.inject({
    method: 'POST',
    url,
    headers: { authorization: api.credential(), 'idempotency-key': 'k', ...headers },
    payload,
  });

describe('every start', () => {
  const starts = [
    ['/v1/orders', anOrder(), 'order:acme.O-1'],
    ['/v1/checkouts', anOrder(), 'checkout:acme.O-1'],
    ['/v1/transfers', aTransfer(), 'transfer:acme.T-1'],
    ['/v1/payments', aPayment(), 'payment:acme.P-1'],
    ['/v1/payments/P-1/refunds', aRefund(), 'refund:acme.R-1'],
    ['/v1/settlements', { currency: 'EUR', day: '2026-01-01' }, 'settlement:acme.EUR-2026-01-01'],
  ] as const;
  const paid: PaymentBalance = { status: 'completed', currency: 'EUR', leftMinor: '100' };

  it('a chargeback is booked whatever is left of its payment', async () => {
    api = await anApi({}, {}, { paymentViews: aPaymentOf({ ...paid, leftMinor: '-30' }) });
    const asked = aRefund({ kind: 'chargeback', amount: euros(130) });
    const answer = await post('/v1/payments/P-1/refunds', asked);
    expect(answer.statusCode).toBe(202);
  });

  it('a chargeback carries the limits above which a person decides, and a refund none', async () => {
    const policy = { RISK_POLICY: '{"chargebackReview":{"EUR":100000}}', REVIEW_MS: '5000' };
    api = await anApi({}, policy, { paymentViews: aPaymentOf(paid) });
    await post('/v1/payments/P-1/refunds', aRefund({ kind: 'chargeback', amount: euros(130) }));
    expect(api.inputs.get('refund:acme.R-1')).toMatchObject({
      review: { above: { EUR: 100_000 }, withinMs: 5_000 },
    });
    await post('/v1/payments/P-1/refunds', aRefund({ refundId: 'R-2' }));
    expect(api.inputs.get('refund:acme.R-2')).not.toHaveProperty('review');
  });

  it('a plan of a refund has a review only where the policy may ask for one', async () => {
    const planned = async (kind: string, policy = {}) => {
      api = await anApi({}, policy, { paymentViews: aPaymentOf(paid) });
      const answer = await post('/v1/payments/P-1/refunds?dryRun=true', aRefund({ kind }));
      return answer.json<{ steps: { name: string }[] }>().steps.map(({ name }) => name);
    };
    const policy = { RISK_POLICY: '{"chargebackReview":{"EUR":100000}}' };
    expect(await planned('chargeback', policy)).toContain('review');
    expect(await planned('refund', policy)).not.toContain('review');
    expect(await planned('chargeback')).not.toContain('review');
  });

  it.each([
    ['pending', '1'],
    ['authorised', '1'],
    ['review', '60'],
  ] as const)('a refund of a payment that is %s is to come again', async (status, seconds) => {
    api = await anApi({}, {}, { paymentViews: aPaymentOf({ ...paid, status }) });
    const answer = await post('/v1/payments/P-1/refunds', aRefund({}));
    expect(answer.json()).toMatchObject({ status: 409, code: 'not_yet', retryable: true });
    expect(answer.headers['retry-after']).toBe(seconds);
  });

  it.each(starts)('%s is accepted under its gid', async (url, body, gid) => {
    api = await anApi({}, {}, { paymentViews: aPaymentOf(paid) });
    const answer = await post(url, body);
    expect(answer.statusCode).toBe(202);
    expect(answer.json()).toMatchObject({ gid, early: null });
    expect(answer.headers['location']).toBe(`/v1/transactions/${gid}`);
    expect(api.inputs.get(gid)).toMatchObject({ gid, tenant: 'acme' });
  });

  it.each(starts)(
    '%s tells its plan, with one pivot, and writes nothing',
    async (url, body, gid) => {
      api = await anApi();
      const answer = await post(`${url}?dryRun=true`, body);
      const plan = answer.json<{ gid: string; pivot: string; steps: { key: string }[] }>();
      expect(plan.gid).toBe(gid);
      expect(plan.pivot).toMatch(
        /^(decide|captureFunds|transferFunds|returnFunds|openSettlement)$/,
      );
      expect(plan.steps.every(({ key }) => key.startsWith(`${gid}/`))).toBe(true);
      expect(JSON.stringify(plan)).not.toContain('oupon'); // Nobody named one.
      expect(api.rows.size).toBe(0);
    },
  );

  it('confirms on the branch of what it confirms', async () => {
    api = await anApi();
    const answer = await post('/v1/checkouts?dryRun=true', aPurchase('TEN', 1240));
    expect(answer.json()).toMatchObject({
      undoOrder: ['cancelOrder', 'releaseCoupon', 'releaseFunds', 'releaseStock'],
      steps: expect.arrayContaining([
        expect.objectContaining({ name: 'coupon', key: 'checkout:acme.O-1/coupon' }),
        expect.objectContaining({ name: 'coupon-confirm', key: 'checkout:acme.O-1/coupon' }),
      ]),
    });
  });

  it('carries what the configuration says', async () => {
    api = await anApi(
      {},
      {
        MERCHANT_ACCOUNTS: '{"acme":{"EUR":"shop"}}',
        CLEARING_ACCOUNTS: '{"acme":{"EUR":"between"}}',
        RISK_POLICY: '{"reviewScore":7,"velocity":{"max":3}}',
        REVIEW_MS: '5000',
      },
    );
    await post('/v1/checkouts', anOrder());
    await post('/v1/transfers', aTransfer());
    await post('/v1/payments', aPayment());
    expect(api.inputs.get('checkout:acme.O-1')).toMatchObject({
      merchantAccountId: 'acme.shop',
      coupon: null,
    });
    expect(api.inputs.get('transfer:acme.T-1')).toMatchObject({ clearingId: 'acme.between' });
    expect(api.inputs.get('payment:acme.P-1')).toMatchObject({
      reviewMs: 5_000,
      requestedBy: expect.stringContaining('owner-'),
      description: null,
      risk: { reviewScore: 7, declineScore: 100, velocity: { max: 3, score: 50 } },
    });
  });
});

describe('a start that cannot mean anything', () => {
  it.each([
    ['/v1/checkouts', aPurchase(undefined, 1240), '/payment/amount/minorUnits', 'sum_differs'],
    ['/v1/checkouts', aPurchase('TEN', 1250), '/payment/amount/minorUnits', 'sum_differs'],
    ['/v1/orders', aPurchase('TEN', 1251), '/payment/amount/minorUnits', 'sum_differs'],
    [
      '/v1/checkouts',
      anOrder({ payment: { accountId: 'merchant-EUR', amount: euros(1250) } }),
      '/payment/accountId',
      'same_account',
    ],
    ['/v1/transfers', aTransfer({ to: 'A-1' }), '/to', 'same_account'],
    [
      '/v1/transfers',
      aTransfer({ amount: { currency: 'XXX', minorUnits: 1 } }),
      '/amount/currency',
      'currency_unknown',
    ],
    ['/v1/transfers', aTransfer({ deadlineMs: 1 }), '/deadlineMs', 'deadline_too_short'],
    ['/v1/payments', aPayment({ toAccount: 'A-1' }), '/toAccount', 'same_account'],
    ['/v1/payments', aPayment({ deadlineMs: 43_200_001 }), '/deadlineMs', 'deadline_too_long'],
    [
      '/v1/payments/P-1/refunds',
      aRefund({ amount: { currency: 'XXX', minorUnits: 1 } }),
      '/amount/currency',
      'currency_unknown',
    ],
    ['/v1/settlements', { currency: 'XXX', day: '2026-01-01' }, '/currency', 'currency_unknown'],
    ['/v1/settlements', { currency: 'EUR', day: '2999-01-01' }, '/day', 'day_not_over'],
  ])('is refused, by field: %s %j', async (url, body, pointer, code) => {
    api = await anApi();
    const answer = await post(url, body);
    expect(answer.statusCode).toBe(422);
    expect(answer.json()).toMatchObject({ code: 'unprocessable', errors: [{ pointer, code }] });
    expect(api.rows.size).toBe(0);
  });

  it('of today is a settlement that may be asked for again when the day is over', async () => {
    api = await anApi();
    const answer = await post('/v1/settlements', {
      currency: 'EUR',
      day: new Date().toISOString().slice(0, 10),
    });
    expect(answer.json()).toMatchObject({ status: 409, code: 'not_yet', retryable: true });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(api.rows.size).toBe(0);
  });

  const amounts = [0, -1, 1.5, 1_000_000_000_000_000, '100', null];
  it.each([
    ...amounts.map((minorUnits) => ['/v1/transfers', aTransfer(inEuros(minorUnits))] as const),
    ...amounts.map((minorUnits) => ['/v1/payments', aPayment(inEuros(minorUnits))] as const),
    ...amounts.map(
      (minorUnits) => ['/v1/payments/P-1/refunds', aRefund(inEuros(minorUnits))] as const,
    ),
    ['/v1/settlements', { currency: 'EUR', day: '2026-02-30' }],
    ['/v1/settlements', { currency: 'EUR', day: '20260201' }],
    ['/v1/settlements', { currency: 'eur', day: '2026-02-01' }],
    ['/v1/payments', aPayment({ description: 'x'.repeat(141) })],
    ['/v1/payments', aPayment({ description: 'two\nlines' })],
    ['/v1/transfers', aTransfer({ from: 'acme A-1' })],
    ['/v1/payments/P-1/refunds', aRefund({ kind: 'gift' })],
    ['/v1/checkouts', anOrder({ lines: Array.from({ length: 201 }, aLine) })],
  ])('is refused where it does not even have the form: %s %j', async (url, body) => {
    api = await anApi();
    expect((await post(url, body)).statusCode).toBe(400);
    expect(api.rows.size).toBe(0);
  });
});

describe('a start that is screened', () => {
  const closed: AccountStanding = { accountId: 'acme.A-2', currency: 'EUR', status: 'closed' };
  const dollars: AccountStanding = { accountId: 'acme.A-2', currency: 'USD', status: 'open' };
  const payer: AccountStanding = { accountId: 'acme.A-1', currency: 'EUR', status: 'open' };

  it.each([
    ['/v1/transfers', aTransfer(), [payer], '/to', 'account_unknown'],
    ['/v1/transfers', aTransfer(), [payer, closed], '/to', 'account_closed'],
    ['/v1/transfers', aTransfer(), [payer, dollars], '/to', 'currency_differs'],
    ['/v1/payments', aPayment(), [payer], '/toAccount', 'account_unknown'],
    ['/v1/payments', aPayment(), [payer, closed], '/toAccount', 'account_closed'],
    ['/v1/payments', aPayment(), [closed], '/fromAccount', 'account_unknown'],
    ['/v1/checkouts', anOrder(), [], '/payment/accountId', 'account_unknown'],
  ])('is refused for an account: %s, %j, %j', async (url, body, standings, pointer, code) => {
    api = await anApi({}, {}, { accountViews: accountsOf(() => Promise.resolve(standings)) });
    const answer = await post(url, body);
    expect(answer.statusCode).toBe(422);
    expect(answer.json()).toMatchObject({
      errors: expect.arrayContaining([expect.objectContaining({ pointer, code })]),
    });
    expect(api.rows.size).toBe(0);
  });

  const coupon: CouponView = {
    customerId: null,
    currency: 'EUR',
    discountMinor: '10',
    isExpired: false,
  };
  it.each([
    [undefined, '/couponCode', 'coupon_unknown'],
    [{ ...coupon, isExpired: true }, '/couponCode', 'coupon_expired'],
    [{ ...coupon, customerId: 'acme.C-8' }, '/couponCode', 'coupon_foreign'],
    [{ ...coupon, currency: 'USD' as const }, '/couponCode', 'currency_differs'],
    [{ ...coupon, discountMinor: '11' }, '/payment/amount/minorUnits', 'sum_differs'],
  ])('is refused for a coupon: %j', async (found, pointer, code) => {
    for (const url of ['/v1/checkouts', '/v1/orders']) {
      api = await anApi({}, {}, { couponViews: { find: () => Promise.resolve(found) } });
      const answer = await post(url, aPurchase('TEN', 1240));
      expect(answer.statusCode).toBe(422);
      expect(answer.json()).toMatchObject({ errors: [{ pointer, code }] });
      expect(api.rows.size).toBe(0);
    }
  });

  it.each(['/v1/orders', '/v1/checkouts'])('may be free by its coupon: %s', async (url) => {
    const all = { ...coupon, discountMinor: '1250' };
    api = await anApi({}, {}, { couponViews: { find: () => Promise.resolve(all) } });
    const answer = await post(url, aPurchase('ALL', 0));
    expect(answer.statusCode).toBe(202);
    const plan = await post(`${url}?dryRun=true`, aPurchase('ALL', 0));
    expect(plan.json()).toMatchObject({ pivot: 'decide' });
    expect(plan.body).not.toMatch(/holdFunds|captureFunds|"funds/);
  });

  it.each(['/v1/orders', '/v1/checkouts'])(
    'is free also where its coupon is worth more, and never cheaper than by it: %s',
    async (url) => {
      const more = { ...coupon, discountMinor: '2000' };
      api = await anApi({}, {}, { couponViews: { find: () => Promise.resolve(more) } });
      expect((await post(url, aPurchase('MORE', 0))).statusCode).toBe(202);
      const [input] = [...api.inputs.values()];
      expect(input).toMatchObject({ coupon: { discount: euros(1250), isWholePrice: true } });
      const some = await post(url, aPurchase('MORE', 10));
      expect(some.json()).toMatchObject({ status: 422, errors: [{ code: 'sum_differs' }] });
    },
  );

  it.each(['/v1/orders', '/v1/checkouts'])('is not free without a coupon: %s', async (url) => {
    api = await anApi();
    const amount = euros(0);
    const answer = await post(url, anOrder({ payment: { accountId: 'A-1', amount } }));
    expect(answer.json()).toMatchObject({ status: 422, errors: [{ code: 'sum_differs' }] });
  });

  it('takes the discount of the coupon off the price', async () => {
    const own = { ...coupon, customerId: 'acme.C-7' };
    api = await anApi({}, {}, { couponViews: { find: () => Promise.resolve(own) } });
    await post('/v1/checkouts', aPurchase('TEN', 1240));
    await post('/v1/orders', aPurchase('TEN', 1240));
    const use = { couponId: 'acme.TEN', discount: euros(10) };
    expect(api.inputs.get('checkout:acme.O-1')).toMatchObject({ amount: euros(1240), coupon: use });
    expect(api.inputs.get('order:acme.O-1')).toMatchObject({ amount: euros(1240), coupon: use });
  });

  const paid: PaymentBalance = { status: 'completed', currency: 'EUR', leftMinor: '100' };
  it.each([
    [{ ...paid, status: 'declined' as const }, {}, ':id', 'payment_not_completed'],
    [
      { ...paid, currency: 'USD' as const },
      { amount: euros(1) },
      '/amount/currency',
      'currency_differs',
    ],
    [paid, { amount: euros(101) }, '/amount/minorUnits', 'over_refunded'],
    [{ ...paid, leftMinor: '0' }, {}, '/amount', 'over_refunded'],
    [{ ...paid, leftMinor: '0' }, { kind: 'chargeback' }, '/amount', 'over_refunded'],
  ])('is refused for a payment: %j %j', async (payment, more, pointer, code) => {
    api = await anApi({}, {}, { paymentViews: aPaymentOf(payment) });
    const answer = await post('/v1/payments/P-1/refunds', aRefund(more));
    expect(answer.statusCode).toBe(422);
    expect(answer.json()).toMatchObject({ errors: [{ pointer, code }] });
    expect(api.rows.size).toBe(0);
  });

  it('is accepted where the database of the participant does not answer: the participant decides', async () => {
    const away = () => Promise.reject(dependencyUnavailable('mysql'));
    const silent = () => new Promise<never>(() => undefined);
    for (const look of [away, silent]) {
      api = await anApi(
        {},
        {},
        {
          accountViews: accountsOf(look),
          couponViews: { find: look },
          paymentViews: { find: look, balance: look },
        },
      );
      const answers = [
        await post('/v1/checkouts', aPurchase('TEN', 1240)),
        await post('/v1/transfers', aTransfer()),
        await post('/v1/payments/P-1/refunds', aRefund()),
      ];
      expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 202, 202]);
    }
  });

  it('is answered from its row where the key is known, whatever a screening would say by now', async () => {
    let looks = 0;
    const gid = 'transfer:acme.T-1';
    api = await anApi(
      {},
      {},
      {
        accountViews: accountsOf(() => {
          looks += 1;
          return Promise.resolve([]);
        }),
      },
    );
    api.rows.set(gid, aRun({ gid, flow: 'transfer' }));
    api.claims.set('k', { kind: 'attached', gid });
    const answer = await post('/v1/transfers', aTransfer());
    expect(answer.statusCode).toBe(202);
    expect(answer.headers['idempotent-replayed']).toBe('true');
    expect(looks).toBe(0);
  });
});

describe('POST /v1/payments', () => {
  const gid = 'payment:acme.P-1';
  const payment = { gid, flow: 'payment', step: null } as const;
  const answered = async (run: ReturnType<typeof aRun>, prefer?: string) => {
    api = await anApi();
    api.rows.set(gid, run);
    api.claims.set('k', { kind: 'attached', gid });
    return post('/v1/payments', aPayment(), prefer === undefined ? {} : { prefer });
  };
  const ending = `{"gid":"${gid}","outcome":"completed"}`;

  it('answers what was told early with the same bytes, while it runs and after it has ended', async () => {
    const early = 'authorised' as const;
    const answers = [
      await answered(aRun({ ...payment, early })),
      await answered(aRun({ ...payment, early, state: 'parked' }), 'wait=1'),
      await answered(anEndedRun(ending, { ...payment, early, state: 'completed' })),
      await answered(anEndedRun(ending, { ...payment, early })),
    ];
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
    expect(answers[0]?.json()).toEqual({
      gid,
      flow: 'payment',
      payment: { paymentId: 'P-1', status: 'authorised' },
      links: {
        self: `/v1/transactions/${gid}`,
        explain: `/v1/transactions/${gid}/explain`,
        payment: '/v1/payments/P-1',
      },
    });
  });

  it('answers with the ending who wants to know it, and with the row until then', async () => {
    const early = 'review' as const;
    const waiting = await answered(aRun({ ...payment, early }), 'wait=0, until=ending');
    expect(waiting.statusCode).toBe(202);
    expect(waiting.json()).toMatchObject({ state: 'running', early: 'review' });
    expect(waiting.headers['preference-applied']).toBe('wait=0, until=ending');
    const ended = await answered(anEndedRun(ending, { ...payment, early }), 'until=ending');
    expect(ended.body).toBe(ending);
  });

  it('answers with the row while nothing is decided', async () => {
    expect((await answered(aRun(payment))).statusCode).toBe(202);
  });
});

function inEuros(minorUnits: unknown) {
  return { amount: { currency: 'EUR', minorUnits } };
}

function aLine(_: unknown, at: number) {
  return { sku: `S-${at}`, quantity: 1, unitPrice: euros(1) };
}

function accountsOf(
  standings: () => Promise<readonly AccountStanding[]>,
): ShopStores['accountViews'] {
  return {
    find: () => Promise.resolve(undefined),
    standings,
    entries: () => Promise.resolve([]),
  };
}

function aPaymentOf(balance: PaymentBalance): ShopStores['paymentViews'] {
  return { find: () => Promise.resolve(undefined), balance: () => Promise.resolve(balance) };
}
