import { expect, it } from '@jest/globals';

import { repairIn } from '../../../../activities/reconciliation/reservations';
import { planStepsOf } from '../../../../contracts/engine/plan';
import { shop } from '../../../../contracts/shop';
import type { OrderSagaInput } from '../../../../contracts/flows/order';
import { accounts } from '../../../../contracts/participants';
import { defineFlow } from '../../../../contracts/engine/flow-definition';
import { counted, pivot, retired } from '../../../../contracts/engine/steps';

const fundsOfEach = counted(accounts.holdFunds, { undo: accounts.releaseFunds, times: () => 3 });
const plan = planStepsOf(
  defineFlow<OrderSagaInput>()({
    ...{ name: 'order', workflow: 'w' },
    steps: {
      funds: retired(fundsOfEach),
      shares: fundsOfEach,
      capture: pivot(accounts.captureFunds, { seal: accounts.sealBranch }),
    },
  }),
);
const undo = { activity: 'accounts.releaseFunds', verb: 'undo' };

it('what leaks behind a completed order is confirmed, behind a compensated one undone', () => {
  const order = shop.stepsOfFlow('order');
  expect(repairIn(order, 'reserveStock', 'completed')).toEqual({
    ...{ activity: 'inventory.confirmStock', verb: 'confirm' },
  });
  expect(repairIn(order, 'reserveStock', 'compensated')).toEqual({
    ...{ activity: 'inventory.releaseStock', verb: 'undo' },
  });
});

it('what leaks of a step that its flow has no more is undone, whatever the ending', () => {
  expect(repairIn(plan, 'funds-1', 'completed')).toEqual(undo);
  expect(repairIn(plan, 'funds-3', 'completed')).toEqual(undo);
  expect(repairIn(plan, 'funds-3', 'compensated')).toEqual(undo);
});

it('what leaks of any time of a counted step is undone, and behind a completed one a person looks', () => {
  expect(repairIn(plan, 'shares-2', 'compensated')).toEqual(undo);
  expect(repairIn(plan, 'shares-2', 'completed')).toBeNull();
});
