/** Refuses to undo what was never done, instead of leaving a mark for the act that is still on its way. */
import * as sound from '../../../activities/fence/follow-up';

export { confirm, seal } from '../../../activities/fence/follow-up';

export const undo: typeof sound.undo = async (session, spec, items) => {
  const verdicts = await sound.undo(session, spec, items);
  return verdicts.map(({ gid, branch, verb, epoch, ...verdict }) =>
    verdict.fence === 'empty'
      ? {
          ...{ gid, branch, verb, epoch, fence: 'broken' },
          ...{ ok: false, failure: 'InvariantBroken', detail: 'There is nothing to undo.' },
        }
      : { gid, branch, verb, epoch, ...verdict },
  );
};
