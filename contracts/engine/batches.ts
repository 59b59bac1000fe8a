/** A batch: one workflow that carries many transactions of one flow. Its workflow type is that of the flow. */
import { defineQuery, defineUpdate } from '@temporalio/workflow';

import type { Flow, Gid } from './ids';
import type { Actor, Timeline, TransactionInput } from './transaction';

/** Input of a workflow that carries a batch. A workflow of a single transaction has the transaction's own input. */
export interface BatchInput<Input extends TransactionInput = TransactionInput> {
  /** Distinct transactions of one flow, 1 to `batchMax.items`. */
  readonly batch: readonly Input[];
}

export const isBatchInput = <Input extends TransactionInput>(
  input: Input | BatchInput<Input>,
): input is BatchInput<Input> => 'batch' in input;

/** What one workflow may carry: a start and every call of a set stay far below the limits of Temporal. */
export const batchMax = { items: 300, bytes: 400 * 1024 } as const;

/** Result of a batch: how many of its transactions came to which ending, or went on in a workflow of their own. */
export interface BatchResult {
  readonly completed: number;
  readonly compensated: number;
  readonly left: number;
}

/** No gid has a slash. */
const prefix = 'batch/';

/** Workflow id of a batch. Its rows in `accord.runs` bear it as their owner. @param token makes it unique. */
export const batchIdOf = (flow: Flow, token: string): string => `${prefix}${flow}/${token}`;

/** Whether a workflow id is that of a batch. A single transaction has its gid as workflow id. */
export const isBatchId = (workflowId: string): boolean => workflowId.startsWith(prefix);

/** The flow of a batch, by its workflow id; `undefined`: it is the id of no batch. */
export const flowOfBatchId = (workflowId: string): Flow | undefined =>
  isBatchId(workflowId) ? workflowId.slice(prefix.length).split('/')[0] : undefined;

/** The timeline of one transaction of a batch; `null`: the batch does not carry it, or not any more. */
export const itemTimelineQuery = defineQuery<Timeline | null, [Gid]>('itemTimeline');

export interface EjectItem {
  readonly gid: Gid;
  readonly actor: Actor;
}

/**
 * Makes a transaction leave its batch. It goes on under its own gid, where it takes every message. Returns when that
 * workflow is started (`hasLeft`), or when the transaction has ended in the batch.
 * @throws NotInBatch if the batch never carried it.
 */
export const ejectItemUpdate = defineUpdate<{ readonly hasLeft: boolean }, [EjectItem]>(
  'ejectItem',
);
