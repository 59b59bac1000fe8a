import type { BusinessId } from './ids';
import type { Money } from './money';
import type { OrderLine } from './orders';
import type { TransactionInput } from './transaction';

/** Flow `order`, workflow `orderSaga`. */
export interface OrderSagaInput extends TransactionInput {
  readonly orderId: BusinessId;
  readonly customerId: BusinessId;
  /** Account that pays. */
  readonly accountId: BusinessId;
  /** The tenant's merchant account of the amount's currency: configuration, resolved by the API. */
  readonly merchantAccountId: BusinessId;
  readonly lines: readonly OrderLine[];
  readonly amount: Money;
}
