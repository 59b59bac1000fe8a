/**
 * Whether each transaction was taken back in the reverse of the order in which it began, by what its workflow has asked
 * for: the rows of the participants do not tell in which order they came to be.
 */
import { shop } from '../../contracts/shop';

import type { Verb } from '../../contracts/engine/verdict';
import { callsIn } from '../replay/calls';
import type { History } from '../replay/history';

/** A call that a workflow has asked for, in the order of its history. */
export interface Scheduled {
  /** `<participant>.<activity>`. */
  readonly activity: string;
  readonly key: string;
}

/** Calls without a step key, of locks and jobs, are left out. */
export const scheduledOf = (history: History): readonly Scheduled[] =>
  callsIn(history).flatMap(({ activity, keys }) => keys.map((key) => ({ activity, key })));

/** @returns how one of its transactions went wrong; `undefined`: each was not undone at all, or last first. */
export function disorderOf(scheduled: readonly Scheduled[]): string | undefined {
  const gidOf = ({ key }: Scheduled): string => key.slice(0, key.lastIndexOf('/'));
  const gids = new Set(scheduled.map(gidOf));
  for (const gid of gids) {
    const disorder = disorderOfOne(scheduled.filter((call) => gidOf(call) === gid));
    if (disorder !== undefined) return disorder;
  }
  return undefined;
}

function disorderOfOne(scheduled: readonly Scheduled[]): string | undefined {
  const acted = firstsOf(scheduled, 'act');
  const undone = firstsOf(scheduled, 'undo').filter((key) => acted.includes(key));
  const wanted = acted.filter((key) => undone.includes(key)).reverse();
  if (undone.every((key, at) => key === wanted[at])) return undefined;
  return `was undone in the order ${undone.join(', ')}; last first is ${wanted.join(', ')}.`;
}

/** Each key once, in the order in which it was first asked for. */
const firstsOf = (scheduled: readonly Scheduled[], verb: Verb): readonly string[] => [
  ...new Set(
    scheduled
      .filter(({ activity }) => shop.operations.get(activity)?.verb === verb)
      .map(({ key }) => key),
  ),
];
