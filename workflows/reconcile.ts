import { continueAsNew, proxyActivities } from '@temporalio/workflow';

import type { Gid, StepKey } from '../contracts/ids';
import {
  findingKinds,
  findingsListedMax,
  reconcileRows,
  reservingParticipants,
  type FindingAction,
  type JudgedReservation,
  type OpenRun,
  type ReconcileInput,
  type ReconcileReport,
  type ReconciliationActivities,
  type RecordedFinding,
  type ReportedFinding,
  type ReservationPosition,
  type ReservingParticipant,
} from '../contracts/reconciliation';
import type { Keyed, SetActivity } from '../contracts/verdict';
import { jobOptions } from './activity-options';
import { startTransaction, unlessFailed, type Registered } from './jobs';

const job = proxyActivities<Registered<ReconciliationActivities>>({
  ...jobOptions,
  summary: 'reconcile',
});

/** A participant that is away keeps its reservations until the next round. */
const repair = proxyActivities<Record<string, SetActivity<Keyed, unknown>>>({
  startToCloseTimeout: '10s',
  heartbeatTimeout: '2s',
  scheduleToCloseTimeout: '30s',
  retry: { initialInterval: '50ms', maximumInterval: '5s' },
});

/** Open runs that are started at once. */
const startsAtOnce = 20;

/** What one round has come to. */
interface Round {
  readonly dryRun: boolean;
  looked: number;
  isComplete: boolean;
  readonly actions: Partial<Record<FindingAction, number>>;
  readonly findings: ReportedFinding[];
}

/** Behind what a page begins. */
type Position = ReservationPosition | string;

/** Where a round stands that goes on in a new run. */
interface ReconcileProgress {
  readonly round: Round;
  readonly since: string;
  /** Index of the part, and where its next page begins. */
  readonly at: number;
  readonly after: Position | null;
}

/** @returns where the next page begins; `null`: that was the last one. */
type Part = (round: Round, after: Position | null) => Promise<Position | null>;

const parts: readonly Part[] = [
  ...reservingParticipants.map(
    (participant): Part =>
      (round, after) =>
        reservationsOf(round, participant, typeof after === 'string' ? null : after),
  ),
  (round, after) => openRuns(round, typeof after === 'string' ? after : null),
  (round, after) => skipped(round, typeof after === 'string' ? after : null),
  ...reservingParticipants.map(
    (participant): Part =>
      (round, after) =>
        booksOf(round, participant, typeof after === 'string' ? after : null),
  ),
];

/**
 * A job, no transaction: finds what was left over between the participants, puts right what their fences can, and keeps
 * the rest for an operator. Safe beside everything else, itself included: what it does is decided by the same rows. A
 * long round goes on in a new run, to its end: what comes last would else never be looked at.
 */
export async function reconcile(
  input: ReconcileInput,
  from?: ReconcileProgress,
): Promise<ReconcileReport> {
  const { round, since, ...place } = from ?? {
    round: { dryRun: input.dryRun, looked: 0, isComplete: true, actions: {}, findings: [] },
    since: await job['reconciliation.beginRound'](),
    at: 0,
    after: null,
  };
  let after: Position | null = place.after;
  let pages = 0;
  for (const [at, part] of parts.entries()) {
    if (at < place.at) continue;
    do {
      if (pages === reconcileRows.pagesOfRun) {
        await continueAsNew<typeof reconcile>(input, { round, since, at, after });
      }
      const behind: Position | null = after;
      const next = await unlessFailed(() => part(round, behind));
      if (next === undefined) round.isComplete = false;
      after = next ?? null;
      pages += 1;
    } while (after !== null);
  }
  if (!round.dryRun && round.isComplete) {
    await job['reconciliation.closeUnseen']({ since, kinds: findingKinds });
  }
  return round;
}

async function reservationsOf(
  round: Round,
  participant: ReservingParticipant,
  after: ReservationPosition | null,
): Promise<ReservationPosition | null> {
  const { judged, looked, next } = await job['reconciliation.reservations']({
    participant,
    after,
    rows: reconcileRows.page,
  });
  round.looked += looked;
  await keep(round, round.dryRun ? judged.map(wouldRepair) : await repaired(judged));
  return next;
}

const wouldRepair = ({ finding, repair: by }: JudgedReservation): ReportedFinding => ({
  ...finding,
  action: by === null ? 'left' : by.verb === 'undo' ? 'would_undo' : 'would_confirm',
});

/** The participants' own activities: whatever has happened since the page was read, the fence decides. */
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
    return []; // Away, or what it holds is at odds with its fence: left, and shown.
  }
}

async function openRuns(round: Round, after: Gid | null): Promise<Gid | null> {
  const { runs, next } = await job['reconciliation.openRuns']({ after, rows: startsAtOnce });
  round.looked += runs.length;
  const claimed = await claimedOf(round, runs);
  const looked = await Promise.all(runs.map((run) => recovered(claimed, run)));
  await keep(
    round,
    looked.filter((finding) => finding !== undefined),
  );
  return next;
}

async function skipped(round: Round, after: Gid | null): Promise<Gid | null> {
  const { findings, next } = await job['reconciliation.unbookedSteps']({
    after,
    rows: reconcileRows.page,
  });
  round.looked += findings.length;
  await keep(
    round,
    findings.map((finding) => ({ ...finding, action: 'left' })),
  );
  return next;
}

async function booksOf(
  round: Round,
  participant: ReservingParticipant,
  after: string | null,
): Promise<string | null> {
  const { findings, passedOver, next } = await job['reconciliation.differingBooks']({
    participant,
    after,
    rows: reconcileRows.page,
  });
  if (passedOver > 0) round.isComplete = false;
  await keep(
    round,
    findings.map((finding) => ({ ...finding, action: 'left' })),
  );
  return next;
}

/** @returns `undefined`: nothing may be started. */
async function claimedOf(
  { dryRun }: Round,
  runs: readonly OpenRun[],
): Promise<ReadonlySet<Gid> | undefined> {
  if (dryRun) return undefined;
  const gids = runs.flatMap(({ gid, input }) => (input === null ? [] : [gid]));
  return new Set(gids.length === 0 ? [] : await job['reconciliation.claimStarts']({ gids }));
}

/** Telling the story again is how a run is recovered. @returns `undefined`: it has a living run, or has ended. */
async function recovered(
  claimed: ReadonlySet<Gid> | undefined,
  { gid, workflow, input, finding }: OpenRun,
): Promise<ReportedFinding | undefined> {
  if (!claimed || input === null) {
    if (await job['reconciliation.isRunning'](gid)) return undefined;
    return { ...finding, action: input === null ? 'left' : 'would_recover' };
  }
  // Cancelled since the page was read: nothing has run, and nothing may.
  if (!claimed.has(gid)) return undefined;
  return (await startTransaction(workflow, gid, input))
    ? { ...finding, action: 'recovered' }
    : undefined;
}

async function keep(round: Round, findings: readonly ReportedFinding[]): Promise<void> {
  if (findings.length === 0) return;
  for (const { action } of findings) round.actions[action] = (round.actions[action] ?? 0) + 1;
  round.findings.push(...findings.slice(0, findingsListedMax - round.findings.length));
  if (!round.dryRun) await job['reconciliation.record']({ findings: findings.map(recorded) });
}

const recorded = ({ action, ...finding }: ReportedFinding): RecordedFinding => ({
  finding,
  state: action === 'left' ? 'open' : 'repaired',
});
