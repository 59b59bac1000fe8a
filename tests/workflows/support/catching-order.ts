import { inventory } from '../../../contracts/participants/inventory';
import type { OrderSagaInput } from '../../../contracts/flows/order';
import { accounts } from '../../../contracts/participants';
import { defineFlow } from '../../../contracts/engine/flow-definition';
import { compensable, pivot } from '../../../contracts/engine/steps';
import { runFlow } from '../../../workflows/kernel/flow';

/** An order that is paid for although its stock could not be set aside, whatever kept it from that. */
const flow = defineFlow<OrderSagaInput>()({
  name: 'order',
  workflow: 'catchingOrder',
  steps: {
    reserveStock: compensable(inventory.reserveStock, { undo: inventory.releaseStock }),
    holdFunds: compensable(accounts.holdFunds, { undo: accounts.releaseFunds }),
    captureFunds: pivot(accounts.captureFunds, { seal: accounts.sealBranch }),
  },
});

export const catchingOrder = runFlow(flow, {
  async run(tx, { lines, accountId, merchantAccountId, amount }) {
    const pieces = lines.map(({ sku, quantity }) => ({ sku, quantity }));
    await tx.reserveStock({ lines: pieces }).catch(() => null);
    if (lines.length === 0) return;
    const { holdKey } = await tx.holdFunds({ accountId, amount });
    await tx.captureFunds({ holdKey, payeeId: merchantAccountId, amount });
  },
});
