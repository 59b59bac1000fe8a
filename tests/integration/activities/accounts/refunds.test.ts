import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { partsOfStepKey } from '../../../../contracts/engine/ids';
import type { CaptureFunds } from '../../../../contracts/participants/accounts';
import type { ReserveRefund } from '../../../../contracts/participants/payments';
import {
  aRefund,
  eur,
  ownPayments,
  siblingOf,
  type OwnPayment,
  type OwnPayments,
  type Participant,
} from './own-payments';
import { eventsAgainstCatalogue } from '../../../support/catalogue';

let payments: OwnPayments;
let pay: Participant;
beforeAll(async () => {
  payments = await ownPayments();
  pay = payments.participant();
});
afterAll(() => payments.drop());

const sumsOf = async ({ open }: OwnPayment) => {
  const { captured, refunding, refunded } = (await payments.row(open.paymentId)) ?? {};
  return { captured, refunding, refunded };
};
const stateOf = async ({ refundId }: ReserveRefund) =>
  (
    await payments.bank.admin.select<{ state: string }>(
      'SELECT state FROM refunds WHERE refund_id = ?',
      [refundId],
    )
  )[0]?.state;

/** The rest of the story of a refund that was reserved. */
async function finish(refund: ReserveRefund, { open }: OwnPayment, minorUnits: number) {
  const capture: CaptureFunds = {
    key: siblingOf(refund.key, 'returnFunds'),
    minEpoch: 0,
    holdKey: refund.key,
    payeeId: open.payerId,
    amount: eur(minorUnits),
  };
  expect(await pay.captureFunds([capture])).toMatchObject([{ ok: true }]);
  return pay.completeRefund([completionOf(refund)]);
}
const completionOf = ({ key, refundId }: ReserveRefund) => ({
  key: siblingOf(key, 'completeRefund'),
  minEpoch: 0,
  refundId,
});
const decisionOn = ({ key, refundId }: ReserveRefund, decision: 'approve' | 'reject') => ({
  key: siblingOf(key, 'review'),
  minEpoch: 0,
  refundId,
  decision,
  by: 'rita',
  note: 'By telephone.',
});
const failureOf = (failure: string) => [{ ok: false, failure }];

describe('a refund', () => {
  it('brings all that is left back to the payer, and its sums move with it', async () => {
    const own = await payments.completed();
    const refund = aRefund(own);
    expect(await pay.reserveRefund([refund])).toMatchObject([
      { ok: true, result: { holdKey: refund.key, payerId: own.open.payerId, amount: eur(100) } },
    ]);
    expect(await sumsOf(own)).toEqual({ captured: '100', refunding: '100', refunded: '0' });
    expect(await payments.bank.balance(own.open.payeeId)).toEqual({ free: 0, held: 100 });
    expect(await finish(refund, own, 100)).toMatchObject([{ ok: true, fence: 'first' }]);
    expect(await sumsOf(own)).toEqual({ captured: '100', refunding: '0', refunded: '100' });
    expect(await payments.bank.balance(own.open.payerId)).toEqual({ free: 1_000, held: 0 });
    expect(await stateOf(refund)).toBe('completed');
    const nothing = await pay.reserveRefund([aRefund(own)]);
    expect(nothing).toMatchObject(failureOf('LimitExceeded'));
  });

  it('may be a part, and the next one what is left of it', async () => {
    const own = await payments.completed();
    const [part, rest] = [aRefund(own, { amount: eur(30) }), aRefund(own)];
    await pay.reserveRefund([part]);
    expect(await pay.reserveRefund([aRefund(own, { amount: eur(71) })])).toMatchObject([
      { failure: 'LimitExceeded', detail: expect.stringContaining('0.71 EUR asked, 0.70 left') },
    ]);
    expect(await pay.reserveRefund([rest])).toMatchObject([{ result: { amount: eur(70) } }]);
    await finish(part, own, 30);
    await finish(rest, own, 70);
    expect(await sumsOf(own)).toEqual({ captured: '100', refunding: '0', refunded: '100' });
  });

  it('is given up without a trace in the sums, and may then be asked for anew', async () => {
    const own = await payments.completed();
    const refund = aRefund(own);
    await pay.reserveRefund([refund]);
    await pay.cancelRefund([refund]);
    expect(await stateOf(refund)).toBe('cancelled');
    expect(await sumsOf(own)).toEqual({ captured: '100', refunding: '0', refunded: '0' });
    expect(await payments.bank.balance(own.open.payeeId)).toEqual({ free: 100, held: 0 });
    expect(await pay.reserveRefund([aRefund(own)])).toMatchObject([{ ok: true }]);
  });

  it('is refused for a payment that is unknown, of another tenant, not completed, or of another currency', async () => {
    const own = await payments.completed();
    for (const refund of [
      aRefund(own, { paymentId: 'acme.P-nobody' }),
      aRefund(own, { refundId: 'other.R-1' }),
      aRefund(await payments.failed()),
      aRefund(own, { amount: { currency: 'JPY', minorUnits: 1 } }),
    ]) {
      expect(await pay.reserveRefund([refund])).toMatchObject(failureOf('PaymentUnavailable'));
      expect(await stateOf(refund)).toBeUndefined();
    }
  });

  it('needs money of the payee; a chargeback takes a merchant below zero, and nobody else', async () => {
    const { bank } = payments;
    const own = await payments.completed();
    await emptied(own);
    expect(await pay.reserveRefund([aRefund(own)])).toMatchObject(failureOf('InsufficientFunds'));
    const chargeback = aRefund(own, { kind: 'chargeback' });
    expect(await pay.reserveRefund([chargeback])).toMatchObject([{ ok: true }]);
    expect(await bank.balance(own.open.payeeId)).toEqual({ free: -100, held: 100 });
    await finish(chargeback, own, 100);
    expect(await bank.balance(own.open.payeeId)).toEqual({ free: -100, held: 0 });

    const toCustomer = await payments.completed({ payeeId: await bank.customer(0) });
    await emptied(toCustomer);
    expect(await pay.reserveRefund([aRefund(toCustomer, { kind: 'chargeback' })])).toMatchObject(
      failureOf('InsufficientFunds'),
    );
  });

  it('is booked as a chargeback after a full refund, and above what was captured: the merchant owes it', async () => {
    const own = await payments.completed();
    const refund = aRefund(own);
    await pay.reserveRefund([refund]);
    await finish(refund, own, 100);
    const chargeback = aRefund(own, { kind: 'chargeback', amount: eur(130) });
    expect(await pay.reserveRefund([chargeback])).toMatchObject([{ result: { amount: eur(130) } }]);
    expect(await payments.bank.balance(own.open.payeeId)).toEqual({ free: -130, held: 130 });
    expect(await finish(chargeback, own, 130)).toMatchObject([{ ok: true }]);
    expect(await sumsOf(own)).toEqual({ captured: '100', refunding: '0', refunded: '100' });
    expect((await payments.row(own.open.paymentId))?.charged_back).toBe('130');
    expect(await payments.bank.balance(own.open.payeeId)).toEqual({ free: -130, held: 0 });
    const more = await pay.reserveRefund([aRefund(own, { amount: eur(1) })]);
    expect(more).toMatchObject([
      { failure: 'LimitExceeded', detail: expect.stringContaining('0.00 left') },
    ]);
  });

  it('can be taken back as a chargeback as well, and leaves what it would have taken', async () => {
    const own = await payments.completed();
    const chargeback = aRefund(own, { kind: 'chargeback', amount: eur(60) });
    await pay.reserveRefund([chargeback]);
    expect(await pay.reserveRefund([aRefund(own, { amount: eur(41) })])).toMatchObject(
      failureOf('LimitExceeded'),
    );
    await pay.cancelRefund([{ key: chargeback.key, minEpoch: 0 }]);
    expect(await pay.reserveRefund([aRefund(own, { amount: eur(100) })])).toMatchObject([
      { ok: true },
    ]);
  });

  /** The payee pays all that he got to somebody else. */
  async function emptied({ open }: OwnPayment): Promise<void> {
    const away = await payments.completed({
      payerId: open.payeeId,
      payeeId: await payments.bank.customer(0),
    });
    expect(away.open.amount).toEqual(eur(100));
  }

  it('is refused from an account that was closed; a chargeback is booked all the same', async () => {
    const own = await payments.completed();
    await payments.bank.admin.change(`UPDATE accounts SET status = 'closed' WHERE id = ?`, [
      own.open.payeeId,
    ]);
    expect(await pay.reserveRefund([aRefund(own)])).toMatchObject(failureOf('AccountUnavailable'));
    const chargeback = aRefund(own, { kind: 'chargeback' });
    expect(await pay.reserveRefund([chargeback])).toMatchObject([{ ok: true }]);
    expect(await finish(chargeback, own, 100)).toMatchObject([{ ok: true }]);
  });

  it('of a payment that is not booked yet waits for it: nothing is recorded, and it is granted later', async () => {
    const early = await payments.authorised();
    const refund = aRefund(early);
    await expect(pay.reserveRefund([refund])).rejects.toMatchObject({
      type: 'NotYet',
      nonRetryable: false,
      message: expect.stringContaining('has not been booked yet'),
    });
    const own = await payments.completed();
    const other = aRefund(own);
    const verdicts = await pay.reserveRefund([refund, other]);
    expect(new Map(verdicts.map((verdict) => [verdict.gid, verdict.fence]))).toEqual(
      new Map([
        [partsOfStepKey(refund.key)?.gid, 'notYet'],
        [partsOfStepKey(other.key)?.gid, 'first'],
      ]),
    );
    expect(await stateOf(refund)).toBeUndefined();
    await payments.complete(early);
    expect(await pay.reserveRefund([refund])).toMatchObject([{ ok: true, fence: 'first' }]);
  });

  it('in review is decided by a person, once: the first word stands, and the audit says whose it was', async () => {
    const own = await payments.completed();
    const [approved, rejected] = [1, 2].map((minorUnits) =>
      aRefund(own, { kind: 'chargeback', amount: eur(minorUnits) }),
    ) as [ReserveRefund, ReserveRefund];
    await pay.reserveRefund([approved, rejected]);
    expect(await pay.recordRefundReview([decisionOn(approved, 'approve')])).toMatchObject([
      { ok: true, fence: 'first' },
    ]);
    expect(await pay.recordRefundReview([decisionOn(approved, 'reject')])).toMatchObject([
      { ok: true, fence: 'duplicate' },
    ]);
    for (const fence of ['refused', 'refused']) {
      expect(await pay.recordRefundReview([decisionOn(rejected, 'reject')])).toMatchObject([
        { ok: false, fence, failure: 'ReviewRejected', detail: 'By telephone.' },
      ]);
    }
    await pay.withdrawRefundReview([decisionOn(approved, 'approve')]);
    const entries = await payments.audit(own.open.paymentId);
    expect(entries.slice(-2)).toMatchObject([
      { actor: 'rita', what: 'refund.reviewed', details: { refundId: approved.refundId } },
      { actor: 'accord', what: 'refund.reviewWithdrawn' },
    ]);
    const foreign = { ...decisionOn(approved, 'approve'), refundId: rejected.refundId };
    const ofNobody = { ...foreign, key: siblingOf(aRefund(own).key, 'review') };
    expect(await pay.recordRefundReview([ofNobody])).toMatchObject(failureOf('InvariantBroken'));
  });

  it('is kept in the audit of its payment, under the name of whoever asked for it', async () => {
    const own = await payments.completed();
    const [given, kept] = [aRefund(own, { amount: eur(1) }), aRefund(own, { amount: eur(2) })];
    await pay.reserveRefund([given, kept]);
    await pay.cancelRefund([kept]);
    await finish(given, own, 1);
    const entries = await payments.audit(own.open.paymentId);
    expect(entries.slice(-4).map(({ actor, what }) => [actor, what])).toEqual([
      ['key-2', 'refund.reserved'],
      ['key-2', 'refund.reserved'],
      ['accord', 'refund.cancelled'],
      ['accord', 'refund.completed'],
    ]);
    expect(entries.at(-1)?.details).toMatchObject({ refundId: given.refundId, amount: '1' });
  });
});

describe('the fence of a refund', () => {
  it('reserves once, also at once, and answers as the first time when less is left', async () => {
    const own = await payments.completed();
    const refund = aRefund(own);
    const answers = await Promise.all([1, 2, 3].map(() => pay.reserveRefund([refund])));
    const again = await pay.reserveRefund([refund]);
    expect(again).toMatchObject([{ fence: 'duplicate', result: { amount: eur(100) } }]);
    for (const answer of answers) expect(answer).toMatchObject([{ result: { amount: eur(100) } }]);
    expect(await sumsOf(own)).toMatchObject({ refunding: '100' });
  });

  it('lets no late reservation pass its cancellation', async () => {
    const own = await payments.completed();
    const refund = aRefund(own);
    await Promise.all([pay.cancelRefund([refund]), pay.cancelRefund([refund])]);
    expect(await pay.reserveRefund([refund])).toMatchObject(failureOf('Fenced'));
    expect(await sumsOf(own)).toMatchObject({ refunding: '0' });
  });

  it('cancels once, and not after the money went back', async () => {
    const own = await payments.completed();
    const [given, kept] = [aRefund(own, { amount: eur(60) }), aRefund(own, { amount: eur(40) })];
    await pay.reserveRefund([given, kept]);
    await Promise.all([pay.cancelRefund([kept]), pay.cancelRefund([kept])]);
    expect(await sumsOf(own)).toMatchObject({ refunding: '60' });
    await finish(given, own, 60);
    expect(await pay.cancelRefund([given])).toMatchObject(failureOf('InvariantBroken'));
    expect(await pay.completeRefund([completionOf(given)])).toMatchObject([{ fence: 'duplicate' }]);
    expect(await sumsOf(own)).toEqual({ captured: '100', refunding: '0', refunded: '60' });
  });

  it('does not complete what was not captured, or what another transaction reserved', async () => {
    const own = await payments.completed();
    const refund = aRefund(own);
    await pay.reserveRefund([refund]);
    expect(await pay.completeRefund([completionOf(refund)])).toMatchObject(
      failureOf('InvariantBroken'),
    );
    const foreign = { ...completionOf(aRefund(own)), refundId: refund.refundId };
    expect(await pay.completeRefund([foreign])).toMatchObject(failureOf('InvariantBroken'));
    expect(await finish(refund, own, 100)).toMatchObject([{ ok: true, fence: 'first' }]);
  });

  it('calls another amount under the same key a conflict', async () => {
    const own = await payments.completed();
    const refund = aRefund(own);
    await pay.reserveRefund([refund]);
    expect(await pay.reserveRefund([{ ...refund, amount: eur(5) }])).toMatchObject(
      failureOf('IdempotencyConflict'),
    );
  });
});

describe('many refunds of one payment', () => {
  it('never pass what was captured, fifty at once, alone and in sets', async () => {
    const own = await payments.completed();
    const refunds = Array.from({ length: 50 }, () => aRefund(own, { amount: eur(7) }));
    const sets = [
      ...refunds.slice(0, 30).map((refund) => [refund]),
      refunds.slice(30, 40),
      refunds.slice(40),
    ];
    const verdicts = (await Promise.all(sets.map((set) => pay.reserveRefund(set)))).flat();
    expect(verdicts.filter(({ ok }) => ok)).toHaveLength(14); // 14 × 7 = 98 of 100.
    const failures = verdicts.flatMap((verdict) => (verdict.ok ? [] : [verdict.failure]));
    expect(new Set(failures)).toEqual(new Set(['LimitExceeded']));
    expect(await sumsOf(own)).toEqual({ captured: '100', refunding: '98', refunded: '0' });

    const reserved = refunds.filter(({ refundId }) =>
      verdicts.some((verdict) => verdict.ok && verdict.gid === `refund:${refundId}`),
    );
    await Promise.all(
      reserved.map((refund, n) =>
        n % 2 === 0 ? finish(refund, own, 7) : pay.cancelRefund([refund]),
      ),
    );
    expect(await sumsOf(own)).toEqual({ captured: '100', refunding: '0', refunded: '49' });
    expect(await payments.bank.balance(own.open.payerId)).toEqual({ free: 949, held: 0 });
  });

  it('are refused by the table itself when a decision is wrong', async () => {
    const { open } = await payments.completed();
    const wrong = 'UPDATE payments SET refunding = 60, refunded = 41 WHERE payment_id = ?';
    await expect(payments.bank.pool.change(wrong, [open.paymentId])).rejects.toMatchObject({
      errno: 3819,
    });
  });

  it('announces what the catalogue of events says', async () => {
    const { fit, misfits } = await eventsAgainstCatalogue(payments.bank.admin);
    expect(misfits).toEqual([]);
    expect(fit).toBeGreaterThan(0);
  });
});
