import { heldAmount, type Money } from '../engine/money';
import { accounts } from '../participants';
import { defineFlow } from '../engine/flow-definition';
import { tcc } from '../engine/steps';
import type { BusinessId } from '../engine/ids';
import type { TransactionInput } from '../engine/transaction';

/** Flow `transfer`, workflow `transfer`. */
export interface TransferInput extends TransactionInput {
  readonly transferId: BusinessId;
  readonly fromId: BusinessId;
  readonly toId: BusinessId;
  /** Where the money is between the two confirms: the tenant's clearing account of the currency. */
  readonly clearingId: BusinessId;
  readonly amount: Money;
}

/** A transfer: both legs are tried at once, each against the clearing account. */
export const transfer = defineFlow<TransferInput>()({
  name: 'transfer',
  workflow: 'transfer',
  steps: {
    debit: tcc({
      try: accounts.reserveDebit,
      confirm: accounts.confirmDebit,
      cancel: accounts.releaseFunds,
      atRisk: ({ amount }: TransferInput) => heldAmount(amount),
    }),
    credit: tcc({
      try: accounts.reserveCredit,
      confirm: accounts.confirmCredit,
      cancel: accounts.cancelCredit,
    }),
  },
});
