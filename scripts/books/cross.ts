/**
 * What holds across databases. No snapshot spans two of them, so each check hangs on the order of its reads
 * (docs/guarantees.md): what a transaction has written is final once it has ended, so the endings are read first; and a
 * transaction is accepted before it writes anything, so the participants are read before `accord` where one is missing.
 */
import { settledBranches } from '../../activities/reconciliation/endings';
import { flowDefinitions } from '../../contracts/flows';
import { partsOfGid, type Branch, type Gid } from '../../contracts/ids';
import { decideBranch } from '../../contracts/runs';
import type { Ending } from '../../contracts/transaction';
import type { Database } from '../databases';
import type { Reading } from './reading';

/** One thing that is wrong between databases. */
export interface CrossViolation {
  readonly oracle: string;
  readonly database: Database;
  readonly row: object;
}

export const crossOracles = {
  ending: 'X2: a transaction ended for all its participants, or for none',
  orphan: 'X2: nobody writes for a transaction that was never accepted',
  amounts: 'X4: an order costs what was captured, and what it says was sold',
  decision: 'X6: the ending is what the decision says',
} as const;

/** Endings older than this have lost their fence rows, or will; what only reserves is looked at whatever its age. */
const hours = 24;
/** Gids of one statement. */
const chunk = 500;
/** Seconds after which an accepted transaction is known for certain. */
const orphanSeconds = 60;
/** Violations of one oracle, at most. */
const violationsMax = 100;

interface EndedRun {
  readonly gid: Gid;
  readonly state: Ending;
  readonly ending: Buffer | null;
}

interface Row {
  readonly gid: Gid;
  readonly branch: Branch;
  readonly state: 'acted' | 'confirmed' | 'undone' | 'empty' | 'refused';
  readonly reserves: 0 | 1;
}

/** @param readings of all five databases, each statement of them with what is committed by then. */
export async function crossViolations(
  readings: ReadonlyMap<Database, Reading>,
): Promise<readonly CrossViolation[]> {
  const accord = readings.get('accord');
  if (!accord) return [];
  const participants = [...readings.values()].filter(({ database }) => database !== 'accord');
  const found: CrossViolation[] = [];
  for (const participant of participants) found.push(...(await orphans(accord, participant)));
  const reserved = await gidsReserved(participants);
  for (const gids of chunked(reserved)) {
    const ended = await endedOf(accord, gids);
    found.push(...(await violationsOf(readings, accord, participants, ended)));
  }
  let after = '';
  for (let isLast = false; !isLast;) {
    const ended = await recentlyEnded(accord, after);
    found.push(...(await violationsOf(readings, accord, participants, ended)));
    after = ended.at(-1)?.gid ?? after;
    isLast = ended.length < chunk;
  }
  return bounded(unique(found));
}

/** The participant first: what it has written was accepted before. */
async function orphans(accord: Reading, participant: Reading): Promise<readonly CrossViolation[]> {
  const found: CrossViolation[] = [];
  let after = '';
  for (let isLast = false; !isLast;) {
    const rows = await participant.select<{ readonly gid: Gid }>(
      `SELECT DISTINCT gid FROM fence
         WHERE gid > ? AND gid NOT LIKE 'opening:%' AND created_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND
         ORDER BY gid LIMIT ?`,
      [after, orphanSeconds, chunk],
    );
    const gids = rows.map(({ gid }) => gid);
    const known = await knownOf(accord, gids);
    for (const gid of gids) {
      if (!known.has(gid)) found.push(violation('orphan', participant.database, { gid }));
    }
    after = gids.at(-1) ?? after;
    isLast = gids.length < chunk;
  }
  return found;
}

async function knownOf(accord: Reading, gids: readonly Gid[]): Promise<ReadonlySet<Gid>> {
  if (gids.length === 0) return new Set();
  const rows = await accord.select<{ readonly gid: Gid }>('SELECT gid FROM runs WHERE gid IN (?)', [
    gids,
  ]);
  return new Set(rows.map(({ gid }) => gid));
}

/** Candidates alone: whether they have ended is asked next, and their rows are read again after that. */
async function gidsReserved(participants: readonly Reading[]): Promise<readonly Gid[]> {
  const gids = new Set<Gid>();
  for (const participant of participants) {
    const rows = await participant.select<{ readonly gid: Gid }>(
      `SELECT DISTINCT gid FROM fence WHERE expires_at IS NULL AND reserves = 1 AND state = 'acted'`,
    );
    for (const { gid } of rows) gids.add(gid);
  }
  return [...gids];
}

const endedColumns = `gid, state, IF(LOCATE('"settled"', ending) > 0, ending, NULL) AS ending`;

const endedOf = (accord: Reading, gids: readonly Gid[]): Promise<readonly EndedRun[]> =>
  accord.select<EndedRun>(
    `SELECT ${endedColumns} FROM runs WHERE gid IN (?) AND ended_at IS NOT NULL`,
    [gids],
  );

const recentlyEnded = (accord: Reading, after: Gid): Promise<readonly EndedRun[]> =>
  accord.select<EndedRun>(
    `SELECT ${endedColumns} FROM runs
       WHERE gid > ? AND ended_at > UTC_TIMESTAMP(3) - INTERVAL ? HOUR ORDER BY gid LIMIT ?`,
    [after, hours, chunk],
  );

/** @param ended read before anything here is: their rows no longer change. */
async function violationsOf(
  readings: ReadonlyMap<Database, Reading>,
  accord: Reading,
  participants: readonly Reading[],
  ended: readonly EndedRun[],
): Promise<readonly CrossViolation[]> {
  if (ended.length === 0) return [];
  const found: CrossViolation[] = [];
  const rows = new Map<Database, readonly Row[]>();
  for (const reading of [accord, ...participants])
    rows.set(reading.database, await rowsOf(reading, ended));
  for (const { database } of participants) {
    found.push(...endingViolations(database, ended, rows.get(database) ?? []));
  }
  found.push(...decisionViolations(ended, rows));
  found.push(...(await amountViolations(readings, ended)));
  return found;
}

const rowsOf = (reading: Reading, ended: readonly EndedRun[]): Promise<readonly Row[]> =>
  reading.select<Row>('SELECT gid, branch, state, reserves FROM fence WHERE gid IN (?)', [
    ended.map(({ gid }) => gid),
  ]);

/** X2 for one participant. What an operator has settled by hand is his to answer for. */
function endingViolations(
  database: Database,
  ended: readonly EndedRun[],
  rows: readonly Row[],
): readonly CrossViolation[] {
  const runs = new Map(ended.map((run) => [run.gid, run]));
  return rows.flatMap(({ gid, branch, state, reserves }) => {
    const run = runs.get(gid);
    if (!run || settledOf(run).has(branch) || isFitting(run.state, state, reserves)) return [];
    return [violation('ending', database, { gid, branch, state, ending: run.state })];
  });
}

function isFitting(ending: Ending, state: Row['state'], reserves: 0 | 1): boolean {
  return ending === 'completed'
    ? state === 'confirmed' || (state === 'acted' && reserves === 0)
    : state === 'undone' || state === 'empty' || state === 'refused';
}

const settledOf = ({ gid, ending }: EndedRun): ReadonlySet<Branch> =>
  ending ? settledBranches(gid, ending.toString('utf8')) : new Set();

/** X6. Rows that retention has taken are no contradiction; there are none of a transaction that ended today. */
function decisionViolations(
  ended: readonly EndedRun[],
  rows: ReadonlyMap<Database, readonly Row[]>,
): readonly CrossViolation[] {
  return ended.flatMap(({ gid, state, ending }) => {
    const flow = partsOfGid(gid)?.flow;
    const pivot = flow && flowDefinitions[flow].steps.find(({ kind }) => kind === 'pivot');
    if (!pivot || (ending && settledBranches(gid, ending.toString('utf8')).has(pivot.name)))
      return [];
    const isAsked = ({ gid: of, branch }: Row): boolean =>
      of === gid && (branch === pivot.name || branch === decideBranch);
    const decisions = [...rows.values()].flatMap((of) => of.filter(isAsked));
    const happened = decisions.some((row) => row.state === 'acted' || row.state === 'confirmed');
    if (happened === (state === 'completed')) return [];
    const row = { gid, ending: state, decision: decisions.map((of) => of.state) };
    return [violation('decision', pivot.participant, row)];
  });
}

interface OrderRow {
  readonly gid: Gid;
  readonly order_id: string;
  readonly amount: string;
  readonly discount: string;
}
interface Line {
  readonly gid: Gid;
  readonly sku: string;
  readonly qty: string;
}

/** X4: for each order of these transactions, what the other participants have of it. */
async function amountViolations(
  readings: ReadonlyMap<Database, Reading>,
  ended: readonly EndedRun[],
): Promise<readonly CrossViolation[]> {
  const { orders, accounts, inventory, coupons } = Object.fromEntries(readings) as Partial<
    Record<Database, Reading>
  >;
  const judged = ended.filter(({ ending }) => ending === null); // What an operator settled need not add up.
  const gids = judged.map(({ gid }) => gid);
  if (!orders || gids.length === 0) return [];
  const states = new Map(judged.map(({ gid, state }) => [gid, state]));
  const placed = await orders.select<OrderRow>(
    `SELECT gid, order_id, CAST(amount_minor AS CHAR) AS amount, CAST(discount_minor AS CHAR) AS discount
       FROM orders WHERE gid IN (?)`,
    [gids],
  );
  const captured = await sumsOf(
    accounts,
    `SELECT gid, CAST(SUM(amount) AS CHAR) AS total FROM ledger_entries WHERE gid IN (?) AND amount > 0 GROUP BY gid`,
    gids,
  );
  const used = await sumsOf(
    coupons,
    `SELECT gid, CAST(SUM(state = 'used') AS CHAR) AS total FROM coupon_reservations WHERE gid IN (?) GROUP BY gid`,
    gids,
  );
  const ordered = linesOf(
    await orders.select<Line>(
      `SELECT o.gid, l.sku, CAST(SUM(l.qty) AS CHAR) AS qty FROM orders o JOIN order_lines l ON l.order_id = o.order_id
         WHERE o.gid IN (?) GROUP BY o.gid, l.sku ORDER BY o.gid, l.sku`,
      [gids],
    ),
  );
  const sold = linesOf(
    (await inventory?.select<Line>(
      `SELECT gid, sku, CAST(SUM(qty) AS CHAR) AS qty FROM reservations
         WHERE gid IN (?) AND state = 'sold' GROUP BY gid, sku ORDER BY gid, sku`,
      [gids],
    )) ?? [],
  );
  return placed.flatMap(({ gid, order_id, amount, discount }) => {
    const isCompleted = states.get(gid) === 'completed';
    const wanted = {
      captured: accounts && isCompleted ? amount : '0',
      sold: inventory && isCompleted ? (ordered.get(gid) ?? '') : '',
      coupons: coupons && isCompleted && discount !== '0' ? '1' : '0',
    };
    const seen = {
      captured: captured.get(gid) ?? '0',
      sold: sold.get(gid) ?? '',
      coupons: used.get(gid) ?? '0',
    };
    const isRight = JSON.stringify(wanted) === JSON.stringify(seen);
    return isRight ? [] : [violation('amounts', 'orders', { gid, order_id, wanted, seen })];
  });
}

async function sumsOf(
  reading: Reading | undefined,
  sql: string,
  gids: readonly Gid[],
): Promise<ReadonlyMap<Gid, string>> {
  const rows =
    (await reading?.select<{ readonly gid: Gid; readonly total: string }>(sql, [gids])) ?? [];
  return new Map(rows.map(({ gid, total }) => [gid, total]));
}

function linesOf(lines: readonly Line[]): ReadonlyMap<Gid, string> {
  const texts = new Map<Gid, string>();
  for (const { gid, sku, qty } of lines) {
    texts.set(gid, `${texts.get(gid) ?? ''}${sku} x ${qty}; `);
  }
  return texts;
}

const violation = (
  oracle: keyof typeof crossOracles,
  database: Database,
  row: object,
): CrossViolation => ({ oracle: crossOracles[oracle], database, row });

function chunked(gids: readonly Gid[]): readonly (readonly Gid[])[] {
  const chunks: (readonly Gid[])[] = [];
  for (let at = 0; at < gids.length; at += chunk) chunks.push(gids.slice(at, at + chunk));
  return chunks;
}

/** A reservation that was left of a transaction that ended today is met twice. */
function unique(violations: readonly CrossViolation[]): readonly CrossViolation[] {
  return [...new Map(violations.map((each) => [JSON.stringify(each), each])).values()];
}

function bounded(violations: readonly CrossViolation[]): readonly CrossViolation[] {
  return Object.values(crossOracles).flatMap((name) =>
    violations.filter(({ oracle }) => oracle === name).slice(0, violationsMax),
  );
}
