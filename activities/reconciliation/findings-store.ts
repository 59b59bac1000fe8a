/** Table `findings` of `accord`: what reconciliation has found, each subject once. */
import {
  balancesAgainstEntries,
  couponsAgainstReservations,
  heldAgainstHolds,
  identityRowsMax,
  stockAgainstReservations,
} from '../../books/identities';
import type {
  Finding,
  FindingKind,
  RecordedFinding,
  ReservingParticipant,
} from '../../contracts/reconciliation';
import { chunksOf } from '../set-statements';
import type { SqlPool } from '../sql-transaction';

/** Column `detail` in letters. */
const detailLength = 500;

/** Seen now; what was repaired or gone begins anew. */
export async function recordFindings(
  accord: SqlPool,
  findings: readonly RecordedFinding[],
): Promise<void> {
  for (const chunk of chunksOf(findings)) {
    const rows = chunk.map(({ finding, state }) => [
      finding.kind,
      finding.participant,
      finding.gid,
      finding.branch,
      finding.subject,
      JSON.stringify(finding.amounts),
      finding.detail.slice(0, detailLength),
      state,
    ]);
    await accord.change(
      `INSERT INTO findings (kind, participant, gid, branch, subject, amounts, detail, state, first_seen, last_seen)
         VALUES ${rows.map(() => '(?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))').join(', ')} AS seen
         ON DUPLICATE KEY UPDATE
           first_seen = IF(findings.state = 'open', findings.first_seen, seen.first_seen),
           state = seen.state, amounts = seen.amounts, detail = seen.detail, last_seen = seen.last_seen`,
      rows,
    );
  }
}

/** @param since what was seen before this and not again is gone. */
export async function closeUnseen(
  accord: SqlPool,
  { since, kinds }: { readonly since: string; readonly kinds: readonly FindingKind[] },
): Promise<void> {
  if (kinds.length === 0) return;
  await accord.change(
    `UPDATE findings SET state = 'gone'
       WHERE state = 'open' AND kind IN (?) AND last_seen < CAST(? AS DATETIME(3))`,
    [kinds, since],
  );
}

interface Difference {
  readonly subject: string;
  readonly currency?: string;
  readonly stands: string;
  readonly derived: string;
}

const identities: Readonly<
  Record<ReservingParticipant, readonly { readonly sql: string; readonly what: string }[]>
> = {
  accounts: [
    { sql: balancesAgainstEntries, what: 'balance' },
    { sql: heldAgainstHolds, what: 'held' },
  ],
  inventory: [{ sql: stockAgainstReservations, what: 'stock' }],
  coupons: [{ sql: couponsAgainstReservations, what: 'coupon' }],
  orders: [],
};

const meanings: Readonly<Record<string, string>> = {
  balance: 'Balance and held are not the sum of its entries',
  held: 'What is held is not the sum of its holds',
  stock: 'Available, frozen and sold are not what its reservations say',
  coupon: 'Available, frozen and used are not what its reservations say',
};

/** @param pool of the participant. */
export async function differingBooks(
  pool: SqlPool,
  participant: ReservingParticipant,
): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for (const { sql, what } of identities[participant]) {
    const rows = await pool.select<Difference>(`${sql} LIMIT ${identityRowsMax}`);
    found.push(...rows.map((row) => differenceOf(participant, what, row)));
  }
  return found;
}

function differenceOf(
  participant: ReservingParticipant,
  what: string,
  { subject, currency, stands, derived }: Difference,
): Finding {
  const isMoney = currency !== undefined;
  return {
    kind: 'books_differ',
    participant,
    gid: null,
    branch: null,
    subject: `${what} ${subject}`,
    amounts: isMoney
      ? [
          {
            kind: what === 'held' ? 'hold' : 'captured',
            currency,
            minorUnits: String(BigInt(stands) - BigInt(derived)),
          },
        ]
      : [],
    ageSeconds: null,
    detail: `${meanings[what] ?? what}: ${stands} stands, ${derived} is derived.`,
  };
}
