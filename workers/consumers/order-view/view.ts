import { orders, type OrderEvent } from '../../../contracts/participants/orders';
import { partsOfBusinessId, type BusinessId, type Tenant } from '../../../contracts/engine/ids';
import { isCurrency, type Money } from '../../../contracts/engine/money';
import type { OrderLine, OrderStatus } from '../../../contracts/participants/orders';
import { recordSchemaOf } from '../record-schema';

/** What an event says about the view of its order. */
export interface OrderViewChange {
  readonly eventId: string;
  readonly orderId: BusinessId;
  readonly tenant: Tenant;
  readonly status: OrderStatus;
  /** Number of the event in the stream of the order. */
  readonly version: number;
  readonly asOf: Date;
  /** Known from `order.created` alone. */
  readonly facts: OrderFacts | null;
}
export interface OrderFacts {
  readonly customerId: BusinessId;
  readonly amount: Money;
  readonly lines: readonly OrderLine[];
}

/** The record is no order event that this build knows: it can be delivered as often as one likes. */
export class UnreadableEvent extends Error {
  override readonly name = 'UnreadableEvent';
}

const eventSchema = recordSchemaOf(orders);

const statuses = {
  'order.created': 'created',
  'order.completed': 'completed',
  'order.cancelled': 'cancelled',
} as const satisfies Record<OrderEvent['type'], OrderStatus>;

/**
 * The projection: what the value of a record says about the view of its order. Fields that it does not know are passed
 * over, so a producer may add some; a type that it does not know is not: it would be lost for the build that does.
 *
 * @throws UnreadableEvent
 */
export function orderViewChangeOf(value: Buffer | null): OrderViewChange {
  const event = orderEventOf(value);
  const { orderId } = event.data;
  const { tenant } = partsOfBusinessId(orderId) ?? { tenant: '' };
  return {
    eventId: event.eventId,
    orderId,
    tenant,
    status: statuses[event.type],
    version: event.sequence,
    asOf: new Date(event.occurredAt),
    facts: event.type === 'order.created' ? factsOf(event.data) : null,
  };
}

function factsOf({ customerId, amount, lines }: OrderFacts): OrderFacts {
  const facts = { customerId, amount, lines };
  demandCurrencies(facts);
  return facts;
}

function orderEventOf(value: Buffer | null): OrderEvent {
  const parsed = eventSchema.safeParse(jsonOf(value));
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new UnreadableEvent(`Not an order event: ${reasons.join('; ')}`);
}

/** Amounts are stored and shown by their currency, so its minor units must be known. */
function demandCurrencies({ amount, lines }: OrderFacts): void {
  for (const { currency } of [amount, ...lines.map(({ unitPrice }) => unitPrice)]) {
    if (isCurrency(currency)) continue;
    throw new UnreadableEvent(
      `Not an order event: ${String(currency)} is no currency of ISO 4217 that has minor units.`,
    );
  }
}

function jsonOf(value: Buffer | null): unknown {
  try {
    return JSON.parse(value?.toString('utf8') ?? '');
  } catch (error) {
    throw new UnreadableEvent('Not JSON.', { cause: error });
  }
}
