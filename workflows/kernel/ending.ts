import { endingBytesMax } from '../../contracts/engine/runs';
import type { StepCall, StepParking, StepView } from '../../contracts/engine/transaction';
import type { Run } from './run';
import { atRiskOf, endsOf, stepViewsOf } from './run';

/** Maximum steps and notes of one ending: it has the first and the last ones. A settlement has a step for each page. */
const stepsMax = 400;
const notesMax = 100;
const noteLengthMax = 600;

/**
 * The answer that callers get from now on, byte for byte: JSON in the form of docs/http.md, at most `endingBytesMax`
 * bytes. It is complete, because the API does not query a run that has ended.
 *
 * @param at workflow time of the ending in milliseconds.
 */
export function endingOf(run: Run, at: number): string {
  for (let share = 1; ; share /= 2) {
    const ending = endingWith(run, at, share);
    if (fits(ending) || share * stepsMax < 1) return ending;
  }
}

/** @param share of the maximum of steps and notes. */
function endingWith(run: Run, at: number, share: number): string {
  const { gid, flow } = run.input;
  const steps = stepViewsOf(run);
  const told = endsOf(steps, Math.floor(stepsMax * share));
  const notes = endsOf(run.notes, Math.floor(notesMax * share));
  const notesLeftOut = run.notesLeftOut + run.notes.length - notes.length;
  return JSON.stringify({
    gid,
    flow,
    state: run.state,
    outcome: run.state,
    endedAt: timeOf(at),
    reason: run.reason && {
      code: run.reason.code,
      step: run.reason.step,
      detail: run.reason.detail,
    },
    ...(run.resolvedByHand.length > 0 && {
      resolvedByHand: run.resolvedByHand,
      atRisk: atRiskOf(run),
    }),
    steps: told.map(stepOf),
    ...(told.length < steps.length && { stepsLeftOut: steps.length - told.length }),
    ...(run.notes.length > 0 && { notes: notes.map(noteOf) }),
    ...(notesLeftOut > 0 && { notesLeftOut }),
  });
}

// A UTF-16 unit is at most three bytes, so this bound is enough for nearly every ending, without encoding it.
const fits = (ending: string): boolean =>
  ending.length * 3 <= endingBytesMax ||
  new TextEncoder().encode(ending).byteLength <= endingBytesMax;

function stepOf({
  name,
  state,
  startedAt,
  endedAt,
  fence,
  failure,
  detail,
  calls,
  parking,
}: StepView): object {
  return {
    name,
    state,
    startedAt: timeOf(startedAt),
    endedAt: endedAt === null ? null : timeOf(endedAt),
    fence,
    failure,
    detail,
    ...(calls && { calls: calls.map(callOf) }),
    ...(parking && { parking: parkingOf(parking) }),
  };
}

/** Leaves out the text of a failure: it is for operators only, and more people may read the ending. */
const callOf = ({ activity, attempts, lastFailure }: StepCall): object => ({
  activity,
  attempts,
  lastFailure, // `undefined`, and so left out of the JSON, if nothing has failed.
});

const parkingOf = ({
  times,
  firstAt,
  lastAt,
  reason,
  failure,
  detail,
  lastDecision,
}: StepParking): object => ({
  times,
  firstAt: timeOf(firstAt),
  lastAt: timeOf(lastAt),
  ...{ reason, failure, detail },
  lastDecision: lastDecision && { ...lastDecision, at: timeOf(lastDecision.at) },
});

const noteOf = ({ at, text }: Run['notes'][number]): object => ({
  at: timeOf(at),
  text: text.slice(0, noteLengthMax),
});

const timeOf = (ms: number): string => new Date(ms).toISOString();
