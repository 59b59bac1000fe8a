import type { Currency } from '../engine/money';

export const riskDecisions = ['approve', 'review', 'decline'] as const;
export type RiskDecision = (typeof riskDecisions)[number];

/** Implementations: activities/accounts/risk-rules.ts. Reasons are shown in this order. */
export const riskRules = ['blocked_account', 'amount_limit', 'velocity', 'new_payee'] as const;
export type RiskRule = (typeof riskRules)[number];
export const riskSeverities = ['info', 'warning', 'critical'] as const;
export type RiskSeverity = (typeof riskSeverities)[number];

/** Finding of a rule. `critical` declines at any score. */
export interface RiskReason {
  readonly rule: RiskRule;
  readonly severity: RiskSeverity;
  readonly score: number;
  readonly detail: string;
}

export interface RiskAssessment {
  readonly decision: RiskDecision;
  /** Sum of the scores of all reasons. */
  readonly score: number;
  readonly reasons: readonly RiskReason[];
}

/** Thresholds of the rules. The API configures them; the input has them, so that history and replay see them. */
export interface RiskPolicy {
  /** From `reviewScore` on a person decides. From `declineScore` on the payment is declined. */
  readonly reviewScore: number;
  readonly declineScore: number;
  /** Allowed payments of one payer in one window. Each payment beyond `max` gets the score. */
  readonly velocity: { readonly windowMs: number; readonly max: number; readonly score: number };
  /** Limits by currency, in minor units. Every amount of a currency without a limit waits for a person. */
  readonly amountLimits: Readonly<
    Partial<Record<Currency, { readonly review: number; readonly decline: number }>>
  >;
  /** Score of the first payment of a payer to a payee. */
  readonly newPayeeScore: number;
  /**
   * Chargebacks above these limits, in minor units, wait for a person. In a currency without a limit every chargeback
   * waits. Left out: none waits.
   */
  readonly chargebackReview?: ChargebackLimits | undefined;
}

export type ChargebackLimits = Readonly<Partial<Record<Currency, number>>>;
