/** Holds, their release, and the capture, which is the pivot of several flows. */
import type { CaptureFunds, FundsHold, HoldFunds } from '../../contracts/participants/accounts';
import { decimalOf, moneyText } from '../../contracts/engine/money';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided } from '../fence/participant';
import { release, setAside } from './holds';
import {
  bookLegs,
  broken,
  endHolds,
  lockAccounts,
  lockHolds,
  openHold,
  refused,
  shown,
  accountProblem,
  partyProblem,
  type Accounts,
  type Booking,
  type Hold,
  type Holds,
} from './money-rows';
import { moneyEvent, type AccountsEvent } from './events';

/** `holdFunds`: sets free money aside. It decides in order, on locked rows. */
export const holdFunds: ActImplementation<HoldFunds, FundsHold, AccountsEvent> = {
  content: ({ accountId, amount }) => ({ accountId, amount }),
  rows: () => 1,
  async effect(sql, requests) {
    const accounts = await lockAccounts(
      sql,
      requests.map(({ accountId }) => accountId),
    );
    const decided = requests.map((request) => decideHold(request, accounts));
    const granted = requests.filter((_, at) => decided[at]?.ok);
    await setAside(sql, granted);
    return decided;
  },
};

/** `releaseFunds`: held money becomes free again. */
export const releaseFunds: FollowUpImplementation<AccountsEvent> = {
  async effect(sql, keys) {
    const holds = await lockHolds(sql, keys);
    await release(sql, keys, holds);
    return new Map(keys.map((key) => [key, released(openHold(holds, key))] as const));
  },
};

const released = ({ account_id: accountId, currency, amount }: Hold): AccountsEvent =>
  moneyEvent('funds.released', { accountId, currency, amount });

/**
 * `captureFunds`, the pivot: consumes a hold and books both legs. A payee that stands in every request is written once.
 */
export const captureFunds: ActImplementation<CaptureFunds, null, AccountsEvent> = {
  content: ({ holdKey, payeeId, amount }) => ({ holdKey, payeeId, amount }),
  rows: () => 3, // The hold and both legs.
  consumes: {
    keyOf: ({ holdKey }) => holdKey,
    event: ({ holdKey, amount }) =>
      moneyEvent('funds.holdConsumed', {
        holdKey,
        currency: amount.currency,
        amount: String(amount.minorUnits),
      }),
  },
  async effect(sql, requests) {
    const holds = await lockHolds(
      sql,
      requests.map(({ holdKey }) => holdKey),
    );
    const payers = [...holds.values()].map((hold) => hold.account_id);
    const payees = requests.map(({ payeeId }) => payeeId);
    const accounts = await lockAccounts(sql, [...payers, ...payees]);
    const decided = requests.map((request) => decideCapture(request, holds, accounts));
    const captured = requests.filter((_, at) => decided[at]?.ok);
    await bookLegs(
      sql,
      captured.map((request) => captureOf(request, holds)),
      accounts,
    );
    await endHolds(
      sql,
      captured.map(({ holdKey }) => holdKey),
      'captured',
    );
    return decided;
  },
};

/** Subtracts the amount from the money that is left on the account. */
export function decideHold(
  request: Pick<HoldFunds, 'key' | 'accountId' | 'amount'>,
  accounts: Accounts,
): Decided<FundsHold, AccountsEvent> {
  const { key, accountId, amount } = request;
  const account = accounts.get(accountId);
  const unfit = partyProblem(account, accountId, amount);
  if (!account || unfit) return refused(key, unfit ?? '');
  const minor = BigInt(amount.minorUnits);
  if (account.left < minor) {
    const free = decimalOf({ ...amount, minorUnits: account.left });
    const detail = `${shown(accountId)}: ${moneyText(amount)} asked, ${free} free`;
    return { key, ok: false, failure: 'InsufficientFunds', detail };
  }
  account.left -= minor;
  const { currency } = amount;
  const event = moneyEvent('funds.held', { accountId, currency, amount: String(minor) });
  return { key, ok: true, result: { holdKey: key }, event };
}

function decideCapture(
  request: CaptureFunds,
  holds: Holds,
  accounts: Accounts,
): Decided<null, AccountsEvent> {
  const { key, holdKey, payeeId, amount } = request;
  const hold = holds.get(holdKey);
  if (hold?.state !== 'held')
    return broken(key, `The hold ${holdKey} is ${hold?.state ?? 'missing'}.`);
  if (hold.currency !== amount.currency || hold.amount !== String(amount.minorUnits)) {
    const those = moneyText({ ...hold, minorUnits: hold.amount });
    return broken(key, `The hold is of ${those}, not of ${moneyText(amount)}.`);
  }
  const unfit =
    payeeId === hold.account_id
      ? `${shown(payeeId)} would pay itself`
      : accountProblem(accounts.get(payeeId), payeeId, amount);
  if (unfit) return refused(key, unfit);
  const moved = { payerId: hold.account_id, payeeId, currency: hold.currency, amount: hold.amount };
  return { key, ok: true, result: null, event: moneyEvent('funds.captured', moved) };
}

function captureOf({ key, holdKey, payeeId }: CaptureFunds, holds: Holds): Booking {
  const { account_id: payerId, currency, amount } = openHold(holds, holdKey);
  return { key, op: 'act', from: 'held', payerId, payeeId, currency, minor: BigInt(amount) };
}
