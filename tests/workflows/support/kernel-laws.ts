/** What plans of transactions are drawn from, and what must hold of every one of them. */
import { randomUUID } from 'node:crypto';

import { expect } from '@jest/globals';
import fc from 'fast-check';

import {
  branchesOf,
  isRunIn,
  type ActFate,
  type OwedFate,
  type Plan,
  type PlannedAct,
  type PlannedForm,
  type PlanOutcome,
  type SecondLife,
} from './kernel-plans';
import type { workflowTests } from './transaction-worker';

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

const atCall = fc.integer({ min: 1, max: 20 });
const secondLife: fc.Arbitrary<SecondLife> = fc.oneof(
  fc.record({ how: fc.constantFrom('lost', 'lost', 'beside'), atCall }),
  fc.record({ how: fc.constant('reset'), atCall, known: fc.nat({ max: 20 }) }),
);

export const plan: fc.Arbitrary<Plan> = fc
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
    second: fc.option(secondLife),
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

/** Plans of one workflow run: enough to be quick, few enough for one workflow task. */
export const plansPerRun = 25;

/** @returns each plan with its outcome. */
export async function played(
  tests: ReturnType<typeof workflowTests>,
  plans: readonly Plan[],
): Promise<readonly (readonly [Plan, PlanOutcome])[]> {
  const outcomes = await tests.client().workflow.execute<KernelPlans>('kernelPlans', {
    workflowId: `plans-${randomUUID()}`,
    taskQueue: tests.taskQueue,
    args: [plans],
  });
  return plans.map((each, at) => {
    const outcome = outcomes[at];
    if (!outcome) throw new Error(`Plan ${at} has no outcome.`);
    return [each, outcome];
  });
}

type KernelPlans = (plans: readonly Plan[]) => Promise<readonly PlanOutcome[]>;

const namesOf = (trace: readonly string[], verb: string): readonly string[] =>
  trace.filter((line) => line.startsWith(`${verb} `)).map((line) => line.slice(verb.length + 1));

const branchesOfAll = (acts: readonly PlannedAct[]): readonly string[] => acts.flatMap(branchesOf);
/** The steps that the last life runs. */
const actsOfLastLife = ({ groups }: Plan, { lives }: PlanOutcome) => {
  const { build } = lives.at(-1) ?? { build: 1 };
  return groups.flat().filter((act) => isRunIn(act, build));
};
const decisionOf = ({ pivot }: Plan): string => (pivot === null ? 'decide' : 'pivot');
const hasHappened = (state: string | undefined) => state === 'acted' || state === 'confirmed';

/** Each fails as a test does. */
export const laws: Readonly<Record<string, (plan: Plan, outcome: PlanOutcome) => void>> = {
  'a transaction has one ending, told last, and it is that of its decision'(
    each,
    { outcome, trace, lives, rows },
  ) {
    const endings = trace.filter((line) => line.startsWith('end '));
    expect(new Set(endings)).toEqual(new Set([`end ${outcome}`]));
    expect(new Set(lives.map((life) => life.outcome))).toEqual(new Set([outcome]));
    expect(trace.at(-1)).toBe(`end ${outcome}`);
    expect(rows[decisionOf(each)] === 'acted').toBe(outcome === 'completed');
  },

  'a compensated one leaves nothing behind, not even of a step that its build has no more'(
    each,
    { outcome, rows },
  ) {
    if (outcome !== 'compensated') return;
    const left = branchesOfAll(each.groups.flat()).filter((name) => hasHappened(rows[name]));
    expect(left).toEqual([]);
  },

  'a completed one forgets nothing of what it runs, and holds nothing of what it has no more'(
    each,
    result,
  ) {
    const { outcome, rows, trace } = result;
    if (outcome !== 'completed') return;
    const acts = actsOfLastLife(each, result);
    const states = branchesOfAll(acts).map((name) => rows[name]);
    expect(states.filter((state) => !hasHappened(state) && state !== 'refused')).toEqual([]);
    const tried = branchesOfAll(acts.filter(({ form }) => form === 'tcc'));
    expect(tried.filter((name) => rows[name] === 'acted')).toEqual([]);
    const gone = branchesOfAll(each.groups.flat().filter((act) => !acts.includes(act)));
    expect(gone.filter((name) => rows[name] === 'acted')).toEqual([]);
    const finishes = each.pivot === null ? [] : each.finishes.map(({ name }) => `act ${name}`);
    expect(finishes.filter((line) => !trace.includes(line))).toEqual([]);
  },

  'nothing is undone that its input does not have, or that was confirmed'(each, result) {
    const { trace } = result;
    const undone = namesOf(trace, 'undo');
    const acts = each.groups.flat();
    const skipped = branchesOfAll(acts.filter(({ isSkipped }) => isSkipped));
    expect(undone.filter((name) => skipped.includes(name))).toEqual([]);
    // One that a build has confirmed and the next has no more stays: the fence would ask a person.
    const here = branchesOfAll(actsOfLastLife(each, result));
    const confirmed = here.filter((name) => trace.includes(`confirm ${name}`));
    expect(undone.filter((name) => confirmed.includes(name))).toEqual([]);
  },

  'undo runs last first, behind what was never begun; nothing is undone twice, and nothing acts after the first undo'(
    each,
    { lives },
  ) {
    const acts = each.groups.flat();
    const isBroken = ({ undo, act }: PlannedAct) => undo === 'broken' || act === 'broken';
    const broken = new Set(branchesOfAll(acts.filter(isBroken)));
    for (const { outcome, trace } of lives) {
      if (outcome === 'completed') continue; // What it has no more is undone in any order.
      const undone = namesOf(trace, 'undo');
      const begun = [...new Set(namesOf(trace, 'start'))].filter((name) => undone.includes(name));
      // A parked undo is done later, by the operator's retry.
      const atOnce = undone.filter((name) => !broken.has(name));
      const ordered = begun.reverse().filter((name) => !broken.has(name));
      const neverBegun = atOnce.filter((name) => !ordered.includes(name));
      expect(atOnce).toEqual([...neverBegun, ...ordered]);
      expect(new Set(undone).size).toBe(undone.length);
      const firstUndo = trace.findIndex((line) => line.startsWith('undo '));
      const actsAfter = firstUndo < 0 ? [] : namesOf(trace.slice(firstUndo), 'act');
      expect(actsAfter).toEqual([]);
    }
  },

  'undo begins with the seal of the decision, unless a refusal is recorded'(_each, { lives }) {
    for (const { outcome, reason, trace } of lives) {
      const sealed = namesOf(trace, 'seal').length > 0;
      const firstUndo = trace.findIndex((line) => line.startsWith('undo '));
      const seal = trace.findIndex((line) => line.startsWith('seal '));
      expect(outcome === 'completed' || sealed || reason === 'NoRoomLeft').toBe(true);
      expect(outcome === 'completed' || firstUndo < 0 || !sealed || seal < firstUndo).toBe(true);
    }
  },
};
