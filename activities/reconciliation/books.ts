/**
 * Selects the keys whose sums a round compares: open findings, which may be gone; keys that effects have touched since
 * the last round; and a bounded number more, in turn. So a key that a person changed by hand is checked, too.
 */
import type { Difference, KeptSums } from '../../invariants/stored-sums';
import {
  reconcileRows,
  type BooksPosition,
  type Finding,
  type ReservationPosition,
} from '../../contracts/engine/reconciliation';
import { moneyText } from '../../contracts/engine/money';
import type { SqlPool } from '../fence/sql-transaction';
import { openSubjects } from './findings-store';
import { differencesOf, keysBehind, touchedKeys } from './stored-sums';

interface BooksPage {
  readonly participant: string;
  /** `next` of the page before. */
  readonly after: string | null;
  readonly rows: number;
}

interface BooksPageAnswer {
  readonly findings: readonly Finding[];
  readonly seen: BooksPosition | null;
  readonly next: string | null;
}

/** Position of a round. `pages`: how many pages it may still check in turn. */
type Place =
  | { readonly of: 'findings'; readonly after: string }
  | { readonly of: 'effects'; readonly after: ReservationPosition | null }
  | { readonly of: 'walk'; readonly after: string | null; readonly pages: number };

/** Keys of a page, the position of the next page, and the progress with this one. */
interface Keys {
  readonly keys: readonly string[];
  readonly next: Place | null;
  readonly seen: BooksPosition | null;
}

/** Fence rows that are younger may belong to a SQL transaction that has not committed. */
const committedSeconds = 60;

export async function differingBooks(
  accord: SqlPool,
  pool: SqlPool,
  sums: KeptSums,
  { participant, after, rows }: BooksPage,
): Promise<BooksPageAnswer> {
  const place: Place =
    // It is an earlier answer of this function.
    after === null ? { of: 'findings', after: '' } : (JSON.parse(after) as Place);
  const { keys, next, seen } = await keysOf({ accord, pool, sums, participant, rows }, place);
  const differences = await differencesOf(pool, sums, keys);
  return {
    findings: differences.map((difference) => findingOf(sums, participant, difference)),
    seen,
    next: next && JSON.stringify(next),
  };
}

/** Stores the progress, after the findings are stored. The next round continues after it. */
export async function noteBooks(
  pool: SqlPool,
  { effects, walkedTo }: BooksPosition,
): Promise<void> {
  if (effects)
    await pool.change(
      `UPDATE books_position SET effects_at = CAST(? AS DATETIME(3)), effects_gid = ?, effects_branch = ?`,
      [effects.createdAt, effects.gid, effects.branch],
    );
  if (walkedTo !== undefined)
    await pool.change('UPDATE books_position SET walked_to = ?', [walkedTo]);
}

interface Asked {
  readonly accord: SqlPool;
  readonly pool: SqlPool;
  readonly sums: KeptSums;
  readonly participant: string;
  readonly rows: number;
}

function keysOf(asked: Asked, place: Place): Promise<Keys> {
  switch (place.of) {
    case 'findings':
      return keysOfFindings(asked, place.after);
    case 'effects':
      return keysOfEffects(asked, place.after);
    case 'walk':
      return keysInTurn(asked, place.after, place.pages);
  }
}

async function keysOfFindings({ accord, participant, rows }: Asked, after: string): Promise<Keys> {
  const subjects = await openSubjects(accord, { kind: 'books_differ', participant, after, rows });
  const last = subjects.length === rows ? subjects.at(-1) : undefined;
  return {
    keys: [...new Set(subjects.map((subject) => subject.slice(subject.indexOf(' ') + 1)))],
    next: last === undefined ? { of: 'effects', after: null } : { of: 'findings', after: last },
    seen: null,
  };
}

async function keysOfEffects(
  { pool, sums, rows }: Asked,
  after: ReservationPosition | null,
): Promise<Keys> {
  const from = after ?? (await positionOf(pool)).effects;
  const found = await pool.select<ReservationPosition>(
    `SELECT CAST(created_at AS CHAR) AS createdAt, gid, branch FROM fence FORCE INDEX (sweep)
       WHERE expires_at IS NULL AND created_at >= CAST(? AS DATETIME(3))
         AND created_at < UTC_TIMESTAMP(3) - INTERVAL ${committedSeconds} SECOND
         AND (created_at, gid, branch) > (CAST(? AS DATETIME(3)), ?, ?)
       ORDER BY created_at, gid, branch LIMIT ?`,
    [from.createdAt, from.createdAt, from.gid, from.branch, rows],
  );
  const last = found.at(-1) ?? null;
  return {
    keys: await touchedKeys(
      pool,
      sums,
      found.map(({ gid, branch }) => [gid, branch] as const),
    ),
    next:
      last && found.length === rows
        ? { of: 'effects', after: last }
        : { of: 'walk', after: null, pages: reconcileRows.pagesOfWalk },
    seen: last && { effects: last },
  };
}

async function keysInTurn(
  { pool, sums, rows }: Asked,
  after: string | null,
  pages: number,
): Promise<Keys> {
  const from = after ?? (await positionOf(pool)).walkedTo;
  const keys = await keysBehind(pool, sums, from, rows);
  const last = keys.length === rows ? (keys.at(-1) ?? '') : ''; // The next round begins from the start.
  return {
    keys,
    next: last === '' || pages <= 1 ? null : { of: 'walk', after: last, pages: pages - 1 },
    seen: { walkedTo: last },
  };
}

async function positionOf(
  pool: SqlPool,
): Promise<{ readonly effects: ReservationPosition; readonly walkedTo: string }> {
  const [row] = await pool.select<ReservationPosition & { readonly walkedTo: string }>(
    `SELECT CAST(effects_at AS CHAR) AS createdAt, effects_gid AS gid, effects_branch AS branch, walked_to AS walkedTo
       FROM books_position`,
  );
  if (!row) throw new Error('The migrations of this database have not run.');
  const { walkedTo, ...effects } = row;
  return { effects, walkedTo };
}

function findingOf(
  { kinds }: KeptSums,
  participant: string,
  { what, subject, currency, stands, derived }: Difference,
): Finding {
  const kind = kinds[what];
  if (!kind) throw new Error(`${participant} declares no difference ${what}.`);
  const shown = (sum: string): string =>
    currency === null ? sum : moneyText({ currency, minorUnits: sum });
  return {
    kind: 'books_differ',
    participant,
    gid: null,
    branch: null,
    subject: `${what} ${subject}`,
    amounts:
      currency === null || kind.amount === null
        ? []
        : [
            {
              kind: kind.amount,
              currency,
              minorUnits: String(BigInt(stands) - BigInt(derived)),
            },
          ],
    ageSeconds: null,
    detail: `${kind.meaning}: ${shown(stands)} stands, ${shown(derived)} is derived.`,
  };
}
