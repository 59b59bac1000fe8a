/** One round of each job that finds what was left over, in Temporal, by the transaction workers of a profile. */
import { randomUUID } from 'node:crypto';
import { Client } from '@temporalio/client';

import type { ReconcileInput, ReconcileReport } from '../contracts/engine/reconciliation';
import { transactionsTaskQueue } from '../contracts/engine/task-queues';
import type { Profile } from '../testing/stack/profile';
import { demandOwnNamespace } from '../runtime/temporal-premises';
import { installationAt } from '../runtime/databases/installation-mark';
import { databasePrefix } from '../runtime/databases/names';
import { givenAddresses, givenTemporal } from '../testing/stack/config';
import { readStack } from '../testing/stack/stack';
import { connectTemporal } from '../testing/stack/temporal-client';

/** Lost runs first: what they bring to an end is no finding of the other. */
const jobs = ['recover', 'reconcile'] as const;
type Job = (typeof jobs)[number];

/** Above the longest round; a worker that is away is waited for no longer. */
const roundWithin = '10m';

/**
 * TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE take the place of the profile's own server.
 *
 * @throws an error that says how to bring up a Temporal, where there is none; PremisesBroken where its workers repair the
 *   books of another installation than that of MYSQL_URL, or of the profile.
 */
export async function runRound(
  profile: Profile,
  input: ReconcileInput,
  only: readonly Job[] = jobs,
): Promise<ReconcileReport> {
  const stack = await readStack(profile);
  const given = givenAddresses();
  const address = given.temporal ?? stack?.temporal.address;
  if (address === undefined) {
    const up = profile === 'regions' ? 'regions -- up' : `stack -- up --profile ${profile}`;
    throw new Error(`No Temporal: set TEMPORAL_ADDRESS, or bring one up with npm run ${up}.`);
  }
  const namespace = givenTemporal().namespace ?? stack?.temporal.namespace ?? 'default';
  const mysqlUrl = given.mysql ?? stack?.mysql.adminUrl;
  const connection = await connectTemporal(address);
  try {
    const client = new Client({ connection, namespace });
    if (mysqlUrl !== undefined)
      await demandOwnNamespace(client, await installationAt(mysqlUrl, `${databasePrefix}accord`));
    const reports: ReconcileReport[] = [];
    for (const job of only)
      reports.push(
        await client.workflow.execute<(input: ReconcileInput) => Promise<ReconcileReport>>(job, {
          workflowId: `accord-${job}-${randomUUID()}`,
          taskQueue: transactionsTaskQueue,
          args: [input],
          workflowExecutionTimeout: roundWithin,
        }),
      );
    return together(input, reports);
  } finally {
    await connection.close();
  }
}

const together = (
  { dryRun }: ReconcileInput,
  reports: readonly ReconcileReport[],
): ReconcileReport => ({
  dryRun,
  looked: reports.reduce((sum, { looked }) => sum + looked, 0),
  actions: actionsOf(reports),
  findings: reports.flatMap(({ findings }) => findings),
  isComplete: reports.every(({ isComplete }) => isComplete),
});

function actionsOf(reports: readonly ReconcileReport[]): ReconcileReport['actions'] {
  const counts = new Map<string, number>();
  for (const [action, count] of reports.flatMap(({ actions }) => Object.entries(actions)))
    counts.set(action, (counts.get(action) ?? 0) + count);
  return Object.fromEntries(counts);
}
