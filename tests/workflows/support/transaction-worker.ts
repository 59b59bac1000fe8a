import { randomUUID } from 'node:crypto';

import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkerOptions } from '@temporalio/worker';
import { afterAll, beforeAll } from '@jest/globals';

import { partsOfStepKey } from '../../../contracts/engine/ids';
import { bundleWorkflows } from '../../../scripts/bundle-workflows';
import { withoutStackTraces } from '../../../workers/transactions/workflow-threads';
import { testStack } from '../../support/stack';
import type { FakeParticipants } from './fake-participants';
import { fakeParticipants } from './fake-participants';
import { answeringAsAWorker } from './answers';

/**
 * One worker and one task queue for the tests of one file. Its activities are those of the fakes that a test has cast
 * for its own transaction, so tests share nothing but the process.
 *
 * @param bundled makes the bundle of its workflows, and says where it is.
 */
export function workflowTests(bundled: () => Promise<string> = bundledTestWorkflows) {
  const taskQueue = `test-${randomUUID()}`;
  const cast = new Map<string, FakeParticipants>();
  let environment: TestWorkflowEnvironment | undefined;
  let worker: Worker | undefined;
  let running: Promise<void> | undefined;

  beforeAll(async () => {
    const { temporal } = await testStack();
    environment = await TestWorkflowEnvironment.createFromExistingServer(temporal);
    const options: WorkerOptions = {
      connection: environment.nativeConnection,
      namespace: temporal.namespace,
      taskQueue,
      workflowBundle: { codePath: await bundled() },
      activities: answeringAsAWorker(activitiesOf(cast)),
      stickyQueueScheduleToStartTimeout: '1s',
      shutdownGraceTime: 0,
      shutdownForceTime: '5s',
    };
    worker = await withoutStackTraces(() => Worker.create(options)); // As in production.
    running = worker.run();
  }, 60_000);

  afterAll(async () => {
    worker?.shutdown();
    await running;
    await environment?.teardown();
  });

  return {
    taskQueue,
    client: () => {
      if (!environment) throw new Error('The environment is open inside of tests only.');
      return environment.client;
    },
    /** From now on the transaction's activities are those of the fakes. */
    cast: (gid: string, fakes: FakeParticipants) => void cast.set(gid, fakes),
  };
}

/** From the checkout. */
export const testWorkflowsPath = 'tests/workflows/support/workflows.ts';

const bundledTestWorkflows = (): Promise<string> =>
  bundleWorkflows(testWorkflowsPath, `dist/test-bundles/${process.pid}.js`);

/** Every activity, each call handed to the fakes of the transaction that it is made for. */
function activitiesOf(cast: ReadonlyMap<string, FakeParticipants>) {
  return Object.fromEntries(
    Object.keys(fakeParticipants().activities).map((name) => [
      name,
      (request: unknown) => {
        const gid = gidOfRequest(request);
        const activity = cast.get(gid)?.activities[name];
        if (!activity) throw new Error(`Nobody was cast for ${name} of ${gid}.`);
        return activity(request);
      },
    ]),
  );
}

function gidOfRequest(request: unknown): string {
  const first: unknown = Array.isArray(request) ? request[0] : request;
  if (typeof first !== 'object' || first === null) return '';
  if ('gid' in first) return String(first.gid);
  return 'key' in first ? (partsOfStepKey(String(first.key))?.gid ?? '') : '';
}
