import type { Currency } from '../engine/money';

export const riskDecisions = ['approve', 'review', 'decline'] as const;
export type RiskDecision = (typeof riskDecisions)[number];

/** Each has its implementation in activities/accounts/risk-rules.ts; reasons are shown in this order. */
export const riskRules = ['blocked_account', 'amount_limit', 'velocity', 'new_payee'] as const;
export type RiskRule = (typeof riskRules)[number];
export type RiskSeverity = 'info' | 'warning' | 'critical';

/** A rule that has spoken. `critical` declines whatever the score is. */
export interface RiskReason {
  readonly rule: RiskRule;
  readonly severity: RiskSeverity;
  readonly score: number;
  readonly detail: string;
}

export interface RiskAssessment {
  readonly decision: RiskDecision;
  /** Sum of the scores of all rules that have spoken. */
  readonly score: number;
  readonly reasons: readonly RiskReason[];
}

/** Thresholds of the rules: configuration of the API, carried in the input so that history and replay see them. */
export interface RiskPolicy {
  /** From this score on a person decides, from the second on it is declined. */
  readonly reviewScore: number;
  readonly declineScore: number;
  /** Payments of one payer in one window; the one that comes after the last allowed adds the score. */
  readonly velocity: { readonly windowMs: number; readonly max: number; readonly score: number };
  /** Amounts above these, in minor units; of a currency left out every amount waits for a person. */
  readonly amountLimits: Readonly<
    Partial<Record<Currency, { readonly review: number; readonly decline: number }>>
  >;
  /** Score of the first payment of a payer to a payee. */
  readonly newPayeeScore: number;
  /** Chargebacks above these, in minor units, wait for a person; of a currency left out every one. Without it none does. */
  readonly chargebackReview?: ChargebackLimits | undefined;
}

export type ChargebackLimits = Readonly<Partial<Record<Currency, number>>>;
