/** Trips over HTTP, against the processes of this project: `API_URL`, and `API_KEY` of the tenant `demo`. */
import { strict as assert } from 'node:assert';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { bodyOf } from './project';

const { API_URL, API_KEY } = process.env;

async function book(tripId: string, otherwise: object = {}) {
  const answer = await fetch(`${API_URL}/v1/trips`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${API_KEY}`,
      'content-type': 'application/json',
      'idempotency-key': tripId,
      prefer: 'wait=30, until=ending',
    },
    body: JSON.stringify({ ...bodyOf(tripId, 400), cents: 50, ...otherwise }),
  });
  return { replayed: answer.headers.get('idempotent-replayed'), body: await answer.json() };
}

test('a trip that everybody grants is completed, once for its key', async () => {
  const tripId = randomUUID();
  const first = await book(tripId);
  assert.equal(first.body.outcome, 'completed');
  const again = await book(tripId);
  assert.deepEqual(again, { replayed: 'true', body: first.body });
});

test('a trip without a seat, or without the money, is compensated', async () => {
  const full = await book(randomUUID(), { flightId: 'full' });
  assert.equal(full.body.reason.code, 'no_seat_left');
  const poor = await book(randomUUID(), { cents: 100_000_000 });
  assert.equal(poor.body.reason.code, 'insufficient_funds');
});
