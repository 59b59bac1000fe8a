import { stepKeyOf } from '../../../contracts/engine/ids';
import type { Verdict } from '../../../contracts/engine/verdict';
import { verdictNameOf, type ItemCall } from './lane';

/**
 * The verdict of each call, in the order of the calls. Verdicts are matched by name, never by position: one more
 * `await` in a new build would give a transaction the answer of another.
 *
 * @throws a plain error for a missing, foreign or repeated verdict: the workflow task fails and waits for a repaired
 *   worker. Such a set decides nothing.
 */
export function matched(
  calls: readonly ItemCall[],
  verdicts: readonly Verdict<unknown>[],
): readonly Verdict<unknown>[] {
  const byName = new Map(verdicts.map((verdict) => [nameOf(verdict), verdict]));
  if (byName.size !== calls.length || verdicts.length !== calls.length) {
    const [first] = calls;
    throw new Error(
      `${first?.activity ?? ''} gave ${verdicts.length} verdicts for ${calls.length} requests.`,
    );
  }
  return calls.map((call) => {
    const verdict = byName.get(nameOf(verdictNameOf(call)));
    if (!verdict) throw new Error(`${call.activity} gave no verdict for ${call.request.key}.`);
    return verdict;
  });
}

const nameOf = ({ gid, branch, verb }: Pick<Verdict<unknown>, 'gid' | 'branch' | 'verb'>): string =>
  `${stepKeyOf(gid, branch)} ${verb}`;
