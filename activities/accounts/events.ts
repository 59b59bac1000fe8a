import type { accounts } from '../../contracts/participants';
import type { EventOf } from '../fence/participant';

/** An event of the participant `accounts`. */
export type AccountsEvent = EventOf<typeof accounts>;

export const moneyEvent = <Type extends AccountsEvent['type']>(
  type: Type,
  data: Extract<AccountsEvent, { readonly type: Type }>['data'],
): AccountsEvent =>
  // The compiler does not follow that this type has these data: the parameters say so.
  ({ type, data }) as AccountsEvent;

/** The event of a change of a payment. */
export type PaymentEvent = Extract<
  AccountsEvent,
  { readonly type: `payment.${string}` | `refund.${string}` }
>;
type DetailsOf<Event extends PaymentEvent> = Omit<Event['data'], 'paymentId' | 'status'>;

/** What happened to a payment: the type of its event, which is also its name in the audit, and the details of both. */
export type PaymentNews = {
  [Event in PaymentEvent as Event['type']]: {
    readonly what: Event['type'];
  } & (keyof DetailsOf<Event> extends never
    ? { readonly details?: DetailsOf<Event> }
    : { readonly details: DetailsOf<Event> });
}[PaymentEvent['type']];
