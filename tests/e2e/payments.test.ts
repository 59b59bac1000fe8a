import { randomBytes } from 'node:crypto';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { aPayment, ownApplication, type OwnApplication } from '../support/application';
import { expectSoundBooks } from '../support/books';
import { eventually } from '../support/eventually';

/** Above what is paid without a person's word, and above what is paid at all. */
const reviewedMinor = 1_500_000;
const declinedMinor = 20_000_000;

const endedWithinMs = 40_000;

describe('a payment over HTTP', () => {
  let application: OwnApplication;
  let accepted = 0;

  beforeAll(async () => {
    application = await ownApplication();
    await Promise.all([application.start('api'), application.start('worker')]);
  }, 60_000);
  afterAll(() => application.close(), 60_000);
  afterEach(() => expectSoundBooks(application, accepted));

  const pay = async (payment: object, options: { key?: string; until?: 'ending' } = {}) => {
    const answer = await application.request('POST', '/v1/payments', {
      body: payment,
      waitSeconds: 25,
      ...options,
    });
    const isNew = answer.headers.get('idempotent-replayed') !== 'true';
    if (answer.status < 300 && isNew) accepted += 1;
    return answer;
  };

  const review = (paymentId: string, decision: 'approve' | 'reject') =>
    application.request('POST', `/v1/payments/${paymentId}/review`, {
      asReviewer: true,
      key: `${paymentId}-${decision}`,
      body: { decision, note: 'Asked by telephone.' },
    });

  const refund = async (paymentId: string, minorUnits: number) => {
    const answer = await application.request('POST', `/v1/payments/${paymentId}/refunds`, {
      body: {
        refundId: `R-${randomBytes(6).toString('hex')}`,
        amount: { currency: 'EUR', minorUnits },
        kind: 'refund',
        reason: 'It came back.',
      },
      waitSeconds: 10, // Fifty at once, well below what one request may take.
    });
    if (answer.status < 300) accepted += 1;
    return answer;
  };

  it('is answered as soon as it is authorised, before the money has moved', async () => {
    await application.end('worker', 'SIGTERM');
    const slow = 'accounts.captureFunds:before:delay=2500:1';
    await application.start('worker', 'slow-worker', { FAULTS: slow });
    const payment = aPayment({ minorUnits: 1_234 });
    const answer = await pay(payment);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ payment: { status: 'authorised' } });
    expect(await account('A-1')).toEqual({ balance: '998766', held: '1234' });
    expect(await ended(`payment:acme.${payment.paymentId}`)).toMatchObject({ state: 'completed' });
    expect(await account('A-1')).toEqual({ balance: '998766', held: '0' });
    expect(await account('merchant-EUR')).toEqual({ balance: '1234', held: '0' });
    await application.end('slow-worker', 'SIGTERM');
    await application.start('worker');
  }, 60_000);

  it('is answered with the same bytes when it comes again, also after its run has closed', async () => {
    const payment = aPayment();
    const gid = `payment:acme.${payment.paymentId}`;
    const first = await pay(payment, { key: 'again' });
    await ended(gid);
    const ending = await pay(payment, { key: 'again', until: 'ending' });
    await application.temporal.workflow.getHandle(gid).result(); // The row ends a moment before its run.
    const again = await pay(payment, { key: 'again' });
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(again.text).toBe(first.text);
    const endingAgain = await pay(payment, { key: 'again', until: 'ending' });
    expect(endingAgain.text).toBe(ending.text);
    expect(endingAgain.body).toMatchObject({ outcome: 'completed' });
  }, 60_000);

  it.each([
    ['is above what may be paid', { from: 'A-RICH', minorUnits: declinedMinor }],
    ['comes from a blocked account', { from: 'A-BLOCKED', minorUnits: 100 }],
  ])('is declined where it %s, and nothing is set aside', async (_, payment) => {
    const before = await account(payment.from);
    const declined = aPayment(payment);
    const answer = await pay(declined);
    expect(answer.body).toMatchObject({ payment: { status: 'declined' } });
    expect(await ended(`payment:acme.${declined.paymentId}`)).toMatchObject({
      state: 'compensated',
      reason: { code: 'risk_rejected' },
    });
    expect(await account(payment.from)).toEqual(before);
    expect(await statusOf(declined.paymentId)).toBe('declined');
  });

  it('in a currency that nobody has set limits for waits for a person, and moves when that one approves', async () => {
    await opened('A-UYW', 'customer', 'UYW', 20_000);
    await opened('M-UYW', 'merchant', 'UYW');
    const payment = {
      ...aPayment({ from: 'A-UYW', to: 'M-UYW' }),
      amount: { currency: 'UYW', minorUnits: 12_345 },
    };
    const gid = `payment:acme.${payment.paymentId}`;
    expect((await pay(payment)).body).toMatchObject({ payment: { status: 'review' } });
    expect(await account('A-UYW')).toEqual({ balance: '20000', held: '0' });
    const shown = await application.request('GET', `/v1/payments/${payment.paymentId}`);
    expect(shown.body).toMatchObject({
      risk: {
        decision: 'review',
        reasons: expect.arrayContaining([
          expect.objectContaining({
            rule: 'amount_limit',
            detail: 'RISK_POLICY has no amountLimits for UYW',
          }),
        ]),
      },
    });
    expect((await review(payment.paymentId, 'approve')).status).toBeLessThan(300);
    expect(await ended(gid)).toMatchObject({ state: 'completed' });
    expect(await account('A-UYW')).toEqual({ balance: '7655', held: '0' });
    expect(await account('M-UYW')).toEqual({ balance: '12345', held: '0' });
    const gold = await pay({
      ...aPayment({ from: 'A-UYW', to: 'M-UYW' }),
      amount: { currency: 'XAU', minorUnits: 1 },
    });
    expect(gold).toMatchObject({
      status: 422,
      body: { errors: [{ code: 'currency_unknown' }] },
    });
  }, 60_000);

  it('of an order whose merchant has no account of the currency leaves all money where it was', async () => {
    await opened('A-BHD', 'customer', 'BHD', 5_000);
    const amount = { currency: 'BHD', minorUnits: 1_250 };
    const orderId = `O-${randomBytes(6).toString('hex')}`;
    const { status } = await application.request('POST', '/v1/orders', {
      body: {
        orderId,
        customerId: 'C-1',
        lines: [{ sku: 'S-1', quantity: 1, unitPrice: amount }],
        payment: { accountId: 'A-BHD', amount },
      },
    });
    expect(status).toBe(202);
    accepted += 1;
    expect(await ended(`order:acme.${orderId}`)).toMatchObject({
      state: 'compensated',
      code: 'account_unavailable',
    });
    expect(await account('A-BHD')).toEqual({ balance: '5000', held: '0' });
  }, 60_000);

  it('in review goes on when a person approves it, and is then decided for good', async () => {
    const before = await account('A-RICH');
    const { paymentId, answer } = await inReview();
    expect(answer.body).toMatchObject({ payment: { status: 'review' } });
    expect(await account('A-RICH')).toEqual(before);
    expect((await review(paymentId, 'approve')).status).toBeLessThan(300);
    expect(await ended(`payment:acme.${paymentId}`)).toMatchObject({ state: 'completed' });
    const paid = Number(before.balance) - Number((await account('A-RICH')).balance);
    expect(paid).toBe(reviewedMinor);
    const late = await review(paymentId, 'reject');
    expect(late.status).toBe(409);
    expect(late.body).toMatchObject({ code: 'state_changed' });
  }, 60_000);

  it('in review is declined when a person rejects it, and the payer keeps the money', async () => {
    const before = await account('A-RICH');
    const { paymentId } = await inReview();
    expect((await review(paymentId, 'reject')).status).toBeLessThan(300);
    expect(await ended(`payment:acme.${paymentId}`)).toMatchObject({
      state: 'compensated',
      reason: { code: 'review_rejected' },
    });
    expect(await account('A-RICH')).toEqual(before);
    expect(await statusOf(paymentId)).toBe('declined');
  }, 60_000);

  it('in review outlives every worker', async () => {
    const { paymentId } = await inReview();
    await application.end('worker', 'SIGKILL');
    await application.start('worker');
    // The run's next task is offered to the dead worker first: so the decision is sent again, with its key.
    await eventually(async () => (await review(paymentId, 'approve')).status === 202, {
      withinMs: 25_000,
      what: 'the decision taken',
    });
    expect(await ended(`payment:acme.${paymentId}`)).toMatchObject({ state: 'completed' });
  }, 60_000);

  it('is never refunded beyond what was captured, by fifty refunds at once', async () => {
    const payment = aPayment({ minorUnits: 1_000 });
    await pay(payment, { until: 'ending' });
    const before = await account('A-1');
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => refund(payment.paymentId, 100)),
    );
    // 422: refused at the door, by then all of it had gone back.
    expect(answers.filter(({ status }) => ![200, 202, 422].includes(status))).toEqual([]);
    const begun = answers.filter(({ status }) => status !== 422);
    const endings = await Promise.all(begun.map(({ body }) => ended(String(body['gid']))));
    expect(endings.filter(({ state }) => state === 'completed')).toHaveLength(10);
    const refusals = endings.filter(({ state }) => state !== 'completed');
    expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(['limit_exceeded']));
    expect(Number((await account('A-1')).balance) - Number(before.balance)).toBe(1_000);
    const tooLate = await refund(payment.paymentId, 1);
    expect(tooLate.body['outcome']).not.toBe('completed');
  }, 120_000);

  it('whose worker dies once the money has moved is completed by another one, once', async () => {
    await application.end('worker', 'SIGTERM');
    const FAULTS = 'accounts.captureFunds:afterCommit:kill:1';
    await application.start('worker', 'armed', { FAULTS });
    const before = await account('merchant-EUR');
    const payment = aPayment({ minorUnits: 321 });
    await pay(payment);
    await eventually(() => !application.isRunning('armed'), {
      withinMs: 20_000,
      what: 'the death of the worker',
    });
    await application.start('worker');
    expect(await ended(`payment:acme.${payment.paymentId}`)).toMatchObject({ state: 'completed' });
    const after = await account('merchant-EUR');
    expect(Number(after.balance) - Number(before.balance)).toBe(321);
  }, 60_000);

  const inReview = async () => {
    const { paymentId, ...payment } = aPayment({ from: 'A-RICH', minorUnits: reviewedMinor });
    const answer = await pay({ paymentId, ...payment });
    return { paymentId, answer };
  };

  const ended = (gid: string) =>
    eventually(
      async () => {
        const { body } = await application.request('GET', `/v1/transactions/${gid}`);
        const { state } = body;
        const reason = body['reason'] as { readonly code: string } | null; // The contract's.
        const isEnded = state === 'completed' || state === 'compensated';
        return isEnded && { state, reason, code: reason?.code };
      },
      { withinMs: endedWithinMs, what: `the ending of ${gid}` },
    );

  const account = async (id: string): Promise<{ balance: string; held: string }> => {
    const [row] = await application.sql<{ balance: string; held: string }>(
      'accounts',
      'SELECT balance, held FROM accounts WHERE id = ?',
      [`acme.${id}`],
    );
    if (!row) throw new Error(`There is no account ${id}.`);
    return row;
  };

  /** An account of the tenant; what it begins with comes from the outside world. */
  const opened = async (id: string, kind: string, currency: string, minor = 0): Promise<void> => {
    const open = (name: string, as: string, balance: number) =>
      application.sql(
        'accounts',
        'INSERT INTO accounts (id, tenant, kind, currency, balance) VALUES (?)',
        [[`acme.${name}`, 'acme', as, currency, balance]],
      );
    await open(id, kind, minor);
    if (minor === 0) return;
    await open(`external-${currency}`, 'external', -minor);
    const effect = [`opening:acme.${id}`, 'opening', 'opening'];
    await application.sql(
      'accounts',
      'INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount) VALUES ?',
      [
        [
          [...effect, `acme.external-${currency}`, currency, -minor],
          [...effect, `acme.${id}`, currency, minor],
        ],
      ],
    );
  };

  const statusOf = async (paymentId: string): Promise<unknown> => {
    const { body } = await application.request('GET', `/v1/payments/${paymentId}`);
    return body['status'];
  };
});
