/** What holds of stock at any moment. */
import { piecesOracles, stock } from './pieces';

export const inventoryOracles = piecesOracles(stock, {
  id: 'D',
  pieces: 'stock is what its reservations say',
  sum: 'a stored sum of stock is the sum of its reservations',
  fence: 'reserved stock is what the fence says',
});
