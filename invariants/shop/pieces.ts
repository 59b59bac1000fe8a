/** Pieces that are free, set aside or gone for good, and their reservations: stock and coupons are alike. */
import {
  againstFence,
  countFence,
  countOf,
  newAgainstFence,
  newEffects,
  onlyInFence,
  type Oracle,
} from '../oracle';
import {
  finalByClockSeconds,
  idsOf,
  ranges,
  rowsOfStep,
  sumsById,
  type Compared,
  type Difference,
  type KeptSums,
  type StoredSums,
} from '../stored-sums';

/** Columns of the pieces and reservations of stock or coupons. */
export interface Pieces {
  readonly what: 'stock' | 'coupon';
  readonly participant: string;
  readonly table: string;
  readonly id: string;
  readonly sums: string;
  readonly reservations: string;
  readonly key: string;
  readonly index: string;
  /** The state of what is gone for good, and the column that counts it. */
  readonly gone: string;
  readonly quantity: string;
}

export const stock: Pieces = {
  ...{
    what: 'stock',
    participant: 'inventory',
    table: 'stock',
    id: 'sku',
    sums: 'stock_sums',
    gone: 'sold',
  },
  ...{ reservations: 'reservations', key: 'sku', index: 'by_sku', quantity: 'r.qty' },
};
export const coupons: Pieces = {
  ...{
    what: 'coupon',
    participant: 'coupons',
    table: 'coupons',
    id: 'id',
    sums: 'coupon_sums',
    gone: 'used',
  },
  ...{ reservations: 'coupon_reservations', key: 'coupon_id', index: 'by_coupon', quantity: '1' },
};

/** Pieces that are free, set aside, or gone for good, against their reservations. */
function pieceSums({
  what,
  table,
  id,
  sums: storedTable,
  reservations,
  key,
  index,
  gone,
  quantity,
}: Pieces): StoredSums {
  const behind = `r.${key} = ? AND r.state = '${gone}' AND r.updated_at > CAST(? AS DATETIME(3))`;
  const from = `${reservations} r FORCE INDEX (${index})`;
  return {
    noPlace: '1970-01-01 00:00:00',
    stored: `SELECT ${key} AS id, CAST(until AS CHAR) AS place, CAST(${gone} AS CHAR) AS sum FROM ${storedTable} WHERE ${key} IN (?)`,
    rowsBehind: (and) => `FROM ${from} WHERE ${behind} ${and}`,
    async compare(of, sums) {
      const rows = await of.select<Compared>(
        `SELECT p.${id} AS subject, CAST(p.total AS CHAR) AS total, CAST(p.available AS CHAR) AS available,
                CAST(p.frozen AS CHAR) AS frozen, CAST(p.${gone} AS CHAR) AS gone,
                CAST(COALESCE(s.aside, 0) AS CHAR) AS aside, CAST(COALESCE(n.came, 0) AS CHAR) AS came
           FROM ${table} p
           LEFT JOIN (SELECT r.${key}, SUM(${quantity}) AS aside FROM ${from}
               WHERE r.${key} IN (?) AND r.state = 'frozen' GROUP BY r.${key}) s ON s.${key} = p.${id}
           LEFT JOIN (SELECT r.${key}, SUM(${quantity}) AS came FROM ${from}
               WHERE ${ranges(sums, behind)} GROUP BY r.${key}) n ON n.${key} = p.${id}
           WHERE p.${id} IN (?) ORDER BY p.${id}`,
        [idsOf(sums), ...sums.flatMap(({ id: one, place }) => [one, place]), idsOf(sums)],
      );
      const stored = sumsById(sums);
      return rows.flatMap((row) => {
        const { stands, derived } = piecesOf(row, stored.get(row.subject) ?? 0n);
        if (stands === derived) return [];
        return [{ what, subject: row.subject, currency: null, stands, derived }];
      });
    },
  };
}

/** Available, set aside and gone, as they stand and as they follow from the reservations. */
function piecesOf(row: Compared, stored: bigint): Pick<Difference, 'stands' | 'derived'> {
  const of = (column: string): bigint => BigInt(row[column] ?? 0);
  const kept = [of('available'), of('frozen'), of('gone')];
  const isWhole =
    kept.reduce((sum, one) => sum + one, 0n) === of('total') && kept.every((one) => one >= 0n);
  const gone = stored + of('came');
  const derived = [of('total') - of('aside') - gone, of('aside'), gone];
  return { stands: kept.join('+'), derived: isWhole ? derived.join('+') : 'no such sum' };
}

/** How reconciliation keeps the sums of pieces. */
export function keptPieceSums(pieces: Pieces): KeptSums {
  const { what, table, id, sums, reservations, key, gone, quantity } = pieces;
  const own = pieceSums(pieces);
  const upTo = 'AND r.updated_at <= CAST(? AS DATETIME(3))';
  return {
    sums: own,
    keys: { table, column: id },
    finalPlace: `SELECT CAST(UTC_TIMESTAMP(3) - INTERVAL ${finalByClockSeconds} SECOND AS CHAR) AS place`,
    keep: `INSERT INTO ${sums} (${key}, until, ${gone}) VALUES ? AS told
      ON DUPLICATE KEY UPDATE until = told.until, ${gone} = told.${gone}`,
    more: {
      sql: `SELECT ? AS id, CAST(COALESCE(SUM(${quantity}), 0) AS CHAR) AS more, COUNT(*) AS rows_more
        ${own.rowsBehind(upTo)}`,
      values: ([one, from, to]) => [one, one, from, to],
    },
    step: {
      sql: `SELECT CAST(r.updated_at AS CHAR) AS place ${own.rowsBehind(upTo)} ORDER BY r.updated_at LIMIT 1 OFFSET ${rowsOfStep - 1}`,
      values: ([one, from, to]) => [one, from, to],
    },
    beside: null,
    touched: {
      sql: `SELECT DISTINCT ${key} AS id FROM ${reservations} FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?)`,
      times: 1,
    },
    kinds: {
      [what]: {
        meaning: `Available, frozen and ${gone} are not what its reservations say`,
        amount: null,
      },
    },
  };
}

/** Names of the checks of pieces, for reports. */
interface PieceChecks {
  readonly id: string;
  readonly pieces: string;
  readonly sum: string;
  readonly fence: string;
}

/** What holds of pieces at any moment: their sums, their stored sums, and their states in the fence. */
export function piecesOracles(pieces: Pieces, names: PieceChecks): readonly Oracle[] {
  const { participant, table, sums, reservations, key, gone } = pieces;
  const databases = [participant];
  const states = { open: 'frozen', done: gone, back: 'released' };
  return [
    {
      ...{ id: names.id, name: names.pieces, databases },
      whole: { sql: piecesAgainstReservations(pieces), counted: countOf(table) },
      lately: (window) => ({
        keys: `SELECT DISTINCT b.${key} AS id FROM ${newEffects(window)} f
                 STRAIGHT_JOIN ${reservations} b ON b.gid = f.gid AND b.branch = f.branch`,
        sums: pieceSums(pieces),
        counted: countFence(window),
      }),
    },
    {
      ...{ id: 'D3', name: names.sum, databases },
      whole: { sql: sumsAgainstReservations(pieces), counted: countOf(sums) },
      lately: null,
    },
    {
      ...{ id: 'J', name: names.fence, databases },
      whole: {
        sql: `${againstFence(reservations, states)} UNION ALL ${onlyInFence('fence', reservations)}`,
        counted: countOf('fence'),
      },
      lately: (window) => ({
        sql: `${newAgainstFence(window, reservations, states)}
              UNION ALL ${onlyInFence(newEffects(window), reservations)}`,
        counted: countFence(window),
      }),
    },
  ];
}

/** Pieces against themselves and against all of their reservations. */
const piecesAgainstReservations = ({
  table,
  id,
  reservations,
  key,
  gone,
  quantity,
}: Pieces): string => `
  SELECT p.${id} AS subject, CONCAT_WS('+', p.available, p.frozen, p.${gone}) AS stands,
         CONCAT_WS('+', p.total - COALESCE(s.f, 0) - COALESCE(s.g, 0), COALESCE(s.f, 0), COALESCE(s.g, 0)) AS derived
    FROM ${table} p
    LEFT JOIN (SELECT r.${key}, SUM(IF(r.state = 'frozen', ${quantity}, 0)) AS f, SUM(IF(r.state = '${gone}', ${quantity}, 0)) AS g
                 FROM ${reservations} r GROUP BY r.${key}) s ON s.${key} = p.${id}
    WHERE p.available + p.frozen + p.${gone} <> p.total OR LEAST(p.available, p.frozen, p.${gone}) < 0
       OR p.frozen <> COALESCE(s.f, 0) OR p.${gone} <> COALESCE(s.g, 0)`;

/** A stored sum against the reservations that are in it. */
const sumsAgainstReservations = ({
  sums,
  reservations,
  key,
  index,
  gone,
  quantity,
}: Pieces): string => `
  SELECT s.${key} AS subject, CAST(s.${gone} AS CHAR) AS stands,
         CAST(SUM(IF(r.gid IS NULL, 0, ${quantity})) AS CHAR) AS derived
    FROM ${sums} s
    LEFT JOIN ${reservations} r FORCE INDEX (${index})
      ON r.${key} = s.${key} AND r.state = '${gone}' AND r.updated_at <= s.until
    GROUP BY s.${key}, s.${gone} HAVING stands <> derived`;
