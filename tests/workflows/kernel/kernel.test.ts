import { randomUUID } from 'node:crypto';

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  branchesOf,
  type ActFate,
  type OwedFate,
  type Plan,
  type PlannedAct,
  type PlannedForm,
  type PlanOutcome,
} from '../support/kernel-plans';
import { workflowTests } from '../support/transaction-worker';

const tests = workflowTests();

/** Plans of one workflow run: enough to be quick, few enough for one workflow task. */
const plansPerRun = 25;

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

/**
 * A transaction may have been decided by a build without the step. The build that adds it goes on where it is refused; what
 * is for ever unanswered would wait for ever.
 */
const addedBehindDecision = ({ act }: { readonly act: ActFate }) => ({
  isCaught: true,
  act: act === 'refused' || act === 'lost' ? act : ('ok' as const),
});

const plan: fc.Arbitrary<Plan> = fc
  .record({
    groups: fc.array(
      fc.array(
        fc.record({
          form: fc.constantFrom<PlannedForm>('once', 'once', 'tcc', 'counted'),
          act: actFate,
          undo: owedFate,
          confirm: owedFate,
          isCaught: fc.boolean(),
          isSkipped: fc.constantFrom(false, false, false, true),
          build: fc.constantFrom<PlannedAct['build']>('both', 'both', 'both', 'retired', 'added'),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      { maxLength: 4 },
    ),
    pivot: fc.option(actFate),
    finishes: fc.array(owedFate, { maxLength: 3 }),
    cancelAtCall: fc.option(fc.integer({ min: 1, max: 12 })),
    lostAtCall: fc.option(fc.integer({ min: 1, max: 20 })),
  })
  .map(({ groups, finishes, ...rest }) => ({
    ...rest,
    groups: groups.map((group, g) =>
      group.map((act, a) => ({
        ...act,
        name: `act-${g}-${a}`,
        ...(act.build === 'added' && addedBehindDecision(act)),
      })),
    ),
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

const branchesOfAll = (acts: readonly PlannedAct[]): readonly string[] => acts.flatMap(branchesOf);
/** The steps that the last life runs, as they stand in its flow. */
const actsOfLastLife = ({ groups, lostAtCall }: Plan, { lastLife }: PlanOutcome) =>
  groups.flat().filter(({ isSkipped, build }) => {
    const isSecond = lostAtCall !== null && lastLife > 0;
    return !isSkipped && build !== (isSecond ? 'retired' : 'added');
  });
const decisionOf = ({ pivot }: Plan): string => (pivot === null ? 'decide' : 'pivot');
/** Of the last life: another one may have ended anywhere. */
const traceOf = ({ trace, lastLife }: PlanOutcome): readonly string[] => trace.slice(lastLife);
const hasHappened = (state: string | undefined) => state === 'acted' || state === 'confirmed';

describe('whatever the steps and whatever befalls them, in whatever lives and builds', () => {
  it('a transaction has one ending, told last, and it is that of its decision', async () => {
    await holdsForEveryPlan((each, { outcome, trace, rows }) => {
      const endings = trace.filter((line) => line.startsWith('end '));
      expect(new Set(endings)).toEqual(new Set([`end ${outcome}`]));
      expect(trace.at(-1)).toBe(`end ${outcome}`);
      expect(rows[decisionOf(each)] === 'acted').toBe(outcome === 'completed');
    });
  });

  it('a compensated one leaves nothing behind, not even of a step that its build has no more', async () => {
    await holdsForEveryPlan((each, { outcome, rows }) => {
      if (outcome !== 'compensated') return;
      const left = branchesOfAll(each.groups.flat()).filter((name) => hasHappened(rows[name]));
      expect(left).toEqual([]);
    });
  });

  it('a completed one forgets nothing of what it runs, and holds nothing of what it has no more', async () => {
    await holdsForEveryPlan((each, result) => {
      const { outcome, rows, trace } = result;
      if (outcome !== 'completed') return;
      const acts = actsOfLastLife(each, result);
      const states = branchesOfAll(acts).map((name) => rows[name]);
      expect(states.filter((state) => !hasHappened(state) && state !== 'refused')).toEqual([]);
      const tried = branchesOfAll(acts.filter(({ form }) => form === 'tcc'));
      expect(tried.filter((name) => rows[name] === 'acted')).toEqual([]);
      const gone = branchesOfAll(each.groups.flat().filter((act) => !acts.includes(act)));
      // One that the life which had it has confirmed stays: the fence would ask a person.
      expect(gone.filter((name) => rows[name] === 'acted')).toEqual([]);
      const finishes = each.pivot === null ? [] : each.finishes.map(({ name }) => `act ${name}`);
      expect(finishes.filter((line) => !trace.includes(line))).toEqual([]);
    });
  });

  it('nothing is undone that its input does not have, or that was confirmed', async () => {
    await holdsForEveryPlan((each, { trace }) => {
      const undone = namesOf(trace, 'undo');
      const skipped = branchesOfAll(each.groups.flat().filter(({ isSkipped }) => isSkipped));
      expect(undone.filter((name) => skipped.includes(name))).toEqual([]);
      expect(undone.filter((name) => trace.includes(`confirm ${name}`))).toEqual([]);
    });
  });

  it('undo runs last first, behind what was never begun; nothing is undone twice, and nothing acts after the first undo', async () => {
    await holdsForEveryPlan((each, result) => {
      if (result.outcome === 'completed') return; // What it has no more is undone in any order.
      const trace = traceOf(result);
      const undone = namesOf(trace, 'undo');
      const brokenUndo = new Set(
        branchesOfAll(
          each.groups.flat().filter(({ undo, act }) => undo === 'broken' || act === 'broken'),
        ),
      );
      const begun = [...new Set(namesOf(trace, 'start'))].filter((name) => undone.includes(name));
      // A parked undo is done later, by the operator's retry.
      const atOnce = undone.filter((name) => !brokenUndo.has(name));
      const ordered = begun.reverse().filter((name) => !brokenUndo.has(name));
      const neverBegun = atOnce.filter((name) => !ordered.includes(name));
      expect(atOnce).toEqual([...neverBegun, ...ordered]);
      expect(new Set(undone).size).toBe(undone.length);
      const firstUndo = trace.findIndex((line) => line.startsWith('undo '));
      const actsAfter = firstUndo < 0 ? [] : namesOf(trace.slice(firstUndo), 'act');
      expect(actsAfter).toEqual([]);
    });
  });

  it('undo begins with the seal of the decision, unless a refusal is recorded', async () => {
    await holdsForEveryPlan((_each, result) => {
      const { outcome, reason } = result;
      const trace = traceOf(result);
      const sealed = namesOf(trace, 'seal').length > 0;
      const firstUndo = trace.findIndex((line) => line.startsWith('undo '));
      const seal = trace.findIndex((line) => line.startsWith('seal '));
      expect(outcome === 'completed' || sealed || reason === 'NoRoomLeft').toBe(true);
      expect(outcome === 'completed' || firstUndo < 0 || !sealed || seal < firstUndo).toBe(true);
    });
  });
});
