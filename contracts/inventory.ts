import type { BusinessId } from './ids';
import type { Keyed, SetActivity } from './verdict';

/** Lines of one order, at most. */
export const linesMax = 200;

export interface StockLine {
  /** `<tenant>.<sku>`. */
  readonly sku: BusinessId;
  /** Whole pieces, ≥ 1. */
  readonly quantity: number;
}

export interface ReserveStock extends Keyed {
  readonly lines: readonly StockLine[];
}
export interface StockReservation {
  /** Pieces frozen, over all lines. */
  readonly pieces: number;
}

/** Participant `inventory`. Every activity is safe to repeat: a key that took effect answers with its first result. */
export interface InventoryActivities {
  /**
   * Freezes stock: for each request all of its lines, or none. Undone by `releaseStock`, made final by `confirmStock`.
   *
   * @param requests each 1 to `linesMax` lines with distinct SKUs.
   * @returns refuses with OutOfStock (detail: SKU, pieces asked, pieces left), Fenced (`releaseStock` with this key came
   *   first), IdempotencyConflict (this key came before with other lines).
   */
  reserveStock: SetActivity<ReserveStock, StockReservation>;
  /** Undoes `reserveStock` from the participant's own rows; an act that never came is fenced for good. */
  releaseStock: SetActivity<Keyed, null>;
  /** Makes a reservation a sale: frozen becomes sold. On the branch of `reserveStock`. InvariantBroken without it. */
  confirmStock: SetActivity<Keyed, null>;
}
