import type { Clock } from './clock';
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

/** One step of this execution, with the data that the kernel needs for its undo. */
export interface StepRecord {
  readonly name: string;
  readonly kind: StepKind;
  readonly key: StepKey;
  atRisk: readonly AmountAtRisk[];
  readonly startedAt: number;
  /** Key of the effect of its calls: its own, or that of the step that it confirms. */
  effect: StepKey;
  state: StepState;
  endedAt: number | null;
  fence: FenceVerdict | null;
  failure: CompensationReason | 'unknown' | null;
  detail: string | null;
  /** Text of the failure, for operators only. */
  text: string | null;
  /** An operation other than the undo was called: this run has begun the step, or sealed it. */
  wasCalled: boolean;
  /** Ended calls, by activity. */
  readonly calls: Record<string, CallRecord>; // No Map: the next workflow run gets it as JSON.
  /** `null`: the step never waited for a person. */
  parking: StepParking | null;
  /** Takes the step back; `undefined` for a pivot and a forward step. */
  undo: (() => Promise<unknown>) | undefined;
  /** Ends the call that is being retried, so that an operator can decide; set while an undo or a forward call runs. */
  interrupt: (() => void) | undefined;
}

/** Record of the calls of one activity. */
export type CallRecord = Omit<StepCall, 'activity'>;

/**
 * Phase of the transaction. `acting`: undo is possible. `deciding`: the pivot is under way. `forward`: decided, it only
 * goes forward. `undoing`: it only goes back.
 */
type Phase = 'acting' | 'deciding' | 'forward' | 'undoing';

/** Why a flow did not reach its end. Kept until the decision is known. JSON: the next workflow run may get it. */
export interface Unwound {
  /** A refusal, or a failure of the engine; `null`: the cause is unknown. */
  readonly type: Refusal | FailureType | null;
  /** Branch of the step with a recorded refusal; `null`: none. The name of a failure does not show it. */
  readonly refusedAt: string | null;
  /** Text for everybody who may see the transaction. */
  readonly detail: string;
  readonly isCancel: boolean;
  /** Every run of the transaction ends at the same step, so this run knows all effects. */
  readonly isWhollyKnown: boolean;
  /** No run gets past this failure, so none has decided. No seal is needed. */
  readonly isFinal: boolean;
}

/** The state of one transaction inside its workflow. Only the kernel writes it; queries read it. */
export interface Run {
  readonly input: TransactionInput;
  /** By name, in order of start. A flow that runs again finds its own records. */
  readonly steps: Map<string, StepRecord>;
  readonly parked: Map<string, ParkedStep>;
  readonly resolvedByHand: HandResolution[];
  /** Approvals whose decision was taken, newest last. A repeated message finds its approval here. */
  readonly approvals: string[];
  readonly notes: TimelineNote[];
  /** Number of notes of earlier workflow runs that this run did not take over. */
  notesLeftOut: number;
  /** Number of calls that must succeed and have not yet; `resting`: those that wait for a person, or pause. */
  owing: number;
  resting: number;
  /** Steps that an earlier workflow run has parked. They keep waiting, and are not tried before a decision. */
  readonly restored: Map<string, ParkedStep>;
  phase: Phase;
  /** Why the flow ended without its decision; `null`: it still runs, or has reached its end. */
  unwound: Unwound | null;
  state: RunState;
  /** Highest epoch in an answer of a participant. */
  epoch: number;
  reason: EndingReason | null;
  /** Early status that callers got. The first one stands. */
  early: EarlyStatus | null;
  /** End of the time for a review; `null`: no review. */
  reviewUntil: number | null;
  /** Subject of the review, in business words; `''` before a review. */
  reviewAbout: string;
  /** Extension of the deadline by a review: the time that it may take, and after it the time that it took. */
  extendedMs: number;
  /** Person or key that asked for a cancel; `null`: none. */
  cancelAsked: string | null;
  /** The time for acting is over. */
  expired: boolean;
  /** Time of the last announced move, so that the next one is later. */
  movedAt: number;
  readonly wasReset: boolean;
  readonly clock: Clock;
}

/** State of a transaction that its next workflow run gets. */
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

/** A run that continues where an earlier one stopped. */
export function continuedRun(
  input: TransactionInput,
  { steps, parked, resolvedByHand, approvals, notes, ...same }: Carried,
  clock: Clock,
): Run {
  const run = createRun(input, { clock, wasReset: same.wasReset });
  for (const step of steps)
    run.steps.set(step.name, { ...step, undo: undefined, interrupt: undefined });
  for (const one of parked) run.restored.set(one.step, one);
  run.resolvedByHand.push(...resolvedByHand);
  run.approvals.push(...approvals);
  run.notes.push(...notes);
  return Object.assign(run, same, { state: same.phase === 'undoing' ? 'undoing' : 'running' });
}

/** Steps that wait for a person, with those of an earlier run that this run has not reached yet. */
export const waitingOf = ({ parked, restored }: Run): readonly ParkedStep[] => [
  ...parked.values(),
  ...restored.values(),
];

/** Whether no call is under way: every call that must succeed waits for a person, or pauses. */
export const isAtRest = (run: Run): boolean =>
  run.phase !== 'acting' && !isEnding(run.state) && run.owing > 0 && run.resting === run.owing;

export function createRun(
  input: TransactionInput,
  { clock, wasReset }: { readonly clock: Clock; readonly wasReset: boolean },
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
    clock,
  };
}

export function note(run: Run, text: string): void {
  run.notes.push({ at: run.clock.now(), text });
}

/** The first and the last items, half of `max` each: the beginning of something, and its end. */
export function endsOf<Item>(items: readonly Item[], max: number): readonly Item[] {
  if (items.length <= max) return items;
  const first = Math.ceil(max / 2);
  return [...items.slice(0, first), ...items.slice(items.length - (max - first))];
}

/** Marks the end of a step, and the failure of its act. */
export function endStep(run: Run, step: StepRecord, state: StepState, failure?: StepFailure): void {
  step.state = state;
  step.endedAt = run.clock.now();
  if (failure)
    [step.failure, step.detail, step.text] = [failure.type, failure.detail, failure.text];
}

/** Resolves a step by hand: it needs no more calls, and the ending shows it. */
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
    decidedAt: new Date(run.clock.now()).toISOString(),
    amounts: effect.atRisk,
  });
}

/** A step that may have acted, without an undo and without a resolution. */
export const isWithoutUndo = ({ kind, undo, state }: StepRecord): boolean =>
  kind === 'compensable' && !undo && !endedForGood.includes(state);

const endedForGood: readonly StepState[] = ['refused', 'undone', 'doneByHand', 'skipped'];

/** A failure in the form that a step keeps. */
export interface StepFailure {
  readonly type: NonNullable<StepRecord['failure']>;
  readonly detail: string;
  readonly text: string | null;
}

/** Counts an ended call, also one without an answer. The last failure of an attempt stays after later answers. */
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

/** Whether a step has happened. The review of a payment that needs none has not: it made no call. */
const hasHappened = ({ wasCalled, failure, parking, state, fence }: StepRecord): boolean =>
  wasCalled ||
  failure !== null ||
  parking !== null ||
  !((state === 'done' && fence === null) || (state === 'undone' && fence === 'empty'));

/** A step whose effect may exist, and would be lost if the run ended here. */
const isOpen = ({ state }: StepRecord): boolean =>
  state !== 'undone' && state !== 'refused' && state !== 'doneByHand';

/**
 * Amounts at risk: those of the steps whose effect may exist, until the ending; after it, those of the skipped steps.
 */
export function atRiskOf(run: Run): readonly AmountAtRisk[] {
  if (isEnding(run.state)) {
    return run.resolvedByHand.flatMap(({ decision, amounts }) =>
      decision === 'skip' ? amounts : [],
    );
  }
  return [...run.steps.values()].filter(isOpen).flatMap(({ atRisk }) => atRisk);
}

/** The current step: the last one that was started and has not ended. */
export function currentStepOf(run: Run): string | null {
  const [parked] = run.parked.keys();
  const open = [...run.steps.values()].filter(
    ({ state }) => state === 'running' || state === 'undoing',
  );
  return parked ?? open.at(-1)?.name ?? null;
}

/** The deadline with the extension by a review. */
export const deadlineOf = ({ input, extendedMs }: Run): number => input.deadlineAt + extendedMs;

/** End of the time for acting. The undo budget after it stays free. */
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
