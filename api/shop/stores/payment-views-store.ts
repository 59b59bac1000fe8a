import type { BusinessId } from '../../../contracts/engine/ids';
import type { Currency } from '../../../contracts/engine/money';
import type { PaymentStatus, RefundKind } from '../../../contracts/participants/payments';
import type { RiskAssessment } from '../../../contracts/participants/risk';
import type { Database, Statements } from '../../stores/database';

/** What a refund asks of its payment. */
export interface PaymentBalance {
  readonly status: PaymentStatus;
  readonly currency: Currency;
  /** Captured, and neither gone back nor about to: digits; below zero where the payer's bank has taken more. */
  readonly leftMinor: string;
}

export const refundStatuses = ['reserved', 'completed', 'cancelled'] as const;

export interface RefundView {
  readonly refundId: BusinessId;
  readonly kind: RefundKind;
  readonly status: (typeof refundStatuses)[number];
  /** Digits. */
  readonly amount: string;
  readonly reason: string;
  readonly requestedBy: string;
  readonly createdAt: Date;
}

export interface RiskView extends RiskAssessment {
  /** `cleared`: the payment was undone. */
  readonly state: 'standing' | 'cleared';
  readonly at: Date;
}

export interface ReviewView {
  readonly decision: 'approve' | 'reject';
  readonly by: string;
  readonly note: string | null;
  /** `withdrawn`: the payment was undone. */
  readonly state: 'standing' | 'withdrawn';
  readonly at: Date;
}

export interface PaymentView {
  readonly paymentId: BusinessId;
  readonly status: PaymentStatus;
  readonly payerId: BusinessId;
  readonly payeeId: BusinessId;
  readonly currency: Currency;
  /** Digits, as the next three. */
  readonly amount: string;
  readonly captured: string;
  readonly refunded: string;
  /** What the payer's bank has taken back. */
  readonly chargedBack: string;
  readonly description: string | null;
  readonly requestedBy: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly asOf: Date;
  readonly risk: RiskView | null;
  readonly review: ReviewView | null;
  /** The newest first, `refundsMax` at most. */
  readonly refunds: readonly RefundView[];
}

const refundsMax = 100;

/** Payments with their risk, review and refunds, read only. The tenant is part of every id. */
export function createPaymentViewsStore(database: Database) {
  return {
    /** All of it as of one moment. */
    find: (paymentId: BusinessId): Promise<PaymentView | undefined> =>
      database.transaction(async (sql) => {
        const [payment] = await sql.select<Omit<PaymentView, 'risk' | 'review' | 'refunds'>>(
          `SELECT payment_id AS paymentId, status, payer_id AS payerId, payee_id AS payeeId, currency,
             CAST(amount AS CHAR) AS amount, CAST(captured AS CHAR) AS captured,
             CAST(refunded AS CHAR) AS refunded, CAST(charged_back AS CHAR) AS chargedBack, description, requested_by AS requestedBy,
             created_at AS createdAt, updated_at AS updatedAt, UTC_TIMESTAMP(3) AS asOf
           FROM payments WHERE payment_id = ?`,
          [paymentId],
        );
        if (!payment) return undefined;
        return {
          ...payment,
          risk: await riskOf(sql, paymentId),
          review: await reviewOf(sql, paymentId),
          refunds: await refundsOf(sql, paymentId),
        };
      }),

    async balance(paymentId: BusinessId): Promise<PaymentBalance | undefined> {
      const [balance] = await database.select<PaymentBalance>(
        `SELECT status, currency, CAST(captured - refunded - refunding - charged_back - charging_back AS CHAR) AS leftMinor
         FROM payments WHERE payment_id = ?`,
        [paymentId],
      );
      return balance;
    },
  };
}
export type PaymentViewsStore = ReturnType<typeof createPaymentViewsStore>;

async function riskOf(sql: Statements, paymentId: BusinessId): Promise<RiskView | null> {
  const [risk] = await sql.select<RiskView>(
    `SELECT decision, score, reasons, state, created_at AS at
     FROM risk_assessments WHERE payment_id = ? ORDER BY created_at DESC LIMIT 1`,
    [paymentId],
  );
  return risk ?? null;
}

async function reviewOf(sql: Statements, paymentId: BusinessId): Promise<ReviewView | null> {
  const [review] = await sql.select<ReviewView>(
    `SELECT decision, decided_by AS \`by\`, note, state, created_at AS at
     FROM payment_reviews WHERE payment_id = ? ORDER BY created_at DESC LIMIT 1`,
    [paymentId],
  );
  return review ?? null;
}

const refundsOf = (sql: Statements, paymentId: BusinessId): Promise<readonly RefundView[]> =>
  sql.select<RefundView>(
    `SELECT refund_id AS refundId, kind, state AS status, CAST(amount AS CHAR) AS amount, reason,
       requested_by AS requestedBy, created_at AS createdAt
     FROM refunds WHERE payment_id = ? ORDER BY created_at DESC, refund_id DESC LIMIT ?`,
    [paymentId, refundsMax],
  );
