/** The register of workflow types. A used name stays, or its open runs could not continue. */
export { checkout } from './flows/checkout';
export { orderSaga } from './flows/order';
export { payment } from './flows/payment';
export { reconcile } from './jobs/reconcile';
export { recover } from './jobs/recover';
export { refund } from './flows/refund';
export { regionFailback } from './regions/failback';
export { regionFailover } from './regions/failover';
export { regionWatch } from './regions/watch';
export { retention } from './jobs/retention';
export { settlement } from './flows/settlement';
export { settleDay } from './flows/settle-day';
export { transfer } from './flows/transfer';
