import type { CouponUse } from './coupons';
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
  /** What is paid: the sum of the lines, less the coupon's discount; 0 where that is all of it: then no money moves. */
  readonly amount: Money;
  /** Left out: none. A TCC participant beside the saga's steps. */
  readonly coupon?: CouponUse;
}
