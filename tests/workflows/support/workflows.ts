export { orderSaga } from '../../../workflows/order-saga';
export { kernelPlans } from './kernel-plans';
export { orderBatch } from './order-batch';
export { unsealedOrder } from './unsealed-order';
