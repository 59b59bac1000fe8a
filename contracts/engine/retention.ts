/** Where a page of fence rows ended; rows are looked at from the oldest on. */
export interface FenceCursor {
  /** As the database writes it, UTC with milliseconds. */
  readonly createdAt: string;
  readonly gid: string;
  readonly branch: string;
}

export interface StampFence {
  readonly participant: string;
  readonly after: FenceCursor | null;
}
export interface StampedFence {
  readonly stamped: number;
  /** Reservations that are still open although their transaction has ended: protected, and for `reconcile` to mend. */
  readonly leaked: number;
  /** `null`: there are no more rows to look at. */
  readonly next: FenceCursor | null;
}

/** What one round of `retention` has done. */
export interface RetentionReport {
  readonly stamped: number;
  readonly leaked: number;
  readonly deleted: number;
  readonly expiredKeys: number;
  /** False: a participant was away; the next round makes up for it. */
  readonly isComplete: boolean;
}

/**
 * The job `retention`. A fence row may be the only witness that its act has happened, so a row is given an end only
 * once `accord` says that its transaction has ended, never while it reserves something, and every delivery takes the
 * end away again.
 */
export interface RetentionActivities {
  /** Every participant with a fence, in the order in which a round looks at them. */
  participants(): Promise<readonly string[]>;
  /** Gives an end to the rows of one page whose transaction has ended. */
  stampFence(page: StampFence): Promise<StampedFence>;
  /** Deletes rows whose end has come, a bounded number at a time. */
  deleteExpired(of: {
    readonly participant: string;
  }): Promise<{ readonly deleted: number; readonly more: boolean }>;
  /** Forgets the idempotency keys of transactions that ended long ago; their rows stay for good. */
  expireKeys(): Promise<{ readonly expired: number; readonly more: boolean }>;
}
