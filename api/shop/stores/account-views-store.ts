import type { BusinessId, Gid } from '../../../contracts/engine/ids';
import type { Currency } from '../../../contracts/engine/money';
import type { Database } from '../../stores/database';
import { together } from '../../stores/together';

/** What a start asks of an account that it names. */
export interface AccountStanding {
  readonly accountId: BusinessId;
  readonly currency: Currency;
  readonly status: 'open' | 'closed';
}

export interface AccountView extends AccountStanding {
  readonly kind: 'customer' | 'merchant' | 'clearing' | 'external';
  /** Free, and set aside beside it: digits. */
  readonly balance: string;
  readonly held: string;
  readonly asOf: Date;
}

/** One leg of what was booked. */
export interface EntryView {
  /** Digits; rises. */
  readonly entryId: string;
  readonly gid: Gid;
  readonly step: string;
  readonly currency: Currency;
  /** Digits with their sign: what the account gained. */
  readonly amount: string;
  readonly at: Date;
}

/** Accounts and their entries, read only. The tenant is part of every id. */
export function createAccountViewsStore(database: Database) {
  const standingOf = together((accountIds: readonly BusinessId[]) =>
    standingsOf(database, accountIds),
  );
  return {
    async find(accountId: BusinessId): Promise<AccountView | undefined> {
      const [view] = await database.select<AccountView>(
        `SELECT id AS accountId, kind, currency, status, CAST(balance AS CHAR) AS balance,
           CAST(held AS CHAR) AS held, UTC_TIMESTAMP(3) AS asOf
         FROM accounts WHERE id = ?`,
        [accountId],
      );
      return view;
    },

    /** Status of accounts of customers and merchants. Callers cannot see the accounts of the books themselves. */
    async standings(accountIds: readonly BusinessId[]): Promise<readonly AccountStanding[]> {
      const found = await Promise.all(accountIds.map(standingOf));
      return found.filter((standing) => standing !== undefined);
    },

    /** Entries of an account, newest first, from behind `before`. */
    entries: (
      accountId: BusinessId,
      limit: number,
      before = '18446744073709551615',
    ): Promise<readonly EntryView[]> =>
      database.select<EntryView>(
        `SELECT CAST(id AS CHAR) AS entryId, gid, branch AS step, currency, CAST(amount AS CHAR) AS amount,
           created_at AS at
         FROM ledger_entries WHERE account_id = ? AND id < CAST(? AS UNSIGNED) ORDER BY id DESC LIMIT ?`,
        [accountId, before, limit],
      ),
  };
}

/** The standing of each account; `undefined`: there is no such account of a customer or merchant. */
async function standingsOf(
  database: Database,
  accountIds: readonly BusinessId[],
): Promise<readonly (AccountStanding | undefined)[]> {
  const rows = await database.select<AccountStanding>(
    `SELECT id AS accountId, currency, status FROM accounts
     WHERE id IN (?) AND kind IN ('customer', 'merchant')`,
    [accountIds],
  );
  return accountIds.map((id) => rows.find(({ accountId }) => accountId === id));
}

export type AccountViewsStore = ReturnType<typeof createAccountViewsStore>;
