import type { OrdersActivities } from '../../contracts/orders';
import type { Fence } from '../participant';
import { cancelOrder, completeOrder, createOrder } from './order-store';

/** The activities of `orders`, over the fence of its database. */
export function createOrdersActivities({ fence }: { readonly fence: Fence }): OrdersActivities {
  return {
    createOrder: (requests) => fence.act(createOrder, requests),
    cancelOrder: (requests) => fence.undo(cancelOrder, requests),
    completeOrder: (requests) => fence.confirm(completeOrder, requests),
  };
}
