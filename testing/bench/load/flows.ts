/** What the load starts: bodies of the shop's flows, each decided by its number alone. */
import { customersOf, type Customers } from './world';

export const plainFlows = ['transfer', 'payment', 'order', 'checkout'] as const;
type PlainFlow = (typeof plainFlows)[number];
/** `mixed`: one of each in turn. */
export const loadFlows = [...plainFlows, 'mixed'] as const;
export type LoadFlow = (typeof loadFlows)[number];
/** `hot`: everything goes to one account, and is of one SKU. */
export const spreads = ['even', 'hot'] as const;
export type Spread = (typeof spreads)[number];

export interface Choice {
  readonly flow: LoadFlow;
  /** Percent of the transactions that must be refused, since the payer has no money. */
  readonly refusals: number;
  readonly spread: Spread;
  /** Most transactions without an ending, in the API's milliseconds: what is late is undone. */
  readonly deadlineMs: number;
}

export interface Start {
  readonly flow: PlainFlow;
  /** The last part of its gid. */
  readonly reference: string;
  readonly path: string;
  readonly body: object;
  readonly mustBeRefused: boolean;
}

const price = { currency: 'EUR', minorUnits: 100 };

/** @returns the start of this number. The same number is always the same start. */
export function startOf(choice: Choice, at: number): Start {
  const flow =
    choice.flow === 'mixed' ? (plainFlows[at % plainFlows.length] ?? 'order') : choice.flow;
  // Each flow of a mixed load is refused as often: what counts is the round, not the number.
  const round = choice.flow === 'mixed' ? Math.floor(at / plainFlows.length) : at;
  const mustBeRefused = isRefused(round, choice.refusals);
  const customers = customersOf(at, mustBeRefused, choice.spread === 'hot');
  const reference = `L-${at}`;
  const { deadlineMs } = choice;
  const body = { ...bodyOf(flow, reference, customers), deadlineMs };
  return { flow, reference, path: `/v1/${flow}s`, body, mustBeRefused };
}

/** Spread over the whole load: of each hundred in a row, so many. */
export const isRefused = (at: number, percent: number): boolean =>
  Math.floor(((at + 1) * percent) / 100) > Math.floor((at * percent) / 100);

function bodyOf(flow: PlainFlow, reference: string, { payer, payee, sku }: Customers): object {
  switch (flow) {
    case 'transfer':
      return { transferId: reference, from: payer, to: payee, amount: price };
    case 'payment':
      return { paymentId: reference, fromAccount: payer, toAccount: payee, amount: price };
    case 'order':
    case 'checkout':
      return {
        ...{ orderId: reference, customerId: payer },
        lines: [{ sku, quantity: 1, unitPrice: price }],
        payment: { accountId: payer, amount: price },
      };
  }
}
