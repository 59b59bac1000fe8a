import { describe, expect, it } from '@jest/globals';

import { orders } from '../../../../contracts/participants/orders';
import { recordSchemaOf } from '../../../../workers/consumers/record-schema';

const schema = recordSchemaOf(orders);
const record = {
  eventId: 'a',
  gid: 'order:acme.O-1',
  aggregateId: 'acme.O-1',
  sequence: 1,
  occurredAt: '2026-01-01T00:00:00.000Z',
};

/** Where a record is wrong. */
const placesOf = (value: object): readonly string[] =>
  schema.safeParse(value).error?.issues.map(({ path }) => path.join('.')) ?? [];

describe('a record that fits no declared event', () => {
  it('is refused with the field that is wrong, which its dead letter names', () => {
    expect(placesOf({ ...record, type: 'order.forgotten', data: {} })).toEqual(['type']);
    expect(placesOf({ ...record, type: 'order.created', data: {} })).toContain('data.amount');
  });
});
