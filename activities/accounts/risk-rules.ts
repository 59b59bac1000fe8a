/** The rules of risk. All of them run on every payment, and their scores and severities decide. */
import { partsOfBusinessId, type BusinessId } from '../../contracts/engine/ids';
import { decimalOf, moneyText, type Money } from '../../contracts/engine/money';
import {
  riskRules,
  type RiskAssessment,
  type RiskDecision,
  type RiskPolicy,
  type RiskReason,
  type RiskRule,
} from '../../contracts/participants/risk';

/** Facts for the rules. */
export interface RiskFacts {
  readonly amount: Money;
  /** Payer and payee, where either is blocked. */
  readonly blocked: readonly { readonly accountId: BusinessId; readonly reason: string }[];
  /** The payer has used up the payments of this window. */
  readonly isVelocityExceeded: boolean;
  /** The payer has completed a payment to this payee before. */
  readonly isPayeeKnown: boolean;
}

type Rule = (facts: RiskFacts, policy: RiskPolicy) => readonly RiskReason[];

/** Every rule that the contract declares; a reason is shown in the contract's order. */
const rules: Readonly<Record<RiskRule, Rule>> = {
  blocked_account: blockedAccount,
  amount_limit: amountLimit,
  velocity,
  new_payee: newPayee,
};

/**
 * The same facts under the same policy give the same answer. Declines for a `critical` reason, or from `declineScore`
 * on; a person decides from `reviewScore` on.
 */
export function assess(facts: RiskFacts, policy: RiskPolicy): RiskAssessment {
  const reasons = riskRules.flatMap((rule) => rules[rule](facts, policy));
  const score = reasons.reduce((sum, reason) => sum + reason.score, 0);
  return { decision: decisionOn(reasons, score, policy), score, reasons };
}

function decisionOn(
  reasons: readonly RiskReason[],
  score: number,
  { reviewScore, declineScore }: RiskPolicy,
): RiskDecision {
  if (reasons.length === 0) return 'approve'; // Also with thresholds of zero: no rule has found anything.
  if (score >= declineScore || reasons.some(({ severity }) => severity === 'critical')) {
    return 'decline';
  }
  return score >= reviewScore ? 'review' : 'approve';
}

function blockedAccount({ blocked }: RiskFacts, { declineScore }: RiskPolicy) {
  return blocked.map(({ accountId, reason }): RiskReason => {
    const detail = `${partsOfBusinessId(accountId)?.id ?? accountId} is blocked: ${reason}`;
    return { rule: 'blocked_account', severity: 'critical', score: declineScore, detail };
  });
}

function amountLimit({ amount }: RiskFacts, policy: RiskPolicy): readonly RiskReason[] {
  const limits = policy.amountLimits[amount.currency];
  if (!limits) return [withoutLimit(amount, policy)];
  if (amount.minorUnits <= Math.min(limits.review, limits.decline)) return [];
  const isTooMuch = amount.minorUnits > limits.decline;
  const limit = isTooMuch ? limits.decline : limits.review;
  return [
    {
      rule: 'amount_limit',
      severity: isTooMuch ? 'critical' : 'warning',
      score: isTooMuch ? policy.declineScore : policy.reviewScore,
      detail: `${moneyText(amount)} is above ${decimalOf({ ...amount, minorUnits: limit })}`,
    },
  ];
}

/** The currency has no limit: a person decides on every amount, and the reason names the missing setting. */
const withoutLimit = ({ currency }: Money, { reviewScore }: RiskPolicy): RiskReason => ({
  rule: 'amount_limit',
  severity: 'warning',
  score: reviewScore,
  detail: `RISK_POLICY has no amountLimits for ${currency}`,
});

function velocity({ isVelocityExceeded }: RiskFacts, policy: RiskPolicy): readonly RiskReason[] {
  if (!isVelocityExceeded) return [];
  const { max, windowMs, score } = policy.velocity;
  const detail = `More than ${max} payments in ${windowMs / 1_000} s`;
  return [{ rule: 'velocity', severity: 'warning', score, detail }];
}

function newPayee({ isPayeeKnown }: RiskFacts, { newPayeeScore }: RiskPolicy) {
  if (isPayeeKnown) return [];
  const detail = 'First payment to this payee';
  return [{ rule: 'new_payee', severity: 'info', score: newPayeeScore, detail } as const];
}
