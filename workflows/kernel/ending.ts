import type { StepView } from '../../contracts/transaction';
import type { Run } from './run';
import { atRiskOf, stepViewsOf } from './run';

/**
 * The answer that callers get from now on, byte for byte: JSON in the form of docs/http.md.
 *
 * @param at workflow time of the ending in milliseconds.
 */
export function endingOf(run: Run, at: number): string {
  const { gid, flow } = run.input;
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
    steps: stepViewsOf(run).map(stepOf),
  });
}

function stepOf({ name, state, startedAt, endedAt, fence, failure, detail }: StepView): object {
  return {
    name,
    state,
    startedAt: timeOf(startedAt),
    endedAt: endedAt === null ? null : timeOf(endedAt),
    fence,
    failure,
    detail,
  };
}

const timeOf = (ms: number): string => new Date(ms).toISOString();
