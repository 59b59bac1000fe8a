/**
 * Money in MySQL. `balance` is free, `held` is set aside, both together are the sum of the account's ledger entries; a
 * hold only moves money between the two, so it has no entry. Rows are locked in one order: holds, accounts by id.
 */
import type { CaptureFunds, FundsHold, HoldFunds } from '../../contracts/accounts';
import { topics } from '../../contracts/events';
import { partsOfBusinessId, stepKeyOf, type BusinessId, type StepKey } from '../../contracts/ids';
import type { Money } from '../../contracts/money';
import type { ActSpec, Decided, FollowUpSpec, OutboxEvent, SqlTransaction } from '../participant';
import { chunksOf, effectOf, expectRows } from '../set-statements';

interface Account {
  readonly id: BusinessId;
  readonly kind: 'customer' | 'merchant' | 'clearing' | 'external';
  readonly currency: string;
  readonly status: 'open' | 'closed';
  /** Free money that the set has not given away yet. */
  left: bigint;
}
type Accounts = ReadonlyMap<BusinessId, Account>;

interface Hold {
  readonly gid: string;
  readonly branch: string;
  readonly account_id: BusinessId;
  readonly currency: string;
  /** BIGINT, as digits. */
  readonly amount: string;
  readonly state: 'held' | 'captured' | 'released';
}
type Holds = ReadonlyMap<StepKey, Hold>;

/** What an account gains, free and held. */
interface Delta {
  balance: bigint;
  held: bigint;
}

/** `holdFunds`: free money is set aside. Decided in order, on locked rows. */
export const holdFunds: ActSpec<HoldFunds, FundsHold> = {
  activity: 'accounts.holdFunds',
  reserves: true,
  refusals: 'recorded',
  content: ({ accountId, amount }) => ({ accountId, amount }),
  amounts: ({ amount }) => [{ kind: 'hold', ...amount }],
  rows: () => 1,
  async effect(sql, requests) {
    const accounts = await lockAccounts(
      sql,
      requests.map(({ accountId }) => accountId),
    );
    const decided = requests.map((request) => decideHold(request, accounts));
    const granted = requests.filter((_, at) => decided[at]?.ok);
    const deltas = new Deltas();
    for (const { accountId, amount } of granted) {
      const minor = BigInt(amount.minorUnits);
      deltas.add(accountId, { balance: -minor, held: minor });
    }
    await moveMoney(sql, deltas);
    await insertHolds(sql, granted);
    return decided;
  },
};

/** `releaseFunds`: what was held is free again. */
export const releaseFunds: FollowUpSpec = {
  activity: 'accounts.releaseFunds',
  async effect(sql, keys) {
    const holds = await lockHolds(sql, keys);
    const deltas = new Deltas();
    const events = new Map<StepKey, OutboxEvent>();
    for (const key of keys) {
      const { account_id, currency, amount } = openHold(holds, key);
      deltas.add(account_id, { balance: BigInt(amount), held: -BigInt(amount) });
      events.set(key, moneyEvent('funds.released', { accountId: account_id, currency, amount }));
    }
    await lockAccounts(sql, deltas.accountIds());
    await moveMoney(sql, deltas);
    await endHolds(sql, keys, 'released');
    return events;
  },
};

/** `captureFunds`, the pivot: consumes a hold and books both legs. A payee that stands in every request is written once. */
export const captureFunds: ActSpec<CaptureFunds, null> = {
  activity: 'accounts.captureFunds',
  reserves: false,
  refusals: 'recorded',
  content: ({ holdKey, payeeId, amount }) => ({ holdKey, payeeId, amount }),
  amounts: ({ amount }) => [{ kind: 'captured', ...amount }],
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
    await book(sql, captured, holds);
    await endHolds(
      sql,
      captured.map(({ holdKey }) => holdKey),
      'captured',
    );
    return decided;
  },
};

/** Takes the amount out of what is left of the account. Only the outside world may go below zero. */
function decideHold(request: HoldFunds, accounts: Accounts): Decided<FundsHold> {
  const { key, accountId, amount } = request;
  const account = accounts.get(accountId);
  const unfit = unfitness(account, accountId, amount);
  if (!account || unfit) return refused(key, unfit ?? '');
  const minor = BigInt(amount.minorUnits);
  if (account.kind !== 'external' && account.left < minor) {
    const detail = `${shown(accountId)}: ${amount.minorUnits} ${amount.currency} asked`;
    return { key, ok: false, failure: 'InsufficientFunds', detail };
  }
  account.left -= minor;
  const { currency } = amount;
  const event = moneyEvent('funds.held', { accountId, currency, amount: String(minor) });
  return { key, ok: true, result: { holdKey: key }, event };
}

function decideCapture(request: CaptureFunds, holds: Holds, accounts: Accounts): Decided<null> {
  const { key, holdKey, payeeId, amount } = request;
  const hold = holds.get(holdKey);
  if (hold?.state !== 'held')
    return broken(key, `The hold ${holdKey} is ${hold?.state ?? 'missing'}.`);
  if (hold.currency !== amount.currency || hold.amount !== String(amount.minorUnits)) {
    return broken(key, `The hold is of ${hold.amount} ${hold.currency}, not of the amount asked.`);
  }
  const unfit =
    payeeId === hold.account_id
      ? `${shown(payeeId)} would pay itself`
      : unfitness(accounts.get(payeeId), payeeId, amount);
  if (unfit) return refused(key, unfit);
  const moved = { payerId: hold.account_id, payeeId, currency: hold.currency, amount: hold.amount };
  return { key, ok: true, result: null, event: moneyEvent('funds.captured', moved) };
}

/** Why an account cannot take part in moving this money; `undefined`: it can. */
function unfitness(
  account: Account | undefined,
  accountId: BusinessId,
  { currency }: Money,
): string | undefined {
  if (!account) return `${shown(accountId)} is unknown`;
  if (account.status !== 'open') return `${shown(accountId)} is closed`;
  if (account.currency !== currency) return `${shown(accountId)} is not in ${currency}`;
  return undefined;
}

const refused = (key: StepKey, detail: string): Decided<never> => ({
  key,
  ok: false,
  failure: 'AccountUnavailable',
  detail,
});

const broken = (key: StepKey, detail: string): Decided<never> => ({
  key,
  ok: false,
  failure: 'InvariantBroken',
  detail,
});

/** For the eyes of the tenant's customer: the id without its tenant. */
const shown = (accountId: BusinessId): string => partsOfBusinessId(accountId)?.id ?? accountId;

const moneyEvent = (type: string, data: object): OutboxEvent => ({
  topic: topics.accounts,
  type,
  data,
});

/** Locks the rows in key order: two sets that overlap wait for each other and never form a circle. */
async function lockAccounts(
  sql: SqlTransaction,
  accountIds: readonly BusinessId[],
): Promise<Accounts> {
  const accounts = new Map<BusinessId, Account>();
  for (const ids of chunksOf([...new Set(accountIds)].sort())) {
    const rows = await sql.select<Omit<Account, 'left'> & { readonly balance: string }>(
      `SELECT id, kind, currency, status, balance
         FROM accounts FORCE INDEX (PRIMARY) WHERE id IN (?) ORDER BY id FOR UPDATE`,
      [ids],
    );
    for (const { balance, ...row } of rows) {
      accounts.set(row.id, { ...row, left: BigInt(balance) });
    }
  }
  return accounts;
}

async function lockHolds(sql: SqlTransaction, keys: readonly StepKey[]): Promise<Holds> {
  const holds = new Map<StepKey, Hold>();
  for (const effects of chunksOf(namesOf([...keys].sort()))) {
    const rows = await sql.select<Hold>(
      `SELECT gid, branch, account_id, currency, amount, state
         FROM holds FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?) ORDER BY gid, branch FOR UPDATE`,
      [effects],
    );
    for (const row of rows) holds.set(stepKeyOf(row.gid, row.branch), row);
  }
  return holds;
}

/** @throws where the fence says that a hold is open and the table does not: the whole set is taken back. */
function openHold(holds: Holds, key: StepKey): Hold {
  const hold = holds.get(key);
  if (hold?.state !== 'held') throw new Error(`The hold ${key} is ${hold?.state ?? 'missing'}.`);
  return hold;
}

async function insertHolds(sql: SqlTransaction, requests: readonly HoldFunds[]): Promise<void> {
  const rows = requests.map(({ key, accountId, amount }) => {
    const { gid, branch } = effectOf(key);
    return [gid, branch, accountId, amount.currency, amount.minorUnits];
  });
  for (const values of chunksOf(rows)) {
    await sql.change('INSERT INTO holds (gid, branch, account_id, currency, amount) VALUES ?', [
      values,
    ]);
  }
}

async function endHolds(
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

/** Both legs of each capture: out of what the payer has set aside, into what the payee is free to use. */
async function book(
  sql: SqlTransaction,
  captures: readonly CaptureFunds[],
  holds: Holds,
): Promise<void> {
  const deltas = new Deltas();
  const entries: unknown[][] = [];
  for (const { key, holdKey, payeeId } of captures) {
    const { gid, branch } = effectOf(key);
    const { account_id: payerId, currency, amount } = openHold(holds, holdKey);
    const minor = BigInt(amount);
    deltas.add(payerId, { balance: 0n, held: -minor });
    deltas.add(payeeId, { balance: minor, held: 0n });
    entries.push([gid, branch, 'act', payerId, currency, -minor]);
    entries.push([gid, branch, 'act', payeeId, currency, minor]);
  }
  await moveMoney(sql, deltas);
  for (const values of chunksOf(entries)) {
    await sql.change(
      'INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount) VALUES ?',
      [values],
    );
  }
}

/** Sums by account: in a JOIN a key that stands twice is applied once. */
class Deltas {
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
 * One relative update for many rows, which are locked already. Every column has its CHECK; what the JOIN would pass over
 * in silence is a missing key, so the rows are counted. Deltas are integers: digits in a string would make them DOUBLE.
 */
async function moveMoney(sql: SqlTransaction, deltas: Deltas): Promise<void> {
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

const namesOf = (keys: readonly StepKey[]): readonly (readonly [string, string])[] =>
  keys.map((key) => {
    const { gid, branch } = effectOf(key);
    return [gid, branch];
  });
