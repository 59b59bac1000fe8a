/** Coupons in MySQL: each piece is free, set aside for one effect, or used. Locked in one order: coupons by id. */
import type { coupons as definition, ReserveCoupon } from '../../contracts/participants/coupons';
import {
  partsOfBusinessId,
  stepKeyOf,
  type BusinessId,
  type StepKey,
} from '../../contracts/engine/ids';
import { moneyText } from '../../contracts/engine/money';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided, EventOf, SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf, expectRows } from '../fence/set-statements';

type CouponEvent = EventOf<typeof definition>;

interface Coupon {
  readonly id: BusinessId;
  readonly customer_id: BusinessId | null;
  readonly discount_currency: string;
  /** BIGINT, as digits. */
  readonly discount_minor: string;
  readonly is_expired: boolean;
  /** Free pieces that no request of the set has taken yet. */
  left: number;
}
interface CouponRow extends Omit<Coupon, 'left' | 'is_expired'> {
  readonly available: number;
  /** The result of a comparison: digits. */
  readonly is_expired: string;
}
type Coupons = ReadonlyMap<BusinessId, Coupon>;

/** Column that gets a reserved piece at the end of the reservation. */
const outcomes = {
  released: { column: 'available', event: 'coupon.released' },
  used: { column: 'used', event: 'coupon.used' },
} as const;

/** `reserveCoupon`: sets one piece aside. It decides in order, on locked rows. */
export const reserveCoupon: ActImplementation<ReserveCoupon, null, CouponEvent> = {
  content: ({ couponId, customerId, discount }) => ({ couponId, customerId, discount }),
  rows: () => 1,
  async effect(sql, requests) {
    const coupons = await lockCoupons(
      sql,
      requests.map(({ couponId }) => couponId),
    );
    const decided = requests.map((request) => decide(request, coupons));
    const granted = requests.filter((_, at) => decided[at]?.ok);
    const pieces = piecesOf(granted.map(({ couponId }) => couponId));
    await movePieces(
      sql,
      pieces,
      'c.available = c.available - d.pieces, c.frozen = c.frozen + d.pieces',
    );
    await insertReservations(sql, granted);
    return decided;
  },
};

/** `releaseCoupon`: frees the piece again. */
export const releaseCoupon: FollowUpImplementation<CouponEvent> = {
  effect: (sql, keys) => finish(sql, keys, 'released'),
};

/** `useCoupon`: marks the piece as used. */
export const useCoupon: FollowUpImplementation<CouponEvent> = {
  effect: (sql, keys) => finish(sql, keys, 'used'),
};

function decide(request: ReserveCoupon, coupons: Coupons): Decided<null, CouponEvent> {
  const { key, couponId, customerId, discount } = request;
  const coupon = coupons.get(couponId);
  const unfit = couponProblem(coupon, request);
  if (!coupon || unfit) {
    const detail = `${shown(couponId)} ${unfit ?? 'is unknown'}`;
    return { key, ok: false, failure: 'CouponUnusable', detail };
  }
  coupon.left -= 1;
  const data = { couponId, customerId, discount };
  return { key, ok: true, result: null, event: { type: 'coupon.reserved', data } };
}

/** Why a coupon cannot be used; `undefined`: it can. */
function couponProblem(
  coupon: Coupon | undefined,
  { customerId, discount, isWholePrice }: ReserveCoupon,
): string | undefined {
  if (!coupon) return 'is unknown';
  if (coupon.is_expired) return 'has expired';
  if (coupon.customer_id !== null && coupon.customer_id !== customerId) {
    return 'belongs to another customer';
  }
  const more = BigInt(coupon.discount_minor) - BigInt(discount.minorUnits);
  const fits = isWholePrice === true ? more >= 0n : more === 0n;
  if (coupon.discount_currency !== discount.currency || !fits) {
    const taken = moneyText({
      currency: coupon.discount_currency,
      minorUnits: coupon.discount_minor,
    });
    return `takes off ${taken}, not ${moneyText(discount)}`;
  }
  return coupon.left < 1 ? 'is used up' : undefined;
}

/** Id for the tenant's customers: without the tenant. */
const shown = (couponId: BusinessId): string => partsOfBusinessId(couponId)?.id ?? couponId;

/** Locks the rows in key order: two sets that overlap wait for each other and never form a circle. */
async function lockCoupons(
  sql: SqlTransaction,
  couponIds: readonly BusinessId[],
): Promise<Coupons> {
  const coupons = new Map<BusinessId, Coupon>();
  for (const ids of chunksOf([...new Set(couponIds)].sort())) {
    const rows = await sql.select<CouponRow>(
      `SELECT id, customer_id, discount_currency, discount_minor, available,
              expires_at <= UTC_TIMESTAMP(3) AS is_expired
         FROM coupons FORCE INDEX (PRIMARY) WHERE id IN (?) ORDER BY id FOR UPDATE`,
      [ids],
    );
    for (const { available, is_expired, ...row } of rows) {
      coupons.set(row.id, { ...row, is_expired: Number(is_expired) === 1, left: available });
    }
  }
  return coupons;
}

/** Ends reservations. It locks coupons first, and then their reservations, as the act does. */
async function finish(
  sql: SqlTransaction,
  keys: readonly StepKey[],
  state: keyof typeof outcomes,
): Promise<ReadonlyMap<StepKey, CouponEvent>> {
  const { column, event } = outcomes[state];
  const frozen = await frozenOf(sql, keys);
  const couponIds = keys.map((key) => couponOf(frozen, key));
  await lockCoupons(sql, couponIds);
  const assignments = `c.frozen = c.frozen - d.pieces, c.${column} = c.${column} + d.pieces`;
  await movePieces(sql, piecesOf(couponIds), assignments);
  await endReservations(sql, keys, state);
  return new Map(
    keys.map((key) => [key, { type: event, data: { couponId: couponOf(frozen, key) } }] as const),
  );
}

/** @throws if a piece is set aside by the fence, but not in the table. Then the whole set is rolled back. */
function couponOf(frozen: ReadonlyMap<StepKey, BusinessId>, key: StepKey): BusinessId {
  const couponId = frozen.get(key);
  if (couponId === undefined) throw new Error(`Nothing is set aside for ${key}.`);
  return couponId;
}

/** Read without a lock: we hold the fence rows of these keys, and every change of a reservation locks its fence row. */
async function frozenOf(
  sql: SqlTransaction,
  keys: readonly StepKey[],
): Promise<ReadonlyMap<StepKey, BusinessId>> {
  const frozen = new Map<StepKey, BusinessId>();
  for (const effects of chunksOf(namesOf(keys))) {
    const rows = await sql.select<{
      readonly gid: string;
      readonly branch: string;
      readonly coupon_id: BusinessId;
    }>(
      `SELECT gid, branch, coupon_id FROM coupon_reservations FORCE INDEX (PRIMARY)
         WHERE (gid, branch) IN (?) AND state = 'frozen' ORDER BY gid, branch`,
      [effects],
    );
    for (const { gid, branch, coupon_id } of rows) frozen.set(stepKeyOf(gid, branch), coupon_id);
  }
  return frozen;
}

async function insertReservations(
  sql: SqlTransaction,
  requests: readonly ReserveCoupon[],
): Promise<void> {
  const rows = requests.map(({ key, couponId }) => {
    const { gid, branch } = effectOf(key);
    return [gid, branch, couponId];
  });
  for (const values of chunksOf(rows)) {
    await sql.change('INSERT INTO coupon_reservations (gid, branch, coupon_id) VALUES ?', [values]);
  }
}

async function endReservations(
  sql: SqlTransaction,
  keys: readonly StepKey[],
  state: keyof typeof outcomes,
): Promise<void> {
  for (const effects of chunksOf(namesOf([...keys].sort()))) {
    const changed = await sql.change(
      `UPDATE coupon_reservations FORCE INDEX (PRIMARY) SET state = ?
         WHERE (gid, branch) IN (?) AND state = 'frozen'`,
      [state, effects],
    );
    expectRows('coupon_reservations', changed, effects.length);
  }
}

/** One relative update of many locked rows. Every column has its CHECK, and the count of rows shows a missing key. */
async function movePieces(
  sql: SqlTransaction,
  pieces: ReadonlyMap<BusinessId, number>,
  assignments: string,
): Promise<void> {
  const sorted = [...pieces].sort(([one], [other]) => (one < other ? -1 : 1));
  for (const rows of chunksOf(sorted)) {
    const changed = await sql.change(
      `UPDATE (VALUES ${rows.map(() => 'ROW(?, ?)').join(', ')}) AS d (id, pieces)
         STRAIGHT_JOIN coupons c FORCE INDEX (PRIMARY) ON c.id = CAST(d.id AS BINARY)
         SET ${assignments}`,
      rows.flat(),
    );
    expectRows('coupons', changed, rows.length);
  }
}

/** Pieces by coupon: a JOIN applies a repeated key only once. */
function piecesOf(couponIds: readonly BusinessId[]): ReadonlyMap<BusinessId, number> {
  const pieces = new Map<BusinessId, number>();
  for (const id of couponIds) pieces.set(id, (pieces.get(id) ?? 0) + 1);
  return pieces;
}

const namesOf = (keys: readonly StepKey[]): readonly (readonly [string, string])[] =>
  keys.map((key) => {
    const { gid, branch } = effectOf(key);
    return [gid, branch];
  });
