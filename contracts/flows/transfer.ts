import { heldAmount } from '../money';
import { accounts } from '../participants';
import { defineFlow, tcc } from '../steps';
import type { TransferInput } from '../transfer';

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
