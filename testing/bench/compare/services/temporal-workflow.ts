/** The saga of Temporal's documentation: what has begun is undone in reverse order. */
import { proxyActivities } from '@temporalio/workflow';

import type { Transfer } from '../arm';
import type { Bank } from '../bank';

const { debit, credit, undoDebit } = proxyActivities<Pick<Bank, 'debit' | 'credit' | 'undoDebit'>>({
  startToCloseTimeout: '10s',
  retry: { nonRetryableErrorTypes: ['InsufficientFunds'] },
});

export async function transferSaga(transfer: Transfer): Promise<void> {
  const compensations: (() => Promise<void>)[] = [];
  try {
    compensations.unshift(() => undoDebit(transfer));
    await debit(transfer);
    await credit(transfer);
  } catch (error) {
    for (const compensate of compensations) await compensate();
    throw error;
  }
}
