import { partsOfStepKey, type Gid } from '../../contracts/engine/ids';
import type { HandResolution } from '../../contracts/engine/transaction';
import { accord, type RunsActivities } from '../../contracts/engine/runs';
import { actSpecOf } from '../fence/implement';
import type { Fence } from '../fence/participant';
import { decideRun, type RunsStore } from './runs-store';

export interface RunsDependencies {
  /** Fence of the database `accord`. */
  readonly fence: Fence;
  readonly runs: RunsStore;
  /** Called once for each step that was resolved by hand, when the ending is written. */
  readonly resolvedByHand: (gid: Gid, resolution: HandResolution) => void;
}

export function createRunsActivities({
  fence,
  runs,
  resolvedByHand,
}: RunsDependencies): RunsActivities {
  const { decide, sealDecision } = accord;
  const decideSpec = actSpecOf(decide, decideRun);
  return {
    decide: (requests) => fence.act(decideSpec, requests),
    sealDecision: (requests) => fence.seal(sealDecision.type, requests),
    moveRun: (requests) => runs.move(requests),
    leaveBatch: (requests) => runs.leaveBatch(requests),
    async endRun(requests) {
      const verdicts = await runs.end(requests);
      const written = new Set(
        verdicts.flatMap(({ gid, fence: seen }) => (seen === 'first' ? [gid] : [])),
      );
      for (const { key, resolvedByHand: resolutions = [] } of requests) {
        const gid = partsOfStepKey(key)?.gid ?? '';
        if (written.has(gid)) for (const one of resolutions) resolvedByHand(gid, one);
      }
      return verdicts;
    },
  };
}
