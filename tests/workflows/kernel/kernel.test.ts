import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { laws, plan, plansPerRun, played } from '../support/kernel-laws';
import type { Plan, PlanOutcome } from '../support/kernel-plans';
import { workflowTests } from '../support/transaction-worker';

const tests = workflowTests();

/** Every plan of the batch must satisfy the law; a counterexample shows the plan beside its outcome. */
async function holdsForEveryPlan(law: (plan: Plan, outcome: PlanOutcome) => void): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { minLength: plansPerRun, maxLength: plansPerRun }),
      async (plans) => {
        for (const [each, outcome] of await played(tests, plans)) law(each, outcome);
      },
    ),
    { numRuns: 6, endOnFailure: true },
  );
}

describe('whatever the steps and whatever befalls them, in whatever lives and builds', () => {
  it.each(Object.entries(laws))('%s', async (_, law) => {
    await expect(holdsForEveryPlan(law)).resolves.toBeUndefined();
  });
});
