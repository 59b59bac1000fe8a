/** The two audits: is every entry there, unchanged and in its place? */
import { firstBrokenSeq, type AuditRow } from '../../activities/accounts/payment-audit';
import { auditHash, chainStart, type ChainedEntry } from '../../api/stores/audit-store';
import type { Program } from '../../invariants/runner';
import type { Reading } from '../../invariants/reading';

/** Where a chain breaks. */
export interface BrokenChain {
  readonly chain: 'audit' | 'payment_audit';
  /** The first entry that is missing, changed, moved or one too many: its id, or `<payment>#<seq>`. */
  readonly at: string;
}

export interface ChainsRead {
  readonly entries: number;
  readonly broken: readonly BrokenChain[];
}

const asAnswer = ({ entries, broken }: ChainsRead) => ({ rows: entries, violations: broken });

/** The check of the operators' audit, which every application has. */
export const auditProgram: Program = {
  id: 'L',
  name: 'the audit is a whole chain',
  database: 'accord',
  ask: (snapshot) => readAuditChain(snapshot).then(asAnswer),
};

/** The checks of chains of Accord's own application. */
export const chainPrograms: readonly Program[] = [
  auditProgram,
  {
    id: 'L2',
    name: "each payment's audit is a whole chain",
    database: 'accounts',
    ask: (snapshot) => readPaymentChains(snapshot).then(asAnswer),
  },
];

const pageRows = 1_000;
const pagePayments = 200;
/** Maximum broken payments of a report. The first ones already show that something is wrong. */
const brokenMax = 100;

/**
 * The operators' audit in `accord`, one chain. Nothing anchors its end: entries that were cut off there are not missed.
 *
 * @param accord a snapshot.
 */
export async function readAuditChain(accord: Reading): Promise<ChainsRead> {
  let previous: Buffer = chainStart;
  let last = '0';
  for (let entries = 0; ;) {
    const rows = await accord.select<ChainedEntry>(
      `SELECT CAST(id AS CHAR) AS id, at, tenant, actor, operation, gid, request, outcome,
              prev_hash AS previousHash, hash
         FROM audit WHERE id > CAST(? AS UNSIGNED) ORDER BY audit.id LIMIT ?`,
      [last, pageRows],
    );
    for (const { id, previousHash, hash, ...entry } of rows) {
      entries += 1;
      const isSound = previousHash.equals(previous) && auditHash(previous, entry).equals(hash);
      if (!isSound) return { entries, broken: [{ chain: 'audit', at: id }] };
      previous = hash;
      last = id;
    }
    if (rows.length < pageRows) return { entries, broken: [] };
  }
}

interface PaymentHead {
  readonly payment_id: string;
  readonly seq: number;
  readonly hash: Buffer;
}

/**
 * The audit of payments in `accounts`: a chain for each payment, whose row anchors its end.
 *
 * @param accounts a snapshot.
 */
export async function readPaymentChains(accounts: Reading): Promise<ChainsRead> {
  const broken = await chainsWithoutPayment(accounts);
  let entries = 0;
  let after = '';
  for (let isLast = false; !isLast && broken.length < brokenMax;) {
    const payments = await accounts.select<PaymentHead>(
      `SELECT payment_id, audit_seq AS seq, audit_head AS hash FROM payments
         WHERE payment_id > ? ORDER BY payment_id LIMIT ?`,
      [after, pagePayments],
    );
    const rows = await entriesOf(accounts, payments);
    for (const { payment_id: id, ...head } of payments) {
      const own = rows.get(id) ?? [];
      const seq = firstBrokenSeq(id, own, head);
      if (seq !== undefined) broken.push({ chain: 'payment_audit', at: `${id}#${seq}` });
      entries += own.length;
    }
    after = payments.at(-1)?.payment_id ?? after;
    isLast = payments.length < pagePayments;
  }
  return { entries, broken };
}

async function chainsWithoutPayment(accounts: Reading): Promise<BrokenChain[]> {
  const rows = await accounts.select<{ readonly payment_id: string }>(
    `SELECT DISTINCT e.payment_id FROM payment_audit e LEFT JOIN payments p ON p.payment_id = e.payment_id
       WHERE p.payment_id IS NULL LIMIT ?`,
    [brokenMax],
  );
  return rows.map(({ payment_id }) => ({ chain: 'payment_audit', at: `${payment_id}#1` }));
}

async function entriesOf(
  accounts: Reading,
  payments: readonly PaymentHead[],
): Promise<ReadonlyMap<string, readonly AuditRow[]>> {
  const entries = new Map<string, AuditRow[]>();
  if (payments.length === 0) return entries;
  const rows = await accounts.select<AuditRow>(
    `SELECT payment_id, seq, at, actor, what, details, prev_hash, hash FROM payment_audit
       WHERE payment_id IN (?) ORDER BY payment_id, seq`,
    [payments.map(({ payment_id }) => payment_id)],
  );
  for (const row of rows) {
    const own = entries.get(row.payment_id);
    if (own) own.push(row);
    else entries.set(row.payment_id, [row]);
  }
  return entries;
}
