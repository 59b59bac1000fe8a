/** Task queue of the transaction workers: workflows and activities of all flows. */
export const transactionsTaskQueue = 'accord-transactions';

/** Of the failover worker, in the hub: it is there when no region is. */
export const failoverTaskQueue = 'accord-failover';
