import type { TransactionResult } from '../contracts/transaction';
import type { TransferInput } from '../contracts/transfer';
import type { Carried } from './kernel/run';
import type { Story } from './kernel/story';
import { runTransaction } from './kernel/transaction';

/** A transfer: one account is debited and another credited, each against the clearing account, or neither. */
const transferStory: Story<TransferInput> = {
  async tell(tx, { fromId, toId, clearingId, amount }) {
    const { accounts } = tx.participants;

    await Promise.all([
      tx.participant('debit', {
        try: (key) =>
          accounts.reserveDebit({ key, accountId: fromId, payeeId: clearingId, amount }),
        confirm: (key) => accounts.confirmDebit({ key }),
        cancel: (key) => accounts.releaseFunds({ key }),
        atRisk: [{ kind: 'hold', ...amount }],
      }),
      tx.participant('credit', {
        try: (key) =>
          accounts.reserveCredit({ key, accountId: toId, sourceId: clearingId, amount }),
        confirm: (key) => accounts.confirmCredit({ key }),
        cancel: (key) => accounts.cancelCredit({ key }),
      }),
    ]);
  },
};

export async function transfer(
  input: TransferInput,
  carried?: Carried,
): Promise<TransactionResult> {
  return runTransaction(input, transferStory, carried);
}
