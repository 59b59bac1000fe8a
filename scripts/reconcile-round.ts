/** One round of reconciliation in Temporal, by the transaction workers of a profile. */
import { randomUUID } from 'node:crypto';
import { Client } from '@temporalio/client';

import type { ReconcileInput, ReconcileReport } from '../contracts/reconciliation';
import { transactionsTaskQueue } from '../contracts/task-queues';
import type { Profile } from './stack/profile';
import { readStack } from './stack/stack';
import { connectTemporal } from './stack/temporal-client';

/** Above the longest round; a worker that is away is waited for no longer. */
const roundWithin = '10m';

/**
 * TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE take the place of the profile's own server.
 *
 * @throws an error that says how to bring up a Temporal, where there is none.
 */
export async function runRound(profile: Profile, input: ReconcileInput): Promise<ReconcileReport> {
  const own = (await readStack(profile))?.temporal;
  const address = process.env['TEMPORAL_ADDRESS'] ?? own?.address;
  if (address === undefined) {
    const up = profile === 'regions' ? 'regions -- up' : `stack -- up --profile ${profile}`;
    throw new Error(`No Temporal: set TEMPORAL_ADDRESS, or bring one up with npm run ${up}.`);
  }
  const namespace = process.env['TEMPORAL_NAMESPACE'] ?? own?.namespace ?? 'default';
  const connection = await connectTemporal(address);
  try {
    const { workflow } = new Client({ connection, namespace });
    return await workflow.execute<(input: ReconcileInput) => Promise<ReconcileReport>>(
      'reconcile',
      {
        workflowId: `accord-reconcile-${randomUUID()}`,
        taskQueue: transactionsTaskQueue,
        args: [input],
        workflowExecutionTimeout: roundWithin,
      },
    );
  } finally {
    await connection.close();
  }
}
