/** The register of workflow types: a name, once used, stays, or its open runs are stranded. */
export { orderSaga } from './order-saga';
