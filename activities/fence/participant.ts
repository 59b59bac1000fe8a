import type { Topic } from '../../contracts/engine/events';
import type { ItemFailure, Refusal } from '../../contracts/engine/failures';
import type { StepKey } from '../../contracts/engine/ids';
import type { AmountAtRisk } from '../../contracts/engine/money';
import type { Keyed, SealAnswer, Verdict } from '../../contracts/engine/verdict';

/** The open SQL transaction that a participant's effect is written in, together with its fence row. */
export interface SqlTransaction {
  /** Rows of a SELECT; VARBINARY columns arrive as strings. `values` may hold arrays for `IN (?)` and `VALUES ?`. */
  select<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Affected rows of an INSERT, UPDATE or DELETE. */
  change(sql: string, values?: readonly unknown[]): Promise<number>;
}

/** An event of the outbox, written in the SQL transaction of its effect. */
export interface OutboxEvent {
  readonly topic: Topic;
  /** Past tense: `stock.reserved`. */
  readonly type: string;
  /** Order is promised within one aggregate. Left out: the step key, which the fence row orders. */
  readonly aggregate?: { readonly id: string; readonly sequence: number };
  readonly data: object;
}

/** What the business says to one request that nobody has acted on before. Nothing may be written for a refused one. */
export type Decided<Result> = { readonly key: StepKey } & (
  | {
      readonly ok: true;
      readonly result: Result;
      /** `null` only for the decision in `accord`, which nobody outside is told of. */
      readonly event: OutboxEvent | null;
    }
  /** `NotYet`: nothing is recorded, and the same request is decided anew when it comes again. */
  | { readonly ok: false; readonly failure: ItemFailure; readonly detail: string }
);

/** How an act touches the participant: what is fenced, hashed, counted, and the business itself. */
export interface ActSpec<Request extends Keyed, Result> {
  /** `<participant>.<activity>`, as registered with Temporal: names fault points and metrics. */
  readonly activity: string;
  /** The act only reserves: its row must end confirmed or undone. */
  readonly reserves: boolean;
  /** The part of the request that a repeated key must bring again. */
  content(request: Request): object;
  amounts(request: Request): readonly AmountAtRisk[];
  /** Business rows that the request touches, for the bound of a set. */
  rows(request: Request): number;
  /** What it may say no with. Any other name is InvariantBroken, and nothing of it is written. */
  readonly refusals: readonly Refusal[];
  /**
   * Before the pivot and at it refusals are recorded, so that a delayed first attempt meets them; after it they are
   * rolled back, so that an operator may try again.
   */
  readonly refusalsAre: 'recorded' | 'rolledBack';
  /** A pivot that consumes a reservation: its row is locked after the own ones, and confirmed. */
  readonly consumes?: {
    keyOf(request: Request): StepKey;
    event(request: Request): OutboxEvent;
  };
  /**
   * Decides the requests in order on locked rows and writes those that it accepts, as one set. Rows are locked and
   * written in key order, `FORCE INDEX (PRIMARY)`; each request gets exactly one answer, by its key.
   */
  effect(sql: SqlTransaction, requests: readonly Request[]): Promise<readonly Decided<Result>[]>;
}

/** How a reservation is made final, or an act is taken back, from the participant's own rows. */
export interface FollowUpSpec {
  readonly activity: string;
  /** Called with the keys whose act took effect and was neither confirmed nor undone; answers with an event for each. */
  effect(sql: SqlTransaction, keys: readonly StepKey[]): Promise<ReadonlyMap<StepKey, OutboxEvent>>;
}

/**
 * The fence of one database: duplicates, empty undos and late acts are decided by one row `(gid, branch)` that is
 * written in the SQL transaction of the effect (docs/guarantees.md). Every method takes a set and gives one verdict for
 * each request; it throws the driver's error, `StaleEpoch`, `StaleAttempt` or, for a set of one, `NotYet`, all of which are
 * retried.
 */
export interface Fence {
  act<Request extends Keyed, Result>(
    spec: ActSpec<Request, Result>,
    requests: readonly Request[],
  ): Promise<readonly Verdict<Result>[]>;
  confirm(spec: FollowUpSpec, requests: readonly Keyed[]): Promise<readonly Verdict<null>[]>;
  undo(spec: FollowUpSpec, requests: readonly Keyed[]): Promise<readonly Verdict<null>[]>;
  seal(activity: string, requests: readonly Keyed[]): Promise<readonly Verdict<SealAnswer>[]>;
}
