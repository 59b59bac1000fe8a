import { randomUUID } from 'node:crypto';

import { gidOf } from '../../../contracts/ids';
import type { OrderSagaInput } from '../../../contracts/order-saga';
import type { TransactionInput } from '../../../contracts/transaction';

/** Enough time for every step, and a budget that leaves some for acting. */
const someTime = () => ({ deadlineAt: Date.now() + 20_000, undoBudgetMs: 10_000 });

function aTransaction(overrides: Partial<TransactionInput> = {}): TransactionInput {
  return {
    gid: gidOf('order', `acme.T-${randomUUID()}`),
    tenant: 'acme',
    flow: 'order',
    ...someTime(),
    ...overrides,
  };
}

export function anOrder(overrides: Partial<OrderSagaInput> = {}): OrderSagaInput {
  const id = `O-${randomUUID()}`;
  const euros = (minorUnits: number) => ({ currency: 'EUR' as const, minorUnits });
  return {
    ...aTransaction({ gid: gidOf('order', `acme.${id}`) }),
    orderId: `acme.${id}`,
    customerId: 'acme.C-7',
    accountId: 'acme.A-1',
    merchantAccountId: 'acme.merchant-EUR',
    lines: [{ sku: 'acme.S-1', quantity: 2, unitPrice: euros(625) }],
    amount: euros(1_250),
    ...overrides,
  };
}
