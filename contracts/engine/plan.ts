/**
 * The plan of a flow, derived from its steps without running it. Dry runs, explanations, repairs and the rule of two
 * persons use it.
 */
import { accord, decideBranch } from './runs';
import { retiredNameOf, type FlowDefinition } from './flow-definition';
import { pivot, type AnyStep } from './steps';
import type { StepKind, TransactionInput } from './transaction';

/** One step of a flow as it is planned. */
export interface PlannedStep {
  /**
   * Name of the step. It is the branch of its effect, unless the step confirms another one. If repeated: its first
   * name.
   */
  readonly name: string;
  readonly kind: StepKind;
  readonly participant: string;
  /**
   * Activities of the step by their purpose. `confirms`: the step whose branch a forward step confirms or takes back.
   */
  readonly act: string;
  readonly undo: string | null;
  readonly seal: string | null;
  readonly confirms: string | null;
  /** To skip this step by hand decides where money is, so it needs two persons. */
  readonly movesMoney: boolean;
  /** Whether, and how often, a transaction with this input has the step. `undefined`: once, under its own name. */
  readonly when: AnyStep['when'];
  readonly times: AnyStep['times'];
  /** A retired step: no run begins it any more. */
  readonly isRetired: boolean;
}

/** Steps in the order of the flow; undo goes backwards. The branch `decide` decides a flow without a pivot. */
export function planStepsOf({ steps }: FlowDefinition): readonly PlannedStep[] {
  const entries = Object.entries(steps);
  const planned = entries.map(([name, step]) => planOf(name, step));
  const confirmed = entries.flatMap(([name, step]) => confirmOf(name, step));
  const takenBack = planned.flatMap(takenBackOf);
  const hasPivot = planned.some(({ kind }) => kind === 'pivot');
  return [...planned, ...(hasPivot ? [] : [decideStep]), ...confirmed, ...takenBack];
}

function planOf(name: string, step: AnyStep): PlannedStep {
  const { wording, act, undo, seal, confirms, when, times } = step;
  return {
    name: wording === 'repeated' || times !== undefined ? `${name}-1` : name,
    kind: kindOf(step),
    participant: act.participant,
    act: act.name,
    undo: undo?.name ?? null,
    seal: seal?.name ?? null,
    confirms,
    movesMoney: act.movesMoney,
    when,
    times,
    isRetired: wording === 'retired',
  };
}

function kindOf({ wording }: AnyStep): StepKind {
  if (wording === 'pivot') return 'pivot';
  const isForward = wording === 'retriable' || wording === 'repeated' || wording === 'confirms';
  return isForward ? 'retriable' : 'compensable';
}

/** The forward step that confirms a TCC participant. */
function confirmOf(name: string, step: AnyStep): readonly PlannedStep[] {
  const { confirm } = step;
  if (!confirm) return [];
  return [
    {
      ...planOf(name, step),
      name: `${name}-confirm`,
      kind: 'retriable',
      act: confirm.name,
      undo: null,
      confirms: name,
      movesMoney: confirm.movesMoney,
    },
  ];
}

/** The forward step that takes back a retired step that an earlier build has acted. */
function takenBackOf(step: PlannedStep): readonly PlannedStep[] {
  const { name, undo, isRetired } = step;
  if (!isRetired || undo === null) return [];
  return [
    {
      ...step,
      name: retiredNameOf(name),
      kind: 'retriable',
      act: undo,
      undo: null,
      confirms: name,
    },
  ];
}

/** The pivot of a flow, or of an input, that has none of its own. */
export const decideStep: PlannedStep = planOf(
  decideBranch,
  pivot(accord.decide, { seal: accord.sealDecision }),
);

/** The steps of a plan that a transaction with this input has. */
export function stepsOfPlan(
  plan: readonly PlannedStep[],
  input: TransactionInput,
): readonly PlannedStep[] {
  return plan.flatMap((step) => {
    const own = input as never; // An input names its flow.
    if (step.isRetired) return [];
    if (step.when(own)) return eachTimeOf(step, step.times?.(own) ?? 1);
    return step.kind === 'pivot' ? [decideStep] : [];
  });
}

const eachTimeOf = (step: PlannedStep, times: number): readonly PlannedStep[] =>
  Array.from({ length: times }, (_, at) => timeOf(step, at + 1));

function timeOf(step: PlannedStep, time: number): PlannedStep {
  const { name, confirms } = step;
  if (time === 1) return step;
  return { ...step, name: nameAt(name, time), confirms: confirms && nameAt(confirms, time) };
}

const nameAt = (name: string, time: number): string => name.replace(timePattern, `-${time}$2`);

/** End of the name of a step that runs many times: its number, and the suffix that the kernel added. */
const timePattern = /-(\d+)(-retired)?$/;

/** @param plan has a step that runs many times only once, as its first time. The other times are derived from it. */
export function plannedStepIn(plan: readonly PlannedStep[], step: string): PlannedStep | undefined {
  const asDeclared = plan.find(({ name }) => name === step);
  if (asDeclared) return asDeclared;
  const [, time] = timePattern.exec(step) ?? [];
  if (time === undefined) return undefined;
  const first = plan.find(({ name }) => name === nameAt(step, 1));
  return first && timeOf(first, Number(time));
}

/** The step that makes a branch final, or takes it back, after its transaction has completed. */
export function finisherIn(plan: readonly PlannedStep[], branch: string): PlannedStep | undefined {
  const of = (name: string) => plan.find(({ confirms }) => confirms === name);
  return of(branch) ?? of(nameAt(branch, 1));
}
