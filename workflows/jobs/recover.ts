import { continueAsNew } from '@temporalio/workflow';

import type { Gid } from '../../contracts/engine/ids';
import type {
  OpenRun,
  ReconcileInput,
  ReconcileReport,
  ReportedFinding,
} from '../../contracts/engine/reconciliation';
import { startTransaction } from '../kernel/starting';
import { keep, playRound, reconciliationOf, type Round, type RoundProgress } from './round';

const job = reconciliationOf('recover');

/** Open runs that are started concurrently. */
const startsAtOnce = 20;

/**
 * A job, no transaction. It brings open rows whose run was lost to their endings. It is separate from `reconcile`, so
 * that it may run often, and does not wait for its sums. It is safe beside any other run, also of itself.
 */
export async function recover(
  input: ReconcileInput,
  from?: RoundProgress,
): Promise<ReconcileReport> {
  return playRound(
    {
      job,
      parts: () => [(round, after) => openRuns(round, typeof after === 'string' ? after : null)],
      kinds: ['run_without_owner'],
    },
    input,
    from,
    (progress) => continueAsNew<typeof recover>(input, progress),
  );
}

async function openRuns(round: Round, after: Gid | null): Promise<Gid | null> {
  const { runs, next } = await job['reconciliation.openRuns']({ after, rows: startsAtOnce });
  round.looked += runs.length;
  const claimed = await claimedOf(round, runs);
  const looked = await Promise.all(runs.map((run) => recovered(claimed, run)));
  await keep(
    { job },
    round,
    looked.filter((finding) => finding !== undefined),
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

/** Recovers a run by starting its flow again. @returns `undefined`: it has an open run, or has ended. */
async function recovered(
  claimed: ReadonlySet<Gid> | undefined,
  { gid, workflow, input, finding }: OpenRun,
): Promise<ReportedFinding | undefined> {
  if (!claimed || input === null) {
    if (await job['reconciliation.isRunning'](gid)) return undefined;
    return { ...finding, action: input === null ? 'left' : 'would_recover' };
  }
  // It was cancelled since the page was read: nothing has run, and nothing may run.
  if (!claimed.has(gid)) return undefined;
  return (await startTransaction(workflow, gid, input))
    ? { ...finding, action: 'recovered' }
    : undefined;
}
