/** Checkouts and transfers: TCC. All participants try at once, then all confirm, or all cancel. */
import { sale, type Purchase } from './orders';
import { euros, simply, sumOf, type Changes, type PlannedRun } from './planned-run';
import type { Start } from './scene';

/** As the seed has it: one piece. */
const coupon = { code: 'C-ONCE', discount: 250 } as const;

const checkout = (reference: string, { account, sku, quantity, unitPrice }: Purchase): Start => ({
  flow: 'checkout',
  reference,
  path: '/v1/checkouts',
  body: {
    orderId: reference,
    customerId: `C-${reference}`,
    lines: [{ sku, quantity, unitPrice: euros(unitPrice) }],
    couponCode: coupon.code,
    payment: { accountId: account, amount: euros(quantity * unitPrice - coupon.discount) },
  },
});

/** Tried and confirmed, or tried and cancelled, by each participant. */
const twiceEach: Changes = {
  'events in accord.inventory': 2,
  'events in accord.accounts': 2,
  'events in accord.orders': 2,
};

const bought: Purchase = {
  account: 'A-1',
  sku: 'S-2',
  quantity: 3,
  unitPrice: 400,
  discount: coupon.discount,
};
const transferred = 12_345;

export const plannedCheckouts: readonly PlannedRun[] = [
  {
    title: 'a checkout is confirmed by all four participants, with a coupon',
    start: checkout('K-confirmed', bought),
    ending: 'completed',
    reason: null,
    changes: sumOf([
      sale(bought),
      twiceEach,
      {
        [`coupon ${coupon.code} available`]: -1,
        [`coupon ${coupon.code} used`]: 1,
        'events in accord.coupons': 2,
      },
    ]),
    play: simply,
  },
  {
    title: 'a checkout is cancelled by all of them: its coupon was used up',
    start: checkout('K-cancelled', bought),
    ending: 'compensated',
    reason: 'coupon_unusable',
    changes: sumOf([twiceEach, { 'orders cancelled': 1, 'order views cancelled': 1 }]),
    play: simply,
  },
  {
    title: 'a transfer goes through the clearing account',
    start: {
      flow: 'transfer',
      reference: 'T-1',
      path: '/v1/transfers',
      body: { transferId: 'T-1', from: 'A-2', to: 'A-3', amount: euros(transferred) },
    },
    ending: 'completed',
    reason: null,
    changes: {
      'account A-2 free': -transferred,
      'account A-3 free': transferred,
      'events in accord.accounts': 4,
    },
    play: simply,
  },
];
