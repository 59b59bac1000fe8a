import { endingBytesMax } from '../../contracts/runs';
import type { StepCall, StepView } from '../../contracts/transaction';
import type { Run } from './run';
import { atRiskOf, stepViewsOf } from './run';

/** Steps and notes of one ending, at most: the first and the last of more. A settlement has a step for each page. */
const stepsMax = 400;
const notesMax = 100;
const noteLengthMax = 600;

/**
 * The answer that callers get from now on, byte for byte: JSON in the form of docs/http.md, `endingBytesMax` at most. It
 * tells the whole story, for nobody asks the run once it has ended.
 *
 * @param at workflow time of the ending in milliseconds.
 */
export function endingOf(run: Run, at: number): string {
  for (let share = 1; ; share /= 2) {
    const ending = endingWith(run, at, share);
    if (fits(ending) || share * stepsMax < 1) return ending;
  }
}

/** @param share of the steps and notes that are told. */
function endingWith(run: Run, at: number, share: number): string {
  const { gid, flow } = run.input;
  const steps = stepViewsOf(run);
  const told = endsOf(steps, Math.floor(stepsMax * share));
  const notes = endsOf(run.notes, Math.floor(notesMax * share));
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
    ...(notes.length < run.notes.length && { notesLeftOut: run.notes.length - notes.length }),
  });
}

/** The first half and the last half of what may be told. */
function endsOf<Item>(items: readonly Item[], max: number): readonly Item[] {
  if (items.length <= max) return items;
  const first = Math.ceil(max / 2);
  return [...items.slice(0, first), ...items.slice(items.length - (max - first))];
}

// Each UTF-16 unit is at most three bytes, so that nearly every ending need not be encoded.
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
  };
}

/** Everybody who may see the transaction reads its ending: what was said of a failure is for operators alone. */
const callOf = ({ activity, attempts, lastFailure }: StepCall): object => ({
  activity,
  attempts,
  lastFailure, // Left out of the JSON where nothing has failed.
});

const noteOf = ({ at, text }: Run['notes'][number]): object => ({
  at: timeOf(at),
  text: text.slice(0, noteLengthMax),
});

const timeOf = (ms: number): string => new Date(ms).toISOString();
