import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';

import type {
  OpenRun,
  ReconcileInput,
  ReconcileReport,
  ReconciliationActivities,
} from '../../contracts/reconciliation';
import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { testStack } from '../support/stack';

describe('the job reconcile', () => {
  let environment: TestWorkflowEnvironment;
  let codePath: string;
  beforeAll(async () => {
    const { temporal } = await testStack();
    environment = await TestWorkflowEnvironment.createFromExistingServer(temporal);
    codePath = await bundleWorkflows('workflows/index.ts', 'dist/test-bundles/reconcile.js');
  }, 60_000);
  afterAll(() => environment.teardown());

  /** Activities that find nothing, but for what a test plays. */
  const nothing: ReconciliationActivities = {
    beginRound: () => Promise.resolve('2026-01-01 00:00:00.000'),
    reservations: () => Promise.resolve({ judged: [], looked: 0, next: null }),
    openRuns: () => Promise.resolve({ runs: [], next: null }),
    claimStarts: ({ gids }) => Promise.resolve(gids),
    isRunning: () => Promise.resolve(true),
    differingBooks: () => Promise.resolve([]),
    record: () => Promise.resolve(null),
    closeUnseen: () => Promise.resolve(null),
  };

  const run = async (
    played: Partial<ReconciliationActivities>,
    input: ReconcileInput = { dryRun: false },
  ): Promise<ReconcileReport> => {
    const taskQueue = `test-${randomUUID()}`;
    const { namespace } = (await testStack()).temporal;
    const named = Object.entries({ ...nothing, ...played }).map(
      ([name, call]) => [`reconciliation.${name}`, call as unknown] as const,
    );
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      namespace,
      taskQueue,
      workflowBundle: { codePath },
      activities: Object.fromEntries(named),
    });
    return worker.runUntil(
      environment.client.workflow.execute<(input: ReconcileInput) => Promise<ReconcileReport>>(
        'reconcile',
        { taskQueue, workflowId: `reconcile-${randomUUID()}`, args: [input] },
      ),
    );
  };

  /** A row whose workflow is a job that finds nothing: it ends by itself. */
  const openRun = (gid: string): OpenRun => ({
    gid,
    workflow: 'reconcile',
    input: { dryRun: true },
    finding: {
      kind: 'run_without_owner',
      participant: 'accord',
      gid,
      branch: null,
      subject: gid,
      amounts: [],
      ageSeconds: 600,
      detail: 'Planted.',
    },
  });
  const wasStarted = (gid: string): Promise<boolean> =>
    environment.client.workflow
      .getHandle(gid)
      .describe()
      .then(
        () => true,
        () => false,
      );

  it('starts what it has claimed, and nothing that was cancelled since its page was read', async () => {
    const [open, cancelled] = [`order:t.${randomUUID()}`, `order:t.${randomUUID()}`];
    const { findings } = await run({
      openRuns: () => Promise.resolve({ runs: [openRun(open), openRun(cancelled)], next: null }),
      claimStarts: () => Promise.resolve([open]),
    });
    expect(findings).toMatchObject([{ gid: open, action: 'recovered' }]);
    expect(await wasStarted(open)).toBe(true);
    expect(await wasStarted(cancelled)).toBe(false);
  });
});
