/** What holds of stock at any moment. */
import { stockAgainstReservations, stockSumsAgainstReservations } from './identities';
import {
  againstFence,
  countFence,
  countOf,
  newAgainstFence,
  newEffects,
  onlyInFence,
  type Oracle,
} from '../oracle';
import { stockSums } from '../settled-sums';

const stockStates = { open: 'frozen', done: 'sold', back: 'released' };

export const inventoryOracles: readonly Oracle[] = [
  {
    id: 'D',
    name: 'stock is what its reservations say',
    databases: ['inventory'],
    whole: { sql: stockAgainstReservations, counted: countOf('stock') },
    lately: (window) => ({
      keys: `SELECT DISTINCT b.sku AS id FROM ${newEffects(window)} f
               STRAIGHT_JOIN reservations b ON b.gid = f.gid AND b.branch = f.branch`,
      sums: stockSums,
      counted: countFence(window),
    }),
  },
  {
    id: 'D3',
    name: 'a settled sum of stock is the sum of its reservations',
    databases: ['inventory'],
    whole: { sql: stockSumsAgainstReservations, counted: countOf('stock_sums') },
    lately: null,
  },
  {
    id: 'J',
    name: 'reserved stock is what the fence says',
    databases: ['inventory'],
    whole: {
      sql: `${againstFence('reservations', stockStates)} UNION ALL ${onlyInFence('fence', 'reservations')}`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `${newAgainstFence(window, 'reservations', stockStates)}
            UNION ALL ${onlyInFence(newEffects(window), 'reservations')}`,
      counted: countFence(window),
    }),
  },
];
