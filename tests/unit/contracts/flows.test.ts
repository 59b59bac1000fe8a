import { shop } from '../../../contracts/shop';
import { flowNames } from '../../../contracts/flows';
import { describe, expect, it } from '@jest/globals';

import { finisherIn, planStepsOf, plannedStepIn } from '../../../contracts/engine/plan';
import { type Flow } from '../../../contracts/engine/ids';
import { inventory } from '../../../contracts/participants/inventory';
import type { OrderSagaInput } from '../../../contracts/flows/order';
import { accounts } from '../../../contracts/participants';
import { accord } from '../../../contracts/engine/runs';
import { regions } from '../../../contracts/regions/regions';
import { defineFlow } from '../../../contracts/engine/flow-definition';
import {
  compensable,
  confirms,
  counted,
  pivot,
  repeated,
  retired,
  retriable,
  tcc,
  withoutUndo,
  type AnyStep,
} from '../../../contracts/engine/steps';
import { runFlow } from '../../../workflows/kernel/flow';
import { anOrder } from '../../workflows/support/builders';

/**
 * Steps that runs of a shipped build may have acted, by flow: name and undo. Append-only. A step that goes from a flow
 * stays declared there, and here: a build that does not know it would forget to take it back.
 */
const recorded: Readonly<Record<Flow, readonly string[]>> = {
  order: [
    'reserveStock: inventory.releaseStock',
    'coupon: coupons.releaseCoupon',
    'holdFunds: accounts.releaseFunds',
    'createOrder: orders.cancelOrder',
  ],
  checkout: [
    'stock: inventory.releaseStock',
    'funds: accounts.releaseFunds',
    'coupon: coupons.releaseCoupon',
    'order: orders.cancelOrder',
  ],
  transfer: ['debit: accounts.releaseFunds', 'credit: accounts.cancelCredit'],
  payment: [
    'openPayment: accounts.closePayment',
    'assessRisk: accounts.clearRisk',
    'review: accounts.withdrawReview',
    'authorise: accounts.voidAuthorisation',
  ],
  refund: ['reserveRefund: accounts.cancelRefund', 'review: accounts.withdrawRefundReview'],
  settlement: [],
  failover: [
    'beginSwitch: regions.abortSwitch',
    'closeRoutes: regions.reopenRoutes',
    'fenceRegion: regions.unfenceRegion',
    'drainRegion: regions.resumeReplication',
  ],
  failback: [],
};

const undoneStepsOf = (flow: Flow): readonly string[] =>
  Object.entries<AnyStep>(shop.flows[flow]?.steps ?? {}).flatMap(([name, { undo }]) =>
    undo ? [`${name}: ${undo.type}`] : [],
  );

const reserve = compensable(inventory.reserveStock, { undo: inventory.releaseStock });
const capture = pivot(accounts.captureFunds, { seal: accounts.sealBranch });
const define = defineFlow<OrderSagaInput>();

/** Its calls are never made: these lines must not compile. */
const mistakes = (): void => {
  const flow = { name: 'order', workflow: 'orderSaga' } as const;
  // @ts-expect-error two pivots
  define({ ...flow, steps: { capture, again: capture } });
  // @ts-expect-error a confirm of a step that does not exist
  define({ ...flow, steps: { reserve, ends: confirms('reserved', inventory.confirmStock) } });
  // @ts-expect-error a step that hides a word of the kernel
  define({ ...flow, steps: { lock: reserve } });
  runFlow(define({ ...flow, locks: ['room'], steps: { reserve } }), {
    async run(tx) {
      await tx.lock('room', 'acme.R-1');
      // @ts-expect-error a lock of a kind that the flow does not declare
      await tx.lock('customer', 'acme.C-1');
    },
  });
  // @ts-expect-error a compensable step without its undo
  compensable(inventory.reserveStock, {});
  // @ts-expect-error an undo as an act
  compensable(inventory.releaseStock, { undo: inventory.releaseStock });
  // @ts-expect-error an undo that nobody tells what it takes back
  compensable(regions.closeRoutes, { undo: regions.reopenRoutes });
  // @ts-expect-error a confirm that is no step of its own
  retriable(inventory.confirmStock);
  runFlow(define({ ...flow, steps: { reserve } }), {
    async run(tx) {
      // @ts-expect-error a request without its lines
      await tx.reserve({});
      // @ts-expect-error a step that was not declared
      await Promise.resolve(tx.capture);
    },
  });
};

describe('a step that cannot be what it is declared as', () => {
  it.each([
    [
      'an undo of another participant',
      () => compensable(inventory.reserveStock, { undo: accounts.releaseFunds }),
      'knows nothing of inventory.reserveStock',
    ],
    [
      'a seal of another participant',
      () => pivot(accounts.captureFunds, { seal: accord.sealDecision }),
      'knows nothing of accounts.captureFunds',
    ],
    [
      'a confirm of another participant',
      () =>
        tcc({
          try: inventory.reserveStock,
          confirm: accounts.confirmDebit,
          cancel: inventory.releaseStock,
        }),
      'knows nothing of inventory.reserveStock',
    ],
    [
      'a reservation that nothing ends',
      () => withoutUndo(inventory.reserveStock),
      'nothing would end it',
    ],
    [
      'a pivot whose refusal leaves no record',
      () => pivot(accounts.claimSettlementPage, { seal: accounts.sealBranch }),
      'is for behind the pivot',
    ],
    [
      'a retried step whose refusal is recorded',
      () => retriable(accounts.openPayment),
      'records its refusals',
    ],
    [
      'a confirm of a pivot',
      () =>
        define({
          ...{ name: 'order', workflow: 'w' },
          steps: { capture, ends: confirms('capture', accounts.confirmDebit) },
        }),
      'ends cannot confirm capture',
    ],
  ] as const)('is refused: %s', (_, declare, sentence) => {
    expect(declare).toThrow(sentence);
  });
});

describe('the names of steps', () => {
  const nights = counted(inventory.reserveStock, {
    ...{ undo: inventory.releaseStock, times: () => 2 },
  });
  const trying = tcc({
    ...{ try: inventory.reserveStock, confirm: inventory.confirmStock },
    cancel: inventory.releaseStock,
  });
  const named = (steps: Readonly<Record<string, unknown>>) => () =>
    define({
      ...{ name: 'order', workflow: 'w' },
      steps: steps as { readonly reserve: typeof reserve },
    }); // As if typed loosely.

  it.each([
    ['a branch could not bear', { 'room:1': reserve }, 'room:1 cannot name a step'],
    ['is too long for what is made of it', { ['r'.repeat(41)]: reserve }, 'cannot name a step'],
    ['JavaScript would sort before all others', { reserve, 1: reserve }, '1 cannot name a step'],
    ['hides a lock', { lock: reserve }, 'lock clashes with the kernel'],
    ['hides the decision', { decide: reserve }, 'decide clashes with the kernel'],
    ['hides the gid', { gid: reserve }, 'gid clashes with the kernel'],
    ['hides an early answer', { reportStatus: reserve }, 'reportStatus clashes with the kernel'],
    ['is that of the row', { row: reserve }, 'row clashes with the kernel'],
    ['is a time of another', { nights, 'nights-1': reserve }, 'nights-1 clashes with nights'],
    [
      'has the times of another',
      { 'pages-7': reserve, pages: repeated(accounts.claimSettlementPage) },
      'pages clashes with pages-7',
    ],
    ['is a confirm of another', { 'room-confirm': reserve, room: trying }, 'room-confirm'],
    ['is a seal of another', { capture, 'seal-capture': reserve }, 'clashes with capture'],
    [
      'takes back another',
      { room: retired(reserve), 'room-retired': reserve },
      'clashes with room',
    ],
    [
      'takes back a time of another',
      { room: retired(nights), 'room-2-retired': reserve },
      'clashes with room',
    ],
  ] as const)('are refused: one that %s', (_, steps, sentence) => {
    expect(named(steps)).toThrow(sentence);
  });

  it('are taken where each is of its own, digits and all', () => {
    expect(
      named({ nights, 'room-1': reserve, 'room-2': reserve, 'nights-x': trying }),
    ).not.toThrow();
  });
});

describe('the plan of a step that its flow has no more', () => {
  const fundsOfEach = counted(accounts.holdFunds, { undo: accounts.releaseFunds, times: () => 3 });
  const flow = { name: 'order', workflow: 'w' } as const;
  const plan = planStepsOf(
    define({ ...flow, steps: { funds: retired(fundsOfEach), stock: retired(reserve), capture } }),
  );
  const undo = { kind: 'retriable', act: 'releaseFunds', participant: 'accounts' };

  it('has the step that takes it back, which moves money where the step did', () => {
    expect(plannedStepIn(plan, 'stock-retired')).toMatchObject({
      ...{ act: 'releaseStock', confirms: 'stock', movesMoney: false, undo: null },
    });
    expect(plannedStepIn(plan, 'funds-1-retired')).toMatchObject({ ...undo, movesMoney: true });
  });

  it('has it for each time of the step, on the branch of that time', () => {
    expect(plannedStepIn(plan, 'funds-3-retired')).toMatchObject({ ...undo, confirms: 'funds-3' });
    expect(plannedStepIn(plan, 'funds-3')).toMatchObject({ name: 'funds-3', undo: 'releaseFunds' });
    expect(plannedStepIn(plan, 'stock-3')).toBeUndefined();
  });

  it('says how a completed transaction ends what is left of it', () => {
    expect(finisherIn(plan, 'funds-2')).toMatchObject({ act: 'releaseFunds', isRetired: true });
    expect(finisherIn(shop.stepsOfFlow('order'), 'reserveStock')).toMatchObject({
      act: 'confirmStock',
    });
    expect(finisherIn(plan, 'capture')).toBeUndefined();
  });
});

describe('a step that came to its flow while runs were open', () => {
  const added = compensable(inventory.reserveStock, {
    ...{ undo: inventory.releaseStock, isAdded: true as const },
  });
  const flow = { name: 'order', workflow: 'w' } as const;

  it('is refused before a pivot that nobody could ask whether it has happened', () => {
    const unsealed = pivot(accounts.captureFunds, {});
    expect(() => define({ ...flow, steps: { added, unsealed } })).toThrow(
      'order: added is added, and unsealed has no seal',
    );
  });

  it('is taken before a sealed one, and before the decision in accord', () => {
    expect(() => define({ ...flow, steps: { added, capture } })).not.toThrow();
    expect(() => define({ ...flow, steps: { added } })).not.toThrow();
  });
});

describe('a flow that is declared once', () => {
  it('lets none of its mistakes compile', () => {
    expect(mistakes).toBeInstanceOf(Function);
  });

  it.each(flowNames)(
    '%s still takes back every step that a shipped build may have acted',
    (flow) => {
      expect(undoneStepsOf(flow)).toEqual(recorded[flow]);
    },
  );

  it.each(flowNames)('%s has exactly one decision, its own or that in accord', (flow) => {
    expect(shop.stepsOfFlow(flow).filter(({ kind }) => kind === 'pivot')).toHaveLength(1);
  });

  it('plans the steps of its input alone', () => {
    const namesOf = (order: OrderSagaInput) => shop.stepsOfInput(order).map(({ name }) => name);
    const paid = anOrder();
    expect(namesOf(paid)).not.toContain('coupon');
    const coupon = { couponId: 'acme.C-1', discount: paid.amount, isWholePrice: true } as const;
    expect(namesOf({ ...paid, coupon, amount: { ...paid.amount, minorUnits: 0 } })).toEqual([
      ...['reserveStock', 'coupon', 'createOrder', 'decide'],
      ...['confirmStock', 'completeOrder', 'coupon-confirm'],
    ]);
  });
});

describe('the locks of a flow', () => {
  const flow = { name: 'order', workflow: 'orderSaga', steps: { reserve } } as const;

  it('are of the kinds that it declares, whatever the engine has heard of', () => {
    expect(define({ ...flow, locks: ['room'] }).locks).toEqual(['room']);
    expect(define(flow).locks).toEqual([]);
  });

  it.each(['room:1', '{room}', 'Room', '', 'r'.repeat(33)])('are not of the kind "%s"', (kind) => {
    expect(() => define({ ...flow, locks: [kind] })).toThrow(
      `order cannot lock ${kind}: a kind is`,
    );
  });
});
