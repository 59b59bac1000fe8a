import { randomUUID } from 'node:crypto';

import type { CheckoutInput } from '../../../contracts/flows/checkout';
import type { Flow } from '../../../contracts/engine/ids';
import { gidOf } from '../../../contracts/engine/ids';
import type { OrderSagaInput } from '../../../contracts/flows/order';
import type { PaymentInput, RefundInput } from '../../../contracts/participants/payments';
import type { FailbackInput, FailoverInput } from '../../../contracts/regions/regions';
import type { SettlementInput } from '../../../contracts/participants/settlements';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import type { TransferInput } from '../../../contracts/flows/transfer';

/** Enough time for every step, and a budget that leaves some for acting. */
const someTime = () => ({ deadlineAt: Date.now() + 20_000, undoBudgetMs: 10_000 });

/** Time that is over soon: enough to come to the decision on a busy machine. */
export const littleTime = () => ({ deadlineAt: Date.now() + 12_000, undoBudgetMs: 7_000 });

const euros = (minorUnits: number) => ({ currency: 'EUR' as const, minorUnits });

/** A business id of its own, and the transaction that bears it. */
function aTransaction(flow: Flow): TransactionInput & { readonly id: string } {
  const id = `acme.T-${randomUUID()}`;
  return { id, gid: gidOf(flow, id), tenant: 'acme', flow, ...someTime() };
}

const aPurchase = (id: string) => ({
  orderId: id,
  customerId: 'acme.C-7',
  accountId: 'acme.A-1',
  merchantAccountId: 'acme.merchant-EUR',
  lines: [{ sku: 'acme.S-1', quantity: 2, unitPrice: euros(625) }],
  amount: euros(1_250),
});

export const aCoupon = { couponId: 'acme.SPRING', discount: euros(250) };

export function anOrder(overrides: Partial<OrderSagaInput> = {}): OrderSagaInput {
  const { id, ...input } = aTransaction('order');
  return { ...input, ...aPurchase(id), ...overrides };
}

export const anOrderWithCoupon = (overrides: Partial<OrderSagaInput> = {}): OrderSagaInput =>
  anOrder({ amount: euros(1_000), coupon: aCoupon, ...overrides });

export function aCheckout(overrides: Partial<CheckoutInput> = {}): CheckoutInput {
  const { id, ...input } = aTransaction('checkout');
  return { ...input, ...aPurchase(id), amount: euros(1_000), coupon: aCoupon, ...overrides };
}

export function aTransfer(overrides: Partial<TransferInput> = {}): TransferInput {
  const { id, ...input } = aTransaction('transfer');
  return {
    ...input,
    transferId: id,
    fromId: 'acme.A-1',
    toId: 'acme.A-2',
    clearingId: 'acme.clearing-EUR',
    amount: euros(1_250),
    ...overrides,
  };
}

export function aPayment(overrides: Partial<PaymentInput> = {}): PaymentInput {
  const { id, ...input } = aTransaction('payment');
  return {
    ...input,
    paymentId: id,
    payerId: 'acme.A-1',
    payeeId: 'acme.A-2',
    amount: euros(1_250),
    description: null,
    requestedBy: 'till-1',
    risk: {
      reviewScore: 50,
      declineScore: 100,
      velocity: { windowMs: 60_000, max: 10, score: 40 },
      amountLimits: {},
      newPayeeScore: 20,
    },
    reviewMs: 60_000,
    ...overrides,
  };
}

export function aRefund(overrides: Partial<RefundInput> = {}): RefundInput {
  const { id, ...input } = aTransaction('refund');
  return {
    ...input,
    refundId: id,
    paymentId: 'acme.P-1',
    amount: null,
    kind: 'refund',
    reason: 'Broken on arrival.',
    requestedBy: 'till-1',
    ...overrides,
  };
}

export function aSettlement(overrides: Partial<SettlementInput> = {}): SettlementInput {
  const { id, ...input } = aTransaction('settlement');
  return {
    ...input,
    settlementId: id,
    currency: 'EUR',
    day: '2026-11-20',
    requestedBy: 'till-1',
    pageRows: 10,
    ...overrides,
  };
}

/** An operator's transaction: its cluster is its tenant. */
function anOperation(flow: 'failover' | 'failback'): TransactionInput {
  const gid = gidOf(flow, `main.1-${randomUUID()}`);
  return { gid, tenant: 'main', flow, ...someTime() };
}

export function aFailover(overrides: Partial<FailoverInput> = {}): FailoverInput {
  return {
    ...anOperation('failover'),
    cluster: 'main',
    from: 'a',
    to: 'b',
    kind: 'planned',
    epoch: 1,
    reason: 'Region a is emptied.',
    dataSyncSeconds: 8,
    lossAllowedMs: 0,
    mayBeginAlone: false,
    ...overrides,
  };
}

export function aFailback(overrides: Partial<FailbackInput> = {}): FailbackInput {
  return {
    ...anOperation('failback'),
    cluster: 'main',
    region: 'a',
    active: 'b',
    epoch: 2,
    ...overrides,
  };
}
