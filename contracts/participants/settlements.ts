import { act, retriableAct } from '../engine/definition';
import type { BusinessId, Tenant } from '../engine/ids';
import type { Currency } from '../engine/money';
import type { TransactionInput } from '../engine/transaction';
import type { Keyed } from '../engine/verdict';

/** Rows that one page claims, at most: one SQL transaction each. */
export const settlementPageRows = 1_000;
/** Pages of one settlement, at most; what is left then goes to the next, as a late payment does. */
export const settlementPagesMax = 1_000;

/** Flow `settlement`, workflow `settlement`: one currency and day of one tenant. */
export interface SettlementInput extends TransactionInput {
  /** `<tenant>.<currency>-<day>`. */
  readonly settlementId: BusinessId;
  readonly currency: Currency;
  /** UTC, `2026-11-20`. */
  readonly day: string;
  readonly requestedBy: string;
  /** Rows of a page; `settlementPageRows` unless a test wants many pages. */
  readonly pageRows: number;
}

export interface OpenSettlement extends Keyed {
  readonly settlementId: BusinessId;
  readonly tenant: Tenant;
  readonly currency: Currency;
  readonly day: string;
  readonly requestedBy: string;
}
export interface ClaimSettlementPage extends Keyed {
  readonly settlementId: BusinessId;
  /** From 1. */
  readonly page: number;
  readonly rows: number;
}
export interface CloseSettlement extends Keyed {
  readonly settlementId: BusinessId;
}

/**
 * Settlements, in the database `accounts`. What is settled are the movements of merchant accounts (table
 * `merchant_movements`, written with the ledger entry): each belongs to one settlement for good.
 */
export const settlementOperations = {
  /** Pivot: writes the settlement, once for a tenant, currency and day. Throws retryable NotYet before the day is over. */
  openSettlement: act<OpenSettlement>(),
  /** Claims the oldest movements up to the day's end that no settlement has, and adds them to the merchants' positions. */
  claimSettlementPage: retriableAct<ClaimSettlementPage, { readonly claimed: number }>(),
  /** Nets the positions and closes the settlement: from now on its report is final. */
  closeSettlement: retriableAct<CloseSettlement>(),
};
