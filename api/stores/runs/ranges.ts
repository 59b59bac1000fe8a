/** Chooses the index that a list is read from. */
import { isEnding, runStates } from '../../../contracts/engine/transaction';
import type { RunFilter } from './filter';

/** Ranges of an index, each newest first: one for each value of its column; without a column there is one range. */
export interface Ranges {
  readonly index: string;
  readonly column?: string;
  readonly values: readonly (string | number)[];
  /** Conditions of the filter that the ranges themselves say. */
  readonly says: 0 | 1;
}

const openStates = runStates.filter((state) => !isEnding(state));

/** Chooses the index with the fewest rows, as far as the filter alone shows. */
export function rangesOf(filter: RunFilter): Ranges {
  const { reference, states, currency, minAtRisk, step, reasons, early, stuck, flow, byHand } =
    filter;
  const of = (index: string, column: string, values: Ranges['values']): Ranges => ({
    index,
    column,
    values,
    says: 1,
  });
  if (reference !== undefined) return of('by_reference', 'reference', [reference]);
  if (states?.every((state) => !isEnding(state))) return of('by_state', 'state', states);
  if (stuck === true) return { ...of('by_state', 'state', openStates), says: 0 }; // An ending clears the mark.
  if (byHand) return of('by_hand_of', 'by_hand', byHand);
  if (currency !== undefined) return of('by_risk', 'at_risk_currency', [currency]);
  if (minAtRisk !== undefined)
    return { ...of('by_money_at_risk', 'has_money_at_risk', [1]), says: 0 };
  if (step !== undefined) return of('by_step', 'step', [step]);
  if (reasons) return of('by_reason', 'reason', reasons);
  if (early !== undefined) return of('by_early', 'early_status', [early]);
  if (states) return of('by_state', 'state', states);
  if (flow !== undefined) return of('by_flow', 'flow', [flow]);
  return { index: 'newest', values: [], says: 0 };
}
