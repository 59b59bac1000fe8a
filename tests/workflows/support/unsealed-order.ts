import type { OrderSagaInput } from '../../../contracts/flows/order';
import { accounts } from '../../../contracts/participants';
import { defineFlow } from '../../../contracts/engine/flow-definition';
import { compensable, pivot } from '../../../contracts/engine/steps';
import { runFlow } from '../../../workflows/kernel/flow';

/** An order whose pivot cannot be sealed: nobody could tell whether to undo it. */
const flow = defineFlow<OrderSagaInput>()({
  name: 'order',
  workflow: 'unsealedOrder',
  steps: {
    holdFunds: compensable(accounts.holdFunds, { undo: accounts.releaseFunds }),
    captureFunds: pivot(accounts.captureFunds, {}),
  },
});

export const unsealedOrder = runFlow(flow, {
  async run(tx, { accountId, merchantAccountId, amount }) {
    const { holdKey } = await tx.holdFunds({ accountId, amount });
    await tx.captureFunds({ holdKey, payeeId: merchantAccountId, amount });
  },
});
