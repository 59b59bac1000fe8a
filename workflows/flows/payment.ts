import { payment as flow } from '../../contracts/flows/payment';
import { moneyText } from '../../contracts/engine/money';
import { runFlow } from '../kernel/flow';

/** A payment: checked, assessed, reviewed where a person must decide, authorised, and the money moves. */
export const payment = runFlow(flow, {
  statusWhenCompensated: 'declined', // Also after a cancel or the deadline: the caller must know that no money moves.

  async run(tx, input) {
    const { paymentId, payerId, payeeId, amount, description, requestedBy } = input;
    const { risk: policy, reviewMs } = input;

    await tx.openPayment({ paymentId, payerId, payeeId, amount, description, requestedBy });
    const risk = await tx.assessRisk({ paymentId, payerId, payeeId, amount, policy });
    if (risk.decision === 'review') {
      const about = `${moneyText(amount)} from ${payerId} to ${payeeId}`;
      await tx.review({ paymentId }, { withinMs: reviewMs, about });
    }
    const hold = await tx.authorise({ paymentId, amount }); // It refuses a payment that risk or a person declined.
    tx.reportStatus('authorised');

    await tx.transferFunds({ holdKey: hold.holdKey, payeeId, amount });

    await tx.completePayment({ paymentId });
  },
});
