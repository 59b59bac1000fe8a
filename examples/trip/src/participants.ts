/** The services of a trip, each with a database of its own: what a flow may ask of them. Pure. */
import { act, confirm, defineParticipant, heldAmount, seal, undo } from 'accord/contracts';
import type { BusinessId, StepKey } from 'accord/contracts';

/** The key of what was set aside. */
export interface Held {
  readonly holdKey: StepKey;
}
const places = (sku: string, quantity: number) => [{ kind: 'stock', sku, quantity }] as const;
const euros = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;

export interface HoldRoom {
  readonly hotelId: BusinessId;
  readonly nights: number;
}
export const hotel = defineParticipant('hotel', {
  /** Sets one room aside. */
  holdRoom: act<HoldRoom, Held>({
    refusals: ['NoRoomLeft'],
    reserves: true,
    amounts: ({ hotelId }) => places(hotelId, 1),
  }),
  confirmRoom: confirm(),
  releaseRoom: undo(),
});

export interface TrySeats {
  readonly flightId: BusinessId;
  readonly seats: number;
}
export const flight = defineParticipant('flight', {
  /** Sets seats aside: all of them, or none. */
  trySeats: act<TrySeats, Held>({
    refusals: ['NoSeatLeft'],
    reserves: true,
    amounts: ({ flightId, seats }) => places(flightId, seats),
  }),
  takeSeats: confirm(),
  freeSeats: undo(),
});

export interface HoldMoney {
  readonly accountId: BusinessId;
  readonly cents: number;
}
export interface Capture extends Held {
  readonly payeeId: BusinessId;
  readonly cents: number;
}
/** A bank of one currency: amounts are cents of EUR. */
export const bank = defineParticipant('bank', {
  /** Sets money aside. */
  hold: act<HoldMoney, Held>({
    refusals: ['InsufficientFunds'],
    reserves: true,
    movesMoney: true,
    amounts: ({ cents }) => heldAmount(euros(cents)),
  }),
  release: undo(),
  /** Pays what was set aside: the point of no return. */
  capture: act<Capture>({
    refusals: ['PayeeUnknown'],
    movesMoney: true,
    amounts: ({ cents }) => [{ kind: 'captured', ...euros(cents) }],
  }),
  /** Has the capture happened? If not, it never will. */
  sealCapture: seal(),
});
