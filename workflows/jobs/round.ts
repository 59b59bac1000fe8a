import { proxyActivities } from '@temporalio/workflow';

import {
  findingsListedMax,
  reconcileRows,
  type FindingAction,
  type FindingKind,
  type ReconcileInput,
  type ReconcileReport,
  type ReconciliationActivities,
  type RecordedFinding,
  type ReportedFinding,
  type ReservationPosition,
} from '../../contracts/engine/reconciliation';
import { jobOptions } from '../kernel/activity-options';
import { unlessFailed, type Registered } from './jobs';

/** The activities of a job, under its name in the Temporal UI. */
export const reconciliationOf = (summary: string) =>
  proxyActivities<Registered<ReconciliationActivities>>({ ...jobOptions, summary });

/** Result of one round so far. */
export interface Round {
  readonly dryRun: boolean;
  looked: number;
  isComplete: boolean;
  readonly actions: Partial<Record<FindingAction, number>>;
  readonly findings: ReportedFinding[];
}

/** A page begins after this position. */
export type Position = ReservationPosition | string;

/** Progress of a round that continues in a new workflow run. */
export interface RoundProgress {
  readonly round: Round;
  readonly since: string;
  /** Participants whose rows are checked. */
  readonly participants: readonly string[];
  /** Index of the part, and position of its next page. */
  readonly at: number;
  readonly after: Position | null;
}

/** @returns position of the next page; `null`: that was the last one. */
export type Part = (round: Round, after: Position | null) => Promise<Position | null>;

/** Parts of a job, and the kinds of findings that only this job makes. It closes those that it has not seen again. */
export interface Looking {
  readonly job: ReturnType<typeof reconciliationOf>;
  /** Parts in their order, for the participants of the round. */
  readonly parts: (participants: readonly string[]) => readonly Part[];
  readonly kinds: readonly FindingKind[];
}

/**
 * Runs one round over all parts, page by page, to its end: otherwise the last pages would never be checked.
 *
 * @param goOn continues the round in a new workflow run; it does not return.
 */
export async function playRound(
  { job, parts, kinds }: Looking,
  { dryRun }: ReconcileInput,
  from: RoundProgress | undefined,
  goOn: (progress: RoundProgress) => Promise<never>,
): Promise<ReconcileReport> {
  const { round, since, participants, ...place } = from ?? {
    round: { dryRun, looked: 0, isComplete: true, actions: {}, findings: [] },
    ...(await job['reconciliation.beginRound']()),
    at: 0,
    after: null,
  };
  let after: Position | null = place.after;
  let pages = 0;
  for (const [at, part] of parts(participants).entries()) {
    if (at < place.at) continue;
    do {
      if (pages === reconcileRows.pagesOfRun) await goOn({ round, since, participants, at, after });
      const behind: Position | null = after;
      const next = await unlessFailed(() => part(round, behind));
      if (next === undefined) round.isComplete = false;
      after = next ?? null;
      pages += 1;
    } while (after !== null);
  }
  if (!round.dryRun && round.isComplete) {
    await job['reconciliation.closeUnseen']({ since, kinds });
  }
  return round;
}

/** Counts findings, and stores them unless this is a dry run. */
export async function keep(
  { job }: Pick<Looking, 'job'>,
  round: Round,
  findings: readonly ReportedFinding[],
): Promise<void> {
  if (findings.length === 0) return;
  for (const { action } of findings) round.actions[action] = (round.actions[action] ?? 0) + 1;
  round.findings.push(...findings.slice(0, findingsListedMax - round.findings.length));
  if (!round.dryRun) await job['reconciliation.record']({ findings: findings.map(recorded) });
}

const recorded = ({ action, ...finding }: ReportedFinding): RecordedFinding => ({
  finding,
  state: action === 'left' ? 'open' : 'repaired',
});
