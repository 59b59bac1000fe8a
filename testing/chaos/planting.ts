/**
 * Plants what a run would otherwise not meet: transactions that must park, late acts, and a run that no workflow drives
 * any more. It also runs rounds of the jobs that have hours between their rounds.
 */
import { randomUUID } from 'node:crypto';

import type { Client } from '@temporalio/client';

import { businessIdOf, gidOf } from '../../contracts/engine/ids';
import { reconcileAgeSeconds } from '../../contracts/engine/reconciliation';
import { transactionsTaskQueue } from '../../contracts/engine/task-queues';
import { pause } from '../../runtime/waiting';
import type { IsolatedEnvironment } from '../environment/isolated-environment';
import type { ApiClient, Told } from './http';
import { plantedAccount, poorAccount, richAccount, tenant } from './world';
import { openConnection } from '../../runtime/mysql/door';

export interface Planted {
  readonly gid: string;
  /** It has parked, and was retried with success. */
  readonly isResolved: boolean;
}

const branch = 'reserveStock';
const eachWithinMs = 60_000;

/**
 * The undo of a reservation meets a fence row that was changed by hand; no program may decide that. Then the row is
 * repaired, and the step is retried over HTTP.
 */
export async function plantParked(
  isolated: IsolatedEnvironment,
  api: ApiClient,
  reference: string,
): Promise<Planted> {
  const gid = gidOf('order', businessIdOf(tenant, reference));
  await inTheMiddle(isolated, api, reference, () => setFence(isolated, gid, 'acted', 'confirmed'));
  const hasParked = await until(async () =>
    (await stateOf(api, gid)).state === 'parked' ? true : undefined,
  );
  if (!hasParked) return { gid, isResolved: false };
  await setFence(isolated, gid, 'confirmed', 'acted');
  const isResolved = await until(async () => {
    const { state, version } = await stateOf(api, gid);
    if (state === 'compensated') return true;
    if (state === 'parked' && version !== undefined) await retry(api, gid, version);
    return undefined;
  });
  return { gid, isResolved: isResolved === true };
}

const stateOf = async (api: ApiClient, gid: string): Promise<Told> =>
  (await api.call('GET', `/v1/transactions/${gid}`)).body;

/** The key is of the version: what was lost on the way is sent again, and another version is another decision. */
const retry = (api: ApiClient, gid: string, version: number): Promise<unknown> =>
  api.call('POST', `/v1/transactions/${gid}/retry`, {
    key: `retry-${gid}-${version}`,
    body: { step: branch, expect: { version } },
  });

/**
 * Acts that come after their undo. Orders that cannot be paid for are undone; then their workflows are reset to the
 * beginning, as an operator may do. They send their acts again, and the fence must refuse them.
 *
 * @returns how many were reset.
 */
export async function plantLateActs(
  isolated: IsolatedEnvironment,
  api: ApiClient,
  orders: number,
): Promise<number> {
  const references = Array.from({ length: orders }, (_, at) => `late-${at + 1}`);
  const reset = references.map(async (reference) => {
    const gid = gidOf('order', businessIdOf(tenant, reference));
    await api.call('POST', '/v1/orders', {
      key: `key-${gid}`,
      body: orderBody(reference, poorAccount),
      isAlone: true,
    });
    const isUndone = await until(async () =>
      (await stateOf(api, gid)).state === 'compensated' ? true : undefined,
    );
    if (isUndone) await resetToTheBeginning(isolated.temporal, gid);
    return isUndone === true;
  });
  return (await Promise.all(reset)).filter(Boolean).length;
}

async function resetToTheBeginning(temporal: Client, workflowId: string): Promise<void> {
  const handle = temporal.workflow.getHandle(workflowId);
  const { runId } = await handle.describe();
  const { events } = await handle.fetchHistory();
  const first = events?.find(({ workflowTaskCompletedEventAttributes: task }) => task);
  await temporal.workflowService.resetWorkflowExecution({
    namespace: temporal.options.namespace,
    workflowExecution: { workflowId, runId },
    workflowTaskFinishEventId: first?.eventId ?? null,
    requestId: randomUUID(),
    reason: 'What was undone is asked for again.',
  });
}

const orderBody = (reference: string, accountId: string): object => {
  const price = { currency: 'EUR', minorUnits: 300 };
  return {
    orderId: reference,
    customerId: `C-${reference}`,
    lines: [{ sku: 'S-PLENTY', quantity: 1, unitPrice: price }],
    payment: { accountId, amount: price },
  };
};

/**
 * An order whose workflow was terminated between two of its steps, long ago: its row is open, and no workflow drives
 * it. The job must find it.
 */
export async function plantAbandoned(
  isolated: IsolatedEnvironment,
  api: ApiClient,
  reference: string,
): Promise<void> {
  const gid = gidOf('order', businessIdOf(tenant, reference));
  await inTheMiddle(isolated, api, reference, async () => {
    const reserved = await isolated.sql(
      'inventory',
      `SELECT gid FROM fence WHERE gid = ? AND branch = ? AND state = 'acted'`,
      [gid, branch],
    );
    if (reserved.length === 0) return false;
    await isolated.temporal.workflow
      .getHandle(gid)
      .terminate('Somebody has pressed the wrong button.');
    return true;
  });
  const ago = reconcileAgeSeconds.idle + 60;
  await isolated.sql(
    'accord',
    `UPDATE runs SET accepted_at = accepted_at - INTERVAL ? SECOND, start_sent_at = start_sent_at - INTERVAL ? SECOND,
       moved_at = GREATEST(moved_at - ? * 1000, 0) WHERE gid = ?`,
    [ago, ago, ago, gid],
  );
}

/** A planted bug may use it to lose the answer about its money: then its decision is unknown at the deadline. */
const unheard = 'unheard';
/** Half of it is for acting: on a machine under load the money must still come to move. */
const unheardDeadlineMs = 30_000;

export async function plantUnheard(api: ApiClient): Promise<void> {
  const body = { ...orderBody(unheard, richAccount), deadlineMs: unheardDeadlineMs };
  await api.call('POST', '/v1/orders', { key: `key-${unheard}`, body, isAlone: true });
}

/**
 * A customer whose lock is lost while an order of his is about to be written, and who orders again at once. A planted
 * bug may hold the first one back: then it comes behind the second, with a token that is over.
 *
 * @param loseLeases whatever makes the locks forget their holders.
 */
export async function plantLostLease(
  isolated: IsolatedEnvironment,
  api: ApiClient,
  loseLeases: () => Promise<unknown>,
): Promise<void> {
  const order = (reference: string) =>
    api.call('POST', '/v1/orders', {
      key: `key-${reference}`,
      body: { ...orderBody(reference, richAccount), customerId: 'C-LEASE' },
      waitSeconds: 8,
      isAlone: true, // A batch takes no locks.
    });
  const gid = gidOf('order', businessIdOf(tenant, 'lease-1'));
  const first = order('lease-1');
  await until(async () => {
    const held = await isolated.sql('accounts', 'SELECT gid FROM holds WHERE gid = ?', [gid]);
    return held.length > 0 ? true : undefined;
  });
  await loseLeases();
  await order('lease-2');
  await first;
}

/** One round of a job, now. */
export async function runJob(
  isolated: IsolatedEnvironment,
  job: 'recover' | 'reconcile' | 'retention',
  args: readonly unknown[] = [],
): Promise<unknown> {
  return isolated.temporal.workflow.execute(job, {
    workflowId: `chaos-${job}-${randomUUID()}`,
    taskQueue: transactionsTaskQueue,
    args: [...args],
    workflowExecutionTimeout: '180s', // A machine under load is slow, and not dead.
  });
}

/** While the payer's row is locked, the reservation is there and the hold is not: the moment to do harm. */
async function inTheMiddle(
  isolated: IsolatedEnvironment,
  api: ApiClient,
  reference: string,
  harm: () => Promise<boolean>,
): Promise<void> {
  const session = await openConnection({ url: isolated.adminUrl('accounts') });
  try {
    await session.query('START TRANSACTION');
    await session.query('SELECT id FROM accounts WHERE id = ? FOR UPDATE', [
      businessIdOf(tenant, plantedAccount),
    ]);
    await api.call('POST', '/v1/orders', {
      key: `key-${reference}`,
      body: orderBody(reference, plantedAccount),
      isAlone: true,
    });
    await until(async () => ((await harm()) ? true : undefined));
  } finally {
    session.destroy(); // Ends the transaction, too.
  }
}

/**
 * Changes the state of a fence row directly in the database.
 * @returns whether the row was as expected.
 */
async function setFence(
  isolated: IsolatedEnvironment,
  gid: string,
  from: string,
  to: string,
): Promise<boolean> {
  const session = await openConnection({ url: isolated.adminUrl('inventory') });
  try {
    const [result] = await session.query(
      'UPDATE fence SET state = ? WHERE gid = ? AND branch = ? AND state = ?',
      [to, gid, branch, from],
    );
    return 'affectedRows' in result && result.affectedRows === 1;
  } finally {
    session.destroy();
  }
}

async function until<Result>(look: () => Promise<Result | undefined>): Promise<Result | undefined> {
  const deadline = Date.now() + eachWithinMs;
  while (Date.now() < deadline) {
    const seen = await look().catch(() => undefined);
    if (seen !== undefined) return seen;
    await pause(50);
  }
  return undefined;
}
