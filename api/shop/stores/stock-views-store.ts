import type { BusinessId } from '../../../contracts/engine/ids';
import type { Database } from '../../stores/database';

/** Pieces of one SKU: each is available, frozen for an order, or sold. */
export interface StockView {
  readonly sku: BusinessId;
  readonly total: number;
  readonly available: number;
  readonly frozen: number;
  readonly sold: number;
  readonly asOf: Date;
}

/** Stock, read only. The tenant is part of every SKU. */
export const createStockViewsStore = (database: Database) => ({
  async find(sku: BusinessId): Promise<StockView | undefined> {
    const [view] = await database.select<StockView>(
      'SELECT sku, total, available, frozen, sold, UTC_TIMESTAMP(3) AS asOf FROM stock WHERE sku = ?',
      [sku],
    );
    return view;
  },
});
export type StockViewsStore = ReturnType<typeof createStockViewsStore>;
