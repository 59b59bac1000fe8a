/**
 * Rows of `accord.runs`, from which the API answers about a transaction. A row guards itself: moves by workflow time,
 * the ending by compare-and-set. So neither needs a fence row. Each change has its event in the same SQL transaction,
 * in the order of the row's version.
 */
import { transactionsTopic } from '../../contracts/engine/events';
import type { Gid } from '../../contracts/engine/ids';
import { moneyAtRisk } from '../../contracts/engine/money';
import {
  handStateOf,
  unbookedAmounts,
  type KeptResolution,
} from '../../contracts/engine/resolutions';
import {
  endingBytesMax,
  rowBranch,
  type EndRun,
  type LeaveBatch,
  type LeftBatch,
  type MoveRun,
  type TransactionEventType,
} from '../../contracts/engine/runs';
import type { RunState } from '../../contracts/engine/transaction';
import type { Keyed, Verdict } from '../../contracts/engine/verdict';
import type { Delivery } from '../fence/delivery';
import {
  demandEpoch,
  isStaleEpoch,
  demandAtLeast,
  type EpochRow,
  type EpochSource,
} from '../fence/epoch';
import type { FaultPoints } from '../../runtime/faults/points';
import { sortedSet, type Item } from '../fence/fenced-set';
import { writeEvents, type EffectEvent } from '../fence/outbox';
import type { ActImplementation } from '../fence/implement';
import type { SqlTransaction } from '../fence/participant';
import { expectRows } from '../fence/set-statements';
import { inSqlTransaction, type SqlPool } from '../fence/sql-transaction';

/** `decide`: the decision of a flow without a pivot. It has no event: the row of the run shows it. */
export const decideRun: ActImplementation<Keyed, null> = {
  content: () => ({}),
  rows: () => 1,
  async effect(sql, requests) {
    const items = sortedSet(requests);
    // A run without a row is decided all the same: the fence row is the decision.
    await sql.change(
      `UPDATE runs FORCE INDEX (PRIMARY) SET pivot_passed = 1, version = version + 1
         WHERE gid IN (?) AND ended_at IS NULL`,
      [items.map(({ gid }) => gid)],
    );
    return requests.map(({ key }) => ({ key, ok: true, result: null, event: null }));
  },
};

export interface RunsStore {
  move(requests: readonly MoveRun[]): Promise<readonly Verdict<null>[]>;
  end(requests: readonly EndRun[]): Promise<readonly Verdict<null>[]>;
  leaveBatch(requests: readonly LeaveBatch[]): Promise<readonly Verdict<LeftBatch>[]>;
}

export interface RunsStoreDependencies {
  readonly pool: SqlPool;
  readonly epochRow: EpochRow;
  readonly epochs: EpochSource;
  readonly faults: FaultPoints;
  readonly delivery: () => Delivery;
}

export function createRunsStore(dependencies: RunsStoreDependencies): RunsStore {
  const { pool, epochRow, epochs, faults } = dependencies;

  /** Runs one SQL transaction for the set, in the epoch of the hub. */
  async function deliver<Request extends Keyed, Result>(
    activity: string,
    requests: readonly Request[],
    work: (
      session: Session,
      items: readonly Item<Request>[],
    ) => Promise<readonly Verdict<Result>[]>,
  ): Promise<readonly Verdict<Result>[]> {
    const items = sortedSet(requests);
    const delivery = dependencies.delivery();
    const { traceparent } = delivery;
    const gids = () => items.map(({ gid }) => gid);
    try {
      const epoch = await epochs.carried();
      demandAtLeast(epoch, Math.max(...requests.map(({ minEpoch }) => minEpoch)));
      await faults.reach(activity, 'before', gids);
      const verdicts = await inSqlTransaction(pool, delivery, async (sql) => {
        await faults.reach(activity, 'begun', gids);
        await demandEpoch(sql, epochRow, epoch);
        const answered = await work({ sql, epoch, traceparent }, items);
        await faults.reach(activity, 'beforeCommit', gids);
        return answered;
      });
      await faults.reach(activity, 'afterCommit', gids);
      return verdicts;
    } catch (error) {
      if (isStaleEpoch(error)) epochs.forget();
      throw error;
    }
  }

  return {
    move: (requests) => deliver('accord.moveRun', requests, move),
    async end(requests) {
      for (const { key, ending } of requests) boundEnding(key, ending);
      return deliver('accord.endRun', requests, end);
    },
    leaveBatch: (requests) => deliver('accord.leaveBatch', requests, leaveBatch),
  };
}

interface Session {
  readonly sql: SqlTransaction;
  readonly epoch: number;
  readonly traceparent: string | null;
}

interface Run {
  readonly gid: Gid;
  readonly tenant: string;
  readonly flow: string;
  /** Workflow id of the run that coordinates it. */
  readonly owner: string;
  readonly state: RunState;
  /** BIGINT, as digits. */
  readonly moved_at: string;
  readonly version: number;
  readonly ending: Buffer | null;
}
type Runs = ReadonlyMap<Gid, Run>;

function boundEnding(key: string, ending: string): void {
  const bytes = Buffer.byteLength(ending);
  if (bytes > endingBytesMax) {
    throw new RangeError(`The ending of ${key} has ${bytes} bytes; at most ${endingBytesMax}.`);
  }
}

async function lockRuns(sql: SqlTransaction, items: readonly Item<Keyed>[]): Promise<Runs> {
  const rows = await sql.select<Run>(
    `SELECT gid, tenant, flow, owner, state, moved_at, version, ending
       FROM runs FORCE INDEX (PRIMARY) WHERE gid IN (?) ORDER BY gid FOR UPDATE`,
    [items.map(({ gid }) => gid)],
  );
  return new Map(rows.map((row) => [row.gid, row]));
}

// ——— moves ———

async function move(
  session: Session,
  items: readonly Item<MoveRun>[],
): Promise<readonly Verdict<null>[]> {
  const runs = await lockRuns(session.sql, items);
  const due = items.flatMap((item) => {
    const run = runs.get(item.gid);
    return run && isDue(run, item.request) ? [{ item, run }] : [];
  });
  await writeMoves(
    session.sql,
    due.map(({ item }) => item),
  );
  await announce(
    session,
    due.flatMap(({ item: { request }, run }) => {
      const what = moveEvent(run.state, request.to);
      const { step, reason, atRisk } = request;
      return what ? [runEvent(run, what, { state: request.to, step, reason, atRisk })] : [];
    }),
  );
  const moved = new Set(due.map(({ item }) => item.key));
  return items.map(({ gid, branch, key }) => ({
    gid,
    branch,
    verb: 'act',
    fence: moved.has(key) ? 'first' : 'duplicate',
    epoch: session.epoch,
    ok: true,
    result: null,
  }));
}

/**
 * A move never leaves an ending, and never goes back in time: an old attempt may arrive after a newer move. A worker that
 * has stalled may tell `running` of what another one has parked or undoes meanwhile. A batch that a transaction has left
 * may still have a move of it under way.
 */
const isDue = (run: Run, { owner, at, to, resumes }: MoveRun): boolean =>
  run.ending === null &&
  run.owner === owner &&
  BigInt(run.moved_at) < BigInt(at) &&
  (to !== 'running' || resumes === true || !['parked', 'undoing'].includes(run.state));

/** Event of a move. Not every move has one. */
function moveEvent(
  from: RunState,
  to: MoveRun['to'],
): 'undoing' | 'parked' | 'resumed' | undefined {
  if (from === to) return undefined;
  if (to === 'parked') return 'parked';
  if (from === 'parked') return 'resumed';
  return to === 'undoing' ? 'undoing' : undefined;
}

async function writeMoves(sql: SqlTransaction, items: readonly Item<MoveRun>[]): Promise<void> {
  if (items.length === 0) return;
  const rows = items.map(({ gid, request }) => {
    const { to, at, step, reason, pivotPassed, atRisk, early, deadlineAt } = request;
    const { currency, minor } = moneyAtRisk(atRisk);
    return [
      gid,
      to,
      at,
      step,
      reason,
      pivotPassed ? 1 : 0,
      JSON.stringify(atRisk),
      currency,
      minor,
      early ?? null,
      deadlineAt === undefined ? null : new Date(deadlineAt),
    ];
  });
  const changed = await sql.change(
    `UPDATE (VALUES ${rows.map(() => 'ROW(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join(', ')})
         AS d (gid, state, at, step, reason, pivot_passed, at_risk, currency, minor, early, deadline)
       STRAIGHT_JOIN runs r FORCE INDEX (PRIMARY) ON r.gid = CAST(d.gid AS BINARY)
       SET r.state = d.state, r.moved_at = d.at, r.step = d.step, r.reason = d.reason,
           r.pivot_passed = GREATEST(r.pivot_passed, d.pivot_passed), r.at_risk = d.at_risk,
           r.at_risk_currency = d.currency, r.at_risk_minor = d.minor,
           r.early_status = COALESCE(r.early_status, d.early),
           r.deadline_at = GREATEST(r.deadline_at, COALESCE(CAST(d.deadline AS DATETIME(3)), r.deadline_at)),
           r.stuck_since = NULL, r.version = r.version + 1`,
    rows.flat(),
  );
  expectRows('runs', changed, rows.length);
}

// ——— endings ———

async function end(
  session: Session,
  items: readonly Item<EndRun>[],
): Promise<readonly Verdict<null>[]> {
  const runs = await lockRuns(session.sql, items);
  const open = items.flatMap((item) => {
    const run = runs.get(item.gid);
    return run && run.ending === null ? [{ item, run }] : [];
  });
  await writeEndings(
    session.sql,
    open.map(({ item }) => item),
  );
  await announce(
    session,
    open.map(({ item: { request }, run }) =>
      runEvent(run, request.outcome, {
        state: request.outcome,
        reason: request.reason,
        ...(request.resolvedByHand && {
          resolvedByHand: request.resolvedByHand,
          atRisk: unbookedAmounts(keptOf(request)),
        }),
      }),
    ),
  );
  return items.map((item) => endVerdict(item, runs.get(item.gid), session.epoch));
}

/**
 * The first ending stands. A run that the hub never accepted has no row for an ending. Only an operator can start such
 * a run, and must get an error.
 */
function endVerdict(
  { gid, branch, request }: Item<EndRun>,
  run: Run | undefined,
  epoch: number,
): Verdict<null> {
  const name = { gid, branch, verb: 'act', epoch } as const;
  if (run?.ending === null) return { ...name, fence: 'first', ok: true, result: null };
  if (run?.state === request.outcome)
    return { ...name, fence: 'duplicate', ok: true, result: null };
  const detail = run ? `${gid} is ${run.state} already.` : `accord knows no transaction ${gid}.`;
  return { ...name, fence: 'broken', ok: false, failure: 'InvariantBroken', detail };
}

/** The resolutions of an ending; none is booked yet. */
const keptOf = ({ resolvedByHand = [] }: EndRun): readonly KeptResolution[] =>
  resolvedByHand.map((resolution) => ({ ...resolution, booked: null }));

async function writeEndings(sql: SqlTransaction, items: readonly Item<EndRun>[]): Promise<void> {
  if (items.length === 0) return;
  const rows = items.map(({ gid, request }) => {
    const { outcome, reason, at, ending, early } = request;
    const kept = keptOf(request);
    const atRisk = unbookedAmounts(kept);
    const { currency, minor } = moneyAtRisk(atRisk);
    return [
      gid,
      outcome,
      reason?.code ?? null,
      at,
      Buffer.from(ending), // As bytes: callers get exactly what was written.
      early ?? null,
      JSON.stringify(atRisk),
      currency,
      minor,
      kept.length === 0 ? null : handStateOf(kept),
      kept.length === 0 ? null : JSON.stringify(kept),
    ];
  });
  const changed = await sql.change(
    `UPDATE (VALUES ${rows.map(() => 'ROW(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join(', ')})
         AS d (gid, state, reason, at, ending, early, at_risk, currency, minor, by_hand, resolved)
       STRAIGHT_JOIN runs r FORCE INDEX (PRIMARY) ON r.gid = CAST(d.gid AS BINARY)
       SET r.state = d.state, r.reason = d.reason, r.moved_at = d.at, r.ending = d.ending,
           r.ended_at = UTC_TIMESTAMP(3), r.input = NULL, r.step = NULL, r.stuck_since = NULL, r.at_risk = d.at_risk,
           r.at_risk_currency = d.currency, r.at_risk_minor = d.minor,
           r.by_hand = d.by_hand, r.resolved_by_hand = d.resolved,
           r.early_status = COALESCE(r.early_status, d.early),
           r.pivot_passed = IF(d.state = 'completed', 1, r.pivot_passed), r.version = r.version + 1
       WHERE r.ended_at IS NULL`,
    rows.flat(),
  );
  expectRows('runs', changed, rows.length);
}

// ——— leaving a batch ———

/**
 * The rows are marked as sent: the batch starts the workflow under the own gid. It is not confirmed, so the starter
 * repeats a start that is lost.
 */
async function leaveBatch(
  { sql, epoch }: Session,
  items: readonly Item<LeaveBatch>[],
): Promise<readonly Verdict<LeftBatch>[]> {
  const runs = await lockRuns(sql, items);
  const isOpen = ({ gid }: Item<LeaveBatch>): boolean => runs.get(gid)?.ending === null;
  const leaving = items.filter(
    (item) => isOpen(item) && runs.get(item.gid)?.owner === item.request.owner,
  );
  if (leaving.length > 0)
    await sql.change(
      `UPDATE runs FORCE INDEX (PRIMARY) SET owner = gid, lane = 'single', start_sent_at = UTC_TIMESTAMP(3),
         start_confirmed_at = NULL, version = version + 1 WHERE gid IN (?)`,
      [leaving.map(({ gid }) => gid)],
    );
  const isNew = new Set(leaving.map(({ gid }) => gid));
  return items.map((item) => {
    const { gid, branch } = item;
    const isToBeStarted = isNew.has(gid) || (isOpen(item) && runs.get(gid)?.owner === gid);
    const fence = isNew.has(gid) ? 'first' : 'duplicate';
    return { gid, branch, verb: 'act', fence, epoch, ok: true, result: { isToBeStarted } };
  });
}

// ——— events ———

const announce = (
  { sql, epoch, traceparent }: Session,
  events: readonly EffectEvent[],
): Promise<void> => writeEvents(sql, { epoch, traceparent }, events);

/** Event of a change. Its number is the new version of the row, which rises with each event, but not always by one. */
function runEvent(
  { gid, tenant, flow, version }: Run,
  what: 'undoing' | 'parked' | 'resumed' | 'completed' | 'compensated',
  data: object,
): EffectEvent {
  const type: TransactionEventType = `transaction.${what}`;
  const sequence = version + 1;
  return {
    gid,
    branch: rowBranch,
    op: what,
    n: sequence,
    topic: transactionsTopic,
    event: {
      type,
      aggregate: { id: gid, sequence },
      data: { gid, tenant, flow, ...data },
    },
  };
}
