export {
  checkout,
  orderSaga,
  payment,
  refund,
  regionFailback,
  regionFailover,
  settlement,
  transfer,
} from '../../../workflows';
export { catchingOrder } from './catching-order';
export { kernelPlans } from './kernel-plans';
export { unsealedOrder } from './unsealed-order';
