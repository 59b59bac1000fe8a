/**
 * Gates against "green because nothing happened": a run that misses one has proven nothing, and is neither green nor
 * red.
 */
import type { LaneMode } from '../../api/transactions/lanes';
import { shopFlowNames } from '../../contracts/flows';
import { eachAtLeast, kindsAsked, takenAtLeast } from './coverage';
import type { HistoryLine } from './history';
import type { Observation } from './run';
import type { PlannedFault } from './schedule';

export interface Gate {
  readonly name: string;
  readonly seen: number;
  readonly atLeast: number;
}

/** Counts of the history by kind: calls, and calls of unknown outcome. */
export interface Asked {
  readonly ok: number;
  readonly unknown: number;
  readonly byKind: ReadonlyMap<string, number>;
}

export const isPassed = ({ seen, atLeast }: Gate): boolean => seen >= atLeast;

/** A call each, whatever came of it. */
export function askedOf(lines: readonly HistoryLine[]): Asked {
  const byKind = new Map<string, number>();
  const count = (type: HistoryLine['type']): number =>
    lines.filter((line) => line.type === type).length;
  for (const { f, type } of lines) {
    if (type === 'invoke') byKind.set(f, (byKind.get(f) ?? 0) + 1);
  }
  const unanswered = count('invoke') - count('ok') - count('fail') - count('unknown');
  return { ok: count('ok'), unknown: count('unknown') + unanswered, byKind };
}

export function gatesOf(
  {
    faults,
    planted,
    races,
    counters,
    rounds,
    endings,
    restarts,
    replayed,
    isQuiet,
    carried,
  }: Observation,
  asked: Asked,
  {
    plan,
    minutes,
    hasNext,
    lane,
  }: {
    readonly plan: readonly PlannedFault[];
    readonly minutes: number;
    /** Whether a next release was deployed. */
    readonly hasNext: boolean;
    readonly lane: LaneMode;
  },
): readonly Gate[] {
  const ended = (state: string): number =>
    [...endings].reduce((sum, [key, n]) => (key.endsWith(` ${state}`) ? sum + n : sum), 0);
  const gate = (name: string, seen: number, atLeast: number): Gate => ({ name, seen, atLeast });
  return [
    gate('calls that were taken', asked.ok, takenAtLeast),
    ...kindsAsked.map((kind) =>
      gate(`calls of ${kind}`, asked.byKind.get(kind) ?? 0, eachAtLeast(minutes)),
    ),
    gate('calls of unknown outcome', asked.unknown, 1),
    gate('completed', ended('completed'), 1),
    gate('compensated', ended('compensated'), 1),
    gate('parked, then resolved', planted.filter(({ isResolved }) => isResolved).length, 1),
    gate('faults that struck', faults.filter(({ hasStruck }) => hasStruck).length, plan.length),
    gate('processes that came back', restarts, 1),
    gate('duplicates that the fence answered', counters.verdictsOf('duplicate'), 1),
    gate('acts raced against their undos', races.gids.length, 60),
    gate('late acts that the fence refused', counters.verdictsOf('fenced'), 1),
    gate('SQL transactions tried again', counters.sqlRetries, 1),
    gate('rounds of the checks', rounds, 20),
    gate('last round in quiet', isQuiet === true ? 1 : 0, 1),
    ...(hasNext ? [gate('histories of the next release', replayed.ofNextRelease, 1)] : []),
    gate('histories replayed', replayed.replayed, carried.owners),
    ...(lane === 'single' ? [] : [gate('batches of several', carried.batches, 1)]),
    gate(
      'flows replayed',
      shopFlowNames.filter((flow) => (replayed.flows[flow] ?? 0) > 0).length,
      shopFlowNames.length,
    ),
  ];
}
