/** What was seen, held against the promise: every violation as a sentence. */
import type { Violation } from '../verify/verification';
import type { HistoryViolation } from './checkers';
import type { ChaosViolation } from './report';
import type { Observation } from './run';

/** @param ofHistory what the clients' record says, held against the databases. */
export function violationsOf(
  observed: Observation,
  ofHistory: readonly HistoryViolation[],
): readonly ChaosViolation[] {
  const planted = new Set(observed.planted.map(({ gid }) => gid));
  // What was spoiled and has ended without ever being parked, or resolved, is as wrong as it looks.
  const resolved = observed.planted.flatMap(({ gid, isResolved }) => (isResolved ? [gid] : []));
  return [
    // A race has no run, and no story that its rows could be held against.
    ...ofBooks(observed.violations, new Set([...resolved, ...observed.races.gids])),
    ...ofHistory.filter(({ gid }) => gid === undefined || !planted.has(gid)),
    ...observed.replayed.failures.map(({ gid, sentence }) => ({
      checker: 'I20: every history replays',
      gid,
      sentence,
    })),
    ...observed.replayed.outOfOrder
      .filter(({ gid }) => !planted.has(gid))
      .map((found) => ({ checker: 'I21: undo order', ...found })),
    ...observed.races.wrong.map((sentence) => ({
      checker: 'B2: an act behind its undo is refused',
      sentence,
    })),
    ...observed.unrest.map((sentence) => ({
      checker: 'I7: every accepted transaction ends',
      sentence,
    })),
    ...observed.parked
      .filter((gid) => !planted.has(gid))
      .map((gid) => ({
        checker: 'I7: an outage parks nothing',
        gid,
        sentence: 'is parked, and nobody planted that.',
      })),
    ...observed.wrongAnswers.map((sentence) => ({
      checker: 'I9: one key, one transaction',
      sentence,
    })),
    ...observed.tailFailures.map((sentence) => ({
      checker: 'I25: alive after the last fault',
      sentence,
    })),
  ];
}

/** Once each, however many rounds have seen it; what was planted is meant to be seen. */
function ofBooks(
  violations: readonly Violation[],
  planted: ReadonlySet<string>,
): readonly ChaosViolation[] {
  const found = new Map<string, ChaosViolation>();
  for (const { oracle, database, row } of violations) {
    const gid = gidOf(row);
    if (gid !== undefined && planted.has(gid)) continue;
    const sentence = `${database}: ${JSON.stringify(row)}`;
    found.set(`${oracle} ${sentence}`, {
      checker: oracle,
      ...(gid !== undefined && { gid }),
      sentence,
    });
  }
  return [...found.values()];
}

const gidOf = (row: object): string | undefined =>
  'gid' in row && typeof row.gid === 'string' ? row.gid : undefined;
