import type { RunsActivities } from '../../contracts/runs';
import type { Fence } from '../participant';
import { decideRun, type RunsStore } from './runs-store';

export interface RunsDependencies {
  /** Of the database `accord`. */
  readonly fence: Fence;
  readonly runs: RunsStore;
}

export function createRunsActivities({ fence, runs }: RunsDependencies): RunsActivities {
  return {
    decide: (requests) => fence.act(decideRun, requests),
    sealDecision: (requests) => fence.seal('accord.sealDecision', requests),
    moveRun: (requests) => runs.move(requests),
    endRun: (requests) => runs.end(requests),
  };
}
