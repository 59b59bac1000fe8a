import { ulid } from 'ulid';
import { z } from 'zod';

import { businessIdOf } from '../../../contracts/engine/ids';
import type { TransferInput } from '../../../contracts/flows/transfer';
import type { Config } from '../../config';
import type { ShopSettings } from '../config';
import { currencyAt, deadlineFaults, refuse, sameAccountFaults } from '../../http/refusals';
import type { Api } from '../../http/route-rules';
import { lifeMs, money, reference } from '../../http/schemas';
import type { Screening } from '../screening';
import type { Starts } from '../../transactions/starts';
import { noParams, startRoute } from '../../routes/start-route';

const transferBody = z
  .strictObject({
    /** Left out: an id is made. */
    transferId: reference.optional(),
    from: reference,
    to: reference,
    amount: money,
    deadlineMs: lifeMs,
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

interface TransferRoutes {
  readonly config: Pick<Config & ShopSettings, 'clearingAccounts' | 'secret'>;
  readonly starts: Starts;
  readonly screening: Screening;
}

export function transferRoutes(api: Api, { config, starts, screening }: TransferRoutes): void {
  startRoute(
    api,
    { starts, secret: config.secret },
    {
      url: '/v1/transfers',
      summary: 'Starts a transfer: debit and credit are tried, then both confirmed',
      params: noParams,
      body: transferBody,
      prepare({ transferId = ulid(), from, to, amount, deadlineMs }, { tenant }) {
        const faults = [...sameAccountFaults('/to', from, to), ...deadlineFaults(deadlineMs)];
        const currency = currencyAt('/amount/currency', amount.currency, faults);
        refuse(faults);
        const own = (id: string): string => businessIdOf(tenant, id);
        const input: TransferInput = {
          ...starts.inputOf('transfer', tenant, transferId, deadlineMs),
          transferId: own(transferId),
          fromId: own(from),
          toId: own(to),
          clearingId: own(config.clearingAccounts[tenant]?.[currency] ?? `clearing-${currency}`),
          amount: { currency, minorUnits: amount.minorUnits },
        };
        const named = [
          { pointer: '/from', id: input.fromId },
          { pointer: '/to', id: input.toId },
        ];
        return { input, reference: transferId, screen: () => screening.accounts(named, currency) };
      },
    },
  );
}
