import { isOperatorFlow, type Flow } from './ids';

/** Task queue of the transaction workers: workflows and activities of customers' flows, and jobs. */
export const transactionsTaskQueue = 'accord-transactions';

/** Task queue of the failover worker. It runs in the hub, so it works while no region does. */
export const failoverTaskQueue = 'accord-failover';

/** Task queue of the workers of a flow. */
export const taskQueueOf = (flow: Flow): string =>
  isOperatorFlow(flow) ? failoverTaskQueue : transactionsTaskQueue;

/**
 * Time of one workflow task, which local calls extend while they are under way. A worker that dies costs its
 * transactions as much.
 */
export const workflowTaskTimeout = '3s';
