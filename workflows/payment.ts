import { moneyText } from '../contracts/money';
import type { PaymentInput } from '../contracts/payments';
import type { TransactionResult } from '../contracts/transaction';
import type { Carried } from './kernel/run';
import type { Story } from './kernel/story';
import { runTransaction } from './kernel/transaction';

/** A payment: checked, assessed, reviewed where a person must decide, authorised, and the money moves. */
const paymentStory: Story<PaymentInput> = {
  decision: {
    step: 'transferFunds',
    seal: ({ accounts }, key) => accounts.sealBranch({ key }),
  },
  undoneAs: 'declined', // Also where it was cancelled, or its time was over: its caller is to know that no money moves.

  async tell(tx, input) {
    const { accounts } = tx.participants;
    const { paymentId, payerId, payeeId, amount, description, requestedBy } = input;
    const { risk: policy, reviewMs } = input;

    await tx.step('openPayment', {
      act: (key) =>
        accounts.openPayment({
          key,
          paymentId,
          payerId,
          payeeId,
          amount,
          description,
          requestedBy,
        }),
      undo: (key) => accounts.closePayment({ key }),
    });

    const risk = await tx.step('assessRisk', {
      act: (key) => accounts.assessRisk({ key, paymentId, payerId, payeeId, amount, policy }),
      undo: (key) => accounts.clearRisk({ key }),
    });

    await tx.step('review', {
      async act(key) {
        if (risk.result.decision !== 'review') return;
        const reviewed = await tx.review({
          withinMs: reviewMs,
          about: `${moneyText(amount)} from ${payerId} to ${payeeId}`,
        });
        if (reviewed) await accounts.recordReview({ key, paymentId, ...reviewed });
      },
      undo: (key) => accounts.withdrawReview({ key }),
    });

    const hold = await tx.step('authorise', {
      act: (key) => accounts.authorisePayment({ key, paymentId }), // Refuses what risk or the person declined.
      undo: (key) => accounts.voidAuthorisation({ key }),
      atRisk: [{ kind: 'hold', ...amount }],
    });
    tx.tell('authorised');

    await tx.pivot('transferFunds', (key) =>
      accounts.captureFunds({ key, holdKey: hold.result.holdKey, payeeId, amount }),
    );

    await tx.finish('completePayment', (key) => accounts.completePayment({ key, paymentId }));
  },
};

export async function payment(input: PaymentInput, carried?: Carried): Promise<TransactionResult> {
  return runTransaction(input, paymentStory, carried);
}
