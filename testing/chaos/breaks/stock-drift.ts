/** Sells one piece less than was frozen. */
import * as sound from '../../../activities/inventory/stock-store';

export { releaseStock, reserveStock } from '../../../activities/inventory/stock-store';

export const confirmStock: typeof sound.confirmStock = {
  ...sound.confirmStock,
  effect: (sql, keys) =>
    sound.confirmStock.effect(
      {
        select: (statement, values) => sql.select(statement, values),
        change: (statement, values = []) =>
          sql.change(
            statement,
            statement.includes('STRAIGHT_JOIN stock')
              ? values.map((value) => (typeof value === 'number' ? value - 1 : value))
              : values,
          ),
      },
      keys,
    ),
};
