import type { FailureType, ItemFailure } from './failures';
import type { Branch, Gid, StepKey } from './ids';

/** What a delivery asks of the fence: activities/fence/fence.ts, section "verbs" of docs/guarantees.md. */
export const verbs = ['act', 'confirm', 'undo', 'seal'] as const;
export type Verb = (typeof verbs)[number];

/** What the fence saw. For the timeline; nothing is decided on it. */
export type FenceVerdict =
  | 'first'
  | 'duplicate'
  | 'refused'
  | 'empty'
  | 'undone'
  | 'confirmed'
  | 'fenced'
  | 'conflict'
  | 'broken'
  | 'notYet';

/** The part of a request that names its effect and the oldest epoch that may still write it. */
export interface Keyed {
  readonly key: StepKey;
  /** Highest epoch that this transaction has been answered from; set by the kernel's facade. */
  readonly minEpoch: number;
}

/** A verdict's name: it is matched by it, never by its position in the set. */
export interface VerdictName {
  readonly gid: Gid;
  readonly branch: Branch;
  readonly verb: Verb;
}

/** How an attempt failed. */
export interface AttemptFailure {
  /** For everybody who may see the transaction; `unknown`: none of the engine's, or it ended without a word. */
  readonly type: FailureType | 'unknown';
  /** For operators alone: what was said. Left out: nothing. */
  readonly text?: string;
}

/** The answer for one request of a set: a refusal is a value, so that it cannot fail its neighbours. */
export type Verdict<Result> = VerdictName & {
  readonly fence: FenceVerdict;
  /** Region epoch that the answer was written in; the next request carries the highest as `minEpoch`. */
  readonly epoch: number;
  /** Attempt of the activity that was answered; left out: the first. */
  readonly attempt?: number;
  /** How the attempt before it failed; left out: there was none. */
  readonly lastFailure?: AttemptFailure;
} & (
    | { readonly ok: true; readonly result: Result }
    | {
        readonly ok: false;
        readonly failure: ItemFailure;
        /** For everybody who may see the transaction: a sentence of ours. */
        readonly detail: string;
        /** For operators alone: what a driver or a server said. Left out: nothing beyond the detail. */
        readonly text?: string;
      }
  );

/**
 * An activity of a participant: requests in, one verdict out for each, one SQL transaction for the set.
 * 1 … `batchItemsMax` requests with distinct keys. Throws the driver's error (none of the set is committed, or all of
 * it and the answer was lost), `StaleEpoch`, `StaleAttempt`, for a set of one `NotYet`: all of them retried by Temporal.
 */
export type SetActivity<Request extends Keyed, Result> = (
  requests: readonly Request[],
) => Promise<readonly Verdict<Result>[]>;

/** Answer of `seal`: did the decision happen? If not, it never will. */
export type SealAnswer = { readonly happened: true } | { readonly happened: false };

/** Bounds of one set, refused before any SQL: above them a workflow task or a SQL statement grows without limit. */
export const batchItemsMax = 1_000;
export const setBytesMax = 1_048_576;
export const setRowsMax = 5_000;
