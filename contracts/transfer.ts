import type { BusinessId } from './ids';
import type { Money } from './money';
import type { TransactionInput } from './transaction';

/** Flow `transfer`, workflow `transfer`. */
export interface TransferInput extends TransactionInput {
  readonly transferId: BusinessId;
  readonly fromId: BusinessId;
  readonly toId: BusinessId;
  /** Where the money is between the two confirms: the tenant's clearing account of the currency. */
  readonly clearingId: BusinessId;
  readonly amount: Money;
}
