import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import {
  ApplicationFailure,
  continueAsNew,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';

import { settlement as flow } from '../../contracts/flows/settlement';
import type { Gid } from '../../contracts/engine/ids';
import {
  settlementsListedMax,
  type SettleDayActivities,
  type SettleDayInput,
  type SettleDayReport,
  type SettlementScope,
} from '../../contracts/participants/settlements';
import { deadlineMs } from '../../contracts/engine/transaction';
import { dailyJobOptions } from '../kernel/activity-options';
import { unlessFailed, type Registered } from '../jobs/jobs';
import { startTransaction } from '../kernel/starting';

const job = proxyActivities<Registered<SettleDayActivities>>({
  ...dailyJobOptions,
  summary: 'settle the day',
});

/** Pairs of tenant and currency of a page, and pages of one workflow run, bounded by the size of its history. */
const scopesAtOnce = 50;
const pagesOfRun = 20;
const dayMs = 86_400_000;

/** Progress of the job that continues in a new workflow run. */
interface SettleDayProgress {
  readonly settlements: readonly Gid[];
  readonly count: number;
  readonly isComplete: boolean;
  readonly after: SettlementScope | null;
}
const start: SettleDayProgress = { settlements: [], count: 0, isComplete: true, after: null };

/**
 * A job, no transaction. It starts one settlement for each tenant and currency with unsettled movements. Safe to run
 * twice. With many settlements it continues in new workflow runs, to the last one: otherwise late names would wait.
 */
export async function settleDay(
  input: SettleDayInput,
  from: SettleDayProgress = start,
): Promise<SettleDayReport> {
  const day = input.day ?? dayOf(scheduledAt() - dayMs);
  // A settlement that is refused has ended, and the day could not be settled any more.
  if (day >= dayOf(Date.now()))
    throw ApplicationFailure.nonRetryable(`${day} (UTC) is not over yet.`, 'LimitExceeded');
  const settlements = [...from.settlements];
  let { count, after, isComplete } = from;
  let pages = 0;
  do {
    if (pages === pagesOfRun) {
      await continueAsNew<typeof settleDay>({ day }, { settlements, count, after, isComplete });
    }
    const page = { day, after, rows: scopesAtOnce };
    const found = await unlessFailed(() => job['reconciliation.settlementsDue'](page));
    const started = await Promise.all(
      (found?.due ?? []).map((scope) => unlessFailed(() => settle(scope, day))),
    );
    if (found === undefined || started.includes(undefined)) isComplete = false;
    const gids = started.filter((gid) => typeof gid === 'string');
    settlements.push(...gids.slice(0, settlementsListedMax - settlements.length));
    count += gids.length;
    pages += 1;
    after = found?.next ?? null;
  } while (after !== null);
  return { day, settlements, count, isComplete };
}

/** Scheduled time of the run. A run that is made up for may start days later. */
function scheduledAt(): number {
  const scheduled = workflowInfo().typedSearchAttributes.get(scheduledStartTime);
  return scheduled?.getTime() ?? Date.now();
}

const scheduledStartTime = defineSearchAttributeKey(
  'TemporalScheduledStartTime',
  SearchAttributeType.DATETIME,
);

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Accepts the settlement first, as from a caller: if the start fails, the starter finds the row. */
async function settle(scope: SettlementScope, day: string): Promise<Gid | null> {
  const accepted = await job['reconciliation.acceptSettlement']({
    ...scope,
    day,
    deadlineAt: Date.now() + deadlineMs.default,
  });
  if (!accepted) return null;
  await startTransaction(flow.workflow, accepted.gid, accepted.input);
  return accepted.gid;
}
