import { act, defineParticipant, seal, type ActivitiesOf } from './definition';
import type { ParkReason } from './failures';
import type { AmountAtRisk } from './money';
import type { EarlyStatus, Ending, EndingReason, HandResolution } from './transaction';
import type { Keyed } from './verdict';

/** Branch of the fenced decision of a flow without a pivot of its own. */
export const decideBranch = 'decide';
/** Branch that names the moves of a run's row; no fence row bears it, the row guards itself by compare-and-set. */
export const rowBranch = 'row';

/** Redis channel that says "look at this row": the message is the gid. Best effort; whoever waits also polls. */
export const runsChannel = 'accord:runs';

/** A move of a run's row between its start and its ending. A later move wins, whatever order they arrive in. */
export interface MoveRun extends Keyed {
  readonly to: 'running' | 'undoing' | 'parked';
  /** Workflow time in milliseconds, larger than that of every earlier move of this run. */
  readonly at: number;
  readonly step: string | null;
  readonly reason: ParkReason | null;
  readonly pivotPassed: boolean;
  readonly atRisk: readonly AmountAtRisk[];
  /** Told to callers from now on; the row keeps the first one. Left out: nothing is told. */
  readonly early?: EarlyStatus;
  /** The deadline, put off by a review; left out: as it was. Milliseconds since 1970. */
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
export interface RunEnding {
  /** The ending that stands: ours, or an equal one that another coordinator wrote first. */
  readonly ending: string;
}

export const endingBytesMax = 262_144;

/** Participant `accord`: the row of `accord.runs`, the truth about a transaction towards the outside. */
export const accord = defineParticipant('accord', {
  /** The decision of a flow without a pivot: an act on the branch `decide`; moves the row to decided. */
  decide: act(),
  /** Was it decided? If not, it never will be. */
  sealDecision: seal(),
  /** Moves the row; a move that is older than the row's last one, or comes after the ending, changes nothing. */
  moveRun: act<MoveRun>(),
  /**
   * Writes the ending, once. An equal outcome that is there already stands, byte for byte.
   * @returns fails with InvariantBroken where the other ending is there: an alarm, and no effect.
   */
  endRun: act<EndRun, RunEnding>(),
});
export type RunsActivities = ActivitiesOf<typeof accord>;
