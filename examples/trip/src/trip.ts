/** The flow: what its steps are, and how each is taken back. Pure. */
import { compensable, confirms, defineApplication, defineFlow, pivot, tcc } from 'accord/contracts';
import type { BusinessId, TransactionInput } from 'accord/contracts';

import { bank, flight, hotel } from './participants';

export interface TripInput extends TransactionInput {
  readonly hotelId: BusinessId;
  readonly nights: number;
  readonly flightId: BusinessId;
  readonly seats: number;
  /** The account that pays, and the one that is paid. */
  readonly accountId: BusinessId;
  readonly agencyId: BusinessId;
  readonly cents: number;
}

export const trip = defineFlow<TripInput>()({
  name: 'trip',
  workflow: 'trip',
  steps: {
    holdRoom: compensable(hotel.holdRoom, { undo: hotel.releaseRoom }),
    seats: tcc({ try: flight.trySeats, confirm: flight.takeSeats, cancel: flight.freeSeats }),
    holdMoney: compensable(bank.hold, { undo: bank.release }),
    pay: pivot(bank.capture, { seal: bank.sealCapture }),
    confirmRoom: confirms('holdRoom', hotel.confirmRoom),
  },
});

export const application = defineApplication({
  participants: [hotel, flight, bank],
  flows: [trip],
});
