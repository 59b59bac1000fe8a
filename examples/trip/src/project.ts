/** The project, as the command `accord` runs it: accord.config.js hands it on. */
import { join } from 'node:path';

import { flowStart, reference } from 'accord/api';
import { defineProject } from 'accord/worker';
import { z } from 'zod';

import { implementations } from './implementations';
import { application, trip } from './trip';

const tripBody = z.strictObject({
  tripId: reference.optional(),
  hotelId: reference,
  nights: z.int().min(1).max(30),
  flightId: reference,
  seats: z.int().min(1).max(9),
  accountId: reference,
  agencyId: reference,
  cents: z.int().min(1).max(100_000_000),
});

/** A trip that nobody else's row is part of. */
export const bodyOf = (tripId: string, n: number) => ({
  ...{ tripId, hotelId: `H-${n}`, nights: 2, flightId: `F-${n}`, seats: 2 },
  ...{ accountId: `A-${n}`, agencyId: `agency-${n}`, cents: 50_000 },
});

const folder = (name: string) => join(__dirname, '../migrations', name);

/** @param table whose `held` must be what the holds of its rows say. */
const isHeld = (participant: string, table: string) => ({
  id: `T-${participant}`,
  name: `what ${table} hold is what their holds say`,
  participant,
  sql: `SELECT id FROM ${table} t WHERE held <>
    (SELECT COALESCE(SUM(amount), 0) FROM holds h WHERE h.id = t.id AND state = 'held')`,
  counted: `SELECT COUNT(*) AS n FROM ${table}`,
});

export const project = defineProject({
  application,
  implementations,
  migrations: { hotel: folder('hotel'), flight: folder('flight'), bank: folder('bank') },
  workflowsPath: join(__dirname, 'workflows.js'),
  checks: [isHeld('hotel', 'hotels'), isHeld('flight', 'flights'), isHeld('bank', 'accounts')],
  samples: [{ flow: 'trip', tenant: 'demo', path: '/v1/trips', body: bodyOf }],
  starts: [
    flowStart(trip, {
      path: '/v1/trips',
      summary: 'Books a trip: a room, seats and their payment, or none of them',
      body: tripBody,
      reference: ({ tripId }) => tripId,
      input: ({ hotelId, flightId, accountId, agencyId, nights, seats, cents }, { own }) => ({
        ...{ hotelId: own(hotelId), nights, flightId: own(flightId), seats },
        ...{ accountId: own(accountId), agencyId: own(agencyId), cents },
      }),
    }),
  ],
});
