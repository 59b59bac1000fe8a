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
} from '../../contracts/engine/reconciliation';
import { deadlineMs } from '../../contracts/engine/transaction';
import { dailyJobOptions } from '../kernel/activity-options';
import { startTransaction, unlessFailed, type Registered } from './jobs';

const job = proxyActivities<Registered<SettleDayActivities>>({
  ...dailyJobOptions,
  summary: 'settle the day',
});

/** Pairs of tenant and currency of one page, and pages after which the job goes on in a new run: what a history has room for. */
const scopesAtOnce = 50;
const pagesOfRun = 20;
const dayMs = 86_400_000;

/** Where the job stands when it goes on in a new run. */
interface SettleDayProgress {
  readonly settlements: readonly Gid[];
  readonly count: number;
  readonly isComplete: boolean;
  readonly after: SettlementScope | null;
}
const start: SettleDayProgress = { settlements: [], count: 0, isComplete: true, after: null };

/**
 * A job, no transaction: one settlement for each tenant and currency that has something to settle. Safe to run twice.
 * With many of them it goes on in a new run, to the last one: those of a late name would else wait for ever.
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

/** The time that the schedule meant, which a run that was made up for may come days after. */
function scheduledAt(): number {
  const scheduled = workflowInfo().typedSearchAttributes.get(scheduledStartTime);
  return scheduled?.getTime() ?? Date.now();
}

const scheduledStartTime = defineSearchAttributeKey(
  'TemporalScheduledStartTime',
  SearchAttributeType.DATETIME,
);

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Accepted first, as from a caller: whatever happens to the start, the row shows it to the starter. */
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
