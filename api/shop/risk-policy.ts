import { z } from 'zod';

import { currencies, minorUnitsMax } from '../../contracts/engine/money';
import type { RiskPolicy } from '../../contracts/participants/risk';
import { defaultThresholds } from '../approvals/two-persons';

/** A rule's score is compared with `declineScore`, so there is no use in more than this. */
const scoreMax = 1_000;
const dayMs = 86_400_000;

const score = z.int().min(0).max(scoreMax);
const amount = z.int().min(1).max(minorUnitsMax);
const amountLimit = z
  .strictObject({ review: amount, decline: amount })
  .refine(({ review, decline }) => review <= decline, 'review is above decline');

/**
 * What a person looks at, and what is no payment of this kind. What wants two persons of a parked run wants one here.
 * Every amount of another currency waits for a person until the configuration has limits of it.
 */
const defaultAmountLimits: RiskPolicy['amountLimits'] = Object.fromEntries(
  Object.entries(defaultThresholds).map(([currency, review]) => [
    currency,
    { review, decline: 10 * review },
  ]),
);

/** Thresholds of the risk rules; what is left out has its default. */
export const riskPolicySchema = z
  .strictObject({
    reviewScore: score.default(50),
    declineScore: score.default(100),
    velocity: z
      .strictObject({
        windowMs: z.int().min(1_000).max(dayMs).default(3_600_000),
        max: z.int().min(1).max(10_000).default(20),
        score: score.default(50),
      })
      .prefault({}),
    amountLimits: z
      .partialRecord(z.enum(currencies), amountLimit)
      .prefault({})
      .transform((given) => ({ ...defaultAmountLimits, ...given })),
    newPayeeScore: score.default(20),
    chargebackReview: z.partialRecord(z.enum(currencies), amount).optional(),
  })
  .refine(
    ({ reviewScore, declineScore }) => reviewScore <= declineScore,
    'reviewScore is above declineScore',
  ) satisfies z.ZodType<RiskPolicy>;
