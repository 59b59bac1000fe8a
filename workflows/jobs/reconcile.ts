import { continueAsNew, proxyActivities } from '@temporalio/workflow';

import type { Gid, StepKey } from '../../contracts/engine/ids';
import {
  findingKinds,
  reconcileRows,
  type Finding,
  type JudgedReservation,
  type ReconcileInput,
  type ReconcileReport,
  type ReportedFinding,
  type ReservationPosition,
} from '../../contracts/engine/reconciliation';
import type { Keyed, SetActivity } from '../../contracts/engine/verdict';
import {
  keep,
  playRound,
  reconciliationOf,
  type Part,
  type Round,
  type RoundProgress,
} from './round';

const job = reconciliationOf('reconcile');

/** A participant that does not answer keeps its reservations until the next round. */
const repair = proxyActivities<Record<string, SetActivity<Keyed, unknown>>>({
  startToCloseTimeout: '10s',
  heartbeatTimeout: '2s',
  scheduleToCloseTimeout: '30s',
  retry: { initialInterval: '50ms', maximumInterval: '5s' },
});

const parts = (participants: readonly string[]): readonly Part[] => [
  ...participants.map(
    (participant): Part =>
      (round, after) =>
        reservationsOf(round, participant, typeof after === 'string' ? null : after),
  ),
  (round, after) => skipped(round, typeof after === 'string' ? after : null),
  ...participants.map(
    (participant): Part =>
      (round, after) =>
        booksOf(round, participant, typeof after === 'string' ? after : null),
  ),
];

/** Lost runs have a job of their own: `recover`. */
const kinds = findingKinds.filter((kind) => kind !== 'run_without_owner');

/**
 * A job, no transaction. It finds differences between the participants, repairs what the fence proves safe, and keeps
 * the rest for an operator. It is safe beside any other run, also of itself: the same fence rows decide.
 */
export async function reconcile(
  input: ReconcileInput,
  from?: RoundProgress,
): Promise<ReconcileReport> {
  return playRound({ job, parts, kinds }, input, from, (progress) =>
    continueAsNew<typeof reconcile>(input, progress),
  );
}

async function reservationsOf(
  round: Round,
  participant: string,
  after: ReservationPosition | null,
): Promise<ReservationPosition | null> {
  const { judged, looked, next } = await job['reconciliation.reservations']({
    participant,
    after,
    rows: reconcileRows.page,
  });
  round.looked += looked;
  await keep({ job }, round, round.dryRun ? judged.map(wouldRepair) : await repaired(judged));
  return next;
}

const wouldRepair = ({ finding, repair: by }: JudgedReservation): ReportedFinding => ({
  ...finding,
  action: by === null ? 'left' : by.verb === 'undo' ? 'would_undo' : 'would_confirm',
});

/** Repairs by the participants' own activities. The fence decides, whatever has happened since the page was read. */
async function repaired(judged: readonly JudgedReservation[]): Promise<readonly ReportedFinding[]> {
  const done = new Set<StepKey>();
  const activities = new Set(judged.flatMap(({ repair: by }) => by?.activity ?? []));
  for (const activity of activities) {
    const keys = judged
      .filter(({ repair: by }) => by?.activity === activity)
      .map(({ finding }) => finding.subject);
    for (const key of await repairedKeys(activity, keys)) done.add(key);
  }
  return judged.map(({ finding, repair: by }) => ({
    ...finding,
    action:
      !by || !done.has(finding.subject) ? 'left' : by.verb === 'undo' ? 'undone' : 'confirmed',
  }));
}

async function repairedKeys(
  activity: string,
  keys: readonly StepKey[],
): Promise<readonly StepKey[]> {
  try {
    const verdicts = await repair[activity]?.(keys.map((key) => ({ key, minEpoch: 0 })));
    return (verdicts ?? []).filter(({ ok }) => ok).map(({ gid, branch }) => `${gid}/${branch}`);
  } catch {
    return []; // The participant does not answer, or contradicts its fence: the findings are left, and shown.
  }
}

async function skipped(round: Round, after: Gid | null): Promise<Gid | null> {
  const { findings, next } = await job['reconciliation.unbookedSteps']({
    after,
    rows: reconcileRows.page,
  });
  round.looked += findings.length;
  await keep(
    { job },
    round,
    findings.map((finding) => ({ ...finding, action: 'left' })),
  );
  return next;
}

async function booksOf(
  round: Round,
  participant: string,
  after: string | null,
): Promise<string | null> {
  const { findings, seen, next } = await job['reconciliation.differingBooks']({
    participant,
    after,
    rows: reconcileRows.page,
  });
  await keep(
    { job },
    round,
    findings.filter(isNewIn(round)).map((finding) => ({ ...finding, action: 'left' })),
  );
  if (seen && !round.dryRun) await job['reconciliation.noteBooks']({ participant, seen });
  return next;
}

/** A round may compare the same sums twice. */
const isNewIn =
  ({ findings }: Round) =>
  ({ kind, participant, subject }: Finding): boolean =>
    !findings.some(
      (one) => one.kind === kind && one.participant === participant && one.subject === subject,
    );
