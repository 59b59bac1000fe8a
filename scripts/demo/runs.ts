/** What the demo plays, in this order. */
import { plannedCheckouts } from './checkouts';
import { plannedOrders } from './orders';
import { plannedPayments } from './payments';
import { sumOf, type Changes, type PlannedRun } from './planned-run';
import { plannedSettlements } from './settlements';

export const plannedRuns: readonly PlannedRun[] = [
  ...plannedOrders,
  ...plannedCheckouts,
  ...plannedPayments,
  ...plannedSettlements,
];

/** What all of them together add to the books: each its own changes, and one ending. */
export const plannedChanges: Changes = sumOf(
  plannedRuns.flatMap(({ changes, ending }) => [
    changes,
    { [`transactions ${ending}`]: 1, 'endings in accord.transactions': 1 },
  ]),
);
