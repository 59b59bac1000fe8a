/** The receiving side of a TCC participant: the try promises money to an account, and the confirm pays it. */
import type { ReserveCredit } from '../../contracts/participants/accounts';
import { stepKeyOf, type BusinessId, type StepKey } from '../../contracts/engine/ids';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided, SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf, expectRows } from '../fence/set-statements';
import {
  bookLegs,
  lockAccounts,
  namesOf,
  refused,
  shown,
  accountProblem,
  partyProblem,
  type Accounts,
} from './money-rows';
import { moneyEvent, type AccountsEvent } from './events';

interface Credit {
  readonly gid: string;
  readonly branch: string;
  readonly account_id: BusinessId;
  readonly source_id: BusinessId;
  readonly currency: string;
  /** BIGINT, as digits. */
  readonly amount: string;
  readonly state: 'reserved' | 'credited' | 'released';
}
type Credits = ReadonlyMap<StepKey, Credit>;

/** `reserveCredit`: sets nothing aside. It refuses whatever may be refused, because a confirm cannot refuse. */
export const reserveCredit: ActImplementation<ReserveCredit, null, AccountsEvent> = {
  content: ({ accountId, sourceId, amount }) => ({ accountId, sourceId, amount }),
  rows: () => 2,
  async effect(sql, requests) {
    const accounts = await lockAccounts(
      sql,
      requests.flatMap(({ accountId, sourceId }) => [accountId, sourceId]),
    );
    const decided = requests.map((request) => decideCredit(request, accounts));
    await insertCredits(
      sql,
      requests.filter((_, at) => decided[at]?.ok),
    );
    return decided;
  },
};

/** `confirmCredit`: pays from the source, which may be below zero until its own debit is confirmed. */
export const confirmCredit: FollowUpImplementation<AccountsEvent> = {
  async effect(sql, keys) {
    const credits = await lockCredits(sql, keys);
    const bookings = keys.map((key) => {
      const { account_id: payeeId, source_id: payerId, currency, amount } = reserved(credits, key);
      const minor = BigInt(amount);
      return { key, op: 'confirm', from: 'balance', payerId, payeeId, currency, minor } as const;
    });
    const accounts = await lockAccounts(
      sql,
      bookings.flatMap(({ payerId, payeeId }) => [payerId, payeeId]),
    );
    await bookLegs(sql, bookings, accounts);
    await endCredits(sql, keys, 'credited');
    return eventsOf('funds.credited', keys, credits);
  },
};

/** `cancelCredit`: takes the promise back. */
export const cancelCredit: FollowUpImplementation<AccountsEvent> = {
  async effect(sql, keys) {
    const credits = await lockCredits(sql, keys);
    for (const key of keys) reserved(credits, key);
    await endCredits(sql, keys, 'released');
    return eventsOf('funds.creditReleased', keys, credits);
  },
};

function decideCredit(request: ReserveCredit, accounts: Accounts): Decided<null, AccountsEvent> {
  const { key, accountId, sourceId, amount } = request;
  const unfit =
    accountId === sourceId
      ? `${shown(accountId)} would pay itself`
      : (partyProblem(accounts.get(accountId), accountId, amount) ??
        accountProblem(accounts.get(sourceId), sourceId, amount));
  if (unfit) return refused(key, unfit);
  const { currency, minorUnits } = amount;
  const event = moneyEvent('funds.creditReserved', {
    accountId,
    currency,
    amount: String(minorUnits),
  });
  return { key, ok: true, result: null, event };
}

const eventsOf = (
  type: 'funds.credited' | 'funds.creditReleased',
  keys: readonly StepKey[],
  credits: Credits,
): ReadonlyMap<StepKey, AccountsEvent> =>
  new Map(
    keys.map((key) => {
      const { account_id: accountId, currency, amount } = reserved(credits, key);
      return [key, moneyEvent(type, { accountId, currency, amount })] as const;
    }),
  );

async function lockCredits(sql: SqlTransaction, keys: readonly StepKey[]): Promise<Credits> {
  const credits = new Map<StepKey, Credit>();
  for (const effects of chunksOf(namesOf([...keys].sort()))) {
    const rows = await sql.select<Credit>(
      `SELECT gid, branch, account_id, source_id, currency, amount, state
         FROM credits FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?) ORDER BY gid, branch FOR UPDATE`,
      [effects],
    );
    for (const row of rows) credits.set(stepKeyOf(row.gid, row.branch), row);
  }
  return credits;
}

/** @throws if a promise is open by the fence, but not in the table. Then the whole set is rolled back. */
function reserved(credits: Credits, key: StepKey): Credit {
  const credit = credits.get(key);
  if (credit?.state !== 'reserved') {
    throw new Error(`The credit ${key} is ${credit?.state ?? 'missing'}.`);
  }
  return credit;
}

async function insertCredits(
  sql: SqlTransaction,
  requests: readonly ReserveCredit[],
): Promise<void> {
  const rows = requests.map(({ key, accountId, sourceId, amount }) => {
    const { gid, branch } = effectOf(key);
    return [gid, branch, accountId, sourceId, amount.currency, amount.minorUnits];
  });
  for (const values of chunksOf(rows)) {
    await sql.change(
      'INSERT INTO credits (gid, branch, account_id, source_id, currency, amount) VALUES ?',
      [values],
    );
  }
}

async function endCredits(
  sql: SqlTransaction,
  keys: readonly StepKey[],
  state: 'credited' | 'released',
): Promise<void> {
  for (const effects of chunksOf(namesOf([...keys].sort()))) {
    const changed = await sql.change(
      'UPDATE credits FORCE INDEX (PRIMARY) SET state = ? WHERE (gid, branch) IN (?)',
      [state, effects],
    );
    expectRows('credits', changed, effects.length);
  }
}
