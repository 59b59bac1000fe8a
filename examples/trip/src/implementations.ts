/** The participants in SQL, over the fence of their databases. */
import { implement, type ActImplementation, type Decided } from 'accord/activity';

import { add, endHolds, holdingOf, holdsOf, lockRows } from './holds';
import { bank, flight, hotel } from './participants';
import type { Capture, HoldMoney, HoldRoom, TrySeats } from './participants';

const rooms = holdingOf<HoldRoom>('hotels', 'NoRoomLeft', ({ hotelId }) => {
  return { id: hotelId, amount: 1 };
});
const seating = holdingOf<TrySeats>('flights', 'NoSeatLeft', ({ flightId, seats }) => {
  return { id: flightId, amount: seats };
});
const money = holdingOf<HoldMoney>('accounts', 'InsufficientFunds', ({ accountId, cents }) => {
  return { id: accountId, amount: cents };
});

/** The hold is consumed by the fence, in the same SQL transaction: nothing captures it twice, or after its release. */
const capture: ActImplementation<Capture, null> = {
  content: ({ holdKey, payeeId, cents }) => ({ holdKey, payeeId, cents }),
  rows: () => 3,
  consumes: { keyOf: ({ holdKey }) => holdKey },
  async effect(sql, requests) {
    const holdKeys = requests.map(({ holdKey }) => holdKey);
    const holds = new Map((await holdsOf(sql, holdKeys)).map((hold) => [hold.key, hold]));
    const payers = [...holds.values()].map(({ id }) => id);
    const payees = requests.map(({ payeeId }) => payeeId);
    const accounts = await lockRows(sql, 'accounts', [...payers, ...payees]);
    const decided: Decided<null>[] = [];
    for (const { key, holdKey, payeeId, cents } of requests) {
      const { id: payerId, amount } = holds.get(holdKey) ?? { id: '', amount: 0 };
      if (amount !== cents) {
        const detail = `the hold is of ${amount} cents, not of ${cents}`;
        decided.push({ key, ok: false, failure: 'InvariantBroken', detail });
      } else if (!accounts.has(payeeId)) {
        decided.push({ key, ok: false, failure: 'PayeeUnknown', detail: 'no such account' });
      } else {
        await add(sql, 'accounts', payerId, { held: -cents });
        await add(sql, 'accounts', payeeId, { free: cents });
        await endHolds(sql, [holdKey], 'taken');
        decided.push({ key, ok: true, result: null });
      }
    }
    return decided;
  },
};

export const implementations = () => ({
  hotel: implement(hotel, {
    holdRoom: rooms.hold,
    confirmRoom: rooms.take,
    releaseRoom: rooms.free,
  }),
  flight: implement(flight, {
    trySeats: seating.hold,
    takeSeats: seating.take,
    freeSeats: seating.free,
  }),
  bank: implement(bank, { hold: money.hold, release: money.free, capture }),
});
