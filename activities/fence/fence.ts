/**
 * The fence: one row `(gid, branch)`, written in the SQL transaction of its effect, decides on each delivery. It
 * implements the table of verbs and states in docs/guarantees.md.
 *
 *   arrives ↓ row →  none        acted          confirmed      undone      empty    refused
 *   act              runs        first answer   first answer   Fenced      Fenced   first refusal
 *   confirm          broken      runs           ok             broken      broken   broken
 *   undo             → empty     runs           broken         ok          ok       ok
 *   seal             → empty     happened       happened       never       never    never
 *
 * All code locks in one order: epoch, own fence rows by (gid, branch), consumed fence rows, business rows.
 */
import { randomBytes } from 'node:crypto';

import { ApplicationFailure } from '@temporalio/common';

import { setRowsMax, type Keyed, type Verb, type Verdict } from '../../contracts/engine/verdict';
import type { Delivery } from './delivery';
import { demandAtLeast, demandEpoch, isStaleEpoch, type EpochRow, type EpochSource } from './epoch';
import type { FaultPoints } from '../../runtime/faults/points';
import { act } from './act';
import { confirm, seal, undo } from './follow-up';
import { failed, type Session } from './session';
import { dividing, sortedSet, type Item } from './fenced-set';
import type { ActSpec, Fence } from './participant';
import { inSqlTransaction, isContentError, type SqlPool } from './sql-transaction';

/** The step of a verdict, and the fence verdict. */
export type FencedStep = Pick<Verdict<unknown>, 'gid' | 'branch' | 'fence'>;

/** Counters. A drill proves nothing unless `Fenced`, duplicates and retries have really happened. */
export interface FenceMetrics {
  /** Called once for each verdict. `fenced` and `broken` raise an alarm with gid and branch. */
  verdict(activity: string, verdict: FencedStep): void;
  /** A SQL transaction is tried again after MySQL's error `errno`. */
  sqlRetry(activity: string, errno: number): void;
  /** A delivery was refused, because its epoch, or the epoch of the database, was over. */
  staleEpoch(activity: string): void;
}

export const inertFenceMetrics: FenceMetrics = {
  verdict: () => undefined,
  sqlRetry: () => undefined,
  staleEpoch: () => undefined,
};

export interface FenceDependencies {
  readonly pool: SqlPool;
  /** Row of the same database with its epoch. */
  readonly epochRow: EpochRow;
  readonly epochs: EpochSource;
  readonly faults: FaultPoints;
  /** The present delivery. */
  readonly delivery: () => Delivery;
  readonly metrics: FenceMetrics;
}

export function createFence(dependencies: FenceDependencies): Fence {
  const { pool, epochRow, epochs, faults, metrics } = dependencies;

  async function deliver<Request extends Keyed, Result>(
    activity: string,
    verb: Verb,
    items: readonly Item<Request>[],
    work: (session: Session, part: readonly Item<Request>[]) => Promise<readonly Verdict<Result>[]>,
  ): Promise<readonly Verdict<Result>[]> {
    const delivery = dependencies.delivery();
    const epoch = await carriedEpoch(items);
    const gids = () => items.map(({ gid }) => gid);
    await faults.reach(activity, 'before', gids);

    const commit = (part: readonly Item<Request>[]): Promise<readonly Verdict<Result>[]> =>
      inSqlTransaction(
        pool,
        delivery,
        async (sql) => {
          await faults.reach(activity, 'begun', gids);
          await demandEpoch(sql, epochRow, epoch);
          const entered = () => faults.reach(activity, 'entered', gids);
          const token = randomBytes(16);
          const verdicts = await work({ sql, epoch, token, delivery, entered }, part);
          await faults.reach(activity, 'beforeCommit', gids);
          return verdicts;
        },
        (errno) => metrics.sqlRetry(activity, errno),
      );

    const isContent = (error: unknown): boolean =>
      !delivery.signal.aborted && isContentError(error);
    const verdicts = await dividing(items, commit, isContent, (culprit, error) => ({
      ...failed(culprit, verb, epoch, 'broken', 'InvariantBroken', refusedByDatabase),
      text: textOf(error),
    })).catch((error: unknown) => {
      if (isStaleEpoch(error)) {
        epochs.forget();
        metrics.staleEpoch(activity);
      }
      throw error;
    });
    await faults.reach(activity, 'afterCommit', gids);
    for (const verdict of verdicts) metrics.verdict(activity, verdict);
    return verdicts;
  }

  async function carriedEpoch(items: readonly Item<Keyed>[]): Promise<number> {
    const carried = await epochs.carried();
    try {
      demandAtLeast(carried, Math.max(...items.map(({ request }) => request.minEpoch)));
    } catch (error) {
      epochs.forget();
      throw error;
    }
    return carried;
  }

  return {
    // `async`, so that a refused set rejects like every other error.
    async act(spec, requests) {
      const items = sortedSet(requests);
      boundRows(spec, requests);
      const verdicts = await deliver(spec.activity, 'act', items, (session, part) =>
        act(session, spec, part),
      );
      demandKnown(verdicts);
      return verdicts;
    },
    async confirm(spec, requests) {
      const items = sortedSet(requests);
      return deliver(spec.activity, 'confirm', items, (session, part) =>
        confirm(session, spec, part),
      );
    },
    async undo(spec, requests) {
      const items = sortedSet(requests);
      return deliver(spec.activity, 'undo', items, (session, part) => undo(session, spec, part));
    },
    async seal(activity, requests) {
      return deliver(activity, 'seal', sortedSet(requests), seal);
    },
  };
}

/** `NotYet` in a set of one is thrown, and Temporal retries it. In a larger set it is a verdict beside the others. */
function demandKnown(verdicts: readonly Verdict<unknown>[]): void {
  const [only, another] = verdicts;
  if (!only || another || only.ok || only.failure !== 'NotYet') return;
  throw ApplicationFailure.retryable(only.detail, only.failure);
}

function boundRows<Request extends Keyed, Result>(
  spec: ActSpec<Request, Result>,
  requests: readonly Request[],
): void {
  const rows = requests.reduce((sum, request) => sum + spec.rows(request), 0);
  if (rows > setRowsMax) {
    throw new RangeError(`A set touches at most ${setRowsMax} rows, this one ${rows}.`);
  }
}

const refusedByDatabase = 'The database does not take what would be written.';

/** The first part of a driver's message is enough to find the cause. A verdict is stored in Temporal. */
const textOf = (error: unknown): string => String(error).slice(0, 500);
