import { amountFields, partyFields, type FundsHold } from './accounts';
import { act, retriableAct, undo } from '../engine/definition';
import { event } from '../engine/events';
import type { BusinessId, StepKey } from '../engine/ids';
import { heldAmount, type Money } from '../engine/money';
import {
  riskDecisions,
  riskRules,
  riskSeverities,
  type ChargebackLimits,
  type RiskAssessment,
  type RiskPolicy,
} from './risk';
import type { EarlyStatus, TransactionInput } from '../engine/transaction';
import { businessId, fields, listOf, nullable, oneOf, text, whole } from '../engine/schema';
import type { Keyed } from '../engine/verdict';

export const paymentStatuses = [
  'pending',
  'review',
  'authorised',
  'completed',
  'declined',
  'failed',
] as const;
export type PaymentStatus = (typeof paymentStatuses)[number];

/**
 * The legal moves of a payment. The table `payment_transitions` of `accounts` has the same ones, and SQL enforces it.
 */
export const paymentTransitions: Readonly<Record<PaymentStatus, readonly PaymentStatus[]>> = {
  pending: ['review', 'authorised', 'declined', 'failed'],
  review: ['authorised', 'declined', 'failed'],
  authorised: ['completed', 'failed'],
  completed: [],
  declined: [],
  failed: [],
};

/** States of a payment whose money may still be booked. A refund in these states comes too early. */
export const bookingUnderWay = [
  'pending',
  'review',
  'authorised',
] as const satisfies readonly PaymentStatus[];
export const isBookingUnderWay = (
  status: PaymentStatus,
): status is (typeof bookingUnderWay)[number] =>
  (bookingUnderWay as readonly PaymentStatus[]).includes(status);

/** Early status of a payment: callers get it as soon as it is decided. */
export const paymentAnswers = [
  'authorised',
  'declined',
  'review',
] as const satisfies readonly EarlyStatus[];

/** Maximum length of a text that a caller may add to a payment or a refund, in characters. */
export const descriptionMax = 140;

/** Flow `payment`, workflow `payment`. */
export interface PaymentInput extends TransactionInput {
  readonly paymentId: BusinessId;
  readonly payerId: BusinessId;
  readonly payeeId: BusinessId;
  readonly amount: Money;
  readonly description: string | null;
  /** Subject of the credential, for the audit log. */
  readonly requestedBy: string;
  readonly risk: RiskPolicy;
  /** How long a review may wait for a person. The time of the review is added to the deadline of the transaction. */
  readonly reviewMs: number;
}

/** Conditions under which a chargeback waits for a person. */
export interface ChargebackReview {
  readonly above: ChargebackLimits;
  /** How long a review may wait for a person. The time of the review is added to the deadline of the transaction. */
  readonly withinMs: number;
}

export const refundKinds = ['refund', 'chargeback'] as const;
export type RefundKind = (typeof refundKinds)[number];

/** Flow `refund`, workflow `refund`. */
export interface RefundInput extends TransactionInput {
  readonly refundId: BusinessId;
  readonly paymentId: BusinessId;
  /** `null`: all that is left of the payment. */
  readonly amount: Money | null;
  readonly kind: RefundKind;
  readonly reason: string;
  readonly requestedBy: string;
  /** Left out: no review. */
  readonly review?: ChargebackReview;
}

export interface OpenPayment extends Keyed {
  readonly paymentId: BusinessId;
  readonly payerId: BusinessId;
  readonly payeeId: BusinessId;
  readonly amount: Money;
  readonly description: string | null;
  readonly requestedBy: string;
}
export interface AssessRisk extends Keyed {
  readonly paymentId: BusinessId;
  readonly payerId: BusinessId;
  readonly payeeId: BusinessId;
  readonly amount: Money;
  readonly policy: RiskPolicy;
}
export interface RecordReview extends Keyed {
  readonly paymentId: BusinessId;
  readonly decision: 'approve' | 'reject';
  /** Subject of the person who decided. */
  readonly by: string;
  readonly note: string | null;
}
export interface AuthorisePayment extends Keyed {
  readonly paymentId: BusinessId;
  /** Amount of the payment. */
  readonly amount: Money;
}
export interface CompletePayment extends Keyed {
  readonly paymentId: BusinessId;
}
export interface RecordRefundReview extends Keyed {
  readonly refundId: BusinessId;
  readonly decision: 'approve' | 'reject';
  /** Subject of the person who decided. */
  readonly by: string;
  readonly note: string | null;
}
export interface ReserveRefund extends Keyed {
  readonly refundId: BusinessId;
  readonly paymentId: BusinessId;
  readonly amount: Money | null;
  readonly kind: RefundKind;
  readonly reason: string;
  readonly requestedBy: string;
}
export interface RefundReservation {
  /** The hold on the payee's account, for `captureFunds`. */
  readonly holdKey: StepKey;
  /** Account that gets the money back: the payer of the payment. */
  readonly payerId: BusinessId;
  /** The requested amount, or all that was left. */
  readonly amount: Money;
}
export interface CompleteRefund extends Keyed {
  readonly refundId: BusinessId;
}

/**
 * Payments, refunds and their risk, in the database `accounts`. Every change of a payment writes its row, its audit
 * entry and its event in one SQL transaction. Every activity is safe to repeat.
 */
export const paymentOperations = {
  /**
   * Checks both accounts and writes the payment as `pending`. Undone by `closePayment`.
   * @returns refuses with AccountUnavailable (unknown, closed, of another currency, both the same), Fenced,
   *   IdempotencyConflict.
   */
  openPayment: act<OpenPayment>({ refusals: ['AccountUnavailable'] }),
  /** Undo: the payment ends as `declined` if risk or a person rejected it, otherwise as `failed`. */
  closePayment: undo(),
  /**
   * Runs every rule, stores the decision with its reasons, and moves the payment to `review` where a person must
   * decide. Never refuses for what the rules find: `authorisePayment` does. Undone by `clearRisk`.
   */
  assessRisk: act<AssessRisk, RiskAssessment>(),
  /** Undo: the assessment stays, marked as cleared. The payment no longer counts in the payer's velocity. */
  clearRisk: undo(),
  /** Stores the decision of a person on a payment in review. The first decision stands. Undone by `withdrawReview`. */
  recordReview: act<RecordReview>(),
  /** Undo: the decision stays, marked as withdrawn. */
  withdrawReview: undo(),
  /**
   * Sets the payer's money aside and moves the payment to `authorised`. `voidAuthorisation` undoes it, and
   * `captureFunds` consumes the hold.
   * @returns refuses with RiskRejected (the stored assessment says decline), ReviewRejected (the stored review says
   *   reject), InsufficientFunds, AccountUnavailable; InvariantBroken (no payment, of another amount, no assessment, or
   * none of an open
   *   review), Fenced, IdempotencyConflict.
   */
  authorisePayment: act<AuthorisePayment, FundsHold>({
    refusals: ['RiskRejected', 'ReviewRejected', 'InsufficientFunds', 'AccountUnavailable'],
    reserves: true,
    movesMoney: true,
    amounts: ({ amount }) => heldAmount(amount),
  }),
  /** Undo: the money is free again. */
  voidAuthorisation: undo(),
  /** After the capture: the payment is `completed`, and its notification is requested as an event. */
  completePayment: retriableAct<CompletePayment>(),
  /**
   * Sets the refunded amount aside, on the payment and on the payee's account. The row of the payment is locked, so
   * concurrent refunds never exceed the captured amount. A chargeback with an amount may exceed it: the payer's bank
   * has already taken the money. Undone by `cancelRefund`.
   * @throws retryable NotYet while the payment's money may still be booked.
   * @returns refuses with LimitExceeded (more than is left), PaymentUnavailable (unknown, or not completed),
   *   InsufficientFunds (a chargeback on a merchant may go below zero), AccountUnavailable; Fenced,
   * IdempotencyConflict.
   */
  reserveRefund: act<ReserveRefund, RefundReservation>({
    refusals: ['LimitExceeded', 'PaymentUnavailable', 'InsufficientFunds', 'AccountUnavailable'],
    reserves: true,
    movesMoney: true,
    amounts: ({ amount }, reserved) => {
      const held = reserved?.amount ?? amount; // `null`: all that is left. Only the answer has the amount.
      return held ? heldAmount(held) : [];
    },
  }),
  cancelRefund: undo(),
  /**
   * Writes the decision of a person on a chargeback into the audit of its payment. The first decision stands. Undone by
   * `withdrawRefundReview`.
   * @returns refuses with ReviewRejected; InvariantBroken (not of this transaction, or not reserved), Fenced.
   */
  recordRefundReview: act<RecordRefundReview>({ refusals: ['ReviewRejected'] }),
  /** Undo: the decision stays in the audit, with an entry that withdraws it. */
  withdrawRefundReview: undo(),
  /** After the capture: the refund is `completed`, and the refunded sum of the payment has grown. */
  completeRefund: retriableAct<CompleteRefund>(),
};

const payment = {
  paymentId: businessId('Payment, `<tenant>.<payment>`.', 'P-1001'),
  status: oneOf(paymentStatuses, 'Status of the payment after the change.'),
};
const refundId = businessId('Refund, `<tenant>.<refund>`.', 'R-1001');
const review = {
  decision: oneOf(['approve', 'reject'], 'Decision of a person.'),
  note: nullable(text('Note of the person.', 'Known customer.'), '`null`: no note.'),
};
const refund = { ...payment, refundId, ...amountFields };

/** Every change of a payment announces one of these. */
export const paymentEvents = {
  'payment.opened': event({
    by: ['openPayment'],
    when: 'The payment is written as pending.',
    data: { ...payment, ...partyFields, ...amountFields },
  }),
  'payment.assessed': event({
    by: ['assessRisk'],
    when: 'The rules of risk have decided.',
    data: {
      ...payment,
      decision: oneOf(riskDecisions, '`review`: a person decides.'),
      score: whole('Sum of the scores of all reasons.', { example: 40 }),
      reasons: listOf(
        fields({
          rule: oneOf(riskRules, 'Rule that found something.'),
          severity: oneOf(riskSeverities, '`critical` declines at any score.'),
          score: whole('Score of the finding.', { example: 40 }),
          detail: text('Sentence for a person.', 'The first payment to this payee.'),
        }),
        'Findings, in the order of the rules.',
      ),
    },
  }),
  'payment.riskCleared': event({
    by: ['clearRisk'],
    when: 'The assessment is taken back: the payment no longer counts for the payer.',
    data: payment,
  }),
  'payment.reviewed': event({
    by: ['recordReview'],
    when: 'A person has decided on a payment in review.',
    data: { ...payment, ...review },
  }),
  'payment.reviewWithdrawn': event({
    by: ['withdrawReview'],
    when: 'The decision of the person is taken back.',
    data: payment,
  }),
  'payment.authorised': event({
    by: ['authorisePayment'],
    when: "The payer's money is set aside.",
    data: { ...payment, ...partyFields, ...amountFields },
  }),
  'payment.authorisationVoided': event({
    by: ['voidAuthorisation'],
    when: "The payer's money is free again.",
    data: payment,
  }),
  'payment.completed': event({
    by: ['completePayment'],
    when: 'The money is booked. Both parties are to be notified.',
    data: {
      ...payment,
      ...partyFields,
      ...amountFields,
      notification: fields(
        {
          type: oneOf(['notification.requested'], 'Kind of the request.'),
          recipients: listOf(
            businessId('Account, `<tenant>.<account>`.', 'A-1001'),
            'Accounts whose holders are to be notified.',
          ),
        },
        'Request to notify.',
      ),
    },
  }),
  'payment.declined': event({
    by: ['closePayment'],
    when: 'Risk or a person has rejected the payment. No money has moved.',
    data: payment,
  }),
  'payment.failed': event({
    by: ['closePayment'],
    when: 'The payment is taken back for another reason. No money has moved.',
    data: payment,
  }),
  'refund.reserved': event({
    by: ['reserveRefund'],
    when: 'The refunded amount is set aside.',
    data: {
      ...refund,
      kind: oneOf(refundKinds, 'A chargeback was decided by the bank of the payer.'),
      reason: text('Reason that the caller gave.', 'Goods returned.'),
    },
  }),
  'refund.reviewed': event({
    by: ['recordRefundReview'],
    when: 'A person has decided on a chargeback.',
    data: { ...payment, refundId, ...review },
  }),
  'refund.reviewWithdrawn': event({
    by: ['withdrawRefundReview'],
    when: 'The decision of the person is taken back.',
    data: { ...payment, refundId },
  }),
  'refund.completed': event({
    by: ['completeRefund'],
    when: 'The refunded money is booked.',
    data: refund,
  }),
  'refund.cancelled': event({
    by: ['cancelRefund'],
    when: 'The refunded amount is free again.',
    data: refund,
  }),
};
