/** Gives each attempt of an act a step key of its own. */
import { activityInfo } from '@temporalio/activity';

import * as sound from '../../../activities/fence/fence';
import type { ActSpec } from '../../../activities/fence/participant';
import { effectOf } from '../../../activities/fence/set-statements';
import type { Keyed, Verdict } from '../../../contracts/engine/verdict';

export { inertFenceMetrics } from '../../../activities/fence/fence';

export const createFence: typeof sound.createFence = (dependencies) => {
  const fence = sound.createFence(dependencies);
  return {
    ...fence,
    async act<Request extends Keyed, Result>(
      spec: ActSpec<Request, Result>,
      requests: readonly Request[],
    ): Promise<readonly Verdict<Result>[]> {
      const attempt = attemptOfDelivery();
      if (attempt === 1) return fence.act(spec, requests);
      const keys = new Map(requests.map(({ key }) => [`${key}-${attempt}`, key]));
      const renamed = requests.map((request) => ({
        ...request,
        key: `${request.key}-${attempt}`,
      }));
      const verdicts = await fence.act(spec, renamed);
      // The workflow knows the verdict by the name that it has asked with.
      return verdicts.map((verdict) => ({
        ...verdict,
        ...effectOf(keys.get(`${verdict.gid}/${verdict.branch}`) ?? ''),
      }));
    },
  };
};

/** A remote attempt follows a local one. Who sends straight to the participant makes no attempts. */
function attemptOfDelivery(): number {
  try {
    const { attempt, isLocal } = activityInfo();
    return isLocal ? attempt : attempt + 1;
  } catch {
    return 1;
  }
}
