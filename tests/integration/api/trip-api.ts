/** A process: the API of an application that is not the shop's. It has one participant, and one flow with a start route. */
import { z } from 'zod';

import { fault } from '../../../api/http/refusals';
import { reference } from '../../../api/http/schemas';
import { flowStart } from '../../../api/routes/flow-start';
import { runApi } from '../../../api/run';
import { defineApplication } from '../../../contracts/engine/application';
import { act, confirm, defineParticipant, undo } from '../../../contracts/engine/definition';
import { defineFlow } from '../../../contracts/engine/flow-definition';
import { tcc } from '../../../contracts/engine/steps';
import type { TransactionInput } from '../../../contracts/engine/transaction';

interface HoldRoom {
  readonly hotelId: string;
  readonly nights: number;
}
interface TripInput extends TransactionInput, HoldRoom {}

const hotel = defineParticipant('hotel', {
  holdRoom: act<HoldRoom>({ refusals: ['NoRoomLeft'], reserves: true }),
  confirmRoom: confirm(),
  releaseRoom: undo(),
});
const trip = defineFlow<TripInput>()({
  name: 'trip',
  workflow: 'trip',
  steps: {
    room: tcc({ try: hotel.holdRoom, confirm: hotel.confirmRoom, cancel: hotel.releaseRoom }),
  },
});

const tripBody = z
  .strictObject({
    tripId: reference.optional(),
    hotelId: reference,
    nights: z.int().min(1).max(30),
    guests: z.int().min(1).default(1),
  })
  .meta({ id: 'NewTrip', examples: [{ tripId: 'T-1', hotelId: 'H-1', nights: 2 }] });

runApi({
  application: defineApplication({ participants: [hotel], flows: [trip] }),
  starts: [
    flowStart(trip, {
      path: '/v1/trips',
      summary: 'Starts a trip: a room is tried, then confirmed',
      body: tripBody,
      reference: ({ tripId }) => tripId,
      faults: ({ guests, nights }) =>
        guests > 2 && nights > 7 ? [fault('/guests', 'too_many', 'are too many for a week')] : [],
      input: ({ hotelId, nights }, { own }) => ({ hotelId: own(hotelId), nights }),
    }),
  ],
});
