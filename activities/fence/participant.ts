import type { Participating } from '../../contracts/engine/definition';
import type { DataOf } from '../../contracts/engine/events';
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
export interface OutboxEvent<Type extends string = string, Data extends object = object> {
  /** Past tense: `stock.reserved`. Its participant declares it. */
  readonly type: Type;
  /** Order is promised within one aggregate. Left out: the step key, which the fence row orders. */
  readonly aggregate?: { readonly id: string; readonly sequence: number };
  readonly data: Data;
}

/** An event that a participant declares. */
export type EventOf<
  Definition extends Participating,
  Type extends keyof Definition['events'] & string = keyof Definition['events'] & string,
> = { [One in Type]: OutboxEvent<One, DataOf<Definition['events'][One]>> }[Type];

/** Decision of the business on a first delivery. It must write nothing for a refused request. */
export type Decided<Result, Event extends OutboxEvent = never> = { readonly key: StepKey } & (
  | {
      readonly ok: true;
      readonly result: Result;
      /**
       * Left out by an operation that declares no event: the fence announces the generic event. `null` only for the
       * decision in `accord`, which publishes no event.
       */
      readonly event?: Event | null;
    }
  /** `NotYet`: nothing is recorded. The same request is decided again at its next delivery. */
  | { readonly ok: false; readonly failure: ItemFailure; readonly detail: string }
);

/** An act for the fence: its content, its amounts, its bounds, its refusals and its business. */
export interface ActSpec<Request extends Keyed, Result, Event extends OutboxEvent = OutboxEvent> {
  /** `<participant>.<activity>`, as registered with Temporal: names fault points and metrics. */
  readonly activity: string;
  /** Declared types of its events. None: it announces the generic event. */
  readonly announces: readonly string[];
  /** The act only reserves: its row must end confirmed or undone. */
  readonly reserves: boolean;
  /** The part of the request that must be equal in every delivery of a key. */
  content(request: Request): object;
  amounts(request: Request): readonly AmountAtRisk[];
  /** Business rows that the request touches, for the bound of a set. */
  rows(request: Request): number;
  /** Declared refusals. Any other name becomes InvariantBroken, and nothing is written. */
  readonly refusals: readonly Refusal[];
  /**
   * Up to the pivot refusals are recorded, so that a delayed first attempt gets them. After the pivot they are rolled
   * back, so that an operator may try again.
   */
  readonly refusalsAre: 'recorded' | 'rolledBack';
  /** The reservation that a pivot consumes. Its row is locked after the own rows, and confirmed. */
  readonly consumes?: {
    keyOf(request: Request): StepKey;
    /** Left out: the generic event, under the step of the reservation. */
    event?(request: Request): Event;
  };
  /**
   * Decides the requests in order on locked rows, and writes the accepted ones as one set. It locks and writes rows in
   * key order, with `FORCE INDEX (PRIMARY)`. Each request gets exactly one answer, by its key.
   */
  effect(
    sql: SqlTransaction,
    requests: readonly Request[],
  ): Promise<readonly Decided<Result, Event>[]>;
}

/** A confirm or an undo for the fence. It uses the participant's own rows. */
export interface FollowUpSpec<Event extends OutboxEvent = OutboxEvent> {
  readonly activity: string;
  /** Declared types of its events. None: it announces the generic event. */
  readonly announces: readonly string[];
  /**
   * Gets the keys of acts that are neither confirmed nor undone. Returns an event for each, or nothing where the
   * operation declares none.
   */
  effect(
    sql: SqlTransaction,
    keys: readonly StepKey[],
  ): Promise<ReadonlyMap<StepKey, Event> | undefined>;
}

/**
 * The fence of one database. One row `(gid, branch)`, written in the SQL transaction of the effect, decides on
 * duplicates, empty undos and late acts (docs/guarantees.md). Every method takes a set and returns one verdict for each
 * request. It throws the driver's error, `StaleEpoch`, `StaleAttempt` or, for a set of one, `NotYet`. All of them are
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
