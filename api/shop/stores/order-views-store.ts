import type { BusinessId } from '../../../contracts/engine/ids';
import type { Currency } from '../../../contracts/engine/money';
import type { OrderLine, OrderStatus } from '../../../contracts/participants/orders';
import type { Database } from '../../stores/database';

/** Read model of an order; what its creation says is `null` while a later event of it came first. */
export interface OrderView {
  readonly orderId: BusinessId;
  readonly customerId: BusinessId | null;
  readonly status: OrderStatus;
  readonly currency: Currency | null;
  /** Digits. */
  readonly amountMinor: string | null;
  readonly lines: readonly OrderLine[] | null;
  readonly version: number;
  readonly asOf: Date;
}

const columns = `order_id AS orderId, customer_id AS customerId, status, currency,
  CAST(amount_minor AS CHAR) AS amountMinor, \`lines\`, version, as_of AS asOf`;

/** Views of orders, read only. The tenant is part of every id. */
export function createOrderViewsStore(database: Database) {
  return {
    async find(orderId: BusinessId): Promise<OrderView | undefined> {
      const [view] = await database.select<OrderView>(
        `SELECT ${columns} FROM order_views WHERE order_id = ?`,
        [orderId],
      );
      return view;
    },

    /** Orders of a customer by id, from behind `after`. */
    ofCustomer: (
      customerId: BusinessId,
      limit: number,
      after = '',
    ): Promise<readonly OrderView[]> =>
      database.select<OrderView>(
        `SELECT ${columns} FROM order_views WHERE customer_id = ? AND order_id > ? ORDER BY order_id LIMIT ?`,
        [customerId, after, limit],
      ),
  };
}
export type OrderViewsStore = ReturnType<typeof createOrderViewsStore>;
