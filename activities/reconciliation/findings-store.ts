/** Table `findings` of `accord`: what reconciliation has found, each subject once. */
import {
  balancesAmong,
  couponsAmong,
  heldAmong,
  identityRowsMax,
  stockAmong,
  type Among,
} from '../../books/identities';
import { moneyText } from '../../contracts/money';
import type {
  Finding,
  FindingKind,
  RecordedFinding,
  ReservingParticipant,
} from '../../contracts/reconciliation';
import { chunksOf } from '../set-statements';
import { SqlTimeout, type SqlPool } from '../sql-transaction';

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

/** Sums of one table's rows, by its key. */
interface Identity {
  readonly what: string;
  readonly table: string;
  readonly key: string;
  readonly sql: (among: Among) => string;
}

const identities: Readonly<Record<ReservingParticipant, readonly Identity[]>> = {
  accounts: [
    { what: 'balance', table: 'accounts', key: 'id', sql: balancesAmong },
    { what: 'held', table: 'accounts', key: 'id', sql: heldAmong },
  ],
  inventory: [{ what: 'stock', table: 'stock', key: 'sku', sql: stockAmong }],
  coupons: [{ what: 'coupon', table: 'coupons', key: 'id', sql: couponsAmong }],
  orders: [],
};

const meanings: Readonly<Record<string, string>> = {
  balance: 'Balance and held are not the sum of its entries',
  held: 'What is held is not the sum of its holds',
  stock: 'Available, frozen and sold are not what its reservations say',
  coupon: 'Available, frozen and used are not what its reservations say',
};

interface BooksPage {
  readonly participant: ReservingParticipant;
  /** What the page before has answered with. */
  readonly after: string | null;
  readonly rows: number;
}

/** A page whose sums take too long is looked at again in pages of this share. */
const smallerBy = 8;

/**
 * One page of a participant's sums. A key whose own rows are too many for one statement is passed over: its sum is only
 * one in a single state of the database, so it cannot be made of parts.
 *
 * @param pool of the participant.
 * @returns `passedOver`: keys that were not looked at; `next`: text that the next page is to be given.
 */
export async function differingBooks(
  pool: SqlPool,
  { participant, after, rows }: BooksPage,
): Promise<{
  readonly findings: readonly Finding[];
  readonly passedOver: number;
  readonly next: string | null;
}> {
  const [place = '0', ...rest] = (after ?? '0').split('/');
  const at = Number(place);
  const identity = identities[participant][at];
  if (!identity) return { findings: [], passedOver: 0, next: null };
  const page = await pageOfSums(pool, identity, rest.join('/'), rows);
  const isLast = at === identities[participant].length - 1;
  const behind = page.last === null ? (isLast ? null : `${at + 1}`) : `${at}/${page.last}`;
  return {
    findings: page.differences.map((row) => differenceOf(participant, identity.what, row)),
    passedOver: page.passedOver,
    next: behind,
  };
}

const smallerThan = (size: number): number =>
  size === 1 ? 0 : Math.max(1, Math.floor(size / smallerBy));

/** @returns `last`: the key that the next page begins behind; `null`: there are no more. */
async function pageOfSums(
  pool: SqlPool,
  { table, key, sql }: Identity,
  after: string,
  rows: number,
): Promise<{
  readonly differences: readonly Difference[];
  readonly passedOver: number;
  readonly last: string | null;
}> {
  const keys = await pool.select<{ readonly id: string }>(
    `SELECT ${key} AS id FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ?`,
    [after, rows],
  );
  for (let size = keys.length; size > 0; size = smallerThan(size)) {
    const last = keys[size - 1]?.id ?? after;
    const isEnd = size === keys.length && keys.length < rows;
    try {
      const bounds = [after, last];
      const differences = await pool.select<Difference>(
        `${sql((column) => `${column} > ? AND ${column} <= ?`)} LIMIT ${identityRowsMax}`,
        [...bounds, ...bounds],
      );
      return { differences, passedOver: 0, last: isEnd ? null : last };
    } catch (error) {
      if (!(error instanceof SqlTimeout)) throw error;
    }
  }
  return { differences: [], passedOver: keys.length === 0 ? 0 : 1, last: keys[0]?.id ?? null };
}

function differenceOf(
  participant: ReservingParticipant,
  what: string,
  { subject, currency, stands, derived }: Difference,
): Finding {
  const isMoney = currency !== undefined;
  const shown = (sum: string): string => (isMoney ? moneyText({ currency, minorUnits: sum }) : sum);
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
    detail: `${meanings[what] ?? what}: ${shown(stands)} stands, ${shown(derived)} is derived.`,
  };
}
