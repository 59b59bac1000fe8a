/**
 * How lists of `accord.runs` are read: from ranges of one index, each in the order of the list, so that what is read is
 * bounded by the page and by `looksMax`, never by how much has ended.
 */
import type { Tenant } from '../../../contracts/engine/ids';
import type { Position } from '../../http/cursor';
import type { Database, SqlValue, Statements } from '../database';
import { conditionsOf, placeOf, type Condition, type RunFilter } from './filter';
import { rangesOf } from './ranges';
import { listColumns, runOf, type RawRow, type RunRow } from './rows';

/** Rows that one page or one count looks at, at most. */
export const looksMax = 10_000;

/** One page, newest first, from behind `after`; the tenant's own rows alone. */
export async function listRuns(
  database: Database,
  tenant: Tenant,
  filter: RunFilter,
  limit: number,
  after?: Position,
): Promise<RunPage<RunRow>> {
  const list = { tenant, filter, conditions: conditionsOf(tenant, filter), after };
  const columns = `${listColumns}, NULL AS ending`;
  const { rows, next } = await database.session((sql) =>
    readRunPage<RawRow>(sql, list, columns, limit),
  );
  return { rows: rows.map(runOf), next };
}

/** How many rows fit, of the newest `looksMax`. */
export const countRuns = (database: Database, tenant: Tenant, filter: RunFilter): Promise<number> =>
  database.session((sql) =>
    countRows(sql, { tenant, filter, conditions: conditionsOf(tenant, filter) }),
  );

/** Conditions of one range. */
interface Branch {
  readonly where: string;
  readonly values: readonly SqlValue[];
}

interface Reading {
  readonly index: string;
  readonly branches: readonly Branch[];
  /** The last row that may be looked at; `null`: all of them may be. */
  readonly horizon: Position | null;
}

/** Where a list is read from, and how far. */
interface RunList {
  readonly tenant: string;
  readonly filter: RunFilter;
  /** All of the filter's, the tenant among them. */
  readonly conditions: readonly Condition[];
  readonly after?: Position | undefined;
}

/** What one page says. */
export interface RunPage<Row> {
  readonly rows: readonly Row[];
  /** The next page begins behind it; `null`: there is none. A page may have fewer rows than asked for, and a next one. */
  readonly next: Position | null;
}

/**
 * One page, newest first.
 *
 * @param columns of `runs`, the alias `r`; `acceptedAt` and `gid` among them.
 * @param limit rows, at most.
 */
async function readRunPage<Row extends { readonly gid: string; readonly acceptedAt: Date }>(
  sql: Pick<Statements, 'select'>,
  list: RunList,
  columns: string,
  limit: number,
): Promise<RunPage<Row>> {
  const reading = await readingOf(sql, list);
  const { text, values } = union(reading, {
    select: 'gid, accepted_at',
    tail: `ORDER BY accepted_at DESC, gid DESC LIMIT ${limit + 1}`,
  });
  const found = await sql.select<Row>(
    `SELECT ${columns} FROM (SELECT gid AS found FROM (${text}) AS ranges ORDER BY accepted_at DESC, gid DESC LIMIT ${limit + 1})
       AS page STRAIGHT_JOIN runs r FORCE INDEX (PRIMARY) ON r.gid = page.found
       ORDER BY r.accepted_at DESC, r.gid DESC`,
    values,
  );
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  if (found.length > limit && last) return { rows, next: positionOf(last) };
  return { rows, next: reading.horizon };
}

/** How many rows fit, of those that may be looked at. */
async function countRows(
  sql: Pick<Statements, 'select'>,
  list: Omit<RunList, 'after'>,
): Promise<number> {
  const reading = await readingOf(sql, list);
  const { text, values } = union(reading, { select: '1', tail: `LIMIT ${looksMax}` });
  const [row] = await sql.select<{ readonly n: number | string }>(
    `SELECT COUNT(*) AS n FROM (${text}) AS counted`,
    values,
  );
  return Math.min(Number(row?.n ?? 0), looksMax);
}

export const positionOf = ({
  acceptedAt,
  gid,
}: {
  readonly acceptedAt: Date;
  readonly gid: string;
}) => ({
  at: acceptedAt.getTime(),
  id: gid,
});

/**
 * Where conditions are left that the index does not know, rows may be looked at in vain: then it is found out first, in
 * the index alone, how far `looksMax` rows reach.
 */
async function readingOf(
  sql: Pick<Statements, 'select'>,
  { tenant, filter, conditions, after }: RunList,
): Promise<Reading> {
  const { index, column, values, says } = rangesOf(filter);
  const place: readonly Condition[] = [...placeOf(filter), ...(after ? [behind(after)] : [])];
  const ranges = (column === undefined ? [[]] : [...new Set(values)].map((value) => [value])).map(
    (key) =>
      branchOf([
        ['tenant = ?', [tenant]],
        ...key.map((value): Condition => [`${column ?? ''} = ?`, [value]]),
        ...place,
      ]),
  );
  const isSaid = conditions.length === 1 + says + placeOf(filter).length;
  if (isSaid) return { index, branches: ranges, horizon: null };
  const horizon = await horizonOf(sql, index, ranges);
  const rest = [...conditions, ...(horizon ? [upTo(horizon)] : [])];
  return {
    index,
    horizon,
    branches: ranges.map(({ where, values: own }) => {
      const more = branchOf(rest);
      return { where: `${where} AND ${more.where}`, values: [...own, ...more.values] };
    }),
  };
}

/** The newest of the rows at which a range's share of the looks is used up: what is older was not looked at everywhere. */
async function horizonOf(
  sql: Pick<Statements, 'select'>,
  index: string,
  ranges: readonly Branch[],
): Promise<Position | null> {
  const share = Math.floor(looksMax / ranges.length);
  const { text, values } = union(
    { index, branches: ranges, horizon: null },
    {
      select: 'accepted_at, gid',
      tail: `ORDER BY accepted_at DESC, gid DESC LIMIT ${share - 1}, 1`,
    },
  );
  const [newest] = await sql.select<{ readonly acceptedAt: Date; readonly gid: string }>(
    `SELECT accepted_at AS acceptedAt, gid FROM (${text}) AS shares ORDER BY accepted_at DESC, gid DESC LIMIT 1`,
    values,
  );
  return newest ? positionOf(newest) : null;
}

const union = (
  { index, branches }: Reading,
  { select, tail }: { readonly select: string; readonly tail: string },
) => ({
  text: branches
    .map(
      ({ where }) => `(SELECT ${select} FROM runs FORCE INDEX (${index}) WHERE ${where} ${tail})`,
    )
    .join(' UNION ALL '),
  values: branches.flatMap(({ values }) => values),
});

const branchOf = (conditions: readonly Condition[]): Branch => ({
  where: conditions.map(([sql]) => sql).join(' AND '),
  values: conditions.flatMap(([, values]) => values),
});

/** The first half is what the index begins at. */
function behind({ at, id }: Position): Condition {
  const time = new Date(at);
  return [
    'accepted_at <= ? AND (accepted_at < ? OR (accepted_at = ? AND gid < ?))',
    [time, time, time, id],
  ];
}

function upTo({ at, id }: Position): Condition {
  const time = new Date(at);
  return [
    'accepted_at >= ? AND (accepted_at > ? OR (accepted_at = ? AND gid >= ?))',
    [time, time, time, id],
  ];
}
