/** Task queue of the transaction workers: workflows and activities of all flows. */
export const transactionsTaskQueue = 'accord-transactions';
