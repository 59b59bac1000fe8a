/** The business of every arm but Accord's: two branches, each with its own SQL transaction, in tables of its own. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { isAnswer, openConnection, openSessions, type Session } from '../../../runtime/mysql/door';
import { administration } from '../../../runtime/mysql/session';
import type { Played } from '../load/caller';
import { payerNames } from '../load/world';
import type { Ground, Transfer, Wrong } from './arm';

/** Each of these is safe to repeat: the entry of a branch is there once. */
export interface Bank {
  readonly debit: (transfer: Transfer) => Promise<void>;
  readonly credit: (transfer: Transfer) => Promise<void>;
  /** Takes the debit back. */
  readonly undoDebit: (transfer: Transfer) => Promise<void>;
  close(): Promise<void>;
}

/** The payer has not so much. */
export class InsufficientFunds extends Error {
  override readonly name = 'InsufficientFunds';
}

/** As many as a pool of Accord's worker has; all arms together stay below the 400 that MySQL takes. */
const connections = 40;
const duplicateKey = 1062;

export function openBank(url: string): Bank {
  const sessions = openSessions({
    ...{ url, connectionLimit: connections, keep: 2, connectMs: 10_000 },
    session: administration,
  });

  async function book(branch: string, { id, amount }: Transfer, account: string, sign: 1 | -1) {
    const session = await sessions.acquire();
    try {
      await bookIn(session, branch, { id, account, amount: sign * amount });
      session.release();
    } catch (error) {
      if (isAnswer(error) || error instanceof InsufficientFunds) session.release();
      else session.destroy();
      throw error;
    }
  }
  return {
    debit: (transfer) => book('debit', transfer, transfer.from, -1),
    credit: (transfer) => book('credit', transfer, transfer.to, 1),
    undoDebit: (transfer) => book('undo', transfer, transfer.from, 1),
    close: () => sessions.close(),
  };
}

async function bookIn(
  session: Session,
  branch: string,
  {
    id,
    account,
    amount,
  }: { readonly id: string; readonly account: string; readonly amount: number },
): Promise<void> {
  await session.query('START TRANSACTION');
  try {
    await session.query(
      'INSERT INTO entries (transfer_id, branch, account_id, amount) VALUES (?, ?, ?, ?)',
      [id, branch, account, amount],
    );
    const answer = await session.query(
      'UPDATE accounts SET balance = balance + ? WHERE id = ? AND (balance + ? >= 0)',
      [amount, account, amount],
    );
    if ((answer as { affectedRows: number }).affectedRows !== 1) {
      throw new InsufficientFunds(`${account} has less than ${-amount}.`);
    }
    await session.query('COMMIT');
  } catch (error) {
    await session.query('ROLLBACK');
    if (!isAnswer(error) || error.errno !== duplicateKey) throw error; // Else it was done before.
  }
}

const outside = 'outside';
const openingBalance = 1_000_000_000;

/** The tables of one arm, for the administrator of the server. */
export interface Books {
  /** Address for the services of the arm. */
  readonly url: string;
  check(played: readonly Played[]): Promise<readonly Wrong[]>;
}

/** Dropped at the end. @param database new; its accounts have money, and together nothing: it comes from one account below zero. */
export async function createBooks(
  adminUrl: string,
  database: string,
  atEnd: Ground['atEnd'],
): Promise<Books> {
  const admin = await openConnection({ url: adminUrl, supportBigNumbers: true });
  atEnd(() => admin.end());
  await admin.query(`CREATE DATABASE \`${database}\``);
  atEnd(() => admin.query(`DROP DATABASE \`${database}\``));
  await admin.query(`USE \`${database}\``);
  await admin.query(
    `CREATE TABLE accounts (id VARBINARY(96) NOT NULL, balance BIGINT NOT NULL, PRIMARY KEY (id)) ENGINE=InnoDB`,
  );
  await admin.query(
    `CREATE TABLE entries (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, transfer_id VARBINARY(128) NOT NULL,
       branch VARBINARY(16) NOT NULL, account_id VARBINARY(96) NOT NULL, amount BIGINT NOT NULL,
       PRIMARY KEY (id), UNIQUE KEY one_branch (transfer_id, branch)) ENGINE=InnoDB`,
  );
  const rows = payerNames.map((id) => [id, openingBalance]);
  await admin.query('INSERT INTO accounts (id, balance) VALUES ?', [
    [[outside, -openingBalance * payerNames.length], ...rows],
  ]);
  const url = new URL(adminUrl);
  url.pathname = `/${database}`;
  return {
    url: url.toString(),
    check: (played) => wrongIn(admin, played),
  };
}

async function wrongIn(admin: Connection, played: readonly Played[]): Promise<readonly Wrong[]> {
  const one = async (sql: string): Promise<number> => {
    const [[row]] = await admin.query<(RowDataPacket & { n: number | string })[]>(sql);
    return Number(row?.n ?? 0);
  };
  const [rows] = await admin.query<
    (RowDataPacket & { id: string; entries: number; sum: string })[]
  >(
    `SELECT CAST(transfer_id AS CHAR) AS id, COUNT(*) AS entries, SUM(amount) AS sum
       FROM entries GROUP BY transfer_id`,
  );
  const answered = new Set(played.flatMap(({ gid }) => gid ?? []));
  const booked = new Set(rows.map(({ id }) => id));
  return [
    {
      name: 'sum of all accounts',
      count: Math.abs(await one('SELECT SUM(balance) AS n FROM accounts')),
    },
    {
      name: 'transfers without exactly two entries that sum to zero',
      count: rows.filter(({ entries, sum }) => entries !== 2 || Number(sum) !== 0).length,
    },
    {
      name: 'answered, and not booked',
      count: [...answered].filter((id) => !booked.has(id)).length,
    },
    {
      name: 'booked, and not answered',
      count: [...booked].filter((id) => !answered.has(id)).length,
    },
    {
      name: 'accounts that are not what their entries say',
      count: await one(
        `SELECT COUNT(*) AS n FROM accounts a LEFT JOIN
           (SELECT account_id, SUM(amount) AS moved FROM entries GROUP BY account_id) e ON e.account_id = a.id
           WHERE a.id <> '${outside}' AND a.balance <> ${openingBalance} + COALESCE(e.moved, 0)`,
      ),
    },
  ];
}
