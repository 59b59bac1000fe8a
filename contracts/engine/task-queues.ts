import { isOperatorFlow, type Flow } from './ids';

/** Task queue of the transaction workers: workflows and activities of customers' flows, and jobs. */
export const transactionsTaskQueue = 'accord-transactions';

/** Of the failover worker, in the hub: it is there when no region is. */
export const failoverTaskQueue = 'accord-failover';

/** Where the workers of a flow listen. */
export const taskQueueOf = (flow: Flow): string =>
  isOperatorFlow(flow) ? failoverTaskQueue : transactionsTaskQueue;
