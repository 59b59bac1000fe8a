import { act, confirm, seal, undo } from '../engine/definition';
import { event } from '../engine/events';
import type { BusinessId, StepKey } from '../engine/ids';
import { heldAmount, type Money } from '../engine/money';
import { businessId, currency, digits, stepKey } from '../engine/schema';
import type { Keyed } from '../engine/verdict';

export interface HoldFunds extends Keyed {
  /** `<tenant>.<account>`. */
  readonly accountId: BusinessId;
  readonly amount: Money;
}
export interface FundsHold {
  /** The key of the hold, as `captureFunds` wants it. */
  readonly holdKey: StepKey;
}
export interface CaptureFunds extends Keyed {
  /** The hold that is consumed, of the same transaction. */
  readonly holdKey: StepKey;
  /** Account that the money goes to, `<tenant>.<account>`. */
  readonly payeeId: BusinessId;
  readonly amount: Money;
}

export interface ReserveDebit extends Keyed {
  /** Account that pays. */
  readonly accountId: BusinessId;
  /** Account that the confirm pays. */
  readonly payeeId: BusinessId;
  readonly amount: Money;
}
export interface ReserveCredit extends Keyed {
  /** Account that gains. */
  readonly accountId: BusinessId;
  /** Account that the confirm takes from: the clearing account that the debit pays. */
  readonly sourceId: BusinessId;
  readonly amount: Money;
}

/** Participant `accounts`. Every activity is safe to repeat: a key that took effect answers with its first result. */
export const moneyOperations = {
  /**
   * Sets money of one account aside. `releaseFunds` undoes it, `captureFunds` consumes it.
   *
   * @returns refuses with InsufficientFunds (detail: account, minor units asked), AccountUnavailable (unknown, closed,
   *   or
   *   of another currency), Fenced, IdempotencyConflict.
   */
  holdFunds: act<HoldFunds, FundsHold>({
    refusals: ['InsufficientFunds', 'AccountUnavailable'],
    reserves: true,
    movesMoney: true,
    amounts: ({ amount }) => heldAmount(amount),
  }),
  /** Undoes `holdFunds`: held becomes free again. InvariantBroken after the hold was captured. */
  releaseFunds: undo(),
  /**
   * The pivot: consumes a hold and books both legs, payer and payee, in one SQL transaction.
   *
   * @returns refuses with AccountUnavailable (payee unknown, closed, or of another currency); Fenced (the hold was
   *   released); InvariantBroken (no hold, or captured before under another key); IdempotencyConflict.
   */
  captureFunds: act<CaptureFunds>({
    refusals: ['AccountUnavailable'],
    movesMoney: true,
    amounts: ({ amount }) => [{ kind: 'captured', ...amount }],
  }),
  /**
   * Try: sets money aside for one payee. Cancelled by `releaseFunds`.
   *
   * @returns refuses as `holdFunds`, with AccountUnavailable for the payee too.
   */
  reserveDebit: act<ReserveDebit>({
    refusals: ['InsufficientFunds', 'AccountUnavailable'],
    reserves: true,
    movesMoney: true,
    amounts: ({ amount }) => heldAmount(amount),
  }),
  /** Confirm: books both legs, out of what was set aside to the payee. On the branch of `reserveDebit`. */
  confirmDebit: confirm({ movesMoney: true }),
  /**
   * Try: promises an account money that a debit will bring.
   *
   * @returns refuses with AccountUnavailable, Fenced, IdempotencyConflict.
   */
  reserveCredit: act<ReserveCredit>({
    refusals: ['AccountUnavailable'],
    reserves: true,
    movesMoney: true, // The debit holds this money, so only the debit reports it as at risk.
  }),
  /** Confirm: books both legs, out of the source to the account. On the branch of `reserveCredit`. */
  confirmCredit: confirm({ movesMoney: true }),
  /** Cancel: takes the promise back. */
  cancelCredit: undo(),
  /** Answers whether the act on this branch has happened. If not, it never will. */
  sealBranch: seal(),
};

/** An amount in event data. */
export const amountFields = {
  currency: currency(),
  amount: digits('Minor units of the currency, as digits.'),
};
const ofAccount = {
  accountId: businessId('Account, `<tenant>.<account>`.', 'A-1001'),
  ...amountFields,
};
export const partyFields = {
  payerId: businessId('Account that pays, `<tenant>.<account>`.', 'A-1001'),
  payeeId: businessId('Account that is paid, `<tenant>.<account>`.', 'M-1001'),
};
const moved = { ...partyFields, ...amountFields };

export const moneyEvents = {
  'funds.held': event({
    by: ['holdFunds', 'reserveDebit'],
    when: 'Money of the account is set aside.',
    data: ofAccount,
  }),
  'funds.released': event({
    by: ['releaseFunds'],
    when: 'Money that was set aside is free again.',
    data: ofAccount,
  }),
  'funds.captured': event({
    by: ['captureFunds'],
    when: 'Money that was set aside is booked: both legs.',
    data: moved,
  }),
  'funds.holdConsumed': event({
    by: ['captureFunds'],
    when: 'A capture has consumed this hold.',
    key: '`holdKey`, the step that set the money aside: sequence 2',
    data: { holdKey: stepKey('The hold, `<gid>/<branch>`.'), ...amountFields },
  }),
  'funds.debited': event({
    by: ['confirmDebit'],
    when: 'Money that was set aside for one payee is booked: both legs.',
    data: moved,
  }),
  'funds.creditReserved': event({
    by: ['reserveCredit'],
    when: 'Money is promised to the account.',
    data: ofAccount,
  }),
  'funds.credited': event({
    by: ['confirmCredit'],
    when: 'Promised money is booked: both legs.',
    data: ofAccount,
  }),
  'funds.creditReleased': event({
    by: ['cancelCredit'],
    when: 'The promise is taken back.',
    data: ofAccount,
  }),
};
