import type { Branch, Gid } from './ids';

/** Kinds of findings. Reconciliation repairs the first two, and leaves the others to an operator. */
export const findingKinds = [
  /** A branch that only reserves is still acted although its transaction has ended. */
  'leaked_reservation',
  /** An open row of `accord.runs` that no run in Temporal brings to its ending. */
  'run_without_owner',
  /** A reservation of a transaction that `accord` never accepted. */
  'unknown_transaction',
  /** An account, SKU or coupon whose sums differ from its rows. */
  'books_differ',
  /** A step that persons have skipped. The finding stays until a person has booked what the step left. */
  'skipped_by_hand',
] as const;
export type FindingKind = (typeof findingKinds)[number];

/** The action on a finding. `would`: a dry run found what a real round would repair. */
export type FindingAction =
  'confirmed' | 'undone' | 'recovered' | 'left' | 'would_confirm' | 'would_undo' | 'would_recover';

/** An amount of a finding; money as digits. */
export type FoundAmount =
  | { readonly kind: 'hold' | 'captured'; readonly currency: string; readonly minorUnits: string }
  | { readonly kind: 'stock'; readonly sku: string; readonly quantity: number };

export interface Finding {
  readonly kind: FindingKind;
  readonly participant: string;
  /** `null`: the finding belongs to no single transaction. */
  readonly gid: Gid | null;
  readonly branch: Branch | null;
  /** Subject of the finding, unique in its kind and participant: a step key, gid, account, SKU or coupon. */
  readonly subject: string;
  readonly amounts: readonly FoundAmount[];
  /** Age of the fault; `null`: unknown. */
  readonly ageSeconds: number | null;
  readonly detail: string;
}

export interface ReportedFinding extends Finding {
  readonly action: FindingAction;
}

export interface ReconcileInput {
  /** `true`: the round writes no finding and repairs nothing. */
  readonly dryRun: boolean;
}

export interface ReconcileReport {
  readonly dryRun: boolean;
  /** Rows that were checked. */
  readonly looked: number;
  /** Number of findings by action. */
  readonly actions: Readonly<Partial<Record<FindingAction, number>>>;
  /** At most `findingsListedMax` of them. */
  readonly findings: readonly ReportedFinding[];
  /** `false`: something was not checked. The next round begins from the start. */
  readonly isComplete: boolean;
}

export const findingsListedMax = 500;
/**
 * Rows of a page; pages of one workflow run, bounded by the size of its history; pages of accounts, SKUs and coupons
 * that one round checks in turn.
 */
export const reconcileRows = { page: 200, pagesOfRun: 25, pagesOfWalk: 10 } as const;

/** Age of a row before it is checked: a transaction that is under way is no finding. */
export const reconcileAgeSeconds = {
  /** After this time `accord` will never know a transaction that it does not know yet. */
  unknown: 60,
  /** Time after the deadline: the longest time that a live run may need until its next move. */
  overdue: 60,
  /** Time without a move. */
  idle: 300,
  /** Time without a move for a parked run or one in review, which waits for a person. */
  waiting: 3_600,
} as const;

/** A page begins after this row. */
export interface ReservationPosition {
  readonly createdAt: string;
  readonly gid: Gid;
  readonly branch: Branch;
}

/** Progress of a round in the books of a participant. */
export interface BooksPosition {
  readonly effects?: ReservationPosition;
  /** The last key that was checked in turn; empty: the first key is next. */
  readonly walkedTo?: string;
}

/** A reservation that should not exist, and the activity that repairs it, if one may. */
export interface JudgedReservation {
  readonly finding: Finding;
  readonly repair: { readonly activity: string; readonly verb: 'confirm' | 'undo' } | null;
}

/** An open row that has not moved, with the input of its run. */
export interface OpenRun {
  readonly finding: Finding;
  readonly gid: Gid;
  readonly workflow: string;
  /** `null`: the input was not kept, so the flow cannot run again. */
  readonly input: object | null;
}

export interface RecordedFinding {
  readonly finding: Finding;
  readonly state: 'open' | 'repaired';
}

/** Compares rows of the participants with rows of `accord`, and stores findings. Registered as `reconciliation.*`. */
export interface ReconciliationActivities {
  /**
   * `since`: the time of `accord`, as text. Findings from now on have a later time. `participants`: those whose acts
   * may only reserve.
   */
  beginRound(): Promise<{ readonly since: string; readonly participants: readonly string[] }>;
  /** One page of reservations of ended or unknown transactions. Reservations of open ones are left out. */
  reservations(request: {
    readonly participant: string;
    readonly after: ReservationPosition | null;
    readonly rows: number;
  }): Promise<{
    readonly judged: readonly JudgedReservation[];
    readonly looked: number;
    /** `null`: that was the last page. */
    readonly next: ReservationPosition | null;
  }>;
  /** One page of open rows without a move for long. A page may be empty without being the last. */
  openRuns(request: {
    readonly after: Gid | null;
    readonly rows: number;
  }): Promise<{ readonly runs: readonly OpenRun[]; readonly next: Gid | null }>;
  /** One page of ended transactions with a skipped step that is not booked. */
  unbookedSteps(request: {
    readonly after: Gid | null;
    readonly rows: number;
  }): Promise<{ readonly findings: readonly Finding[]; readonly next: Gid | null }>;
  /**
   * Marks open rows as sent, before their runs are started. From then on a cancel goes to the run, and no longer ends
   * the row by itself. The row of a batch that is lost becomes one of a single transaction, by compare-and-set of its
   * owner. Safe to repeat.
   *
   * @param gids at most a page.
   * @returns the gids that are still open, and that no running batch carries. No other one may be started.
   */
  claimStarts(request: { readonly gids: readonly Gid[] }): Promise<readonly Gid[]>;
  /**
   * Whether nothing is lost: the owner of the row runs, or the row has ended. Only a run that starts nothing needs this:
   * a claim and a start find it out by themselves, and up to date.
   */
  isRunning(gid: Gid): Promise<boolean>;
  /**
   * One page of accounts, stock and coupons whose sums differ from their rows. It checks known findings, keys that
   * effects have touched since the last round, and some more keys in turn. It writes only sums of final rows.
   *
   * @param after `next` of the page before, as it is.
   * @returns `seen`: for `noteBooks`, once the findings are stored.
   */
  differingBooks(request: {
    readonly participant: string;
    readonly after: string | null;
    readonly rows: number;
  }): Promise<{
    readonly findings: readonly Finding[];
    readonly seen: BooksPosition | null;
    readonly next: string | null;
  }>;
  /** Stores the progress: the next round continues after it. Safe to repeat. */
  noteBooks(request: { readonly participant: string; readonly seen: BooksPosition }): Promise<null>;
  record(request: { readonly findings: readonly RecordedFinding[] }): Promise<null>;
  /** Closes open findings of these kinds that were not seen since. */
  closeUnseen(request: {
    readonly since: string;
    readonly kinds: readonly FindingKind[];
  }): Promise<null>;
}
