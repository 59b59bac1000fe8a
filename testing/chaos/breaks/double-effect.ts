/** Moves every amount twice. The key of the ledger refuses a leg that comes twice, so each comes once, with both. */
import * as sound from '../../../activities/accounts/money-rows';
import type { SqlTransaction } from '../../../activities/fence/participant';

export {
  broken,
  Deltas,
  endHolds,
  insertHolds,
  lockAccounts,
  lockHolds,
  moveMoney,
  namesOf,
  openHold,
  refused,
  shown,
  accountProblem,
  partyProblem,
} from '../../../activities/accounts/money-rows';

export const bookLegs: typeof sound.bookLegs = (sql, bookings, accounts) =>
  sound.bookLegs(
    summing(sql),
    [...bookings, ...bookings.map((booking) => ({ ...booking, from: 'balance' as const }))],
    accounts,
  );

const summing = (sql: SqlTransaction): SqlTransaction => ({
  select: (statement, values) => sql.select(statement, values),
  change: (statement, values) =>
    statement.startsWith('INSERT')
      ? sql.change(statement, [summed(values as readonly (readonly Row[])[])])
      : sql.change(statement, values),
});

type Row = readonly (string | bigint)[];

/** The amount stands last. */
function summed([rows = []]: readonly (readonly Row[])[]): readonly Row[] {
  const sums = new Map<string, Row>();
  for (const row of rows) {
    const name = JSON.stringify(row.slice(0, -1));
    const before = BigInt(sums.get(name)?.at(-1) ?? 0n);
    sums.set(name, [...row.slice(0, -1), before + BigInt(row.at(-1) ?? 0n)]);
  }
  return [...sums.values()];
}
