import { describe, expect, it } from '@jest/globals';

import { orderViewChangeOf, UnreadableEvent } from '../../../../workers/consumers/order-view/view';

const event = {
  eventId: 'order:acme.O-1/createOrder/act/1',
  type: 'order.created',
  gid: 'order:acme.O-1',
  aggregateId: 'acme.O-1',
  sequence: 1,
  occurredAt: '2026-01-01T00:00:01.000Z',
  data: {
    orderId: 'acme.O-1',
    customerId: 'acme.C-1',
    amount: { currency: 'EUR', minorUnits: 100 },
    lines: [{ sku: 'acme.S-1', quantity: 1, unitPrice: { currency: 'EUR', minorUnits: 100 } }],
  },
};
const asValue = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

describe('what an event says about the view of its order', () => {
  it('is status, version, time and the facts of the order', () => {
    expect(orderViewChangeOf(asValue(event))).toEqual({
      eventId: event.eventId,
      orderId: 'acme.O-1',
      tenant: 'acme',
      status: 'created',
      version: 1,
      asOf: new Date('2026-01-01T00:00:01.000Z'),
      facts: {
        customerId: 'acme.C-1',
        amount: event.data.amount,
        lines: event.data.lines,
      },
    });
  });

  it('stays readable when a producer adds a field', () => {
    const newer = { ...event, region: 'b', data: { ...event.data, note: 'gift' } };
    expect(orderViewChangeOf(asValue(newer))).toEqual(orderViewChangeOf(asValue(event)));
  });

  it.each([
    ['no value', null],
    ['no JSON', Buffer.from('{')],
    ['an unknown type', asValue({ ...event, type: 'order.forgotten' })],
    ['an id without tenant', asValue({ ...event, data: { ...event.data, orderId: 'O-1' } })],
    ['no version', asValue({ ...event, sequence: 0 })],
    [
      'an amount that is no whole number',
      asValue({ ...event, data: { ...event.data, amount: { currency: 'EUR', minorUnits: 0.5 } } }),
    ],
  ])('is nothing that can be read: %s', (_, value) => {
    expect(() => orderViewChangeOf(value)).toThrow(UnreadableEvent);
  });
});
