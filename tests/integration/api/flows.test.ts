import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scopes } from '../../../api/http/scopes';

import { eventually } from '../../support/eventually';
import {
  anAccountRow,
  anOrder,
  aPaymentRow,
  aReference,
  aSettlementRow,
  deadPort,
  ownApis,
  type OwnApi,
  type OwnApis,
} from './own-api';
import { openConnection } from '../../../runtime/mysql/door';

const euros = (minorUnits: number) => ({ currency: 'EUR', minorUnits });

let apis: OwnApis;
/** A process whose Temporal is away: what it accepts stays accepted. */
let api: OwnApi;
let authorization: string;

beforeAll(async () => {
  apis = await ownApis();
  api = await apis.start({ TEMPORAL_ADDRESS: deadPort });
  authorization = await api.credential();
  for (const [id, more] of [
    ['acme.A-1', { balance: '9007199254740993', held: 12 }],
    ['acme.A-2', {}],
    ['acme.A-CLOSED', { status: 'closed' }],
    ['acme.A-USD', { currency: 'USD' }],
    ['acme.clearing-EUR', { kind: 'clearing' }],
    ['acme.external-EUR', { kind: 'external' }],
    ['globex.A-9', {}],
  ] as const) {
    await apis.insert('accounts.accounts', anAccountRow(id, more));
  }
  await apis.insert('accounts.payments', aPaymentRow('acme.P-PENDING'));
  await apis.insert('accounts.payments', aPaymentRow('acme.P-PAID'));
  const { prefix } = apis.databases;
  for (const status of ['authorised', 'completed']) {
    await apis.sql(
      `UPDATE ${prefix}accounts.payments SET status = ?, captured = IF(? = 'completed', amount, 0)
       WHERE payment_id = 'acme.P-PAID'`,
      [status, status],
    );
  }
  await apis.sql(
    `UPDATE ${prefix}accounts.payments SET refunded = 300, refunding = 100 WHERE payment_id = 'acme.P-PAID'`,
  );
});
afterAll(() => apis.close());

const post = (url: string, payload: object, { key = aReference(), on = api, headers = {} } = {}) =>
  on.api.inject({
    method: 'POST',
    url,
    headers: { authorization, 'idempotency-key': key, ...headers },
    payload,
  });
const get = (url: string, headers: Record<string, string> = {}) =>
  api.api.inject({ url, headers: { authorization, ...headers } });
const runsOf = (key: string) => apis.sql('SELECT gid FROM runs WHERE idempotency_key = ?', [key]);

describe('a start whose participant would refuse it', () => {
  const aTransfer = (more: object) => ({ from: 'A-1', to: 'A-2', amount: euros(5), ...more });
  const aPayment = (more: object) => ({
    fromAccount: 'A-1',
    toAccount: 'A-2',
    amount: euros(5),
    ...more,
  });
  const aRefund = (more: object) => ({ kind: 'refund', reason: 'It came back.', ...more });
  const paying = (accountId: string) =>
    anOrder(undefined, { payment: { accountId, amount: euros(1250) } });
  const withCoupon = (couponCode: string, more: object = {}) =>
    anOrder(undefined, {
      couponCode,
      payment: { accountId: 'A-1', amount: euros(1150) },
      ...more,
    });

  beforeAll(async () => {
    const coupon = {
      tenant: 'acme',
      total: 1,
      available: 1,
      discount_currency: 'EUR',
      discount_minor: 100,
      expires_at: '2999-01-01',
    };
    for (const [id, more] of [
      ['acme.K-GOOD', {}],
      ['acme.K-OLD', { expires_at: '2026-01-01' }],
      ['acme.K-OTHERS', { customer_id: 'acme.C-8' }],
      ['acme.K-OWN', { customer_id: 'acme.C-7' }],
      ['acme.K-SMALL', { discount_minor: 99 }],
      ['globex.K-GLOBEX', { tenant: 'globex' }],
    ] as const) {
      await apis.insert('coupons.coupons', { ...coupon, id, ...more });
    }
  });

  it.each([
    ['/v1/transfers', aTransfer({ from: 'A-NONE' }), '/from', 'account_unknown'],
    ['/v1/transfers', aTransfer({ to: 'A-9' }), '/to', 'account_unknown'],
    ['/v1/transfers', aTransfer({ to: 'clearing-EUR' }), '/to', 'account_unknown'],
    ['/v1/transfers', aTransfer({ from: 'external-EUR' }), '/from', 'account_unknown'],
    ['/v1/payments', aPayment({ toAccount: 'external-EUR' }), '/toAccount', 'account_unknown'],
    ['/v1/checkouts', paying('clearing-EUR'), '/payment/accountId', 'account_unknown'],
    ['/v1/transfers', aTransfer({ to: 'A-CLOSED' }), '/to', 'account_closed'],
    ['/v1/transfers', aTransfer({ to: 'A-USD' }), '/to', 'currency_differs'],
    ['/v1/transfers', aTransfer({ to: 'A-1' }), '/to', 'same_account'],
    ['/v1/payments', aPayment({ fromAccount: 'A-CLOSED' }), '/fromAccount', 'account_closed'],
    ['/v1/payments', aPayment({ toAccount: 'A-USD' }), '/toAccount', 'currency_differs'],
    ['/v1/checkouts', paying('A-NONE'), '/payment/accountId', 'account_unknown'],
    ['/v1/checkouts', withCoupon('K-NONE'), '/couponCode', 'coupon_unknown'],
    ['/v1/checkouts', withCoupon('K-GLOBEX'), '/couponCode', 'coupon_unknown'],
    ['/v1/checkouts', withCoupon('K-OLD'), '/couponCode', 'coupon_expired'],
    ['/v1/orders', withCoupon('K-OLD'), '/couponCode', 'coupon_expired'],
    ['/v1/orders', withCoupon('K-OTHERS'), '/couponCode', 'coupon_foreign'],
    ['/v1/orders', withCoupon('K-SMALL'), '/payment/amount/minorUnits', 'sum_differs'],
    [
      '/v1/payments/P-PAID/refunds',
      aRefund({ amount: euros(601) }),
      '/amount/minorUnits',
      'over_refunded',
    ],
    [
      '/v1/payments/P-PAID/refunds',
      aRefund({ amount: { currency: 'USD', minorUnits: 1 } }),
      '/amount/currency',
      'currency_differs',
    ],
  ])('is refused by field, and writes nothing: %s %j', async (url, body, pointer, code) => {
    const key = aReference();
    const answer = await post(url, body, { key });
    expect(answer.statusCode).toBe(422);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({ code: 'unprocessable', errors: [{ pointer, code }] });
    expect(await runsOf(key)).toEqual([]);
  });

  it('is to come again where the payment has not been booked yet, and writes nothing', async () => {
    const key = aReference();
    const answer = await post('/v1/payments/P-PENDING/refunds', aRefund({}), { key });
    expect(answer.json()).toMatchObject({ status: 409, code: 'not_yet', retryable: true });
    expect(answer.headers['retry-after']).toBe('1');
    expect(await runsOf(key)).toEqual([]);
  });

  it('is accepted where everything is right', async () => {
    const answers = [
      await post('/v1/transfers', aTransfer({})),
      await post('/v1/payments', aPayment({ description: 'Thanks' })),
      await post('/v1/checkouts', withCoupon('K-OWN')),
      await post('/v1/orders', withCoupon('K-GOOD')),
      await post('/v1/payments/P-PAID/refunds', aRefund({ amount: euros(600) })),
      await post('/v1/settlements', { currency: 'EUR', day: '2026-01-01' }),
    ];
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(answers.map(() => 202));
  });

  it('is answered from its row when it comes again, though by now it would be refused', async () => {
    const id = aReference();
    await apis.insert('accounts.accounts', anAccountRow(`acme.${id}`));
    const first = await post('/v1/transfers', aTransfer({ to: id }), { key: id });
    await apis.sql(
      `UPDATE ${apis.databases.prefix}accounts.accounts SET status = 'closed' WHERE id = ?`,
      [`acme.${id}`],
    );
    const again = await post('/v1/transfers', aTransfer({ to: id }), { key: id });
    expect(again.statusCode).toBe(202);
    expect(again.headers['location']).toBe(first.headers['location']);
    expect(again.headers['idempotent-replayed']).toBe('true');
    const other = await post('/v1/transfers', aTransfer({ to: 'A-NONE' }), { key: id });
    expect(other.json()).toMatchObject({
      code: 'idempotency_key_reused',
      errors: [{ pointer: '/to', code: 'differs' }],
    });
    const refundKey = aReference();
    await post('/v1/payments/P-PAID/refunds', aRefund({ amount: euros(1) }), { key: refundKey });
    const ofAnother = await post('/v1/payments/P-OTHER/refunds', aRefund({ amount: euros(1) }), {
      key: refundKey,
    });
    expect(ofAnother.json()).toMatchObject({
      code: 'idempotency_key_reused',
      errors: [{ pointer: ':id', code: 'differs' }],
    });
  });

  it('is accepted within two seconds while the databases of the participants are away', async () => {
    const cut = await apis.start({
      TEMPORAL_ADDRESS: deadPort,
      API_ACCOUNTS_DATABASE_URL: `mysql://nobody:x@${deadPort}/accounts`,
      API_COUPONS_DATABASE_URL: `mysql://nobody:x@${deadPort}/coupons`,
    });
    const began = Date.now();
    const answer = await post('/v1/checkouts', withCoupon('K-NONE'), { on: cut });
    expect(answer.statusCode).toBe(202);
    expect(Date.now() - began).toBeLessThan(2_000);
  });
});

describe('a payment that waits', () => {
  const move = (paymentId: string, assignments: string) =>
    apis.sql(`UPDATE runs SET ${assignments}, version = version + 1 WHERE reference = ?`, [
      paymentId,
    ]);
  const aPayment = (paymentId: string) => ({
    paymentId,
    fromAccount: 'A-1',
    toAccount: 'A-2',
    amount: euros(5),
  });
  const isAccepted = async (paymentId: string) =>
    (await apis.sql('SELECT gid FROM runs WHERE reference = ?', [paymentId])).length === 1;

  it('is answered once it is decided, then and ever after with the same bytes', async () => {
    const id = aReference();
    const wait = { key: id, headers: { prefer: 'wait=20' } };
    const decided = post('/v1/payments', aPayment(id), wait);
    const ended = post('/v1/payments', aPayment(id), {
      key: id,
      headers: { prefer: 'wait=20, until=ending' },
    });
    await eventually(() => isAccepted(id));
    await move(id, "state = 'running', early_status = 'authorised'");
    const first = await decided;
    expect(first.statusCode).toBe(200);
    expect(first.json()).toMatchObject({ payment: { paymentId: id, status: 'authorised' } });
    const while_ = await post('/v1/payments', aPayment(id), { key: id });
    await move(
      id,
      'state = \'compensated\', ending = \'{"outcome":"compensated"}\', ended_at = UTC_TIMESTAMP(3)',
    );
    expect((await ended).body).toBe('{"outcome":"compensated"}');
    const after = await post('/v1/payments', aPayment(id), { key: id });
    expect([while_.body, after.body]).toEqual([first.body, first.body]);
    const seen = await get(`/v1/transactions/payment:acme.${id}`);
    expect(seen.json()).toMatchObject({ state: 'compensated', early: 'authorised' });
    const listed = await get('/v1/transactions?early=authorised');
    expect(listed.json()).toMatchObject({ items: [{ gid: `payment:acme.${id}` }] });
    expect((await get('/v1/transactions?early=review')).json()).toMatchObject({ items: [] });
  });

  it('was cancelled before it was sent: it is declined', async () => {
    const id = aReference();
    await post('/v1/payments', aPayment(id), { key: id });
    await apis.sql('UPDATE runs SET start_sent_at = NULL WHERE reference = ?', [id]);
    expect((await post(`/v1/transactions/payment:acme.${id}/cancel`, {})).statusCode).toBe(200);
    const again = await post('/v1/payments', aPayment(id), { key: id });
    expect(again.json()).toMatchObject({ payment: { status: 'declined' } });
  });

  it('is no longer in review: the decision of a person comes too late, and is written down', async () => {
    const id = aReference();
    await post('/v1/payments', aPayment(id));
    await move(id, "state = 'compensated', ending = '{}', ended_at = UTC_TIMESTAMP(3)");
    const decision = { decision: 'approve', note: 'Known.' };
    const own = await post(`/v1/payments/${id}/review`, decision);
    expect([own.statusCode, own.json()]).toMatchObject([
      403,
      {
        code: 'second_person_required',
        detail: expect.stringContaining('This payment was started; acme-owner stands behind that'),
      },
    ]);
    const reviewer = await api.credential('acme', scopes, 'reviewer');
    const late = await post(`/v1/payments/${id}/review`, decision, {
      headers: { authorization: reviewer },
    });
    expect(late.statusCode).toBe(409);
    expect(late.json()).toMatchObject({ code: 'state_changed', gid: `payment:acme.${id}` });
    const audited = await get('/v1/audit?limit=1');
    expect(audited.json()).toMatchObject({
      items: [
        {
          actor: 'reviewer',
          operation: 'POST /v1/payments/:id/review',
          gid: `payment:acme.${id}`,
          outcome: '409 state_changed',
          request: { body: { decision: 'approve', note: 'Known.' } },
        },
      ],
    });
  });
});

describe('what can be read', () => {
  it('an account, with digits beyond what a double holds, and its entries by pages', async () => {
    expect((await get('/v1/accounts/A-1')).json()).toMatchObject({
      accountId: 'A-1',
      kind: 'customer',
      status: 'open',
      balance: '9007199254740993',
      held: '12',
    });
    expect((await get('/v1/accounts/A-2')).json()).toMatchObject({ balance: '0', held: '0' });
    for (const n of [1, 2, 3]) {
      for (const account of ['acme.A-1', 'acme.A-2']) {
        await apis.insert('accounts.ledger_entries', {
          gid: `payment:acme.P-${n}`,
          branch: 'transferFunds',
          op: 'act',
          account_id: account,
          currency: 'EUR',
          amount: account === 'acme.A-1' ? -n : n,
        });
      }
    }
    const amounts: string[] = [];
    let next: string | null = '/v1/accounts/A-1/entries?limit=2';
    while (next !== null) {
      const page = await get(next);
      const { items, nextCursor } = page.json<{
        items: { amount: string; step: string }[];
        nextCursor: string | null;
      }>();
      amounts.push(...items.map(({ amount }) => amount));
      next = nextCursor && `/v1/accounts/A-1/entries?limit=2&cursor=${nextCursor}`;
    }
    expect(amounts).toEqual(['-3', '-2', '-1']);
  });

  it('is read by users who may change nothing, and see no more than is shown', async () => {
    const { urls } = apis.databases;
    const denied = 1142;
    for (const [uri, sql] of [
      [urls.API_ACCOUNTS_DATABASE_URL, 'UPDATE accounts SET balance = 9'],
      [urls.API_ACCOUNTS_DATABASE_URL, 'SELECT * FROM fence'],
      [urls.API_ACCOUNTS_DATABASE_URL, 'SELECT * FROM holds'],
      [urls.API_INVENTORY_DATABASE_URL, 'UPDATE stock SET sold = 9'],
      [urls.API_INVENTORY_DATABASE_URL, 'SELECT * FROM reservations'],
      [urls.API_COUPONS_DATABASE_URL, 'UPDATE coupons SET used = 9'],
      [urls.API_COUPONS_DATABASE_URL, 'SELECT * FROM coupon_reservations'],
    ] as const) {
      const connection = await openConnection({ url: uri });
      await expect(connection.query(sql)).rejects.toMatchObject({ errno: denied });
      await connection.end();
    }
  });

  it('stock', async () => {
    await apis.insert('inventory.stock', {
      sku: 'acme.S-1',
      tenant: 'acme',
      total: 6,
      available: 3,
      frozen: 2,
      sold: 1,
    });
    expect((await get('/v1/stock/S-1')).json()).toMatchObject({
      sku: 'S-1',
      total: 6,
      available: 3,
      frozen: 2,
      sold: 1,
    });
  });

  it('a payment with its risk, its review and its refunds, without the tenant in ids', async () => {
    const effect = { gid: 'payment:acme.P-PAID', payment_id: 'acme.P-PAID' };
    await apis.insert('accounts.risk_assessments', {
      ...effect,
      branch: 'assessRisk',
      tenant: 'acme',
      decision: 'review',
      score: 50,
      reasons: JSON.stringify([
        { rule: 'amount_limit', severity: 'warning', score: 50, detail: 'above 900' },
      ]),
      policy: '{}',
      allowance: 'acme.A-1',
      taken: 1,
      counted_in: 'redis',
    });
    await apis.insert('accounts.payment_reviews', {
      ...effect,
      branch: 'review',
      decision: 'approve',
      decided_by: 'alice',
      note: 'Known.',
    });
    await apis.insert('accounts.refunds', {
      refund_id: 'acme.R-1',
      payment_id: 'acme.P-PAID',
      tenant: 'acme',
      payee_id: 'acme.A-2',
      payer_id: 'acme.A-1',
      currency: 'EUR',
      amount: 300,
      kind: 'refund',
      reason: 'It came back.',
      state: 'completed',
      requested_by: 'acme-owner',
      gid: 'refund:acme.R-1',
      branch: 'reserveRefund',
    });
    expect((await get('/v1/payments/P-PAID')).json()).toMatchObject({
      paymentId: 'P-PAID',
      status: 'completed',
      fromAccount: 'A-1',
      toAccount: 'A-2',
      currency: 'EUR',
      amount: '1000',
      captured: '1000',
      refunded: '300',
      risk: { decision: 'review', score: 50, reasons: [{ rule: 'amount_limit' }] },
      review: { decision: 'approve', by: 'alice', note: 'Known.', state: 'standing' },
      refunds: [{ refundId: 'R-1', kind: 'refund', status: 'completed', amount: '300' }],
      links: { transaction: '/v1/transactions/payment:acme.P-PAID' },
    });
    expect((await get('/v1/payments/P-PENDING')).json()).toMatchObject({
      status: 'pending',
      risk: null,
      review: null,
      refunds: [],
    });
  });

  it('a settlement with its report, as JSON by pages and as CSV that no spreadsheet runs', async () => {
    const id = 'acme.EUR-2026-01-01';
    await apis.insert(
      'accounts.settlements',
      aSettlementRow(id, {
        state: 'closed',
        closed_at: new Date(),
        movements: 4,
        credited: 30,
        debited: 45,
      }),
    );
    for (const [account, credited, debited] of [
      ['-23', 10, 40],
      ['shop', 20, 5],
    ] as const) {
      await apis.insert('accounts.settlement_positions', {
        settlement_id: id,
        account_id: `acme.${account}`,
        currency: 'EUR',
        movements: 2,
        credited,
        debited,
        net: credited - debited,
      });
    }
    const path = '/v1/settlements/EUR-2026-01-01';
    const settlement = {
      settlementId: 'EUR-2026-01-01',
      day: '2026-01-01',
      status: 'closed',
      net: '-15',
    };
    expect((await get(path)).json()).toMatchObject(settlement);
    const first = await get(`${path}/report?limit=1`);
    const { nextCursor } = first.json<{ nextCursor: string }>();
    const second = await get(`${path}/report?limit=1&cursor=${nextCursor}`);
    expect([first.json(), second.json()]).toMatchObject([
      {
        ...settlement,
        positions: [{ account: '-23', credited: '10', debited: '40', net: '-30' }],
      },
      { positions: [{ account: 'shop', net: '15' }], nextCursor: null },
    ]);
    const csv = await get(`${path}/report`, { accept: 'text/csv' });
    expect(csv.headers['content-type']).toBe('text/csv; charset=utf-8; header=present');
    expect(csv.body).toBe(
      [
        'settlement,currency,day,status,account,movements,credited,debited,net',
        "EUR-2026-01-01,EUR,2026-01-01,closed,'-23,2,10,40,-30",
        'EUR-2026-01-01,EUR,2026-01-01,closed,shop,2,20,5,15',
        '',
      ].join('\r\n'),
    );
    expect((await get(`${path}/report`, { accept: 'text/html' })).statusCode).toBe(406);
  });

  it('of an open settlement, the report says that it is open', async () => {
    await apis.insert(
      'accounts.settlements',
      aSettlementRow('acme.USD-2026-01-01', { currency: 'USD' }),
    );
    const report = await get('/v1/settlements/USD-2026-01-01/report');
    expect(report.json()).toMatchObject({ status: 'open', closedAt: null, positions: [] });
  });
});
