/** Open reservations, compared with the state of their transactions in `accord`. */
import type {
  Finding,
  FoundAmount,
  JudgedReservation,
  ReservationPosition,
} from '../../contracts/engine/reconciliation';
import { reconcileAgeSeconds } from '../../contracts/engine/reconciliation';
import { stepKeyOf, type Branch, type Gid } from '../../contracts/engine/ids';
import type { KeptResolution } from '../../contracts/engine/resolutions';
import { activityTypeOf } from '../../contracts/engine/definition';
import { finisherIn, plannedStepIn, type PlannedStep } from '../../contracts/engine/plan';
import { isEnding, type Ending, type RunState } from '../../contracts/engine/transaction';
import type { SqlPool } from '../fence/sql-transaction';
import { declaredBranches, stepsOf } from '../../invariants/endings';

interface Reservation {
  readonly gid: Gid;
  readonly branch: Branch;
  /** Time as MySQL writes it. It is part of a position, and only MySQL compares it. */
  readonly createdAt: string;
  /** Seconds, as digits. */
  readonly age: string;
  readonly amounts: readonly FoundAmount[] | null;
}

interface Run {
  readonly gid: Gid;
  readonly state: RunState;
  /** Steps that persons resolved by hand. */
  readonly resolvedByHand: readonly KeptResolution[] | null;
}

interface Page {
  readonly participant: string;
  readonly after: ReservationPosition | null;
  readonly rows: number;
}

/**
 * One page of a participant's open reservations. They are read twice: the writes of a transaction are final only after
 * its ending. So a row counts if it still exists after `accord` has reported the ending.
 */
export async function judgeReservations(
  accord: SqlPool,
  pool: SqlPool,
  { participant, after, rows }: Page,
): Promise<{
  readonly judged: readonly JudgedReservation[];
  readonly looked: number;
  readonly next: ReservationPosition | null;
}> {
  const candidates = await reservationsBehind(pool, after, rows);
  const last = candidates.at(-1);
  const next =
    last && candidates.length === rows
      ? { createdAt: last.createdAt, gid: last.gid, branch: last.branch }
      : null;
  const runs = await runsOf(accord, candidates);
  const suspects = candidates.filter(({ gid }) => {
    const run = runs.get(gid);
    return !run || isEnding(run.state);
  });
  const stillThere = await stillReserved(pool, suspects);
  const judged = suspects
    .filter(({ gid, branch }) => stillThere.has(stepKeyOf(gid, branch)))
    .flatMap((reservation) => judge(participant, reservation, runs.get(reservation.gid)));
  return { judged, looked: candidates.length, next };
}

const reservationsBehind = (
  pool: SqlPool,
  after: ReservationPosition | null,
  rows: number,
): Promise<readonly Reservation[]> => {
  const from = after?.createdAt ?? '1970-01-01 00:00:00';
  return pool.select<Reservation>(
    `SELECT gid, branch, CAST(created_at AS CHAR) AS createdAt,
            CAST(TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP(3)) AS CHAR) AS age, amounts
       FROM fence FORCE INDEX (open_reservations)
       WHERE expires_at IS NULL AND reserves = 1 AND state = 'acted'
         AND created_at >= CAST(? AS DATETIME(3)) AND (created_at, gid, branch) > (CAST(? AS DATETIME(3)), ?, ?)
       ORDER BY created_at, gid, branch LIMIT ?`,
    [from, from, after?.gid ?? '', after?.branch ?? '', rows],
  );
};

async function runsOf(
  accord: SqlPool,
  reservations: readonly Reservation[],
): Promise<ReadonlyMap<Gid, Run>> {
  if (reservations.length === 0) return new Map();
  const rows = await accord.select<Run>(
    `SELECT gid, state, resolved_by_hand AS resolvedByHand FROM runs WHERE gid IN (?)`,
    [[...new Set(reservations.map(({ gid }) => gid))]],
  );
  return new Map(rows.map((row) => [row.gid, row]));
}

async function stillReserved(
  pool: SqlPool,
  suspects: readonly Reservation[],
): Promise<ReadonlySet<string>> {
  if (suspects.length === 0) return new Set();
  const rows = await pool.select<{ readonly gid: Gid; readonly branch: Branch }>(
    `SELECT gid, branch FROM fence WHERE (gid, branch) IN (?) AND state = 'acted'`,
    [suspects.map(({ gid, branch }) => [gid, branch])],
  );
  return new Set(rows.map(({ gid, branch }) => stepKeyOf(gid, branch)));
}

function judge(
  participant: string,
  { gid, branch, age, amounts }: Reservation,
  run: Run | undefined,
): readonly JudgedReservation[] {
  const about = {
    participant,
    gid,
    branch,
    subject: stepKeyOf(gid, branch),
    amounts: amounts ?? [],
    ageSeconds: Number(age),
  };
  if (!run) {
    if (Number(age) < reconcileAgeSeconds.unknown) return [];
    const detail = 'accord knows no such transaction.';
    return [{ finding: { ...about, kind: 'unknown_transaction', detail }, repair: null }];
  }
  const ending = run.state;
  if (!isEnding(ending)) return [];
  const { open, closed } = declaredBranches(run.resolvedByHand);
  if (open.has(branch)) return []; // `unbookedSteps` reports it as a finding of its own.
  const isClaimed = closed.has(branch);
  const repair = isClaimed ? null : repairOf(participant, gid, branch, ending);
  const detail = isClaimed
    ? `The transaction is ${ending}; a person has said that it was done by hand, or is booked, and it is still reserved.`
    : `The transaction is ${ending}, and it is still reserved.`;
  const finding: Finding = { ...about, kind: 'leaked_reservation', detail };
  return [{ finding, repair }];
}

/** @returns `null`: a pivot consumes it, or no flow has such a branch. A person must decide. */
function repairOf(
  participant: string,
  gid: Gid,
  branch: Branch,
  ending: Ending,
): JudgedReservation['repair'] {
  const steps = stepsOf(gid).filter((step) => step.participant === participant);
  return repairIn(steps, branch, ending);
}

/** @param steps of the branch's flow and participant. */
export function repairIn(
  steps: readonly PlannedStep[],
  branch: Branch,
  ending: Ending,
): JudgedReservation['repair'] {
  const isBack = ending === 'compensated';
  const step = isBack ? plannedStepIn(steps, branch) : finisherIn(steps, branch);
  const activity = isBack ? step?.undo : step?.act;
  if (!step || !activity) return null;
  return {
    activity: activityTypeOf(step.participant, activity),
    verb: isBack || step.isRetired ? 'undo' : 'confirm',
  };
}
