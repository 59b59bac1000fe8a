import type { CompensationReason, FailureType, Refusal } from '../../contracts/engine/failures';
import { codeOfFailure } from '../../contracts/engine/failures';
import { partsOfStepKey, type StepKey } from '../../contracts/engine/ids';
import type { AmountAtRisk } from '../../contracts/engine/money';
import { isEnding } from '../../contracts/engine/transaction';
import type {
  EarlyStatus,
  EndingReason,
  HandDecision,
  HandResolution,
  ParkedStep,
  ResolveTransaction,
  RunState,
  StepCall,
  StepKind,
  StepParking,
  StepState,
  StepView,
  Timeline,
  TimelineNote,
  TransactionInput,
} from '../../contracts/engine/transaction';
import type { FenceVerdict } from '../../contracts/engine/verdict';

/** One step of this execution, with what the kernel needs to take it back. */
export interface StepRecord {
  readonly name: string;
  readonly kind: StepKind;
  readonly key: StepKey;
  atRisk: readonly AmountAtRisk[];
  readonly startedAt: number;
  /** Whose effect its calls are about: its own, or that of the step that it confirms. */
  effect: StepKey;
  state: StepState;
  endedAt: number | null;
  fence: FenceVerdict | null;
  failure: CompensationReason | 'unknown' | null;
  detail: string | null;
  /** What was said of the failure, for operators alone. */
  text: string | null;
  /** Something but its undo was called: this run has had the step, or asked for it. */
  wasCalled: boolean;
  /** By activity, the calls that have ended. */
  readonly calls: Record<string, CallRecord>; // No Map: it goes as JSON into the next run.
  /** `null`: it never waited for a person. */
  parking: StepParking | null;
  /** Takes the step back; `undefined` for a pivot and a forward step. */
  undo: (() => Promise<unknown>) | undefined;
  /** Ends the call that is being retried, so that an operator can decide; set while an undo or a forward call runs. */
  interrupt: (() => void) | undefined;
}

/** What is kept of the calls of one activity. */
export type CallRecord = Omit<StepCall, 'activity'>;

/**
 * Where the transaction stands. `acting`: undo is possible. `deciding`: the pivot is under way. `forward`: decided, only
 * forward. `undoing`: only back.
 */
type Phase = 'acting' | 'deciding' | 'forward' | 'undoing';

/** Why a flow did not come to its end, as it is kept until the decision is known; JSON, for it may go into the next run. */
export interface Unwound {
  /** A refusal, or a failure of the engine; `null`: nobody knows what has ended it. */
  readonly type: Refusal | FailureType | null;
  /** The step that has refused, and its refusal is recorded; `null`: none has. No name of a failure would say it. */
  readonly refusedAt: string | null;
  /** What everybody may read of it. */
  readonly detail: string;
  readonly isCancel: boolean;
  /** Every life of the transaction ends at the same step, so this one knows all that was done. */
  readonly isWhollyKnown: boolean;
  /** Nobody gets past it, so nobody has decided: the seal need not be asked. */
  readonly isFinal: boolean;
}

/** The state of one transaction inside its workflow; written by the kernel alone, read by queries. */
export interface Run {
  readonly input: TransactionInput;
  /** By name, in order of start. A flow that runs again meets its own records. */
  readonly steps: Map<string, StepRecord>;
  readonly parked: Map<string, ParkedStep>;
  readonly resolvedByHand: HandResolution[];
  /** Approvals that a decision was taken for, newest last: asked again, each has been. */
  readonly approvals: string[];
  readonly notes: TimelineNote[];
  /** Notes of earlier runs of this transaction that did not come along. */
  notesLeftOut: number;
  /** Owed calls that have not succeeded yet, and how many of them wait for a person or pause. */
  owing: number;
  resting: number;
  /** As an earlier run of this transaction left them parked: they wait on, and are not tried before. */
  readonly restored: Map<string, ParkedStep>;
  phase: Phase;
  /** The flow has ended without a decision of its own; `null`: it goes on, or came to its end. */
  unwound: Unwound | null;
  state: RunState;
  /** Highest epoch that a participant has answered from. */
  epoch: number;
  reason: EndingReason | null;
  /** What callers were told before the ending: the first one stands. */
  early: EarlyStatus | null;
  /** Until when a person may decide; `null`: nobody is asked. */
  reviewUntil: number | null;
  /** What the person decides about, in business words; `''` before a review. */
  reviewAbout: string;
  /** What a review puts the deadline off by: the time that it may take, and once it is over the time that it took. */
  extendedMs: number;
  /** Who asked for the cancel, once one was asked. */
  cancelAsked: string | null;
  /** The time for acting is over. */
  expired: boolean;
  /** Time of the last move that was announced, so that the next one is later. */
  movedAt: number;
  readonly wasReset: boolean;
  now(): number;
}

/** What goes with a transaction into its next run. */
export interface Carried extends Pick<
  Run,
  | 'phase'
  | 'unwound'
  | 'epoch'
  | 'reason'
  | 'early'
  | 'extendedMs'
  | 'cancelAsked'
  | 'expired'
  | 'movedAt'
  | 'notesLeftOut'
  | 'wasReset'
> {
  /** In order of start. */
  readonly steps: readonly Omit<StepRecord, 'undo' | 'interrupt'>[];
  readonly parked: readonly ParkedStep[];
  readonly resolvedByHand: readonly HandResolution[];
  readonly approvals: readonly string[];
  readonly notes: readonly TimelineNote[];
}

/** Maximum entries of a growing list that the next workflow run takes over. The earlier histories have the rest. */
const carriedMax = 100;

export function carriedOf(run: Run): Carried {
  const notes = endsOf(run.notes, carriedMax);
  const { phase, unwound, epoch, reason, early, extendedMs } = run;
  const { cancelAsked, expired, movedAt, wasReset } = run;
  return {
    ...{ phase, unwound, epoch, reason, early, extendedMs },
    ...{ cancelAsked, expired, movedAt, wasReset },
    steps: [...run.steps.values()].map((step) => ({
      ...step,
      undo: undefined,
      interrupt: undefined,
    })),
    parked: waitingOf(run),
    resolvedByHand: run.resolvedByHand,
    approvals: run.approvals.slice(-carriedMax),
    notes,
    notesLeftOut: run.notesLeftOut + run.notes.length - notes.length,
  };
}

/** A run that goes on where an earlier one has stopped. */
export function continuedRun(
  input: TransactionInput,
  { steps, parked, resolvedByHand, approvals, notes, ...same }: Carried,
  now: () => number,
): Run {
  const run = createRun(input, { now, wasReset: same.wasReset });
  for (const step of steps)
    run.steps.set(step.name, { ...step, undo: undefined, interrupt: undefined });
  for (const one of parked) run.restored.set(one.step, one);
  run.resolvedByHand.push(...resolvedByHand);
  run.approvals.push(...approvals);
  run.notes.push(...notes);
  return Object.assign(run, same, { state: same.phase === 'undoing' ? 'undoing' : 'running' });
}

/** What waits for a person, also where an earlier run has parked it and this one has not come to it yet. */
export const waitingOf = ({ parked, restored }: Run): readonly ParkedStep[] => [
  ...parked.values(),
  ...restored.values(),
];

/** Nothing is under way: all that is owed waits for a person, or pauses. */
export const isAtRest = (run: Run): boolean =>
  run.phase !== 'acting' && !isEnding(run.state) && run.owing > 0 && run.resting === run.owing;

export function createRun(
  input: TransactionInput,
  { now, wasReset }: { readonly now: () => number; readonly wasReset: boolean },
): Run {
  return {
    input,
    steps: new Map(),
    parked: new Map(),
    resolvedByHand: [],
    approvals: [],
    notes: [],
    notesLeftOut: 0,
    owing: 0,
    resting: 0,
    restored: new Map(),
    phase: 'acting',
    unwound: null,
    state: 'running',
    epoch: 0,
    reason: null,
    early: null,
    reviewUntil: null,
    reviewAbout: '',
    extendedMs: 0,
    cancelAsked: null,
    expired: false,
    movedAt: 0,
    wasReset,
    now,
  };
}

export function note(run: Run, text: string): void {
  run.notes.push({ at: run.now(), text });
}

/** The first half and the last half of what may be told: how something began, and what became of it. */
export function endsOf<Item>(items: readonly Item[], max: number): readonly Item[] {
  if (items.length <= max) return items;
  const first = Math.ceil(max / 2);
  return [...items.slice(0, first), ...items.slice(items.length - (max - first))];
}

/** Marks a step's end and how its act failed. */
export function endStep(run: Run, step: StepRecord, state: StepState, failure?: StepFailure): void {
  step.state = state;
  step.endedAt = run.now();
  if (failure)
    [step.failure, step.detail, step.text] = [failure.type, failure.detail, failure.text];
}

/** A person answers for the step: it needs no more calls, and the ending will say so. */
export function resolveByHand(
  run: Run,
  step: StepRecord,
  decision: HandDecision,
  { actor, evidence, consent }: Pick<ResolveTransaction, 'actor' | 'evidence' | 'consent'>,
): void {
  if (!evidence) throw new Error(`${step.name} was resolved without evidence.`); // The validator forbids it.
  endStep(run, step, decision === 'skip' ? 'skipped' : 'doneByHand');
  const effect = [...run.steps.values()].find(({ key }) => key === step.effect) ?? step;
  run.resolvedByHand.push({
    step: step.name,
    branch: partsOfStepKey(step.effect)?.branch ?? step.name,
    decision,
    by: actor.subject,
    consent: consent ?? null,
    evidence,
    decidedAt: new Date(run.now()).toISOString(),
    amounts: effect.atRisk,
  });
}

/** Nothing would take it back, and it may have been done: nobody has answered for it. */
export const isWithoutUndo = ({ kind, undo, state }: StepRecord): boolean =>
  kind === 'compensable' && !undo && !endedForGood.includes(state);

const endedForGood: readonly StepState[] = ['refused', 'undone', 'doneByHand', 'skipped'];

/** A failure as a step keeps it. */
export interface StepFailure {
  readonly type: NonNullable<StepRecord['failure']>;
  readonly detail: string;
  readonly text: string | null;
}

/** Counts a call that has ended, one without an answer as well. How an attempt failed last stays, whatever is answered later. */
export function countCall(step: StepRecord, activity: string, call: CallRecord): void {
  const { [activity]: before } = step.calls;
  const failed = call.lastFailure === undefined ? before : call;
  step.calls[activity] = {
    attempts: before ? sumOf(before.attempts, call.attempts) : call.attempts,
    ...(failed?.lastFailure !== undefined && { lastFailure: failed.lastFailure }),
    ...(failed?.text !== undefined && { text: failed.text }),
  };
}

const sumOf = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? null : one + other;

/** A step that nobody was called for, such as the review of a payment that needed none, has not happened. */
const hasHappened = ({ wasCalled, failure, parking, state, fence }: StepRecord): boolean =>
  wasCalled ||
  failure !== null ||
  parking !== null ||
  !((state === 'done' && fence === null) || (state === 'undone' && fence === 'empty'));

/** A step whose effect may stand, and would be lost if the run ended here. */
const isOpen = ({ state }: StepRecord): boolean =>
  state !== 'undone' && state !== 'refused' && state !== 'doneByHand';

/**
 * What would be lost if nobody acted: amounts of the steps that stand while the ending is open, and ever after of those
 * that were skipped.
 */
export function atRiskOf(run: Run): readonly AmountAtRisk[] {
  if (isEnding(run.state)) {
    return run.resolvedByHand.flatMap(({ decision, amounts }) =>
      decision === 'skip' ? amounts : [],
    );
  }
  return [...run.steps.values()].filter(isOpen).flatMap(({ atRisk }) => atRisk);
}

/** The step that the run is at: the last that was started and has not ended. */
export function currentStepOf(run: Run): string | null {
  const [parked] = run.parked.keys();
  const open = [...run.steps.values()].filter(
    ({ state }) => state === 'running' || state === 'undoing',
  );
  return parked ?? open.at(-1)?.name ?? null;
}

/** The deadline, as a review has put it off. */
export const deadlineOf = ({ input, extendedMs }: Run): number => input.deadlineAt + extendedMs;

/** When acting ends: the undo budget is kept free. */
export const actingEndsAt = (run: Run): number => deadlineOf(run) - run.input.undoBudgetMs;

export const isDecided = (run: Run): boolean => run.phase === 'forward';

export function stepViewsOf(run: Run): readonly StepView[] {
  return [...run.steps.values()].filter(hasHappened).map(stepViewOf);
}

function stepViewOf(step: StepRecord): StepView {
  const { name, kind, key, state, startedAt, endedAt, fence, failure, detail, text, parking } =
    step;
  const calls = Object.entries(step.calls).map(([activity, call]) => ({ activity, ...call }));
  return {
    name,
    kind,
    key,
    state,
    startedAt,
    endedAt,
    fence,
    failure,
    detail,
    ...(text !== null && { text }),
    ...(calls.some(({ attempts }) => attempts !== 1) && { calls }),
    ...(parking && { parking }),
  };
}

export function timelineOf(run: Run): Timeline {
  return {
    gid: run.input.gid,
    state: run.restored.size > 0 ? 'parked' : run.state,
    pivotPassed: isDecided(run),
    step: currentStepOf(run),
    steps: stepViewsOf(run),
    parked: waitingOf(run),
    atRisk: atRiskOf(run),
    reason: run.reason,
    resolvedByHand: run.resolvedByHand,
    approvals: run.approvals,
    notes: run.notes,
    notesLeftOut: run.notesLeftOut,
    reviewUntil: run.reviewUntil,
    epoch: run.epoch,
    wasReset: run.wasReset,
  };
}

export function reasonOf(
  type: CompensationReason,
  step: string | null,
  detail: string,
): EndingReason {
  return { code: codeOfFailure(type), type, step, detail };
}
