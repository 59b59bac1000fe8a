/** Payments: answered as soon as they are decided; a person decides where the rules do not; what was paid goes back. */
import {
  euros,
  playedOf,
  simply,
  sumOf,
  type Changes,
  type PlannedRun,
  type Played,
} from './planned-run';
import type { Scene, Start } from './scene';

interface Payment {
  readonly from: string;
  readonly minorUnits: number;
}

const payment = (reference: string, { from, minorUnits }: Payment): Start => ({
  flow: 'payment',
  reference,
  path: '/v1/payments',
  body: {
    paymentId: reference,
    fromAccount: from,
    toAccount: 'merchant-EUR',
    amount: euros(minorUnits),
  },
});

/** Money to the merchant; the payment, its assessment, its hold, its capture. */
const paid = ({ from, minorUnits }: Payment): Changes => ({
  [`account ${from} free`]: -minorUnits,
  'account merchant-EUR free': minorUnits,
  'payments completed': 1,
});

const small: Payment = { from: 'A-1', minorUnits: 2_500 };
/** Above what is paid without a person's word. */
const large: Payment = { from: 'A-RICH', minorUnits: 1_500_000 };
const refunded = 1_000;

const early = 'P-early';
const reviewed = 'P-reviewed';
const seconds = 30;

export const plannedPayments: readonly PlannedRun[] = [
  {
    title: 'a payment is answered as soon as it is authorised',
    start: payment(early, small),
    ending: 'completed',
    reason: null,
    changes: sumOf([paid(small), { 'events in accord.accounts': 6 }]),
    play: answeredEarly,
  },
  {
    title: 'a large payment waits for a person, who approves it',
    start: payment(reviewed, large),
    ending: 'completed',
    reason: null,
    changes: sumOf([paid(large), { 'events in accord.accounts': 7 }]),
    play: approved,
  },
  {
    title: 'a payment from a blocked account is declined',
    start: payment('P-blocked', { from: 'A-BLOCKED', minorUnits: 100 }),
    ending: 'compensated',
    reason: 'risk_rejected',
    changes: { 'payments declined': 1, 'events in accord.accounts': 4 },
    play: simply,
  },
  {
    title: 'a part of a payment goes back',
    start: {
      flow: 'refund',
      reference: 'R-part',
      path: `/v1/payments/${early}/refunds`,
      body: {
        refundId: 'R-part',
        amount: euros(refunded),
        kind: 'refund',
        reason: 'One was broken.',
      },
    },
    ending: 'completed',
    reason: null,
    changes: {
      [`account ${small.from} free`]: refunded,
      'account merchant-EUR free': -refunded,
      'refunds completed': 1,
      'events in accord.accounts': 4,
    },
    play: simply,
  },
];

async function answeredEarly(scene: Scene, start: Start): Promise<Played> {
  const began = performance.now();
  const { gid, payment: answer } = await scene.start(start, seconds);
  const decidedMs = performance.now() - began;
  await scene.settled(gid);
  const endedMs = performance.now() - began;
  return playedOf(gid, {
    seen: [
      `Answered after ${decidedMs.toFixed(0)} ms: ${answer?.status ?? 'nothing'}.`,
      `Ended after ${endedMs.toFixed(0)} ms.`,
    ],
  });
}

async function approved(scene: Scene, start: Start): Promise<Played> {
  const { gid, payment: answer } = await scene.start(start, seconds);
  if (answer?.status !== 'review') {
    throw new Error(`${gid} should be in review, it is ${answer?.status ?? 'not answered'}.`);
  }
  await scene.approve(start.reference, 'The customer has confirmed it by telephone.');
  await scene.settled(gid);
  return playedOf(gid, {
    outside: ['A reviewer, with a key of her own that has the scope payments:review, approved it.'],
    seen: ['The first answer was: review.'],
  });
}
