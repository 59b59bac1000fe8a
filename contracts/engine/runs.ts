import { act, defineParticipant, seal, type ActivitiesOf } from './definition';
import type { ParkReason } from './failures';
import type { AmountAtRisk } from './money';
import type { EarlyStatus, Ending, EndingReason, HandResolution } from './transaction';
import { transactionEvents } from './transaction-events';
import type { Keyed } from './verdict';

/** Branch of the fenced decision of a flow without a pivot of its own. */
export const decideBranch = 'decide';
/** Branch of the moves of a run's row. It has no fence row: the row guards itself by compare-and-set. */
export const rowBranch = 'row';

/** Redis channel of changed rows: a message has the gids of a set, a line each. Best effort: waiting processes also poll. */
export const runsChannel = 'accord:runs';

/** A move of a run's row between its start and its ending. The later move wins, in whichever order they arrive. */
export interface MoveRun extends Keyed {
  /** Workflow id of the run that tells it. The move counts only while the row has this owner. */
  readonly owner: string;
  readonly to: 'running' | 'undoing' | 'parked';
  /** Workflow time in milliseconds, larger than that of every earlier move of this run. */
  readonly at: number;
  readonly step: string | null;
  readonly reason: ParkReason | null;
  readonly pivotPassed: boolean;
  /** Only such a move to `running` leaves `parked` or `undoing`. Left out: it does not. */
  readonly resumes?: true;
  readonly atRisk: readonly AmountAtRisk[];
  /** Early status for callers from now on. The row keeps the first one. Left out: none. */
  readonly early?: EarlyStatus;
  /** The deadline after a review has put it off, in milliseconds since 1970. Left out: unchanged. */
  readonly deadlineAt?: number;
}

export interface EndRun extends Keyed {
  readonly outcome: Ending;
  readonly reason: EndingReason | null;
  /** Workflow time in milliseconds. */
  readonly at: number;
  /** The answer that callers get from now on, byte for byte: JSON, at most `endingBytesMax`. */
  readonly ending: string;
  readonly early?: EarlyStatus;
  /** Left out: no step was resolved by hand, so nothing is at risk any more. */
  readonly resolvedByHand?: readonly HandResolution[];
}
/** A transaction leaves its batch, and goes on in a workflow under its own gid. */
export interface LeaveBatch extends Keyed {
  /** Workflow id of the batch. */
  readonly owner: string;
}
export interface LeftBatch {
  /** Whether the workflow under the own gid is to be started. `false`: it has ended, or never was in this batch. */
  readonly isToBeStarted: boolean;
}

export const endingBytesMax = 262_144;

/** Participant `accord`: the row of `accord.runs`. The API answers about a transaction from this row. */
export const accord = defineParticipant(
  'accord',
  {
    /** The decision of a flow without a pivot: an act on the branch `decide`. It marks the row as decided. */
    decide: act(),
    /** Answers whether `decide` has happened. If not, it never will. */
    sealDecision: seal(),
    /**
     * Moves the row. A move that is older than the last one, comes after the ending, or does not come from the owner
     * of the row, changes nothing.
     */
    moveRun: act<MoveRun>(),
    /**
     * Writes the ending once, whoever the owner is. If an equal outcome is there already, that one stands.
     * @returns fails with InvariantBroken if the other outcome is there: an alarm, and no effect.
     */
    endRun: act<EndRun>(),
    /** Makes the gid the owner of the row, by compare-and-set. Safe to repeat. */
    leaveBatch: act<LeaveBatch, LeftBatch>(),
  },
  transactionEvents,
);
export type RunsActivities = ActivitiesOf<typeof accord>;

export type TransactionEventType = keyof typeof transactionEvents;
