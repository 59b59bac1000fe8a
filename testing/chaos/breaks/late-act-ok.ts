/** Answers an act that comes after its undo as if it had been done. */
import * as sound from '../../../activities/fence/act';
import type { Session } from '../../../activities/fence/session';
import type { Item } from '../../../activities/fence/fenced-set';
import type { ActSpec } from '../../../activities/fence/participant';
import type { Keyed, Verdict } from '../../../contracts/engine/verdict';

export async function act<Request extends Keyed, Result>(
  session: Session,
  spec: ActSpec<Request, Result>,
  items: readonly Item<Request>[],
): Promise<readonly Verdict<Result>[]> {
  const verdicts = await sound.act(session, spec, items);
  return verdicts.map((verdict) => {
    const { gid, branch, verb, epoch, fence } = verdict;
    if (fence !== 'fenced') return verdict;
    return { gid, branch, verb, epoch, fence, ok: true, result: null as Result }; // As most acts answer.
  });
}
