import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { paymentStatuses, paymentTransitions } from '../../../../contracts/participants/payments';
import type { RiskPolicy } from '../../../../contracts/participants/risk';
import { eventsAgainstCatalogue } from '../../../support/catalogue';
import { holdAt } from '../../../support/fenced-accounts';
import { withClockOff } from '../../../support/machine-clock';
import {
  assessmentOf,
  captureOf,
  eur,
  lenient,
  ownPayments,
  reviewOf,
  stepOf,
  type OwnPayment,
  type OwnPayments,
  type Participant,
} from './own-payments';

let payments: OwnPayments;
let pay: Participant;
beforeAll(async () => {
  payments = await ownPayments();
  pay = payments.participant();
});
afterAll(() => payments.drop());

const reviewing: RiskPolicy = { ...lenient, newPayeeScore: 50 };
const declining: RiskPolicy = { ...lenient, amountLimits: { EUR: { review: 1, decline: 2 } } };
const statusOf = async ({ open }: OwnPayment) => (await payments.row(open.paymentId))?.status;
const resultOf = ([verdict]: readonly object[]): unknown =>
  verdict && 'result' in verdict ? verdict.result : undefined;
const failureOf = (failure: string) => [{ ok: false, failure }];

describe('a payment', () => {
  it('goes from pending over authorised to completed, and its money from payer to payee', async () => {
    const own = await payments.payment();
    const { payerId, payeeId, paymentId } = own.open;
    await pay.openPayment([own.open]);
    expect(await statusOf(own)).toBe('pending');
    await pay.assessRisk([assessmentOf(own)]);
    const authorise = stepOf(own, 'authorise');
    expect(await pay.authorisePayment([authorise])).toMatchObject([
      { ok: true, result: { holdKey: authorise.key } },
    ]);
    expect(await statusOf(own)).toBe('authorised');
    expect(await payments.bank.balance(payerId)).toEqual({ free: 900, held: 100 });
    expect(await pay.captureFunds([captureOf(own)])).toMatchObject([{ ok: true }]);
    await pay.completePayment([stepOf(own, 'completePayment')]);
    expect(await payments.row(paymentId)).toEqual({
      status: 'completed',
      captured: '100',
      refunding: '0',
      refunded: '0',
      charged_back: '0',
    });
    expect(await payments.bank.balance(payerId)).toEqual({ free: 900, held: 0 });
    expect(await payments.bank.balance(payeeId)).toEqual({ free: 100, held: 0 });
  });

  it('writes an event with each change, and asks for a notification when it is completed', async () => {
    const own = await payments.completed();
    const { payerId, payeeId } = own.open;
    const events = await payments.bank.admin.select<{ type: string; payload: object }>(
      `SELECT type, payload FROM outbox WHERE gid = ? AND type LIKE 'payment.%' ORDER BY id`,
      [own.gid],
    );
    expect(events.map(({ type }) => type)).toEqual([
      'payment.opened',
      'payment.assessed',
      'payment.authorised',
      'payment.completed',
    ]);
    expect(events[3]?.payload).toMatchObject({
      status: 'completed',
      amount: '100',
      notification: { type: 'notification.requested', recipients: [payerId, payeeId] },
    });
  });

  it('keeps who did what, chained, beside each change', async () => {
    const own = await payments.assessed({}, reviewing);
    await pay.recordReview([reviewOf(own, 'approve')]);
    const entries = await payments.audit(own.open.paymentId);
    expect(entries.map(({ seq, actor, what }) => [seq, actor, what])).toEqual([
      [1, 'key-1', 'payment.opened'],
      [2, 'accord', 'payment.assessed'],
      [3, 'key-of-a-person', 'payment.reviewed'],
    ]);
    expect(entries[1]?.details).toMatchObject({ gid: own.gid, decision: 'review', score: 50 });
  });

  it("keeps when it was done by MySQL's clock, whatever the worker's own says", async () => {
    const own = await payments.payment();
    await withClockOff(-600_000, async () => {
      await pay.openPayment([own.open]);
      await pay.assessRisk([assessmentOf(own)]);
    });
    const entries = await payments.audit(own.open.paymentId);
    const ages = entries.map(({ at }) => Date.now() - at.getTime());
    expect(ages.map((age) => Math.abs(age) < 300_000)).toEqual([true, true]);
  });

  it('is refused for an account that is unknown, closed, of another currency, or its own payee', async () => {
    const { bank } = payments;
    const closed = await bank.customer(10);
    await bank.admin.change(`UPDATE accounts SET status = 'closed' WHERE id = ?`, [closed]);
    const self = await bank.customer(10);
    for (const change of [
      { payerId: 'acme.nobody' },
      { payeeId: 'acme.nobody' },
      { payerId: closed },
      { payeeId: closed },
      { amount: { currency: 'JPY', minorUnits: 5 } as const },
      { payerId: self, payeeId: self },
    ]) {
      const own = await payments.payment(change);
      expect(await pay.openPayment([own.open])).toMatchObject(failureOf('AccountUnavailable'));
      expect(await payments.row(own.open.paymentId)).toBeUndefined();
    }
  });

  it('is opened once: another transaction with its id is a defect', async () => {
    const own = await payments.assessed();
    const other = await payments.payment({ paymentId: own.open.paymentId });
    expect(await pay.openPayment([other.open])).toMatchObject(failureOf('InvariantBroken'));
    expect(
      await pay.assessRisk([{ ...assessmentOf(own), key: other.key('assessRisk') }]),
    ).toMatchObject(failureOf('InvariantBroken'));
  });

  it('fails where nobody said no, and leaves no money aside', async () => {
    const own = await payments.authorised();
    await pay.voidAuthorisation([stepOf(own, 'authorise')]);
    expect(await payments.bank.balance(own.open.payerId)).toEqual({ free: 1_000, held: 0 });
    await pay.clearRisk([stepOf(own, 'assessRisk')]);
    await pay.closePayment([stepOf(own, 'openPayment')]);
    expect(await statusOf(own)).toBe('failed');
  });

  it('is refused for want of money, and fails', async () => {
    const own = await payments.assessed({ amount: eur(1_001) });
    const authorise = stepOf(own, 'authorise');
    expect(await pay.authorisePayment([authorise])).toMatchObject(failureOf('InsufficientFunds'));
    await pay.closePayment([stepOf(own, 'openPayment')]);
    expect(await statusOf(own)).toBe('failed');
  });

  it('is not completed before its money was captured', async () => {
    const own = await payments.authorised();
    const complete = stepOf(own, 'completePayment');
    expect(await pay.completePayment([complete])).toMatchObject(failureOf('InvariantBroken'));
    await pay.captureFunds([captureOf(own)]);
    expect(await pay.completePayment([complete])).toMatchObject([{ ok: true, fence: 'first' }]);
  });

  it('cannot be voided once its money was captured', async () => {
    const own = await payments.completed();
    expect(await pay.voidAuthorisation([stepOf(own, 'authorise')])).toMatchObject(
      failureOf('InvariantBroken'),
    );
    await expect(pay.closePayment([stepOf(own, 'openPayment')])).rejects.toThrow('No legal move');
    expect(await statusOf(own)).toBe('completed');
  });
});

describe('what risk says', () => {
  it('is stored with its reasons and declines: nothing is set aside, the payment ends as declined', async () => {
    const own = await payments.assessed({}, declining);
    const detail = '1.00 EUR is above 0.02; First payment to this payee';
    const refusal = { ok: false, failure: 'RiskRejected', detail };
    const authorise = stepOf(own, 'authorise');
    expect(await pay.authorisePayment([authorise])).toMatchObject([refusal]);
    expect(await pay.authorisePayment([authorise])).toMatchObject([refusal]);
    expect(await payments.bank.balance(own.open.payerId)).toEqual({ free: 1_000, held: 0 });
    await pay.clearRisk([stepOf(own, 'assessRisk')]);
    await pay.closePayment([stepOf(own, 'openPayment')]);
    expect(await statusOf(own)).toBe('declined');
    const [stored] = await payments.bank.admin.select(
      'SELECT decision, score, reasons, state FROM risk_assessments WHERE payment_id = ?',
      [own.open.paymentId],
    );
    expect(stored).toMatchObject({
      decision: 'decline',
      score: 100,
      reasons: [{ rule: 'amount_limit', severity: 'critical' }, { rule: 'new_payee' }],
      state: 'cleared',
    });
  });

  it('knows blocked accounts on both sides', async () => {
    const [payerId, payeeId] = [
      await payments.bank.customer(1_000),
      await payments.bank.merchant(),
    ];
    await payments.bank.admin.change('INSERT INTO blocked_accounts (account_id, reason) VALUES ?', [
      [
        [payerId, 'stolen'],
        [payeeId, 'fraud'],
      ],
    ]);
    const own = await payments.payment({ payerId, payeeId });
    await pay.openPayment([own.open]);
    expect(await pay.assessRisk([assessmentOf(own)])).toMatchObject([
      {
        ok: true,
        result: {
          decision: 'decline',
          reasons: [
            { rule: 'blocked_account' },
            { rule: 'blocked_account' },
            { rule: 'new_payee' },
          ],
        },
      },
    ]);
  });

  it('knows a payee as soon as one payment to him was completed', async () => {
    const first = await payments.completed();
    const again = await payments.payment({
      payerId: first.open.payerId,
      payeeId: first.open.payeeId,
    });
    await pay.openPayment([again.open]);
    expect(await pay.assessRisk([assessmentOf(again, reviewing)])).toMatchObject([
      { ok: true, result: { decision: 'approve' } },
    ]);
    const other = await payments.payment({ payerId: first.open.payerId });
    await pay.openPayment([other.open]);
    expect(await pay.assessRisk([assessmentOf(other, reviewing)])).toMatchObject([
      { ok: true, result: { decision: 'review', reasons: [{ rule: 'new_payee' }] } },
    ]);
  });

  it('waits for a person where it cannot decide', async () => {
    const own = await payments.assessed({}, reviewing);
    expect(await statusOf(own)).toBe('review');
    const authorise = stepOf(own, 'authorise');
    expect(await pay.authorisePayment([authorise])).toMatchObject(failureOf('InvariantBroken'));
    await pay.recordReview([reviewOf(own, 'approve')]);
    expect(await pay.authorisePayment([authorise])).toMatchObject([{ ok: true, fence: 'first' }]);
    expect(await statusOf(own)).toBe('authorised');
  });

  it('may be overruled to no by a person, and the payment ends as declined', async () => {
    const own = await payments.assessed({}, reviewing);
    await pay.recordReview([reviewOf(own, 'reject')]);
    expect(await pay.authorisePayment([stepOf(own, 'authorise')])).toMatchObject([
      { ok: false, failure: 'ReviewRejected', detail: 'Looks wrong.' },
    ]);
    await pay.withdrawReview([stepOf(own, 'review')]);
    await pay.clearRisk([stepOf(own, 'assessRisk')]);
    await pay.closePayment([stepOf(own, 'openPayment')]);
    expect(await statusOf(own)).toBe('declined');
  });

  it('does not count a review that was withdrawn, or an assessment that was cleared', async () => {
    const own = await payments.assessed({}, reviewing);
    await pay.recordReview([reviewOf(own, 'approve')]);
    await pay.withdrawReview([stepOf(own, 'review')]);
    const authorise = stepOf(own, 'authorise');
    expect(await pay.authorisePayment([authorise])).toMatchObject(failureOf('InvariantBroken'));
    const cleared = await payments.assessed();
    await pay.clearRisk([stepOf(cleared, 'assessRisk')]);
    expect(await pay.authorisePayment([stepOf(cleared, 'authorise')])).toMatchObject(
      failureOf('InvariantBroken'),
    );
    await pay.closePayment([stepOf(own, 'openPayment')]);
    expect(await statusOf(own)).toBe('failed');
  });

  it('is asked for in review alone', async () => {
    const own = await payments.assessed();
    expect(await pay.recordReview([reviewOf(own, 'approve')])).toMatchObject(
      failureOf('InvariantBroken'),
    );
  });
});

describe('the moves of a payment', () => {
  it('are held by the database, whatever statement the worker sends', async () => {
    for (const from of paymentStatuses) {
      for (const to of paymentStatuses) {
        if (from === to) continue;
        const legal = paymentTransitions[from].includes(to);
        expect([from, to, await isMoved(from, to)]).toEqual([from, to, legal]);
      }
    }
  });

  it('are not for the worker to rewrite, and neither is what was audited or blocked', async () => {
    const denied = { errno: 1142 };
    for (const forbidden of [
      `INSERT INTO payment_transitions VALUES ('declined', 'completed')`,
      `UPDATE payment_audit SET actor = 'nobody'`,
      'DELETE FROM payment_audit',
      'DELETE FROM payments',
      `DELETE FROM blocked_accounts`,
    ]) {
      await expect(payments.bank.pool.change(forbidden)).rejects.toMatchObject(denied);
    }
  });

  /** On a row of its own, which an administrator brought to `from` and takes away again. */
  async function isMoved(from: string, to: string): Promise<boolean> {
    const { pool, admin } = payments.bank;
    const id = `acme.move-${from}-${to}`;
    const columns =
      '(payment_id, tenant, payer_id, payee_id, currency, amount, requested_by, gid, branch)';
    await pool.change(`INSERT INTO payments ${columns} VALUES (?)`, [
      [id, 'acme', 'acme.A', 'acme.B', 'EUR', 5, 'key-1', `payment:${id}`, 'openPayment'],
    ]);
    for (const status of pathTo(from)) await pool.change(...movedTo(id, status));
    const moved = await pool.change(...movedTo(id, to)).then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ sqlState: '23000' });
        return false;
      },
    );
    await admin.change('DELETE FROM payments WHERE payment_id = ?', [id]);
    return moved;
  }
  const movedTo = (id: string, status: string) =>
    [
      'UPDATE payments SET status = ?, captured = ? WHERE payment_id = ?',
      [status, status === 'completed' ? 5 : 0, id],
    ] as const;
  const pathTo = (status: string): readonly string[] =>
    status === 'pending' ? [] : status === 'completed' ? ['authorised', 'completed'] : [status];

  it('begin as pending', async () => {
    await expect(
      payments.bank.pool.change(
        `INSERT INTO payments (payment_id, tenant, payer_id, payee_id, currency, amount, status, captured, requested_by,
                               gid, branch) VALUES (?)`,
        [['acme.X', 'acme', 'acme.A', 'acme.B', 'EUR', 5, 'completed', 5, 'key-1', 'g', 'b']],
      ),
    ).rejects.toMatchObject({ sqlState: '23000' });
  });
});

describe('the fence of a payment', () => {
  /** Each pair of act and undo, on a payment that has come as far as the act needs. */
  const pairs: readonly {
    readonly act: string;
    readonly undo: string;
    readonly branch: string;
    readonly before: () => Promise<OwnPayment>;
    readonly send: (own: OwnPayment, by: Participant) => Promise<readonly object[]>;
    readonly take: (own: OwnPayment, by: Participant) => Promise<readonly object[]>;
  }[] = [
    {
      act: 'openPayment',
      undo: 'closePayment',
      branch: 'openPayment',
      before: () => payments.payment(),
      send: (own, by) => by.openPayment([own.open]),
      take: (own, by) => by.closePayment([stepOf(own, 'openPayment')]),
    },
    {
      act: 'assessRisk',
      undo: 'clearRisk',
      branch: 'assessRisk',
      before: async () => {
        const own = await payments.payment();
        await pay.openPayment([own.open]);
        return own;
      },
      send: (own, by) => by.assessRisk([assessmentOf(own)]),
      take: (own, by) => by.clearRisk([stepOf(own, 'assessRisk')]),
    },
    {
      act: 'recordReview',
      undo: 'withdrawReview',
      branch: 'review',
      before: () => payments.assessed({}, reviewing),
      send: (own, by) => by.recordReview([reviewOf(own, 'approve')]),
      take: (own, by) => by.withdrawReview([stepOf(own, 'review')]),
    },
    {
      act: 'authorisePayment',
      undo: 'voidAuthorisation',
      branch: 'authorise',
      before: () => payments.assessed(),
      send: (own, by) => by.authorisePayment([stepOf(own, 'authorise')]),
      take: (own, by) => by.voidAuthorisation([stepOf(own, 'authorise')]),
    },
  ];

  it.each(pairs)('answers $act twice with one effect, also at once', async ({ before, send }) => {
    const own = await before();
    const seen = async () => (await payments.audit(own.open.paymentId)).length;
    const effects = await seen();
    const answers = await Promise.all([send(own, pay), send(own, pay), send(own, pay)]);
    const again = await send(own, pay);
    expect(again).toMatchObject([{ ok: true, fence: 'duplicate' }]);
    for (const [verdict] of answers) {
      expect(verdict).toMatchObject({ ok: true, result: resultOf(again) });
    }
    expect(await seen()).toBe(effects + 1);
  });

  it.each(pairs)('lets no late $act pass its $undo', async ({ before, send, take }) => {
    const own = await before();
    const untouched = await payments.audit(own.open.paymentId);
    const empties = await Promise.all([take(own, pay), take(own, pay)]);
    expect(empties.flat()).toMatchObject([{ ok: true }, { ok: true }]);
    expect(await send(own, pay)).toMatchObject([{ ok: false, failure: 'Fenced' }]);
    expect(await payments.audit(own.open.paymentId)).toEqual(untouched);
  });

  it.each(pairs)('undoes $act once, however often $undo comes', async ({ before, send, take }) => {
    const own = await before();
    await send(own, pay);
    await Promise.all([take(own, pay), take(own, pay)]);
    const [undone] = await take(own, pay);
    expect(undone).toMatchObject({ ok: true, fence: 'duplicate' });
    expect(await send(own, pay)).toMatchObject([{ ok: false, failure: 'Fenced' }]);
    expect(await payments.violations()).toEqual([]);
  });

  it.each(pairs)('waits with $undo for the $act that is open', async ({ before, send, take }) => {
    const own = await before();
    const hold = holdAt('beforeCommit');
    const acting = send(own, payments.participant({ faults: hold }));
    await hold.reached;
    const undoing = take(own, pay);
    hold.release();
    expect(await acting).toMatchObject([{ ok: true, fence: 'first' }]);
    expect(await undoing).toMatchObject([{ ok: true, fence: 'undone' }]);
  });

  it.each(pairs)(
    'leaves nothing of $act behind when its SQL transaction fails',
    async ({ before, send }) => {
      const own = await before();
      const untouched = await payments.audit(own.open.paymentId);
      const broken = {
        reach: (_: string, point: string) =>
          point === 'beforeCommit' ? Promise.reject(new Error('Planted.')) : Promise.resolve(),
      };
      await expect(send(own, payments.participant({ faults: broken }))).rejects.toThrow('Planted.');
      expect(await payments.audit(own.open.paymentId)).toEqual(untouched);
      expect(await send(own, pay)).toMatchObject([{ ok: true, fence: 'first' }]);
    },
  );

  it('calls another amount under the same key a conflict', async () => {
    const own = await payments.assessed();
    expect(await pay.openPayment([{ ...own.open, amount: eur(7) }])).toMatchObject(
      failureOf('IdempotencyConflict'),
    );
  });

  it('keeps a refusal although the money has come since', async () => {
    const own = await payments.assessed({ amount: eur(1_001) });
    const authorise = stepOf(own, 'authorise');
    await pay.authorisePayment([authorise]);
    await payments.bank.admin.change('UPDATE accounts SET balance = balance + 500 WHERE id = ?', [
      own.open.payerId,
    ]);
    expect(await pay.authorisePayment([authorise])).toMatchObject([
      { failure: 'InsufficientFunds', fence: 'refused' },
    ]);
    await payments.bank.admin.change('UPDATE accounts SET balance = balance - 500 WHERE id = ?', [
      own.open.payerId,
    ]);
    expect(await payments.bank.balance(own.open.payerId)).toEqual({ free: 1_000, held: 0 });
  });

  it('completes a payment once', async () => {
    const own = await payments.completed();
    expect(await pay.completePayment([stepOf(own, 'completePayment')])).toMatchObject([
      { ok: true, fence: 'duplicate' },
    ]);
    const late = await pay.completePayment([stepOf(own, 'complete-again')]);
    expect(late).toMatchObject(failureOf('InvariantBroken'));
    expect(await payments.row(own.open.paymentId)).toMatchObject({ captured: '100' });
  });
});

describe('a set of payments', () => {
  it('decides each by itself, in order, out of one balance', async () => {
    const payerId = await payments.bank.customer(250);
    const own = await Promise.all(
      Array.from({ length: 4 }, () => payments.payment({ payerId, amount: eur(100) })),
    );
    const blockedPayee = await payments.bank.merchant();
    await payments.bank.admin.change(
      `INSERT INTO blocked_accounts (account_id, reason) VALUES (?, 'fraud')`,
      [blockedPayee],
    );
    const declined = await payments.payment({ payerId, payeeId: blockedPayee, amount: eur(1) });
    const all = [...own, declined];
    await pay.openPayment(all.map(({ open }) => open));
    await pay.assessRisk(all.map((one) => assessmentOf(one)));
    const verdicts = await pay.authorisePayment(all.map((one) => stepOf(one, 'authorise')));
    const failures = verdicts.flatMap((verdict) => (verdict.ok ? [] : [verdict.failure]));
    expect(failures.sort()).toEqual(['InsufficientFunds', 'InsufficientFunds', 'RiskRejected']);
    expect(await payments.bank.balance(payerId)).toEqual({ free: 50, held: 200 });
    const authorised = all.filter(({ gid }) => verdicts.some((one) => one.ok && one.gid === gid));
    await pay.captureFunds(authorised.map(captureOf));
    await pay.completePayment(authorised.map((one) => stepOf(one, 'completePayment')));
    expect(await payments.bank.balance(payerId)).toEqual({ free: 50, held: 0 });
  });

  it('keeps its books while sets that share accounts meet, some going on and some going back', async () => {
    const payers = await Promise.all(
      Array.from({ length: 4 }, () => payments.bank.customer(10_000)),
    );
    const payees = await Promise.all(Array.from({ length: 2 }, () => payments.bank.merchant()));
    await Promise.all(
      Array.from({ length: 6 }, async (_, round) => {
        const set = await Promise.all(
          Array.from({ length: 12 }, (__, n) =>
            payments.payment({
              payerId: payers[(round + n) % 4] ?? '',
              payeeId: payees[n % 2] ?? '',
              amount: eur(n + 1),
            }),
          ),
        );
        await pay.openPayment(set.map(({ open }) => open));
        await pay.assessRisk(set.map((one) => assessmentOf(one)));
        await pay.authorisePayment(set.map((one) => stepOf(one, 'authorise')));
        const [forward, back] = [
          set.filter((__, n) => n % 3 > 0),
          set.filter((__, n) => n % 3 === 0),
        ];
        await Promise.all([
          pay
            .captureFunds(forward.map(captureOf))
            .then(() => pay.completePayment(forward.map((one) => stepOf(one, 'completePayment')))),
          pay
            .voidAuthorisation(back.map((one) => stepOf(one, 'authorise')))
            .then(() => pay.clearRisk(back.map((one) => stepOf(one, 'assessRisk'))))
            .then(() => pay.closePayment(back.map((one) => stepOf(one, 'openPayment')))),
        ]);
      }),
    );
    const [{ n } = { n: '' }] = await payments.bank.admin.select<{ n: string }>(
      `SELECT SUM(balance + held) AS n FROM accounts WHERE id IN (?)`,
      [[...payers, ...payees]],
    );
    expect(n).toBe('40000');
    expect(await payments.violations()).toEqual([]);
  });

  it('announces what the catalogue of events says', async () => {
    const { fit, misfits } = await eventsAgainstCatalogue(payments.bank.admin);
    expect(misfits).toEqual([]);
    expect(fit).toBeGreaterThan(0);
  });
});
