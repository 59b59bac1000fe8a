import { orders } from '../../contracts/participants/orders';
import { implement } from '../fence/implement';
import { cancelOrder, completeOrder, createOrder } from './order-store';

/** Participant `orders`, over the fence of its database. */
export const createOrders = implement(orders, { createOrder, cancelOrder, completeOrder });
