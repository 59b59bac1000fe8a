/** Books the payer's leg alone; the balances move all the same. */
import * as sound from '../../../activities/accounts/money-rows';

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
    {
      select: (statement, values) => sql.select(statement, values),
      change: (statement, values = []) =>
        sql.change(
          statement,
          statement.startsWith('INSERT INTO ledger_entries')
            ? [(values[0] as readonly unknown[]).filter((_, at) => at % 2 === 0)]
            : values,
        ),
    },
    bookings,
    accounts,
  );
