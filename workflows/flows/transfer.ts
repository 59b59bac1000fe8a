import { transfer as flow } from '../../contracts/flows/transfer';
import { runFlow } from '../kernel/flow';

/** A transfer: one account is debited and another credited, each against the clearing account, or neither. */
export const transfer = runFlow(flow, {
  async run(tx, { fromId, toId, clearingId, amount }) {
    await Promise.all([
      tx.debit({ accountId: fromId, payeeId: clearingId, amount }),
      tx.credit({ accountId: toId, sourceId: clearingId, amount }),
    ]);
  },
});
