import { randomUUID } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import type { ActFate, OwedFate, Plan, PlannedAct, PlanOutcome } from '../support/kernel-plans';
import { workflowTests } from '../support/transaction-worker';

const tests = workflowTests();

/** Plans of one workflow run: enough to be quick, few enough for one workflow task. */
const plansPerRun = 40;

const actFate = fc.constantFrom<ActFate>(
  'ok',
  'ok',
  'ok',
  'ok',
  'refused',
  'lost',
  'away',
  'broken',
  'fenced',
);
const owedFate = fc.constantFrom<OwedFate>('ok', 'ok', 'broken');

const plan: fc.Arbitrary<Plan> = fc
  .record({
    groups: fc.array(
      fc.array(
        fc.record({ isTcc: fc.boolean(), act: actFate, undo: owedFate, confirm: owedFate }),
        { minLength: 1, maxLength: 3 },
      ),
      { maxLength: 4 },
    ),
    pivot: fc.option(actFate),
    finishes: fc.array(owedFate, { maxLength: 3 }),
    cancelAtCall: fc.option(fc.integer({ min: 1, max: 12 })),
  })
  .map(({ groups, finishes, ...rest }) => ({
    ...rest,
    groups: groups.map((group, g) => group.map((act, a) => ({ ...act, name: `act-${g}-${a}` }))),
    finishes: finishes.map((fate, at) => ({ fate, name: `finish-${at}` })),
  }));

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

const namesOf = (trace: readonly string[], verb: string): readonly string[] =>
  trace.filter((line) => line.startsWith(`${verb} `)).map((line) => line.slice(verb.length + 1));

const compensables = ({ groups }: Plan): readonly PlannedAct[] => groups.flat();
const decisionOf = ({ pivot }: Plan): string => (pivot === null ? 'decide' : 'pivot');
const startsOf = (each: Plan, { trace }: PlanOutcome): readonly string[] => {
  const names = new Set(compensables(each).map(({ name }) => name));
  return [...new Set(namesOf(trace, 'start'))].filter((name) => names.has(name));
};

describe('whatever the steps and whatever befalls them', () => {
  it('a transaction has one ending, told last, and it is that of its decision', async () => {
    await holdsForEveryPlan((each, { outcome, trace, rows }) => {
      expect(trace.filter((line) => line.startsWith('end '))).toEqual([`end ${outcome}`]);
      expect(trace.at(-1)).toBe(`end ${outcome}`);
      expect(rows[decisionOf(each)] === 'acted').toBe(outcome === 'completed');
    });
  });

  it('a compensated one leaves nothing behind and a completed one forgets nothing', async () => {
    await holdsForEveryPlan((each, { outcome, rows, trace }) => {
      const states = compensables(each).map(({ name }) => rows[name]);
      const left = states.filter((state) => state === 'acted' || state === 'confirmed');
      expect(left).toHaveLength(outcome === 'completed' ? states.length : 0);
      const confirmed = compensables(each).filter(
        ({ name, isTcc }) => isTcc && rows[name] === 'confirmed',
      );
      const tcc = compensables(each).filter(({ isTcc }) => isTcc);
      expect(confirmed).toHaveLength(outcome === 'completed' ? tcc.length : 0);
      const finishes = each.pivot === null ? [] : each.finishes.map(({ name }) => `act ${name}`);
      const finished = finishes.filter((line) => trace.includes(line));
      expect(finished).toEqual(outcome === 'completed' ? finishes : []);
    });
  });

  it('undo runs last first, nothing is undone twice, and nothing acts after the first undo', async () => {
    await holdsForEveryPlan((each, result) => {
      const undone = namesOf(result.trace, 'undo');
      const brokenUndo = new Set(
        compensables(each)
          .filter(({ undo, act }) => undo === 'broken' || act === 'broken')
          .map(({ name }) => name),
      );
      const starts = startsOf(each, result);
      const expected = starts.filter((name) => undone.includes(name)).reverse();
      // A parked undo is done later, by the operator's retry.
      expect(undone.filter((name) => starts.includes(name) && !brokenUndo.has(name))).toEqual(
        expected.filter((name) => !brokenUndo.has(name)),
      );
      expect(new Set(undone).size).toBe(undone.length);
      const firstUndo = result.trace.findIndex((line) => line.startsWith('undo '));
      const actsAfter = firstUndo < 0 ? [] : namesOf(result.trace.slice(firstUndo), 'act');
      expect(actsAfter).toEqual([]);
    });
  });

  it('undo begins with the seal of the decision, unless a refusal is recorded', async () => {
    await holdsForEveryPlan((_each, { outcome, reason, trace }) => {
      const sealed = namesOf(trace, 'seal').length > 0;
      const firstUndo = trace.findIndex((line) => line.startsWith('undo '));
      const seal = trace.findIndex((line) => line.startsWith('seal '));
      expect(outcome === 'completed' || sealed || reason === 'NoRoomLeft').toBe(true);
      expect(firstUndo < 0 || !sealed || seal < firstUndo).toBe(true);
    });
  });
});
