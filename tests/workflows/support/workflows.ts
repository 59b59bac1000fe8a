export { orderSaga } from '../../../workflows/order-saga';
