import { randomUUID } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { laws, plan } from '../support/kernel-laws';
import type { Plan, PlanOutcome } from '../support/kernel-plans';
import { workflowTests } from '../support/transaction-worker';

const tests = workflowTests();

/** Plans of one workflow run: enough to be quick, few enough for one workflow task. */
const plansPerRun = 25;

const runPlans = (plans: readonly Plan[]): Promise<readonly PlanOutcome[]> =>
  tests.client().workflow.execute<KernelPlans>('kernelPlans', {
    workflowId: `plans-${randomUUID()}`,
    taskQueue: tests.taskQueue,
    args: [plans],
  });

type KernelPlans = (plans: readonly Plan[]) => Promise<readonly PlanOutcome[]>;

/** Every plan of the batch must satisfy the law; a counterexample shows the plan beside its outcome. */
async function holdsForEveryPlan(law: (plan: Plan, outcome: PlanOutcome) => void): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.array(plan, { minLength: plansPerRun, maxLength: plansPerRun }),
      async (plans) => {
        const outcomes = await runPlans(plans);
        plans.forEach((each, at) => {
          const outcome = outcomes[at];
          if (!outcome) throw new Error(`Plan ${at} has no outcome.`);
          law(each, outcome);
        });
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
