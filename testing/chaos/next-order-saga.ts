/** The order saga of the next release: it waits a moment first, as an order that was begun by this release does not. */
import { patched, sleep } from '@temporalio/workflow';

import * as shipped from '../../workflows/flows/order';

export const { orderRun } = shipped;

export const orderSaga: typeof shipped.orderSaga = async (order) => {
  if (patched('next-release')) await sleep(1);
  return shipped.orderSaga(order);
};
