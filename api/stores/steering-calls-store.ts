import { randomBytes } from 'node:crypto';

import type { Fingerprint } from '../http/idempotency';
import { isSqlError, withoutDeadlock, type Database } from './database';

/** A call by its key, as it was answered. */
export interface SteeringAnswer {
  readonly status: number;
  /** JSON, as it was sent. */
  readonly answer: string;
}

/** What became of a claim: this call acts, or another one has acted, acts now, or was about something else. */
export type SteeringClaim =
  | { readonly kind: 'claimed'; readonly claim: Buffer }
  | { readonly kind: 'answered'; readonly answer: SteeringAnswer }
  | { readonly kind: 'underWay' }
  | { readonly kind: 'differs'; readonly fields: Fingerprint['fields'] };

const keepHours = 24;
/** A call ends within `handlerMs`: a claim that is older is one of a process that has died, and is taken over. */
const claimSeconds = 30;
const forgetAtOnce = 100;

interface CallRow {
  readonly request: Buffer;
  readonly fields: unknown;
  readonly claim: Buffer;
  readonly status: number | null;
  readonly answer: string | null;
  readonly isOver: 0 | 1;
  readonly isLost: 0 | 1;
}

/** Answers of steering calls by key. Every change is a compare-and-set on the claim; times are the database's. */
export function createSteeringCallsStore(database: Database) {
  async function insert(digest: Buffer, { digest: request, fields }: Fingerprint, claim: Buffer) {
    await database.change(
      `INSERT INTO steering_calls (digest, request, fields, claim, claimed_at, expires_at)
       VALUES (?, ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL ${keepHours} HOUR)`,
      [digest, request, JSON.stringify(fields), claim],
    );
  }

  async function find(digest: Buffer): Promise<CallRow | undefined> {
    const [row] = await database.select<CallRow>(
      `SELECT request, fields, claim, status, answer, expires_at <= UTC_TIMESTAMP(3) AS isOver,
              claimed_at <= UTC_TIMESTAMP(3) - INTERVAL ${claimSeconds} SECOND AS isLost
         FROM steering_calls WHERE digest = ?`,
      [digest],
    );
    return row;
  }

  /** @returns false: another process has taken it over meanwhile. */
  async function takeOver(digest: Buffer, was: Buffer, print: Fingerprint, claim: Buffer) {
    const changed = await database.change(
      `UPDATE steering_calls SET request = ?, fields = ?, claim = ?, claimed_at = UTC_TIMESTAMP(3), status = NULL, answer = NULL,
              expires_at = UTC_TIMESTAMP(3) + INTERVAL ${keepHours} HOUR
         WHERE digest = ? AND claim = ?`,
      [print.digest, JSON.stringify(print.fields), claim, digest, was],
    );
    return changed === 1;
  }

  return {
    /** @param digest of who calls, what, and with which key. */
    async claim(digest: Buffer, print: Fingerprint): Promise<SteeringClaim> {
      await forgetOld(database);
      const claim = randomBytes(16);
      try {
        await insert(digest, print, claim);
        return { kind: 'claimed', claim };
      } catch (error) {
        if (!isSqlError(error, 'duplicate')) throw error;
      }
      const row = await find(digest);
      if (!row) return { kind: 'underWay' }; // Given back, or forgotten, in this very moment.
      const isFree = row.isOver === 1 || (row.status === null && row.isLost === 1);
      if (!isFree && !row.request.equals(print.digest)) {
        return { kind: 'differs', fields: row.fields as Fingerprint['fields'] }; // Written by `insert`.
      }
      if (!isFree) return answerOf(row);
      const isOurs = await takeOver(digest, row.claim, print, claim);
      return isOurs ? { kind: 'claimed', claim } : { kind: 'underWay' };
    },

    /** Keeps the answer: from now on the call is answered with it. */
    async keep(digest: Buffer, claim: Buffer, { status, answer }: SteeringAnswer): Promise<void> {
      await database.change(
        'UPDATE steering_calls SET status = ?, answer = ? WHERE digest = ? AND claim = ?',
        [status, answer, digest, claim],
      );
    },

    /** The call was refused, or its outcome is unknown: when it is sent again, it is carried out anew. */
    async giveBack(digest: Buffer, claim: Buffer): Promise<void> {
      await database.change('DELETE FROM steering_calls WHERE digest = ? AND claim = ?', [
        digest,
        claim,
      ]);
    },
  };
}
export type SteeringCallsStore = ReturnType<typeof createSteeringCallsStore>;

const answerOf = ({ status, answer }: CallRow): SteeringClaim =>
  status === null || answer === null
    ? { kind: 'underWay' }
    : { kind: 'answered', answer: { status, answer } };

async function forgetOld(database: Database): Promise<void> {
  await withoutDeadlock(() =>
    database.change(
      `DELETE FROM steering_calls WHERE expires_at < UTC_TIMESTAMP(3) ORDER BY expires_at LIMIT ${forgetAtOnce}`,
    ),
  );
}
