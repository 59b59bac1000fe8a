import type { Branch, Gid } from './ids';
import type { Currency } from './money';

/** What reconciliation looks for; the first two are put right, the others are left to an operator. */
export const findingKinds = [
  /** A branch that only reserves is still acted although its transaction has ended. */
  'leaked_reservation',
  /** An open row of `accord.runs` that no run in Temporal brings to its ending. */
  'run_without_owner',
  /** A reservation of a transaction that `accord` has never accepted. */
  'unknown_transaction',
  /** An account, SKU or coupon whose sums are not those of its rows. */
  'books_differ',
  /** A step that persons have skipped: it stays until somebody has booked what it left. */
  'skipped_by_hand',
] as const;
export type FindingKind = (typeof findingKinds)[number];

/** What was done about a finding. `would`: what a round that is no dry run would do. */
export type FindingAction =
  'confirmed' | 'undone' | 'recovered' | 'left' | 'would_confirm' | 'would_undo' | 'would_recover';

/** What is at stake; money as digits. */
export type FoundAmount =
  | { readonly kind: 'hold' | 'captured'; readonly currency: string; readonly minorUnits: string }
  | { readonly kind: 'stock'; readonly sku: string; readonly quantity: number };

export interface Finding {
  readonly kind: FindingKind;
  readonly participant: string;
  /** `null`: no single transaction is to blame. */
  readonly gid: Gid | null;
  readonly branch: Branch | null;
  /** What the finding is about, once in its kind and participant: a step key, gid, account, SKU or coupon. */
  readonly subject: string;
  readonly amounts: readonly FoundAmount[];
  /** For how long it has been so; `null`: nobody knows. */
  readonly ageSeconds: number | null;
  readonly detail: string;
}

export interface ReportedFinding extends Finding {
  readonly action: FindingAction;
}

export interface ReconcileInput {
  /** Writes no finding, repairs nothing. */
  readonly dryRun: boolean;
}

export interface ReconcileReport {
  readonly dryRun: boolean;
  /** Rows that were looked at. */
  readonly looked: number;
  /** How many of each action there were. */
  readonly actions: Readonly<Partial<Record<FindingAction, number>>>;
  /** At most `findingsListedMax` of them. */
  readonly findings: readonly ReportedFinding[];
  /** False: something was not looked at; the next round begins anew. */
  readonly isComplete: boolean;
}

export const findingsListedMax = 500;
/**
 * Rows of one page; pages after which a round goes on in a new run: what a history has room for; pages of accounts, SKUs
 * and coupons that a round looks at in their turn.
 */
export const reconcileRows = { page: 200, pagesOfRun: 25, pagesOfWalk: 10 } as const;

/** How old a row is before it is looked at: what is under way is nobody's finding. */
export const reconcileAgeSeconds = {
  /** A transaction that `accord` does not know after this is unknown to it for good. */
  unknown: 60,
  /** After the deadline: the longest that a living run may need until its next move. */
  overdue: 60,
  /** Without a move. */
  idle: 300,
  /** Without a move where that is no wonder: parked, or in review. */
  waiting: 3_600,
} as const;

/** Where a page begins: behind this row. */
export interface ReservationPosition {
  readonly createdAt: string;
  readonly gid: Gid;
  readonly branch: Branch;
}

/** How far a round has looked at the books of a participant. */
export interface BooksPosition {
  readonly effects?: ReservationPosition;
  /** The last key that had its turn; empty: the first is next. */
  readonly walkedTo?: string;
}

/** A reservation that should not be there, and the activity that puts it right, if one may. */
export interface JudgedReservation {
  readonly finding: Finding;
  readonly repair: { readonly activity: string; readonly verb: 'confirm' | 'undo' } | null;
}

/** A row that is open and has not moved, with what its run was started with. */
export interface OpenRun {
  readonly finding: Finding;
  readonly gid: Gid;
  readonly workflow: string;
  /** `null`: it was not kept, so nobody can run the flow again. */
  readonly input: object | null;
}

export interface RecordedFinding {
  readonly finding: Finding;
  readonly state: 'open' | 'repaired';
}

/** Reads the participants' rows, judges them by the rows of `accord`, and keeps what was found. Registered as `reconciliation.*`. */
export interface ReconciliationActivities {
  /**
   * `since`: the time of `accord`, as text; findings that are seen from now on are seen later than this. `participants`:
   * those whose acts may only reserve.
   */
  beginRound(): Promise<{ readonly since: string; readonly participants: readonly string[] }>;
  /** One page of reservations of ended or unknown transactions; those of open ones are passed over. */
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
  /** One page of open rows that have not moved for long; it may have none of them, and not be the last. */
  openRuns(request: {
    readonly after: Gid | null;
    readonly rows: number;
  }): Promise<{ readonly runs: readonly OpenRun[]; readonly next: Gid | null }>;
  /** One page of ended transactions with a skipped step that nobody has booked. */
  unbookedSteps(request: {
    readonly after: Gid | null;
    readonly rows: number;
  }): Promise<{ readonly findings: readonly Finding[]; readonly next: Gid | null }>;
  /**
   * Marks open rows as sent, before their runs are started: from then on a cancel asks the run, and no longer ends the
   * row alone. Safe to repeat.
   *
   * @param gids at most a page.
   * @returns those that are open still; no other may be started.
   */
  claimStarts(request: { readonly gids: readonly Gid[] }): Promise<readonly Gid[]>;
  /** Has Temporal an open run of it? Asked by a dry run alone: who starts needs no answer that may be old. */
  isRunning(gid: Gid): Promise<boolean>;
  /**
   * One page of accounts, stock and coupons whose sums are not those of their rows: of those that are findings, that
   * effects have touched since the last round, and of some more, in their turn. It keeps sums of what is final, and
   * nothing else.
   *
   * @param after `next` of the page before, as it is.
   * @returns `seen`: for `noteBooks`, once the findings are written down.
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
  /** The next round goes on behind it. Safe to repeat. */
  noteBooks(request: { readonly participant: string; readonly seen: BooksPosition }): Promise<null>;
  record(request: { readonly findings: readonly RecordedFinding[] }): Promise<null>;
  /** Findings of these kinds that are open, and were not seen since: gone. */
  closeUnseen(request: {
    readonly since: string;
    readonly kinds: readonly FindingKind[];
  }): Promise<null>;
}

/** What one settlement of a day takes: movements of one tenant in one currency. */
export interface SettlementScope {
  readonly tenant: string;
  readonly currency: Currency;
}

/** Job `settleDay`: settles every currency of every tenant that gained something up to the end of the day. */
export interface SettleDayInput {
  /** UTC, `2026-11-20`; `null`: yesterday. */
  readonly day: string | null;
}

export interface SettleDayReport {
  readonly day: string;
  /** Settlements that were started, or found running: at most `settlementsListedMax` of them. */
  readonly settlements: readonly Gid[];
  /** How many there were. */
  readonly count: number;
  /** False: something was left out; what is open of it is settled with the next day. */
  readonly isComplete: boolean;
}

export const settlementsListedMax = 500;

/** What a scheduled settlement is accepted with. Registered as `reconciliation.*`, too. */
export interface SettleDayActivities {
  /** One page of what has movements that no settlement has, up to the end of the day. */
  settlementsDue(request: {
    readonly day: string;
    readonly after: SettlementScope | null;
    readonly rows: number;
  }): Promise<{
    readonly due: readonly SettlementScope[];
    readonly next: SettlementScope | null;
  }>;
  /**
   * Writes the row of the settlement, unless it is there; either way it is marked as sent.
   * @returns what its run is to be started with; `null`: it has ended.
   */
  acceptSettlement(
    request: SettlementScope & { readonly day: string; readonly deadlineAt: number },
  ): Promise<{ readonly gid: Gid; readonly input: object } | null>;
}
