import { z } from 'zod';

import { isBatchId } from '../../contracts/engine/batches';
import { stepKeyOf, type Gid } from '../../contracts/engine/ids';
import { amountText, type AmountAtRisk } from '../../contracts/engine/money';
import { activityTypeOf } from '../../contracts/engine/definition';
import { bookingText, isUnbooked, type KeptResolution } from '../../contracts/engine/resolutions';
import type {
  ParkedStep,
  RunState,
  StepCall,
  StepView,
  Timeline,
} from '../../contracts/engine/transaction';
import { application } from '../../contracts/engine/application';
import type { PlannedStep } from '../../contracts/engine/plan';
import { Problem } from '../http/errors';
import { atRiskSchema, resolutionSchema, resolutionViewOf } from './run-view';
import type { RunRow } from '../stores/runs/rows';
import type { PendingCall, Temporal } from './temporal';

const time = z.iso.datetime();
const reasonSchema = z.looseObject({
  code: z.string(),
  step: z.string().nullable(),
  detail: z.string(),
});

/** What a driver or a server said. Null: nothing, or the credential lacks `ops:read`. */
const textField = z.string().nullable();

const parkingSchema = z.object({
  times: z.number(),
  firstAt: time,
  lastAt: time,
  /** Why it was parked last, and the failure that did it. */
  reason: z.string(),
  failure: z.string(),
  detail: z.string(),
  /** The last decision of a person. Null: there is none yet. */
  lastDecision: z.object({ decision: z.string(), by: z.string(), at: time }).nullable(),
});

/** A transaction in business words: its steps, attempts and decisions. */
export const explanationSchema = z
  .object({
    gid: z.string(),
    flow: z.string(),
    state: z.string(),
    /** Where the explanation comes from: the run itself, or the ending that it left on the row. */
    source: z.enum(['run', 'ending', 'row']),
    summary: z.string(),
    pivotPassed: z.boolean(),
    steps: z.array(
      z.object({
        name: z.string(),
        kind: z.string(),
        key: z.string(),
        state: z.string(),
        startedAt: time,
        endedAt: time.nullable(),
        /** By activity, where it took more than one, or is being tried now; a `count` of null was not counted. */
        attempts: z.array(
          z.object({
            activity: z.string(),
            count: z.number().nullable(),
            /** How the last attempt before an answer, or before the one that is being made, failed: its type. */
            lastFailure: z.string().nullable(),
            text: textField,
          }),
        ),
        fence: z.string().nullable(),
        failure: z.string().nullable(),
        detail: z.string().nullable(),
        text: textField,
        /** That it has waited for a person, also once it has succeeded: counts, and the newest of each. Null: it never did. */
        parking: parkingSchema.extend({ text: textField }).nullable(),
      }),
    ),
    /** Steps of a long explanation that are not told. */
    stepsLeftOut: z.number(),
    parked: z.array(
      z.object({
        step: z.string(),
        reason: z.string(),
        detail: z.string(),
        decisions: z.array(z.string()),
        failures: z.number(),
        parkedAt: time,
      }),
    ),
    atRisk: z.array(atRiskSchema),
    reason: reasonSchema.nullable(),
    /** Steps that persons have answered for in the place of Accord, and who has booked what they left. */
    resolvedByHand: z.array(resolutionSchema),
    notes: z.array(z.object({ at: time, text: z.string() })),
    notesLeftOut: z.number(),
    /** Until when a person may decide; `null`: nothing is in review. */
    reviewUntil: time.nullable(),
    wasReset: z.boolean(),
  })
  .meta({ id: 'Explanation' });
export type Explanation = z.infer<typeof explanationSchema>;

/** Who reads it: an operator reads what drivers and servers said, a tenant reads types and sentences of ours. */
export interface Reader {
  readonly readsTexts: boolean;
}

/**
 * The explanation of a run: one that has ended left it on the row, whatever has become of the run and its workers since.
 * @throws Problem `dependency_unavailable`: it has not ended, and Temporal does not answer, or no worker does.
 */
export async function explain(
  run: RunRow,
  temporal: Pick<Temporal, 'timeline' | 'pendingCalls' | 'closedSteps'>,
  reader: Reader,
): Promise<Explanation> {
  if (run.ending) {
    const explanation = explanationOfRow(run);
    return reader.readsTexts ? withTexts(explanation, run, temporal) : explanation;
  }
  if (run.state === 'accepted') return explanationOfRow(run); // No run yet that could be asked.
  // A transaction that has just left its batch goes on under its gid.
  for (const owner of new Set([run.owner, run.gid])) {
    const told = await toldBy(owner, run.gid, temporal);
    if (told) return explanationOfRun(run, told.timeline, told.pending, reader);
  }
  return explanationOfRow(run);
}

interface ToldByOwner {
  readonly timeline: Timeline;
  readonly pending: readonly PendingCall[];
}

/** @returns undefined: this workflow does not carry the transaction. */
async function toldBy(
  owner: string,
  gid: Gid,
  temporal: Pick<Temporal, 'timeline' | 'pendingCalls'>,
): Promise<ToldByOwner | undefined> {
  const [told, asked] = await Promise.allSettled([
    temporal.timeline(gid, owner),
    temporal.pendingCalls(owner),
  ]);
  if (asked.status === 'rejected') throw asked.reason;
  if (told.status === 'rejected') throw noWorkerAnswers(told.reason);
  return told.value && { timeline: told.value, pending: asked.value };
}

/** Temporal has answered about the run. Its timeline comes from a worker. */
const noWorkerAnswers = (cause: unknown): unknown =>
  cause instanceof Problem && cause.code === 'dependency_unavailable'
    ? new Problem(cause.code, {
        ...cause.details,
        detail: 'temporal answers, but no worker does: see that one is running.',
      })
    : cause;

/**
 * What was said is no part of an ending: Temporal has it, for as long as it remembers the run. The result of a batch has
 * no steps.
 */
async function withTexts(
  explanation: Explanation,
  { gid, owner }: RunRow,
  temporal: Pick<Temporal, 'closedSteps'>,
): Promise<Explanation> {
  if (isBatchId(owner) || !explanation.steps.some(hasFailed)) return explanation;
  const closed = await temporal.closedSteps(gid).catch(() => undefined);
  const said = new Map(closed?.map((step) => [step.name, step]));
  const steps = explanation.steps.map((step) => {
    const { text = null, calls = [], parking } = said.get(step.name) ?? {};
    const texts = new Map(calls.map((call) => [call.activity, call.text]));
    const attempts = step.attempts.map((one) => ({
      ...one,
      text: texts.get(one.activity) ?? null,
    }));
    return {
      ...{ ...step, text, attempts },
      parking: step.parking && { ...step.parking, text: parking?.text ?? null },
    };
  });
  return { ...explanation, steps };
}

const hasFailed = ({ failure, parking, attempts }: Explanation['steps'][number]): boolean =>
  failure !== null || parking !== null || attempts.some(({ lastFailure }) => lastFailure !== null);

/** The explanation as the run tells it, with the attempts that it cannot see itself. */
export function explanationOfRun(
  run: RunRow,
  timeline: Timeline,
  pending: readonly PendingCall[],
  reader: Reader,
): Explanation {
  const resolvedByHand = resolutionsOf(run, timeline);
  return {
    gid: run.gid,
    flow: run.flow,
    state: timeline.state,
    source: 'run',
    summary: summaryOf({ ...timeline, resolvedByHand }),
    pivotPassed: timeline.pivotPassed,
    steps: timeline.steps.map((step) =>
      stepOf(run, { ...step, parking: parkingOf(step) }, pending, reader),
    ),
    stepsLeftOut: 0,
    parked: timeline.parked.map((parked) => ({
      ...parked,
      decisions: [...parked.decisions],
      parkedAt: timeOf(parked.parkedAt),
    })),
    atRisk: [...(run.resolvedByHand ? run.atRisk : timeline.atRisk)], // Booked since: the row alone knows.
    reason: timeline.reason && { ...timeline.reason },
    resolvedByHand: resolvedByHand.map(resolutionViewOf),
    notes: timeline.notes.map(({ at, text }) => ({ at: timeOf(at), text })),
    notesLeftOut: timeline.notesLeftOut,
    reviewUntil: timeline.reviewUntil === null ? null : timeOf(timeline.reviewUntil),
    wasReset: timeline.wasReset,
  };
}

/** The row knows what has been booked; before the ending only the run knows anything. */
const resolutionsOf = (run: RunRow, timeline: Timeline): readonly KeptResolution[] =>
  run.resolvedByHand ?? timeline.resolvedByHand.map((one) => ({ ...one, booked: null }));

/** What a workflow leaves in its ending; read leniently, for an older build may have written less. */
const tellingEndingSchema = z.object({
  reason: reasonSchema.nullish(),
  steps: z
    .array(
      z.object({
        name: z.string(),
        state: z.string(),
        startedAt: time,
        endedAt: time.nullable(),
        fence: z.string().nullable().catch(null),
        failure: z.string().nullable().catch(null),
        detail: z.string().nullable().catch(null),
        calls: z
          .array(
            z.object({
              activity: z.string(),
              attempts: z.number().nullable(),
              lastFailure: z.string().exactOptional(),
            }),
          )
          .catch([]),
        parking: parkingSchema.nullable().catch(null),
      }),
    )
    .catch([]),
  stepsLeftOut: z.number().catch(0),
  notes: z.array(z.object({ at: time, text: z.string() })).catch([]),
  notesLeftOut: z.number().catch(0),
  wasReset: z.boolean().catch(false),
});

/** The explanation as far as the row knows it: of a run that was not started, or that Temporal has forgotten. */
export function explanationOfRow(run: RunRow): Explanation {
  const ending = run.ending && tellingEndingSchema.parse(JSON.parse(run.ending.toString('utf8')));
  const reason = ending?.reason ?? null;
  const resolvedByHand = run.resolvedByHand ?? [];
  return {
    gid: run.gid,
    flow: run.flow,
    state: run.state,
    source: ending ? 'ending' : 'row',
    summary: summaryOf({ ...run, reason, resolvedByHand, parked: [], reviewUntil: null }),
    pivotPassed: run.pivotPassed,
    steps: (ending?.steps ?? []).map((step) => stepOf(run, toldStep(run, step), [], tenant)),
    stepsLeftOut: ending?.stepsLeftOut ?? 0,
    parked: [],
    atRisk: [...run.atRisk],
    reason,
    resolvedByHand: resolvedByHand.map(resolutionViewOf),
    notes: ending?.notes ?? [],
    notesLeftOut: ending?.notesLeftOut ?? 0,
    reviewUntil: null,
    wasReset: ending?.wasReset ?? false,
  };
}

const tenant: Reader = { readsTexts: false };

/** The step as the run had it: an ending leaves out what follows from the flow. */
function toldStep(
  { gid, flow }: RunRow,
  step: NonNullable<z.infer<typeof tellingEndingSchema>['steps']>[number],
): ToldStep {
  const planned = application().plannedStepOf(flow, step.name);
  return {
    ...step,
    kind: planned?.kind ?? 'retriable',
    key: stepKeyOf(gid, planned?.confirms ?? step.name),
    startedAt: Date.parse(step.startedAt),
    endedAt: step.endedAt === null ? null : Date.parse(step.endedAt),
    parking: step.parking && { ...step.parking, text: null },
  };
}

type ToldStep = {
  readonly [Field in keyof Omit<StepView, 'parking'>]: Widened<StepView[Field]>;
} & Pick<Explanation['steps'][number], 'parking'>;
type Widened<Value> = Value extends string ? string : Value;

function stepOf(
  run: RunRow,
  step: ToldStep,
  pending: readonly PendingCall[],
  { readsTexts }: Reader,
): Explanation['steps'][number] {
  const planned = application().plannedStepOf(run.flow, step.name);
  const isAtRest = atRest.includes(step.state);
  const call = pending.find(({ activity }) => planned && !isAtRest && serves(planned, activity));
  return {
    name: step.name,
    kind: step.kind,
    // A step that confirms another one is on its branch: that is where its row is found.
    key: planned?.confirms ? stepKeyOf(run.gid, planned.confirms) : step.key,
    state: step.state,
    startedAt: timeOf(step.startedAt),
    endedAt: step.endedAt === null ? null : timeOf(step.endedAt),
    attempts: attemptsOf(step.calls ?? [], call).map((one) => ({
      ...one,
      text: readsTexts ? one.text : null,
    })),
    fence: step.fence,
    failure: step.failure,
    detail: step.detail,
    text: readsTexts ? (step.text ?? null) : null,
    parking: step.parking && { ...step.parking, text: readsTexts ? step.parking.text : null },
  };
}

function parkingOf({ parking }: StepView): Explanation['steps'][number]['parking'] {
  if (!parking) return null;
  const { firstAt, lastAt, lastDecision, text = null, ...rest } = parking;
  return {
    ...{ ...rest, text },
    firstAt: timeOf(firstAt),
    lastAt: timeOf(lastAt),
    lastDecision: lastDecision && { ...lastDecision, at: timeOf(lastDecision.at) },
  };
}

const atRest: readonly string[] = ['done', 'undone', 'refused', 'doneByHand', 'skipped'];

/** Calls that have ended, and the one that is being tried: another one of the same activity goes on counting. */
function attemptsOf(
  ended: readonly StepCall[],
  pending: PendingCall | undefined,
): Explanation['steps'][number]['attempts'] {
  const told = ended.map(({ activity, attempts: count, lastFailure = null, text = null }) => ({
    ...{ activity, count, lastFailure, text },
  }));
  if (!pending) return told;
  const { activity, attempt } = pending;
  const before = told.find((one) => one.activity === activity);
  const isCounted = before?.count !== null && attempt !== null;
  const count = isCounted ? (before?.count ?? 0) + attempt : null;
  const failed = pending.lastFailure ?? { type: before?.lastFailure, text: before?.text };
  const now = {
    activity,
    count,
    lastFailure: failed.type ?? null,
    text: failed.text ?? null,
  };
  return [...told.filter((one) => one !== before), now];
}

const serves = ({ participant, act, undo, seal }: PlannedStep, activity: string): boolean =>
  [act, undo, seal].some((one) => one !== null && activityTypeOf(participant, one) === activity);

interface Told {
  readonly state: RunState;
  readonly step: string | null;
  readonly reason: {
    readonly code: string;
    readonly step: string | null;
    readonly detail: string;
  } | null;
  readonly parked: readonly ParkedStep[];
  readonly reviewUntil: number | null;
  readonly atRisk: readonly AmountAtRisk[];
  readonly resolvedByHand: readonly KeptResolution[];
}

const atRiskText = (atRisk: readonly AmountAtRisk[]): string =>
  atRisk.length === 0 ? '' : `; at risk: ${atRisk.map(amountText).join(', ')}`;

function summaryOf({
  state,
  step,
  reason,
  parked,
  reviewUntil,
  atRisk,
  resolvedByHand,
}: Told): string {
  const why = reason
    ? `${reason.code}${reason.step ? ` at ${reason.step}` : ''}: ${reason.detail.replace(/\.$/, '')}`
    : '';
  switch (state) {
    case 'accepted':
      return 'Accepted; its start has not been confirmed yet.';
    case 'running':
      if (reviewUntil !== null)
        return `In review: waits for a person until ${timeOf(reviewUntil)}.`;
      return step === null ? 'Running.' : `Running, at ${step}.`;
    case 'undoing':
      return `Being undone${step === null ? '' : `, at ${step}`}${why && `, because of ${why}`}.`;
    case 'parked':
      return `Waits for a decision on ${parked.map((one) => `${one.step} (${one.reason}: ${one.detail})`).join(', ') || step}${atRiskText(atRisk)}.`;
    case 'completed':
      return resolvedByHand.length === 0
        ? 'Completed: every step has taken effect.'
        : `Completed, in part by hand: ${reason?.detail ?? ''}${bookingsText(resolvedByHand)}`;
    case 'compensated':
      return `Compensated, ${howUndone(resolvedByHand)}${why && `, because of ${why}`}.${bookingsText(resolvedByHand)}`;
  }
}

function howUndone(resolvedByHand: readonly KeptResolution[]): string {
  if (resolvedByHand.some(isUnbooked)) return 'but not as if it had not happened';
  return resolvedByHand.length > 0 ? 'in part by hand' : 'as if it had not happened';
}

const bookingsText = (resolvedByHand: readonly KeptResolution[]): string =>
  resolvedByHand
    .map(bookingText)
    .map((text) => text && ` ${text}`)
    .join('');

const timeOf = (ms: number): string => new Date(ms).toISOString();
