import { describe, expect, it } from '@jest/globals';
import { ApplicationFailure } from '@temporalio/common';

import type { OrderSagaInput } from '../../contracts/flows/order';
import { anOrder, littleTime } from './support/builders';
import type { Answer } from './support/fake-participants';
import {
  fails,
  fakeParticipants,
  isAway,
  losesAnswer,
  losesAnswerUntilSealed,
  refuses,
} from './support/fake-participants';
import { called, cancel, decide, parkedAt } from './support/steering';
import { statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);
const branches = ['reserveStock', 'holdFunds', 'captureFunds'];

/** Plays the order whose flow catches whatever its first step throws. */
async function play(answers: Readonly<Record<string, Answer>>, order: OrderSagaInput = anOrder()) {
  const fakes = fakeParticipants(answers);
  tests.cast(order.gid, fakes);
  const result = await (await runs.start(order, order.gid, 'catchingOrder')).result();
  return { fakes, result, states: statesOf(fakes, order, branches) };
}

describe('a flow that catches a failure of a step', () => {
  it('goes on after a recorded refusal, which every life of it meets', async () => {
    const { result, states } = await play({ 'inventory.reserveStock': refuses('OutOfStock') });
    expect(result.outcome).toBe('completed');
    expect(states).toEqual(['refused', 'confirmed', 'acted']);
  });

  it('is told by the step that has ended it, and not by the refusal that it caught', async () => {
    const { result } = await play({
      'inventory.reserveStock': refuses('OutOfStock'),
      'accounts.holdFunds': refuses('InsufficientFunds'),
    });
    expect(result).toMatchObject({ reason: { type: 'InsufficientFunds', step: 'holdFunds' } });
  });

  it('names what was under way where it is cancelled later', async () => {
    const fakes = fakeParticipants({
      'inventory.reserveStock': refuses('OutOfStock'),
      'accounts.holdFunds': isAway,
    });
    const order = anOrder();
    tests.cast(order.gid, fakes);
    const handle = await runs.start(order, order.gid, 'catchingOrder');
    await called(fakes, 'accounts.holdFunds');
    await cancel(handle);
    expect(await handle.result()).toMatchObject({
      outcome: 'compensated',
      reason: { type: 'Cancelled', step: 'holdFunds' },
    });
    expect(statesOf(fakes, order, branches)).toEqual(['refused', 'empty', 'empty']);
  });

  it('is undone after any other failure, and nothing of it stays frozen', async () => {
    const { fakes, result, states } = await play({
      'inventory.reserveStock': (delivery) => {
        void delivery.proceed(); // It took effect, and what is answered says nothing of that.
        return fails('IdempotencyConflict')(delivery);
      },
    });
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { type: 'IdempotencyConflict', step: 'reserveStock' },
    });
    expect(states).toEqual(['undone', 'empty', 'empty']);
    expect(fakes.calls).not.toContain('accounts.holdFunds');
  });

  it('is not told of a refusal that the step does not declare, and parks', async () => {
    const fakes = fakeParticipants({
      'inventory.reserveStock': (delivery) => {
        void delivery.proceed(); // It took effect: who undid nothing on its word would leave it frozen.
        return fails('CouponUnusable')(delivery);
      },
    });
    const order = anOrder();
    tests.cast(order.gid, fakes);
    const handle = await runs.start(order, order.gid, 'catchingOrder');
    await parkedAt(handle, 'reserveStock');
    expect(fakes.calls).not.toContain('accounts.holdFunds');
    await decide(handle, 'reserveStock', 'retry', false);
    expect(await handle.result()).toMatchObject({
      outcome: 'compensated',
      reason: { type: 'InvariantBroken', step: 'reserveStock' },
    });
    expect(statesOf(fakes, order, branches)).toEqual(['undone', 'empty', 'empty']);
  });

  it('is undone where an activity throws what looks like a refusal: nobody knows what it did', async () => {
    const { result, states } = await play({
      'inventory.reserveStock': (delivery) => {
        void delivery.proceed();
        throw ApplicationFailure.nonRetryable('None left.', 'OutOfStock', {
          refusedBy: 'inventory.reserveStock',
        });
      },
    });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'StepExhausted' } });
    expect(states).toEqual(['undone', 'empty', 'empty']);
  });

  it('is undone where the outcome of the step is unknown when its time is over', async () => {
    const { result, states } = await play(
      { 'inventory.reserveStock': losesAnswer },
      anOrder(littleTime()),
    );
    expect(result.outcome).toBe('compensated');
    expect(states).toEqual(['undone', 'empty', 'empty']);
  });

  it('is undone also where it ends behind the failure, without its pivot', async () => {
    const order = anOrder();
    const { result, states } = await play(
      { 'inventory.reserveStock': fails('IdempotencyConflict') },
      { ...order, lines: [] }, // Which this flow takes for nothing to be paid.
    );
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { type: 'IdempotencyConflict' },
    });
    expect(states).toEqual(['empty', 'empty', 'empty']);
  });

  it('meets the refusal as it was where it is run again behind its decision, and does not park', async () => {
    const { result, states } = await play(
      {
        'inventory.reserveStock': refuses('OutOfStock'),
        'accounts.captureFunds': losesAnswerUntilSealed,
      },
      anOrder(littleTime()),
    );
    expect(result.outcome).toBe('completed');
    expect(states).toEqual(['refused', 'confirmed', 'acted']);
  });
});
