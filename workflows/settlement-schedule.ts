import { ApplicationFailure, proxyActivities } from '@temporalio/workflow';

import { flowDefinitions } from '../contracts/flows';
import type { Gid } from '../contracts/ids';
import type {
  SettleDayActivities,
  SettleDayInput,
  SettleDayReport,
} from '../contracts/reconciliation';
import { deadlineMs } from '../contracts/transaction';
import { jobOptions } from './activity-options';
import { startTransaction, type Registered } from './jobs';

const job = proxyActivities<Registered<SettleDayActivities>>(jobOptions);

/** Tenants of one page, and pages of one day: what is left has the next day's settlement. */
const tenantsAtOnce = 50;
const pagesMax = 40;
const dayMs = 86_400_000;

/** A job, no transaction: one settlement for each tenant that has something to settle. Safe to run twice. */
export async function settleDay(input: SettleDayInput): Promise<SettleDayReport> {
  const { currency } = input;
  const day = input.day ?? dayOf(Date.now() - dayMs);
  // A settlement that is refused has ended, and the day could not be settled any more.
  if (day >= dayOf(Date.now()))
    throw ApplicationFailure.nonRetryable(`${day} (UTC) is not over yet.`, 'LimitExceeded');
  const settlements: Gid[] = [];
  let after: string | null = null;
  for (let page = 1; page <= pagesMax; page += 1) {
    const found: Awaited<ReturnType<SettleDayActivities['tenantsToSettle']>> = await job[
      'reconciliation.tenantsToSettle'
    ]({ currency, day, after, rows: tenantsAtOnce });
    const started = await Promise.all(
      found.tenants.map((tenant) => settle({ tenant, currency, day })),
    );
    settlements.push(...started.filter((gid) => gid !== null));
    if (found.next === null) break;
    after = found.next;
  }
  return { day, settlements };
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Accepted first, as from a caller: whatever happens to the start, the row shows it to the starter. */
async function settle(
  settlement: Pick<SettleDayInput, 'currency'> & { readonly tenant: string; readonly day: string },
): Promise<Gid | null> {
  const accepted = await job['reconciliation.acceptSettlement']({
    ...settlement,
    deadlineAt: Date.now() + deadlineMs.default,
  });
  if (!accepted) return null;
  await startTransaction(flowDefinitions.settlement.workflow, accepted.gid, accepted.input);
  return accepted.gid;
}
