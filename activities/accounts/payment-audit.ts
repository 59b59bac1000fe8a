/**
 * The audit of payments: one entry for each change, chained within its payment, written in the SQL transaction of the
 * change. The payment's row anchors the end of its chain, so entries that are cut off are missed too.
 */
import type { BusinessId } from '../../contracts/engine/ids';
import { contentHashOf } from '../fence/fenced-set';
import type { SqlTransaction } from '../fence/participant';
import { chunksOf } from '../fence/set-statements';

/** Audit entry of one change. */
export interface AuditEntry {
  readonly at: Date;
  /** Subject of a credential; `accord`: no person or key decided. */
  readonly actor: string;
  /** Past tense, the type of the event of the change: `payment.authorised`. */
  readonly what: string;
  /** Money as digit strings. */
  readonly details: object;
}

/** The end of a payment's chain, stored in the row of the payment. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: Buffer;
}

/** A row of `payment_audit`. */
export interface AuditRow extends AuditEntry {
  readonly payment_id: BusinessId;
  /** From 1. */
  readonly seq: number;
  readonly prev_hash: Buffer;
  readonly hash: Buffer;
}

/** Predecessor of the first entry of a payment. */
export const auditStart: AuditHead = { seq: 0, hash: Buffer.alloc(32) };

/** The entries as rows, each bound to the one before it. */
export function chained(
  paymentId: BusinessId,
  { seq, hash }: AuditHead,
  entries: readonly AuditEntry[],
): readonly AuditRow[] {
  let previous = hash;
  return entries.map((entry, at) => {
    const row = { ...entry, payment_id: paymentId, seq: seq + at + 1, prev_hash: previous };
    previous = auditHash(row);
    return { ...row, hash: previous };
  });
}

/** SHA-256 of the canonical JSON of the row, in which the hash before it stands as hexadecimal digits. */
const auditHash = ({
  payment_id,
  seq,
  at,
  actor,
  what,
  details,
  prev_hash,
}: Omit<AuditRow, 'hash'>) =>
  contentHashOf({
    payment_id,
    seq,
    at: at.toISOString(),
    actor,
    what,
    details,
    prev_hash: prev_hash.toString('hex'),
  });

/**
 * Checks the whole chain of one payment.
 *
 * @param rows all entries of the payment, by seq.
 * @param head end of the chain by the payment's row.
 * @returns the first seq that is missing, changed, moved or surplus; `undefined`: the chain is sound.
 */
export function firstBrokenSeq(
  paymentId: BusinessId,
  rows: readonly AuditRow[],
  head: AuditHead,
): number | undefined {
  let last = auditStart;
  for (const row of rows) {
    const expected = last.seq + 1;
    const isNext =
      row.payment_id === paymentId && row.seq === expected && row.prev_hash.equals(last.hash);
    if (!isNext || expected > head.seq || !auditHash(row).equals(row.hash)) return expected;
    last = row;
  }
  if (last.seq < head.seq) return last.seq + 1;
  return last.hash.equals(head.hash) ? undefined : last.seq;
}

/** Adds rows to chains whose payments are locked. */
export async function appendAudit(sql: SqlTransaction, rows: readonly AuditRow[]): Promise<void> {
  for (const chunk of chunksOf(rows)) {
    await sql.change(
      `INSERT INTO payment_audit (payment_id, seq, at, actor, what, details, prev_hash, hash) VALUES ?`,
      [
        chunk.map(({ payment_id, seq, at, actor, what, details, prev_hash, hash }) => [
          payment_id,
          seq,
          at,
          actor,
          what,
          JSON.stringify(details),
          prev_hash,
          hash,
        ]),
      ],
    );
  }
}
