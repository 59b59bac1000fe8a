import type { WorkflowHandle } from '@temporalio/client';

import {
  cancelTransactionUpdate,
  parkTransactionUpdate,
  resolveTransactionUpdate,
  reviewTransactionUpdate,
  timelineQuery,
} from '../../contracts/engine/transaction';
import type {
  Decision,
  ReviewDecision,
  TransactionInput,
} from '../../contracts/engine/transaction';
import { eventually } from '../support/eventually';
import {
  aCheckout,
  aFailback,
  aFailover,
  anOrder,
  anOrderWithCoupon,
  aPayment,
  aRefund,
  aSettlement,
  aTransfer,
} from '../workflows/support/builders';
import type { Answer, FakeParticipants } from '../workflows/support/fake-participants';
import {
  fails,
  first,
  isAway,
  isHeld,
  isOdd,
  losesAnswer,
  losesAnswerUntilSealed,
  refusalDeclaredBy,
  refuses,
} from '../workflows/support/fake-participants';

type Times = Pick<TransactionInput, 'deadlineAt' | 'undoBudgetMs'>;

/** One ending of one flow that is recorded from a real run, and replayed on today's code ever after. */
export interface Scenario {
  /** `<flow>-<what befalls it>`. */
  readonly name: string;
  readonly input: (times: Times) => TransactionInput;
  readonly answers: Readonly<Record<string, Answer>>;
  /** Time until the acts must have ended; left out: plenty. */
  readonly actingMs?: number;
  /** Steers the run; the recording is made when it has ended. */
  readonly meanwhile?: (handle: WorkflowHandle, fakes: FakeParticipants) => Promise<unknown>;
}

const actor = { subject: 'olga@acme.example' };
const evidence = { kind: 'ticket', ref: 'OPS-1', note: null };

const parked = (handle: WorkflowHandle, step: string) =>
  eventually(async () => {
    const timeline = await handle.query(timelineQuery);
    return timeline.parked.some((each) => each.step === step);
  });

const resolved = (step: string, decision: Decision) => async (handle: WorkflowHandle) => {
  await parked(handle, step);
  await handle.executeUpdate(resolveTransactionUpdate, {
    args: [{ step, decision, actor, evidence: decision === 'retry' ? null : evidence }],
  });
};

const calledOften =
  (activity: string) =>
  (_handle: WorkflowHandle, { calls }: FakeParticipants) =>
    eventually(() => calls.filter((call) => call === activity).length > 1);

const cancelled = (activity: string) => async (handle: WorkflowHandle, fakes: FakeParticipants) => {
  await calledOften(activity)(handle, fakes);
  await handle.executeUpdate(cancelTransactionUpdate, { args: [{ actor, note: null }] });
};

/** Cancelled while nobody knows whether its decision has happened, and then asked again. */
const cancelledAtSeal = (decision: string) => async (handle: WorkflowHandle) => {
  await parked(handle, `seal-${decision}`);
  await handle.executeUpdate(cancelTransactionUpdate, { args: [{ actor, note: null }] });
  await resolved(`seal-${decision}`, 'retry')(handle);
};

const declined = refuses('AccountUnavailable', 'acme.A-1 is closed.');

const orders: readonly Omit<Scenario, 'input'>[] = [
  { name: 'order-completed', answers: {} },
  { name: 'order-lock-held', answers: { acquireLock: first(3, isHeld) } },
  { name: 'order-lock-lost', answers: { 'orders.createOrder': first(1, fails('LockLost')) } },
  {
    name: 'order-refused-reserve-stock',
    answers: { 'inventory.reserveStock': refuses('OutOfStock') },
  },
  {
    name: 'order-refused-hold-funds',
    answers: { 'accounts.holdFunds': refuses('InsufficientFunds') },
  },
  { name: 'order-refused-capture-funds', answers: { 'accounts.captureFunds': declined } },
  {
    name: 'order-retried',
    answers: { 'accounts.holdFunds': first(2, isAway), 'orders.completeOrder': first(2, isAway) },
  },
  {
    name: 'order-cancelled-reserve-stock-unknown',
    answers: { 'inventory.reserveStock': losesAnswer },
    meanwhile: cancelled('inventory.reserveStock'),
  },
  {
    name: 'order-cancelled-create-order-unknown',
    answers: { 'orders.createOrder': losesAnswer },
    meanwhile: cancelled('orders.createOrder'),
  },
  {
    name: 'order-cancelled-in-temporal',
    answers: { 'orders.createOrder': isAway },
    meanwhile: cancelledInTemporal('orders.createOrder'),
  },
  { name: 'order-deadline-lock', answers: { acquireLock: isHeld }, actingMs: 1_000 },
  {
    name: 'order-deadline-pivot-never',
    answers: { 'accounts.captureFunds': isAway },
    actingMs: 5_000,
  },
  {
    name: 'order-deadline-pivot-happened',
    answers: { 'accounts.captureFunds': losesAnswerUntilSealed },
    actingMs: 5_000,
  },
  { name: 'order-fenced', answers: { 'orders.createOrder': fails('Fenced') } },
  { name: 'order-conflict', answers: { 'accounts.holdFunds': fails('IdempotencyConflict') } },
  ...(['retry', 'done', 'skip'] as const).flatMap((decision) => [
    {
      name: `order-parked-undo-${decision}`,
      answers: {
        'accounts.captureFunds': declined,
        'accounts.releaseFunds': first(1, fails('InvariantBroken')),
      },
      meanwhile: resolved('holdFunds', decision),
    },
    {
      name: `order-parked-finish-${decision}`,
      answers: { 'inventory.confirmStock': first(1, fails('InvariantBroken')) },
      meanwhile: resolved('confirmStock', decision),
    },
  ]),
  {
    name: 'order-parked-seal-cancelled',
    answers: {
      'orders.createOrder': fails('IdempotencyConflict'),
      'accounts.sealBranch': first(1, fails('InvariantBroken')),
    },
    meanwhile: cancelledAtSeal('captureFunds'),
  },
  {
    name: 'order-parked-pivot-broken',
    answers: { 'accounts.captureFunds': fails('InvariantBroken', 'No hold.') },
    meanwhile: resolved('captureFunds', 'done'),
  },
  {
    name: 'order-parked-by-operator',
    answers: { 'accounts.captureFunds': declined, 'accounts.releaseFunds': isAway },
    meanwhile: async (handle, fakes) => {
      await calledOften('accounts.releaseFunds')(handle, fakes);
      await handle.executeUpdate(parkTransactionUpdate, {
        args: [{ step: 'holdFunds', actor, note: 'The bank is down.' }],
      });
      await resolved('holdFunds', 'done')(handle);
    },
  },
  {
    name: 'order-reset-then-cancelled',
    answers: { 'orders.createOrder': isAway },
    meanwhile: async (handle, fakes) => {
      await calledOften('orders.createOrder')(handle, fakes);
      fakes.on('acquireLock', isAway);
      await resetToStart(handle);
      const newest = handle.client.getHandle(handle.workflowId);
      await newest.executeUpdate(cancelTransactionUpdate, { args: [{ actor, note: null }] });
    },
  },
  {
    name: 'order-reset-after-completion',
    answers: {},
    meanwhile: resetAtItsEnd,
  },
];

/** Its coupon takes off all of it. */
const nothing = { currency: 'EUR', minorUnits: 0 } as const;

const ordersWithCoupon: readonly Omit<Scenario, 'input'>[] = [
  { name: 'order-coupon-completed', answers: {} },
  {
    name: 'order-coupon-refused-reserve-coupon',
    answers: { 'coupons.reserveCoupon': refuses('CouponUnusable') },
  },
  { name: 'order-coupon-refused-capture-funds', answers: { 'accounts.captureFunds': declined } },
  {
    name: 'order-coupon-parked-confirm',
    answers: { 'coupons.useCoupon': first(1, fails('InvariantBroken')) },
    meanwhile: resolved('coupon-confirm', 'retry'),
  },
  { name: 'order-coupon-reset-after-completion', answers: {}, meanwhile: resetAtItsEnd },
];

/** Every ending that a flow of TCC participants may have; `tries` names each and the activities of its first. */
const tccScenarios = (
  flow: string,
  tries: readonly (readonly [step: string, act: string])[],
  [confirmed, confirm, cancel]: readonly [step: string, confirm: string, cancel: string],
): readonly Omit<Scenario, 'input'>[] => [
  { name: `${flow}-completed`, answers: {} },
  ...tries.flatMap(([step, act]) => [
    {
      name: `${flow}-refused-${step}`,
      answers: { [act]: refuses(refusalDeclaredBy(act) ?? 'none') },
    },
    {
      name: `${flow}-cancelled-${step}-unknown`,
      answers: { [act]: losesAnswer },
      meanwhile: cancelled(act),
    },
  ]),
  {
    name: `${flow}-retried`,
    answers: { 'accord.decide': first(1, isAway), [confirm]: first(1, isAway) },
  },
  { name: `${flow}-deadline-never`, answers: { 'accord.decide': isAway }, actingMs: 3_000 },
  {
    name: `${flow}-deadline-happened`,
    answers: { 'accord.decide': losesAnswerUntilSealed },
    actingMs: 3_000,
  },
  {
    name: `${flow}-cancelled-in-temporal`,
    answers: { [tries[0]?.[1] ?? '']: isAway },
    meanwhile: cancelledInTemporal(tries[0]?.[1] ?? ''),
  },
  ...(['retry', 'done', 'skip'] as const).flatMap((decision) => [
    {
      name: `${flow}-parked-confirm-${decision}`,
      answers: { [confirm]: first(1, fails('InvariantBroken')) },
      meanwhile: resolved(`${confirmed}-confirm`, decision),
    },
    {
      name: `${flow}-parked-cancel-${decision}`,
      answers: {
        'accord.decide': fails('Fenced'),
        [cancel]: first(1, fails('InvariantBroken')),
      },
      meanwhile: resolved(confirmed, decision),
    },
  ]),
  {
    name: `${flow}-parked-seal-cancelled`,
    answers: {
      [tries.at(-1)?.[1] ?? '']: fails('IdempotencyConflict'),
      'accord.sealDecision': first(1, fails('InvariantBroken')),
    },
    meanwhile: cancelledAtSeal('decide'),
  },
  { name: `${flow}-reset-after-completion`, answers: {}, meanwhile: resetAtItsEnd },
];

const checkouts = tccScenarios(
  'checkout',
  [
    ['stock', 'inventory.reserveStock'],
    ['funds', 'accounts.reserveDebit'],
    ['coupon', 'coupons.reserveCoupon'],
    ['order', 'orders.createOrder'],
  ],
  ['funds', 'accounts.confirmDebit', 'accounts.releaseFunds'],
);

const transfers = tccScenarios(
  'transfer',
  [
    ['debit', 'accounts.reserveDebit'],
    ['credit', 'accounts.reserveCredit'],
  ],
  ['debit', 'accounts.confirmDebit', 'accounts.releaseFunds'],
);

const needsReview: Answer = ({ proceed }) =>
  proceed({ decision: 'review', score: 60, reasons: [] });

const payments: readonly Omit<Scenario, 'input'>[] = [
  { name: 'payment-completed', answers: {} },
  { name: 'payment-refused-open', answers: { 'accounts.openPayment': declined } },
  {
    name: 'payment-refused-risk',
    answers: { 'accounts.authorisePayment': refuses('RiskRejected') },
  },
  { name: 'payment-refused-transfer-funds', answers: { 'accounts.captureFunds': declined } },
  {
    name: 'payment-review-approved',
    answers: { 'accounts.assessRisk': needsReview },
    meanwhile: reviewed('approve'),
  },
  {
    name: 'payment-review-rejected',
    answers: {
      'accounts.assessRisk': needsReview,
      'accounts.authorisePayment': refuses('ReviewRejected'),
    },
    meanwhile: reviewed('reject'),
  },
  {
    name: 'payment-review-cancelled',
    answers: { 'accounts.assessRisk': needsReview },
    meanwhile: async (handle) => {
      await inReview(handle);
      await handle.executeUpdate(cancelTransactionUpdate, { args: [{ actor, note: null }] });
    },
  },
  {
    name: 'payment-review-reset',
    answers: { 'accounts.assessRisk': needsReview },
    meanwhile: async (handle) => {
      await reviewed('approve')(handle);
      await resetAtItsEnd(handle);
    },
  },
  {
    name: 'payment-review-forward',
    answers: {
      'accounts.assessRisk': needsReview,
      'accounts.captureFunds': losesAnswerUntilSealed,
    },
    actingMs: 3_000,
    meanwhile: reviewed('approve'),
  },
  {
    name: 'payment-cancelled-authorise-unknown',
    answers: { 'accounts.authorisePayment': losesAnswer },
    meanwhile: cancelled('accounts.authorisePayment'),
  },
  {
    name: 'payment-cancelled-in-temporal',
    answers: { 'accounts.assessRisk': isAway },
    meanwhile: cancelledInTemporal('accounts.assessRisk'),
  },
  { name: 'payment-deadline-never', answers: { 'accounts.captureFunds': isAway }, actingMs: 3_000 },
  {
    name: 'payment-deadline-happened',
    answers: { 'accounts.captureFunds': losesAnswerUntilSealed },
    actingMs: 3_000,
  },
  ...(['retry', 'done', 'skip'] as const).flatMap((decision) => [
    {
      name: `payment-parked-undo-${decision}`,
      answers: {
        'accounts.captureFunds': declined,
        'accounts.voidAuthorisation': first(1, fails('InvariantBroken')),
      },
      meanwhile: resolved('authorise', decision),
    },
    {
      name: `payment-parked-finish-${decision}`,
      answers: { 'accounts.completePayment': first(1, fails('InvariantBroken')) },
      meanwhile: resolved('completePayment', decision),
    },
  ]),
  {
    name: 'payment-parked-seal-cancelled',
    answers: {
      'accounts.authorisePayment': fails('IdempotencyConflict'),
      'accounts.sealBranch': first(1, fails('InvariantBroken')),
    },
    meanwhile: cancelledAtSeal('transferFunds'),
  },
  {
    name: 'payment-odd-failure',
    answers: { 'accounts.completePayment': first(1, isOdd) },
  },
  { name: 'payment-reset-after-completion', answers: {}, meanwhile: resetAtItsEnd },
];

const paymentsThatExpire: readonly Omit<Scenario, 'input'>[] = [
  { name: 'payment-review-expired', answers: { 'accounts.assessRisk': needsReview } },
];

/** Above what goes without a person. */
const chargebacks: readonly Omit<Scenario, 'input'>[] = [
  { name: 'chargeback-review-approved', answers: {}, meanwhile: reviewed('approve') },
  {
    name: 'chargeback-review-rejected',
    answers: { 'accounts.recordRefundReview': refuses('ReviewRejected') },
    meanwhile: reviewed('reject'),
  },
  {
    name: 'chargeback-refused-return-funds',
    answers: { 'accounts.captureFunds': declined },
    meanwhile: reviewed('approve'),
  },
];

const refunds: readonly Omit<Scenario, 'input'>[] = [
  { name: 'refund-completed', answers: {} },
  {
    name: 'refund-refused-reserve',
    answers: { 'accounts.reserveRefund': refuses('LimitExceeded') },
  },
  { name: 'refund-refused-return-funds', answers: { 'accounts.captureFunds': declined } },
  {
    name: 'refund-cancelled-reserve-unknown',
    answers: { 'accounts.reserveRefund': losesAnswer },
    meanwhile: cancelled('accounts.reserveRefund'),
  },
  { name: 'refund-deadline-never', answers: { 'accounts.captureFunds': isAway }, actingMs: 3_000 },
  {
    name: 'refund-deadline-happened',
    answers: { 'accounts.captureFunds': losesAnswerUntilSealed },
    actingMs: 3_000,
  },
  {
    name: 'refund-cancelled-in-temporal',
    answers: { 'accounts.reserveRefund': isAway },
    meanwhile: cancelledInTemporal('accounts.reserveRefund'),
  },
  ...(['retry', 'done', 'skip'] as const).flatMap((decision) => [
    {
      name: `refund-parked-undo-${decision}`,
      answers: {
        'accounts.captureFunds': declined,
        'accounts.cancelRefund': first(1, fails('InvariantBroken')),
      },
      meanwhile: resolved('reserveRefund', decision),
    },
    {
      name: `refund-parked-finish-${decision}`,
      answers: { 'accounts.completeRefund': first(1, fails('InvariantBroken')) },
      meanwhile: resolved('completeRefund', decision),
    },
  ]),
  {
    name: 'refund-parked-seal-cancelled',
    answers: {
      'accounts.reserveRefund': fails('IdempotencyConflict'),
      'accounts.sealBranch': first(1, fails('InvariantBroken')),
    },
    meanwhile: cancelledAtSeal('returnFunds'),
  },
  {
    name: 'refund-retried',
    answers: {
      'accounts.reserveRefund': first(2, isAway),
      'accounts.completeRefund': first(2, isAway),
    },
  },
  { name: 'refund-reset-after-completion', answers: {}, meanwhile: resetAtItsEnd },
];

/** Two full pages, then one that is not. */
const threePages: Answer = ({ request, proceed }) =>
  proceed({ claimed: request.key.endsWith('/claim-3') ? 4 : 10 });

const settlements: readonly Omit<Scenario, 'input'>[] = [
  { name: 'settlement-completed', answers: { 'accounts.claimSettlementPage': threePages } },
  { name: 'settlement-empty', answers: {} },
  {
    name: 'settlement-fenced',
    answers: { 'accounts.openSettlement': fails('Fenced', 'Its undo came first.') },
  },
  {
    name: 'settlement-deadline-never',
    answers: { 'accounts.openSettlement': isAway },
    actingMs: 3_000,
  },
  {
    name: 'settlement-deadline-happened',
    answers: { 'accounts.openSettlement': losesAnswerUntilSealed },
    actingMs: 3_000,
  },
  ...(['retry', 'done', 'skip'] as const).flatMap((decision) => [
    {
      name: `settlement-parked-claim-${decision}`,
      answers: { 'accounts.claimSettlementPage': first(1, fails('InvariantBroken')) },
      meanwhile: resolved('claim-1', decision),
    },
    {
      name: `settlement-parked-close-${decision}`,
      answers: { 'accounts.closeSettlement': first(1, fails('InvariantBroken')) },
      meanwhile: resolved('closeSettlement', decision),
    },
  ]),
  {
    name: 'settlement-parked-seal-cancelled',
    answers: {
      'accounts.openSettlement': isAway,
      'accounts.sealBranch': first(1, fails('InvariantBroken')),
    },
    actingMs: 3_000,
    meanwhile: cancelledAtSeal('openSettlement'),
  },
  {
    name: 'settlement-retried',
    answers: {
      'accounts.openSettlement': first(1, isAway),
      'accounts.closeSettlement': first(2, isAway),
    },
  },
  {
    name: 'settlement-reset-after-completion',
    answers: { 'accounts.claimSettlementPage': threePages },
    meanwhile: resetAtItsEnd,
  },
];

const failsForGood = fails('PostconditionFailed', 'It is not so.');

const failovers: readonly Omit<Scenario, 'input'>[] = [
  { name: 'failover-completed', answers: {} },
  {
    name: 'failover-refused',
    answers: { 'regions.beginSwitch': refuses('ParticipantRefused') },
  },
  { name: 'failover-failed-begin', answers: { 'regions.beginSwitch': failsForGood } },
  { name: 'failover-failed-routes', answers: { 'regions.closeRoutes': failsForGood } },
  { name: 'failover-failed-fence', answers: { 'regions.fenceRegion': failsForGood } },
  { name: 'failover-failed-drain', answers: { 'regions.drainRegion': failsForGood } },
  { name: 'failover-failed-loss', answers: { 'regions.measureLoss': failsForGood } },
  { name: 'failover-failed-epoch', answers: { 'regions.advanceEpoch': failsForGood } },
  {
    name: 'failover-retried',
    answers: { 'regions.drainRegion': first(2, isAway), 'regions.republish': first(2, isAway) },
  },
  {
    name: 'failover-cancelled-fence-unknown',
    answers: { 'regions.fenceRegion': losesAnswer },
    meanwhile: cancelled('regions.fenceRegion'),
  },
  {
    name: 'failover-cancelled-in-temporal',
    answers: { 'regions.drainRegion': isAway },
    meanwhile: cancelledInTemporal('regions.drainRegion'),
  },
  { name: 'failover-deadline', answers: { 'regions.drainRegion': isAway }, actingMs: 3_000 },
  {
    name: 'failover-promotion-unknown',
    answers: { 'regions.promoteRegion': first(2, losesAnswer) },
  },
  {
    name: 'failover-parked-promotion',
    answers: { 'regions.promoteRegion': first(2, failsForGood) },
    meanwhile: resolved('promoteRegion', 'retry'),
  },
  ...(['retry', 'done', 'skip'] as const).flatMap((decision) => [
    {
      name: `failover-parked-undo-${decision}`,
      answers: {
        'regions.measureLoss': failsForGood,
        'regions.unfenceRegion': first(1, failsForGood),
      },
      meanwhile: resolved('fenceRegion', decision),
    },
    {
      name: `failover-parked-finish-${decision}`,
      answers: { 'regions.openRoutes': first(1, failsForGood) },
      meanwhile: resolved('openRoutes', decision),
    },
  ]),
  { name: 'failover-reset-after-completion', answers: {}, meanwhile: resetAtItsEnd },
  {
    name: 'failover-lost-behind-its-epoch',
    answers: { 'regions.republish': isAway },
    meanwhile: lostAt('regions.republish'),
  },
  {
    name: 'failover-lost-before-its-epoch',
    answers: { 'regions.measureLoss': isAway },
    meanwhile: lostAt('regions.measureLoss'),
  },
];

const failbacks: readonly Omit<Scenario, 'input'>[] = [
  { name: 'failback-completed', answers: {} },
  {
    name: 'failback-refused',
    answers: { 'regions.beginRejoin': refuses('ParticipantRefused') },
  },
  { name: 'failback-retried', answers: { 'regions.rebuildRegion': first(2, isAway) } },
  { name: 'failback-failed-begin', answers: { 'regions.beginRejoin': failsForGood } },
  {
    name: 'failback-lost',
    answers: { 'regions.rebuildRegion': isAway },
    meanwhile: lostAt('regions.rebuildRegion'),
  },
  ...(['retry', 'done', 'skip'] as const).map((decision) => ({
    name: `failback-parked-rebuild-${decision}`,
    answers: { 'regions.rebuildRegion': first(1, failsForGood) },
    meanwhile: resolved('rebuildRegion', decision),
  })),
  { name: 'failback-reset-after-completion', answers: {}, meanwhile: resetAtItsEnd },
];

const withInput = (input: Scenario['input'], told: readonly Omit<Scenario, 'input'>[]) =>
  told.map((scenario): Scenario => ({ ...scenario, input }));

export const scenarios: readonly Scenario[] = [
  ...withInput(anOrder, orders),
  ...withInput(anOrderWithCoupon, ordersWithCoupon),
  ...withInput(aCheckout, checkouts),
  ...withInput(
    (times) => aCheckout({ ...times, coupon: null }),
    [{ name: 'checkout-without-coupon', answers: {} }],
  ),
  ...withInput(
    (times) => aCheckout({ ...times, amount: nothing }),
    [{ name: 'checkout-free', answers: {} }],
  ),
  ...withInput(
    (times) => anOrderWithCoupon({ ...times, amount: nothing }),
    [{ name: 'order-free', answers: {} }],
  ),
  ...withInput(aTransfer, transfers),
  ...withInput(aPayment, payments),
  ...withInput((times) => aPayment({ ...times, reviewMs: 500 }), paymentsThatExpire),
  ...withInput(aRefund, refunds),
  ...withInput(
    (times) =>
      aRefund({ ...times, kind: 'chargeback', review: { above: { EUR: 1_250 }, withinMs: 500 } }),
    [{ name: 'chargeback-below-review', answers: {} }],
  ),
  ...withInput(
    (times) =>
      aRefund({ ...times, kind: 'chargeback', review: { above: { EUR: 1 }, withinMs: 60_000 } }),
    chargebacks,
  ),
  ...withInput(aSettlement, settlements),
  ...withInput(aFailover, failovers),
  ...withInput(aFailback, failbacks),
];

function cancelledInTemporal(activity: string): NonNullable<Scenario['meanwhile']> {
  return async (handle, fakes) => {
    await calledOften(activity)(handle, fakes);
    await handle.cancel();
  };
}

const inReview = (handle: WorkflowHandle) =>
  eventually(async () => (await handle.query(timelineQuery)).reviewUntil !== null);

function reviewed(decision: ReviewDecision['decision']) {
  return async (handle: WorkflowHandle): Promise<void> => {
    await inReview(handle);
    await handle.executeUpdate(reviewTransactionUpdate, {
      args: [{ decision, actor, note: null }],
    });
  };
}

async function resetAtItsEnd(handle: WorkflowHandle): Promise<void> {
  await handle.result();
  await resetToStart(handle);
}

/** Ended from outside, and started again under its gid when its time for acting is over. */
function lostAt(activity: string): NonNullable<Scenario['meanwhile']> {
  return async (handle, fakes) => {
    await calledOften(activity)(handle, fakes);
    const { type, taskQueue } = await handle.describe();
    const { events } = await handle.fetchHistory();
    const begun = events?.[0]?.workflowExecutionStartedEventAttributes;
    const [input] = payloadsOf<TransactionInput>(begun?.input?.payloads);
    await handle.terminate();
    fakes.on(activity, ({ proceed }) => proceed());
    await handle.client.start(type, {
      ...{ workflowId: handle.workflowId, taskQueue },
      args: [{ ...input, deadlineAt: Date.now() + (input?.undoBudgetMs ?? 0) }],
    });
  };
}

const payloadsOf = <Value>(payloads: readonly { data?: Uint8Array | null }[] | null | undefined) =>
  (payloads ?? []).map(({ data }) => JSON.parse(Buffer.from(data ?? []).toString()) as Value);

/** Lives the run again from its first workflow task. */
async function resetToStart(handle: WorkflowHandle): Promise<void> {
  const { workflowId, client } = handle;
  const { events } = await handle.fetchHistory();
  const task = events?.find((event) => event.workflowTaskCompletedEventAttributes);
  await client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId },
    workflowTaskFinishEventId: task?.eventId ?? null,
    reason: 'recording',
    requestId: `${workflowId}-reset`,
  });
}
