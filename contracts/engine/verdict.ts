import type { FailureType, ItemFailure } from './failures';
import type { Branch, Gid, StepKey } from './ids';

/** The verb of a delivery at the fence: activities/fence/fence.ts, section "verbs" of docs/guarantees.md. */
export const verbs = ['act', 'confirm', 'undo', 'seal'] as const;
export type Verb = (typeof verbs)[number];

/** What the fence found. It is only shown in the timeline; no decision depends on it. */
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
  /** Highest epoch in the answers to this transaction so far. The kernel sets it. */
  readonly minEpoch: number;
}

/** Identity of a verdict. A verdict is matched by it, never by its position in the set. */
export interface VerdictName {
  readonly gid: Gid;
  readonly branch: Branch;
  readonly verb: Verb;
}

/** How an attempt failed. */
export interface AttemptFailure {
  /** For everybody who may see the transaction. `unknown`: no failure of the engine, or no answer at all. */
  readonly type: FailureType | 'unknown';
  /** For operators only: the text of a driver or a server. Left out: none. */
  readonly text?: string;
}

/** Type of the failure of a local call that its worker did not try, because the participant does not answer. */
export const notTried = 'NotTried';

/** The answer to one request of a set. A refusal is a value, so it does not fail the other requests. */
export type Verdict<Result> = VerdictName & {
  readonly fence: FenceVerdict;
  /** Epoch in which the answer was written. The next request has the highest one as `minEpoch`. */
  readonly epoch: number;
  /** Attempt of the activity that was answered; left out: the first. */
  readonly attempt?: number;
  /** Failure of the attempt before it. Left out: there was none. */
  readonly lastFailure?: AttemptFailure;
  /** Digest of the request, for the replay gate. Only of a local call, whose history holds no request. */
  readonly digest?: string;
  /** When its worker had the answer, in milliseconds since 1970: the workflow goes on with this time. */
  readonly answeredAt?: number;
} & (
    | { readonly ok: true; readonly result: Result }
    | {
        readonly ok: false;
        readonly failure: ItemFailure;
        /** For everybody who may see the transaction: Accord's own sentence. */
        readonly detail: string;
        /** For operators only: the text of a driver or a server. Left out: nothing beyond the detail. */
        readonly text?: string;
      }
  );

/**
 * An activity of a participant. It takes 1 … `batchItemsMax` requests with distinct keys, runs them in one SQL
 * transaction, and returns one verdict for each. It throws the driver's error (none of the set is committed, or all of
 * it and the answer was lost), `StaleEpoch`, `StaleAttempt`, and `NotYet` for a set of one. Temporal retries all of
 * them.
 */
export type SetActivity<Request extends Keyed, Result> = (
  requests: readonly Request[],
) => Promise<readonly Verdict<Result>[]>;

/** Answer of `seal`: did the decision happen? If not, it never will. */
export type SealAnswer = { readonly happened: true } | { readonly happened: false };

/** Bounds of one set. A larger set is refused before any SQL, so workflow tasks and SQL statements stay bounded. */
export const batchItemsMax = 1_000;
export const setBytesMax = 1_048_576;
export const setRowsMax = 5_000;
