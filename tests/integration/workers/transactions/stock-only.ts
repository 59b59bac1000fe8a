import { inventory } from '../../../../contracts/participants/inventory';
import type { OrderSagaInput } from '../../../../contracts/flows/order';
import { defineFlow } from '../../../../contracts/engine/flow-definition';
import { tcc } from '../../../../contracts/engine/steps';
import { runFlow } from '../../../../workflows/kernel/flow';

export { orderSaga } from '../../../../workflows/flows/order';

/** A transaction without a pivot of its own: the branch `decide` in `accord` decides it. */
const flow = defineFlow<OrderSagaInput>()({
  name: 'order',
  workflow: 'stockOnly',
  steps: {
    stock: tcc({
      try: inventory.reserveStock,
      confirm: inventory.confirmStock,
      cancel: inventory.releaseStock,
    }),
  },
});

export const stockOnly = runFlow(flow, {
  async run(tx, { lines }) {
    await tx.stock({ lines });
  },
});
