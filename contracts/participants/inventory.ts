import { act, confirm, defineParticipant, undo, type ActivitiesOf } from '../engine/definition';
import { event } from '../engine/events';
import type { BusinessId } from '../engine/ids';
import type { AmountAtRisk } from '../engine/money';
import { businessId, fields, listOf, whole } from '../engine/schema';
import type { Keyed } from '../engine/verdict';

/** Maximum lines of one order. */
export const linesMax = 200;

export interface StockLine {
  /** `<tenant>.<sku>`. */
  readonly sku: BusinessId;
  /** Whole pieces, ≥ 1. */
  readonly quantity: number;
}

/** Pieces that are set aside. */
export const stockAtRisk = (lines: readonly StockLine[]): readonly AmountAtRisk[] =>
  lines.map(({ sku, quantity }) => ({ kind: 'stock', sku, quantity }));

export interface ReserveStock extends Keyed {
  readonly lines: readonly StockLine[];
}
export interface StockReservation {
  /** Pieces frozen, over all lines. */
  readonly pieces: number;
}

const stockLines = {
  lines: listOf(
    fields({
      sku: businessId('Stock keeping unit, `<tenant>.<sku>`.', 'S-1001'),
      quantity: whole('Pieces.', { minimum: 1, example: 2 }),
    }),
    'One line for each SKU.',
  ),
};

/** Participant `inventory`. Every activity is safe to repeat: a key that took effect answers with its first result. */
export const inventory = defineParticipant(
  'inventory',
  {
    /**
     * Freezes stock: for each request all of its lines, or none. Undone by `releaseStock`, made final by `confirmStock`.
     *
     * @param requests each 1 to `linesMax` lines with distinct SKUs.
     * @returns refuses with OutOfStock (detail: SKU, pieces asked, pieces left), Fenced (`releaseStock` with this key
     *   came
     *   first), IdempotencyConflict (this key came before with other lines).
     */
    reserveStock: act<ReserveStock, StockReservation>({
      refusals: ['OutOfStock'],
      reserves: true,
      amounts: ({ lines }) => stockAtRisk(lines),
    }),
    /** Undoes `reserveStock` from the participant's own rows. An act that never arrived is fenced for good. */
    releaseStock: undo(),
    /** Makes a reservation a sale: frozen becomes sold. On the branch of `reserveStock`. InvariantBroken without it. */
    confirmStock: confirm(),
  },
  {
    'stock.reserved': event({
      by: ['reserveStock'],
      when: 'The pieces of all lines are frozen.',
      data: stockLines,
    }),
    'stock.released': event({
      by: ['releaseStock'],
      when: 'Frozen pieces are available again.',
      data: stockLines,
    }),
    'stock.sold': event({
      by: ['confirmStock'],
      when: 'Frozen pieces are sold.',
      data: stockLines,
    }),
  },
);
export type InventoryActivities = ActivitiesOf<typeof inventory>;
