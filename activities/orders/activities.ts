import { orders } from '../../contracts/orders';
import { implement } from '../implement';
import { cancelOrder, completeOrder, createOrder } from './order-store';

/** Participant `orders`, over the fence of its database. */
export const createOrders = implement(orders, { createOrder, cancelOrder, completeOrder });
