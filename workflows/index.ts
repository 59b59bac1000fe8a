/** The register of workflow types: a name, once used, stays, or its open runs are stranded. */
export { checkout } from './checkout';
export { orderSaga } from './order-saga';
export { payment } from './payment';
export { reconcile } from './reconcile';
export { recover } from './recover';
export { refund } from './refund';
export { regionFailback } from './region-failback';
export { regionFailover } from './region-failover';
export { regionWatch } from './region-watch';
export { retention } from './retention';
export { settlement } from './settlement';
export { settleDay } from './settlement-schedule';
export { transfer } from './transfer';
