/** One way to move money from an account to another, behind one HTTP call that answers when it has ended. */
import type { LocalApplication } from '../../environment/local-application';
import type { Stack } from '../../stack/stack';
import type { Played } from '../load/caller';

export interface Transfer {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

/** What all arms share. */
export interface Surroundings {
  readonly stack: Stack;
  /** Ends names that must be new: databases, tenants, namespaces. */
  readonly run: string;
  readonly say: (line: string) => void;
  /** Brings Accord up, once, and the same for all arms that ask. */
  readonly accord: () => Promise<LocalApplication>;
}

export interface Ground extends Surroundings {
  /** The work is done at the end, last one first, also where an arm does not come up. */
  readonly atEnd: (work: () => unknown) => void;
}

export interface Arm {
  readonly name: string;
  /** What it is, in one line. */
  readonly title: string;
  /** Its best number of transfers in flight, measured by `compare --sweep`. */
  readonly inFlight: number;
  open(ground: Ground): Promise<OpenArm>;
}

export interface OpenArm {
  /** Version of the software that it stands for. */
  readonly version: string;
  /** Whose CPU is this arm's, beside that of the generator. */
  readonly processes: readonly string[];
  /** The transfer of this number, to its ending. Never throws. */
  play(at: number): Promise<Played>;
  /** Whether every transfer that was answered is in the books once. To be asked when nothing is under way. */
  check(played: readonly Played[]): Promise<readonly Wrong[]>;
}

/** A count that must be 0. */
export interface Wrong {
  readonly name: string;
  readonly count: number;
}
