import { order as orderFlow } from '../../../contracts/flows/order';
import { runFlow } from '../../../workflows/kernel/flow';
import { orderRun } from '../../../workflows/flows/order';

/** The order of a later build: some items wait a moment more before they ask, so that they ask in another order. */
export const orderSaga = runFlow(orderFlow, {
  ...orderRun,
  async run(tx, order) {
    if (order.gid.endsWith('-a')) await Promise.resolve();
    await orderRun.run(tx, order);
  },
});
