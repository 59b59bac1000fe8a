/** Last fence row of a page. Pages go from the oldest row to the newest. */
export interface FenceCursor {
  /** Time as the database writes it, UTC with milliseconds. */
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
  /** Open reservations of ended transactions. Retention keeps them, and `reconcile` repairs them. */
  readonly leaked: number;
  /** `null`: no more rows. */
  readonly next: FenceCursor | null;
}

/** What one round of `retention` has done. */
export interface RetentionReport {
  readonly stamped: number;
  readonly leaked: number;
  readonly deleted: number;
  readonly expiredKeys: number;
  /** `false`: a participant did not answer. The next round does its part. */
  readonly isComplete: boolean;
}

/**
 * The job `retention`. A fence row may be the only proof that its act has happened. So a row gets an expiry only after
 * its transaction has ended in `accord`, and never while it reserves something. Every delivery removes the expiry.
 */
export interface RetentionActivities {
  /** Every participant with a fence, in the order of a round. */
  participants(): Promise<readonly string[]>;
  /** Gives an expiry to the rows of one page whose transaction has ended. */
  stampFence(page: StampFence): Promise<StampedFence>;
  /** Deletes expired rows, a bounded number at a time. */
  deleteExpired(of: {
    readonly participant: string;
  }): Promise<{ readonly deleted: number; readonly more: boolean }>;
  /** Deletes the idempotency keys of transactions that ended long ago. The rows of the transactions stay for good. */
  expireKeys(): Promise<{ readonly expired: number; readonly more: boolean }>;
}
