import { act, retriableAct } from '../engine/definition';
import { event } from '../engine/events';
import type { BusinessId, Gid, Tenant } from '../engine/ids';
import type { Currency } from '../engine/money';
import type { TransactionInput } from '../engine/transaction';
import { businessId, currency, digits, text, whole } from '../engine/schema';
import type { Keyed } from '../engine/verdict';

/** Maximum rows of one page. Each page is one SQL transaction. */
export const settlementPageRows = 1_000;
/** Maximum pages of one settlement. The remaining movements go to the next settlement, as late payments do. */
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
 * Settlements, in the database `accounts`. They settle the movements of merchant accounts (table `merchant_movements`,
 * written with the ledger entry). Each movement belongs to one settlement for good.
 */
export const settlementOperations = {
  /**
   * Pivot: writes the settlement, once for a tenant, currency and day. Throws retryable NotYet before the day is over.
   */
  openSettlement: act<OpenSettlement>(),
  /**
   * Claims the oldest unsettled movements up to the end of the day, and adds them to the positions of the merchants.
   */
  claimSettlementPage: retriableAct<ClaimSettlementPage, { readonly claimed: number }>(),
  /** Nets the positions and closes the settlement. From now on its report is final. */
  closeSettlement: retriableAct<CloseSettlement>(),
};

/** One settlement of a day: the movements of one tenant in one currency. */
export interface SettlementScope {
  readonly tenant: string;
  readonly currency: Currency;
}

/** Job `settleDay`: settles every currency of every tenant with unsettled movements up to the end of the day. */
export interface SettleDayInput {
  /** UTC, `2026-11-20`; `null`: yesterday. */
  readonly day: string | null;
}

export interface SettleDayReport {
  readonly day: string;
  /** Settlements that were started, or found running: at most `settlementsListedMax` of them. */
  readonly settlements: readonly Gid[];
  /** Number of settlements that were started, or found running. */
  readonly count: number;
  /** `false`: something was left out. The settlement of the next day takes its movements. */
  readonly isComplete: boolean;
}

export const settlementsListedMax = 500;

/** Activities of the job `settleDay`. Registered as `reconciliation.*`: open runs of the job know these names. */
export interface SettleDayActivities {
  /** One page of tenants and currencies with unsettled movements up to the end of the day. */
  settlementsDue(request: {
    readonly day: string;
    readonly after: SettlementScope | null;
    readonly rows: number;
  }): Promise<{
    readonly due: readonly SettlementScope[];
    readonly next: SettlementScope | null;
  }>;
  /**
   * Writes the row of the settlement, unless it exists, and marks it as sent in either case.
   * @returns the input of its run; `null`: the settlement has ended.
   */
  acceptSettlement(
    request: SettlementScope & { readonly day: string; readonly deadlineAt: number },
  ): Promise<{ readonly gid: Gid; readonly input: object } | null>;
}

const settlementId = businessId('Settlement, `<tenant>.<currency>-<day>`.', 'EUR-2026-11-20');

export const settlementEvents = {
  'settlement.opened': event({
    by: ['openSettlement'],
    when: 'The settlement of one currency and day of a tenant is written.',
    data: { settlementId, currency: currency(), day: text('Day, UTC.', '2026-11-20') },
  }),
  'settlement.pageClaimed': event({
    by: ['claimSettlementPage'],
    when: 'A page of movements belongs to the settlement.',
    data: {
      settlementId,
      page: whole('Number of the page, from 1.', { minimum: 1 }),
      claimed: whole('Movements of the page.', { example: 1_000 }),
    },
  }),
  'settlement.closed': event({
    by: ['closeSettlement'],
    when: 'The report of the settlement is final.',
    data: {
      settlementId,
      movements: digits('Number of movements, as digits.', '1204'),
      credited: digits('Minor units that merchants got, as digits.', '1250000'),
      debited: digits('Minor units that merchants gave, as digits.', '4200'),
    },
  }),
};
