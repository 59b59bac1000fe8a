import { randomUUID } from 'node:crypto';

import type { WorkflowHandle } from '@temporalio/client';

import { batchIdOf, type BatchInput, type BatchResult } from '../../../contracts/engine/batches';
import { workflowTaskTimeout } from '../../../contracts/engine/task-queues';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import { shop } from '../../../contracts/shop';
import type { FakeParticipants } from './fake-participants';
import type { workflowTests } from './transaction-worker';

type BatchWorkflow = (input: BatchInput) => Promise<BatchResult>;
export type BatchHandle = WorkflowHandle<BatchWorkflow>;

/** Batches of any flow on the worker of one test file. The fakes serve all transactions of a batch. */
export function batchRuns(tests: ReturnType<typeof workflowTests>) {
  const batches = {
    async start(fakes: FakeParticipants, batch: readonly TransactionInput[]): Promise<BatchHandle> {
      for (const { gid } of batch) tests.cast(gid, fakes);
      const flow = batch[0]?.flow ?? '';
      return tests.client().workflow.start<BatchWorkflow>(shop.workflowOf(flow), {
        workflowId: batchIdOf(flow, randomUUID()),
        taskQueue: tests.taskQueue,
        args: [{ batch }],
        workflowTaskTimeout,
      });
    },
    run: async (fakes: FakeParticipants, batch: readonly TransactionInput[]) =>
      (await batches.start(fakes, batch)).result(),
  };
  return batches;
}
