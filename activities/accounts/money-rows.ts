/**
 * Rows of money in MySQL, for every store of `accounts`. `balance` is free, `held` is set aside. Both together are the
 * sum of the account's ledger entries. A hold only moves money between the two, so it has no entry.
 *
 * All code locks in one order: holds, credits, refunds, payments, accounts by id. Inserts come last.
 */
import {
  partsOfBusinessId,
  stepKeyOf,
  type BusinessId,
  type StepKey,
  type Tenant,
} from '../../contracts/engine/ids';
import type { Money } from '../../contracts/engine/money';
import type { Decided, SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf, expectRows } from '../fence/set-statements';

export interface Account {
  readonly id: BusinessId;
  readonly tenant: Tenant;
  readonly kind: 'customer' | 'merchant' | 'clearing' | 'external';
  readonly currency: string;
  readonly status: 'open' | 'closed';
  /** Free money that no request of the set has taken yet. */
  left: bigint;
}
export type Accounts = ReadonlyMap<BusinessId, Account>;

export interface Hold {
  readonly gid: string;
  readonly branch: string;
  readonly account_id: BusinessId;
  /** Account that the confirm of a debit pays; `null`: a pivot names it. */
  readonly payee_id: BusinessId | null;
  readonly currency: string;
  /** BIGINT, as digits. */
  readonly amount: string;
  readonly state: 'held' | 'captured' | 'released';
}
export type Holds = ReadonlyMap<StepKey, Hold>;

/** Change of an account: free and held money. */
interface Delta {
  balance: bigint;
  held: bigint;
}

/** Why an account cannot send or receive this money; `undefined`: it can. */
export function accountProblem(
  account: Account | undefined,
  accountId: BusinessId,
  { currency }: Money,
): string | undefined {
  if (!account) return `${shown(accountId)} is unknown`;
  if (account.status !== 'open') return `${shown(accountId)} is closed`;
  if (account.currency !== currency) return `${shown(accountId)} is not in ${currency}`;
  return undefined;
}

/**
 * The same for an account that a caller named: it must belong to a customer or a merchant. The books' own accounts
 * stand for the outside world and for money in transit. They may be below zero, so no caller may pay from them.
 */
export function partyProblem(
  account: Account | undefined,
  accountId: BusinessId,
  amount: Money,
): string | undefined {
  const isParty = account?.kind === 'customer' || account?.kind === 'merchant';
  if (account && !isParty) return `${shown(accountId)} belongs to the books alone`;
  return accountProblem(account, accountId, amount);
}

export const refused = (key: StepKey, detail: string): Decided<never> => ({
  key,
  ok: false,
  failure: 'AccountUnavailable',
  detail,
});

export const broken = (key: StepKey, detail: string): Decided<never> => ({
  key,
  ok: false,
  failure: 'InvariantBroken',
  detail,
});

/** Id for the tenant's customers: without the tenant. */
export const shown = (accountId: BusinessId): string =>
  partsOfBusinessId(accountId)?.id ?? accountId;

/** Locks the rows in key order: two sets that overlap wait for each other and never form a circle. */
export async function lockAccounts(
  sql: SqlTransaction,
  accountIds: readonly BusinessId[],
): Promise<Accounts> {
  const accounts = new Map<BusinessId, Account>();
  for (const ids of chunksOf([...new Set(accountIds)].sort())) {
    const rows = await sql.select<Omit<Account, 'left'> & { readonly balance: string }>(
      `SELECT id, tenant, kind, currency, status, balance
         FROM accounts FORCE INDEX (PRIMARY) WHERE id IN (?) ORDER BY id FOR UPDATE`,
      [ids],
    );
    for (const { balance, ...row } of rows) {
      accounts.set(row.id, { ...row, left: BigInt(balance) });
    }
  }
  return accounts;
}

export async function lockHolds(sql: SqlTransaction, keys: readonly StepKey[]): Promise<Holds> {
  const holds = new Map<StepKey, Hold>();
  for (const effects of chunksOf(namesOf([...keys].sort()))) {
    const rows = await sql.select<Hold>(
      `SELECT gid, branch, account_id, payee_id, currency, amount, state
         FROM holds FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?) ORDER BY gid, branch FOR UPDATE`,
      [effects],
    );
    for (const row of rows) holds.set(stepKeyOf(row.gid, row.branch), row);
  }
  return holds;
}

/** @throws if a hold is open by the fence, but not in the table. Then the whole set is rolled back. */
export function openHold(holds: Holds, key: StepKey): Hold {
  const hold = holds.get(key);
  if (hold?.state !== 'held') throw new Error(`The hold ${key} is ${hold?.state ?? 'missing'}.`);
  return hold;
}

/** A new hold. Its key is that of the act that sets the money aside. */
export interface NewHold {
  readonly key: StepKey;
  readonly accountId: BusinessId;
  readonly amount: Money;
  /** Account that the confirm pays. Left out: a pivot names it. */
  readonly payeeId?: BusinessId;
}

export async function insertHolds(sql: SqlTransaction, holds: readonly NewHold[]): Promise<void> {
  const rows = holds.map(({ key, accountId, amount, payeeId = null }) => {
    const { gid, branch } = effectOf(key);
    return [gid, branch, accountId, payeeId, amount.currency, amount.minorUnits];
  });
  for (const values of chunksOf(rows)) {
    await sql.change(
      'INSERT INTO holds (gid, branch, account_id, payee_id, currency, amount) VALUES ?',
      [values],
    );
  }
}

export async function endHolds(
  sql: SqlTransaction,
  keys: readonly StepKey[],
  state: 'captured' | 'released',
): Promise<void> {
  for (const effects of chunksOf(namesOf([...keys].sort()))) {
    const changed = await sql.change(
      'UPDATE holds FORCE INDEX (PRIMARY) SET state = ? WHERE (gid, branch) IN (?)',
      [state, effects],
    );
    expectRows('holds', changed, effects.length);
  }
}

/** Money that goes from one account to another: both legs. */
export interface Booking {
  readonly key: StepKey;
  /** `act` of a pivot, `confirm` of a TCC participant. */
  readonly op: 'act' | 'confirm';
  /** `held`: out of what the payer has set aside; `balance`: out of what is free. */
  readonly from: 'held' | 'balance';
  readonly payerId: BusinessId;
  readonly payeeId: BusinessId;
  readonly currency: string;
  readonly minor: bigint;
}

/**
 * Books both legs of each: balances, ledger entries, and the movements of merchant accounts, which settlements claim.
 *
 * @param accounts locked; all payers and payees are among them.
 */
export async function bookLegs(
  sql: SqlTransaction,
  bookings: readonly Booking[],
  accounts: Accounts,
): Promise<void> {
  const deltas = new Deltas();
  for (const { from, payerId, payeeId, minor } of bookings) {
    deltas.add(
      payerId,
      from === 'held' ? { balance: 0n, held: -minor } : { balance: -minor, held: 0n },
    );
    deltas.add(payeeId, { balance: minor, held: 0n });
  }
  await moveMoney(sql, deltas);
  const legs = bookings.flatMap(legsOf);
  await insertAll(
    sql,
    'INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount) VALUES ?',
    legs.map((leg) => [leg.gid, leg.branch, leg.op, leg.accountId, leg.currency, leg.amount]),
  );
  const moved = legs.flatMap((leg) => {
    const account = accounts.get(leg.accountId);
    return account?.kind === 'merchant' ? [{ ...leg, tenant: account.tenant }] : [];
  });
  await insertAll(
    sql,
    'INSERT INTO merchant_movements (gid, branch, op, account_id, tenant, currency, amount) VALUES ?',
    moved.map((leg) => [
      leg.gid,
      leg.branch,
      leg.op,
      leg.accountId,
      leg.tenant,
      leg.currency,
      leg.amount,
    ]),
  );
}

function legsOf({ key, op, payerId, payeeId, currency, minor }: Booking) {
  const effect = { ...effectOf(key), op, currency };
  return [
    { ...effect, accountId: payerId, amount: -minor },
    { ...effect, accountId: payeeId, amount: minor },
  ];
}

async function insertAll(
  sql: SqlTransaction,
  insert: string,
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  for (const values of chunksOf(rows)) await sql.change(insert, [values]);
}

/** Sums by account: a JOIN applies a repeated key only once. */
export class Deltas {
  readonly #byAccount = new Map<BusinessId, Delta>();

  add(accountId: BusinessId, { balance, held }: Readonly<Delta>): void {
    const delta = this.#byAccount.get(accountId) ?? { balance: 0n, held: 0n };
    this.#byAccount.set(accountId, { balance: delta.balance + balance, held: delta.held + held });
  }

  accountIds(): readonly BusinessId[] {
    return [...this.#byAccount.keys()];
  }

  /** Rows that really change, by account: MySQL does not count the others under every flag of the driver. */
  rows(): readonly (readonly [BusinessId, bigint, bigint])[] {
    return [...this.#byAccount]
      .filter(([, { balance, held }]) => balance !== 0n || held !== 0n)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([id, { balance, held }]) => [id, balance, held] as const);
  }
}

/**
 * One relative update of many locked rows. Every column has its CHECK. A JOIN ignores a missing key, so the changed
 * rows are counted. Deltas are integers: digits in a string would become DOUBLE.
 */
export async function moveMoney(sql: SqlTransaction, deltas: Deltas): Promise<void> {
  for (const rows of chunksOf(deltas.rows())) {
    const changed = await sql.change(
      `UPDATE (VALUES ${rows.map(() => 'ROW(?, ?, ?)').join(', ')}) AS d (id, balance, held)
         STRAIGHT_JOIN accounts a FORCE INDEX (PRIMARY) ON a.id = CAST(d.id AS BINARY)
         SET a.balance = a.balance + d.balance, a.held = a.held + d.held`,
      rows.flat(),
    );
    expectRows('accounts', changed, rows.length);
  }
}

export const namesOf = (keys: readonly StepKey[]): readonly (readonly [string, string])[] =>
  keys.map((key) => {
    const { gid, branch } = effectOf(key);
    return [gid, branch];
  });
