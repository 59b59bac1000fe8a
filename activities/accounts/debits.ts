/** The paying side of a TCC participant: the try sets money aside for one payee, and the confirm pays it. */
import type { ReserveDebit } from '../../contracts/participants/accounts';
import type { StepKey } from '../../contracts/engine/ids';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided } from '../fence/participant';
import { decideHold } from './accounts-store';
import { setAside } from './holds';
import {
  bookLegs,
  endHolds,
  lockAccounts,
  lockHolds,
  openHold,
  refused,
  shown,
  accountProblem,
  type Accounts,
  type Booking,
  type Holds,
} from './money-rows';
import { moneyEvent, type AccountsEvent } from './events';

/** `reserveDebit`: as `holdFunds`. It also checks the payee, and stores it in the hold. */
export const reserveDebit: ActImplementation<ReserveDebit, null, AccountsEvent> = {
  content: ({ accountId, payeeId, amount }) => ({ accountId, payeeId, amount }),
  rows: () => 2,
  async effect(sql, requests) {
    const accounts = await lockAccounts(
      sql,
      requests.flatMap(({ accountId, payeeId }) => [accountId, payeeId]),
    );
    const decided = requests.map((request) => decideDebit(request, accounts));
    const granted = requests.filter((_, at) => decided[at]?.ok);
    await setAside(sql, granted);
    return decided;
  },
};

/** `confirmDebit`: pays the held money to the payee. `releaseFunds` cancels it, like every hold. */
export const confirmDebit: FollowUpImplementation<AccountsEvent> = {
  async effect(sql, keys) {
    const holds = await lockHolds(sql, keys);
    const bookings = keys.map((key) => debitOf(key, holds));
    const accounts = await lockAccounts(
      sql,
      bookings.flatMap(({ payerId, payeeId }) => [payerId, payeeId]),
    );
    await bookLegs(sql, bookings, accounts);
    await endHolds(sql, keys, 'captured');
    return new Map(bookings.map((booking) => [booking.key, debited(booking)] as const));
  },
};

function decideDebit(request: ReserveDebit, accounts: Accounts): Decided<null, AccountsEvent> {
  const { key, accountId, payeeId, amount } = request;
  const unfit =
    payeeId === accountId
      ? `${shown(payeeId)} would pay itself`
      : accountProblem(accounts.get(payeeId), payeeId, amount);
  if (unfit) return refused(key, unfit);
  const hold = decideHold(request, accounts);
  return hold.ok ? { ...hold, result: null } : hold;
}

function debitOf(key: StepKey, holds: Holds): Booking {
  const { account_id: payerId, payee_id: payeeId, currency, amount } = openHold(holds, key);
  if (payeeId === null) throw new Error(`The hold ${key} names no payee.`);
  return { key, op: 'confirm', from: 'held', payerId, payeeId, currency, minor: BigInt(amount) };
}

const debited = ({ payerId, payeeId, currency, minor }: Booking): AccountsEvent =>
  moneyEvent('funds.debited', { payerId, payeeId, currency, amount: String(minor) });
