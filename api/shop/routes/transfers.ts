import { z } from 'zod';

import { transfer } from '../../../contracts/flows/transfer';
import { currencyAt, currencyFaults, sameAccountFaults } from '../../http/refusals';
import { money, reference } from '../../http/schemas';
import { flowStart } from '../../routes/flow-start';
import type { ShopSettings } from '../config';
import type { Screening } from '../screening';

const transferBody = z
  .strictObject({
    /** Left out: an id is made. */
    transferId: reference.optional(),
    from: reference,
    to: reference,
    amount: money,
  })
  .meta({
    id: 'NewTransfer',
    examples: [
      {
        transferId: 'T-1',
        from: 'A-1',
        to: 'A-2',
        amount: { currency: 'EUR', minorUnits: 5000 },
      },
    ],
  });
const currencyPointer = '/amount/currency';

export const transferStart = (
  { clearingAccounts }: Pick<ShopSettings, 'clearingAccounts'>,
  screening: Screening,
) =>
  flowStart(transfer, {
    path: '/v1/transfers',
    summary: 'Starts a transfer: debit and credit are tried, then both confirmed',
    body: transferBody,
    reference: ({ transferId }) => transferId,
    faults: ({ from, to, amount }) => [
      ...sameAccountFaults('/to', from, to),
      ...currencyFaults(currencyPointer, amount.currency),
    ],
    input({ from, to, amount }, { tenant, reference: transferId, own }) {
      const currency = currencyAt(currencyPointer, amount.currency);
      return {
        transferId: own(transferId),
        fromId: own(from),
        toId: own(to),
        clearingId: own(clearingAccounts[tenant]?.[currency] ?? `clearing-${currency}`),
        amount: { currency, minorUnits: amount.minorUnits },
      };
    },
    screen: ({ fromId, toId, amount }) => {
      const named = [
        { pointer: '/from', id: fromId },
        { pointer: '/to', id: toId },
      ];
      return () => screening.accounts(named, amount.currency);
    },
  });
