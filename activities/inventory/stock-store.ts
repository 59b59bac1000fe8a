import { partsOfBusinessId, stepKeyOf, type StepKey } from '../../contracts/engine/ids';
import type {
  inventory,
  ReserveStock,
  StockLine,
  StockReservation,
} from '../../contracts/participants/inventory';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided, EventOf, SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf, expectRows } from '../fence/set-statements';

type StockEvent = EventOf<typeof inventory>;

/** A line that an effect holds: its row of `reservations`. */
interface Reservation {
  readonly gid: string;
  readonly branch: string;
  readonly sku: string;
  readonly qty: number;
}

/** Pieces by SKU. */
type Pieces = ReadonlyMap<string, number>;

/** Column that gets frozen pieces at the end of the reservation: available again, or sold. */
const outcomes = {
  released: { column: 'available', event: 'stock.released' },
  sold: { column: 'sold', event: 'stock.sold' },
} as const;

/** `reserveStock`: freezes all lines of a request, or none. It decides in order, on locked rows. */
export const reserveStock: ActImplementation<ReserveStock, StockReservation, StockEvent> = {
  content: ({ lines }) => ({ lines }),
  rows: ({ lines }) => lines.length,
  async effect(sql, requests) {
    const left = await lockAvailable(sql, skusOf(requests.flatMap(({ lines }) => lines)));
    const decided = requests.map((request) => decide(request, left));
    const granted = requests.filter((_, at) => decided[at]?.ok);
    await freeze(sql, piecesOf(granted.flatMap(({ lines }) => lines)));
    await insertReservations(sql, granted);
    return decided;
  },
};

/** `releaseStock`: makes frozen pieces available again. */
export const releaseStock: FollowUpImplementation<StockEvent> = {
  effect: (sql, keys) => finish(sql, keys, 'released'),
};

/** `confirmStock`: marks frozen pieces as sold. */
export const confirmStock: FollowUpImplementation<StockEvent> = {
  effect: (sql, keys) => finish(sql, keys, 'sold'),
};

/** Locks the rows in key order: two sets that overlap wait for each other and never form a circle. */
async function lockAvailable(
  sql: SqlTransaction,
  skus: readonly string[],
): Promise<Map<string, number>> {
  const left = new Map<string, number>();
  for (const keys of chunksOf(skus)) {
    const rows = await sql.select<{ readonly sku: string; readonly available: number }>(
      'SELECT sku, available FROM stock FORCE INDEX (PRIMARY) WHERE sku IN (?) ORDER BY sku FOR UPDATE',
      [keys],
    );
    for (const { sku, available } of rows) left.set(sku, available);
  }
  return left;
}

/** Takes the request's pieces out of `left` if all of its lines fit. An unknown SKU has nothing left. */
function decide(
  { key, lines }: ReserveStock,
  left: Map<string, number>,
): Decided<StockReservation, StockEvent> {
  const short = lines.find(({ sku, quantity }) => quantity > (left.get(sku) ?? 0));
  if (short) return { key, ok: false, failure: 'OutOfStock', detail: shortageOf(short, left) };
  for (const { sku, quantity } of lines) left.set(sku, (left.get(sku) ?? 0) - quantity);
  const pieces = lines.reduce((sum, { quantity }) => sum + quantity, 0);
  return { key, ok: true, result: { pieces }, event: stockEvent('stock.reserved', lines) };
}

/** A text for the tenant's customers: the SKU without the tenant. */
function shortageOf({ sku, quantity }: StockLine, left: Pieces): string {
  const id = partsOfBusinessId(sku)?.id ?? sku;
  return `${id}: ${quantity} asked, ${left.get(sku) ?? 0} left`;
}

async function freeze(sql: SqlTransaction, pieces: Pieces): Promise<void> {
  await moveStock(
    sql,
    pieces,
    's.available = s.available - d.pieces, s.frozen = s.frozen + d.pieces',
  );
}

/**
 * One relative update of many locked rows. Every column has its CHECK. A JOIN ignores a missing key, so the changed
 * rows are counted.
 */
async function moveStock(sql: SqlTransaction, pieces: Pieces, assignments: string): Promise<void> {
  for (const rows of chunksOf(sorted(pieces))) {
    const values = rows.map(() => 'ROW(?, ?)').join(', ');
    const changed = await sql.change(
      `UPDATE (VALUES ${values}) AS d (sku, pieces)
         STRAIGHT_JOIN stock s FORCE INDEX (PRIMARY) ON s.sku = CAST(d.sku AS BINARY)
         SET ${assignments}`,
      rows.flat(),
    );
    expectRows('stock', changed, rows.length);
  }
}

async function insertReservations(
  sql: SqlTransaction,
  requests: readonly ReserveStock[],
): Promise<void> {
  const rows = requests.flatMap(({ key, lines }) => {
    const { gid, branch } = effectOf(key);
    return lines.map(({ sku, quantity }) => [gid, branch, sku, quantity]);
  });
  for (const values of chunksOf(rows)) {
    await sql.change('INSERT INTO reservations (gid, branch, sku, qty) VALUES ?', [values]);
  }
}

/** Ends reservations. It locks stock first, and then the reservations, as the act does. */
async function finish(
  sql: SqlTransaction,
  keys: readonly StepKey[],
  state: keyof typeof outcomes,
): Promise<ReadonlyMap<StepKey, StockEvent>> {
  const { column, event } = outcomes[state];
  const held = await frozenOf(sql, keys);
  const pieces = piecesOf(held.map(({ sku, qty }) => ({ sku, quantity: qty })));
  await lockAvailable(sql, [...pieces.keys()].sort());
  await moveStock(
    sql,
    pieces,
    `s.frozen = s.frozen - d.pieces, s.${column} = s.${column} + d.pieces`,
  );
  await endReservations(sql, held, state);
  return eventsOf(event, keys, held);
}

/** Read without a lock: we hold the fence rows of these keys, and every change of a reservation locks its fence row. */
async function frozenOf(
  sql: SqlTransaction,
  keys: readonly StepKey[],
): Promise<readonly Reservation[]> {
  const held: Reservation[] = [];
  for (const effects of chunksOf(keys.map(effectOf))) {
    const rows = await sql.select<Reservation>(
      `SELECT gid, branch, sku, qty FROM reservations FORCE INDEX (PRIMARY)
         WHERE (gid, branch) IN (?) AND state = 'frozen' ORDER BY gid, branch, sku`,
      [effects.map(({ gid, branch }) => [gid, branch])],
    );
    held.push(...rows);
  }
  return held;
}

async function endReservations(
  sql: SqlTransaction,
  held: readonly Reservation[],
  state: keyof typeof outcomes,
): Promise<void> {
  for (const rows of chunksOf(held)) {
    const changed = await sql.change(
      `UPDATE reservations FORCE INDEX (PRIMARY) SET state = ? WHERE (gid, branch, sku) IN (?)`,
      [state, rows.map(({ gid, branch, sku }) => [gid, branch, sku])],
    );
    expectRows('reservations', changed, rows.length);
  }
}

function eventsOf(
  type: StockEvent['type'],
  keys: readonly StepKey[],
  held: readonly Reservation[],
): ReadonlyMap<StepKey, StockEvent> {
  const lines = new Map<StepKey, StockLine[]>(keys.map((key) => [key, []]));
  for (const { gid, branch, sku, qty } of held) {
    lines.get(stepKeyOf(gid, branch))?.push({ sku, quantity: qty });
  }
  // These keys have a reservation by the fence. A missing row is damage, and the whole set is rolled back.
  for (const [key, of] of lines)
    if (of.length === 0) throw new Error(`Nothing is set aside for ${key}.`);
  return new Map([...lines].map(([key, of]) => [key, stockEvent(type, of)]));
}

const stockEvent = (type: StockEvent['type'], lines: readonly StockLine[]): StockEvent => ({
  type,
  data: { lines },
});

/** Sums by SKU: a JOIN applies a repeated key only once. */
function piecesOf(lines: readonly StockLine[]): Pieces {
  const pieces = new Map<string, number>();
  for (const { sku, quantity } of lines) pieces.set(sku, (pieces.get(sku) ?? 0) + quantity);
  return pieces;
}

const skusOf = (lines: readonly StockLine[]): readonly string[] =>
  [...new Set(lines.map(({ sku }) => sku))].sort();

const sorted = (pieces: Pieces): readonly (readonly [string, number])[] =>
  [...pieces].sort(([one], [other]) => (one < other ? -1 : 1));
