import { describe, expect, it } from '@jest/globals';

import { createTemporal } from '../../api/transactions/temporal';
import { batchIdOf } from '../../contracts/engine/batches';
import { eventually } from '../support/eventually';
import { batchRuns } from './support/batch-runs';
import { aTransfer } from './support/builders';
import { fakeParticipants, isAway } from './support/fake-participants';
import { actor, gate } from './support/steering';
import { statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const batches = batchRuns(tests);
const runs = transactionRuns(tests);
const temporal = () => createTemporal(tests.client(), () => tests.taskQueue);

const transferBranches = ['debit', 'credit', 'decide'];

describe('what the API asks of a transaction of a batch', () => {
  it('is told by the batch, with the attempts of the set that carries its call', async () => {
    const [one, other] = [aTransfer(), aTransfer()];
    const fakes = fakeParticipants({ 'accounts.reserveCredit': isAway });
    const { workflowId } = await batches.start(fakes, [one, other]);
    const isReserving = { activity: 'accounts.reserveCredit' };
    await eventually(async () => {
      const calls = await temporal().pendingCalls(workflowId);
      return calls.some(({ lastFailure }) => lastFailure !== null);
    });
    expect(await temporal().pendingCalls(workflowId)).toMatchObject([isReserving]);
    expect(await temporal().timeline(one.gid, workflowId)).toMatchObject({ gid: one.gid });
    expect(await temporal().timeline(aTransfer().gid, workflowId)).toBeUndefined();
    expect(await temporal().timeline(one.gid)).toBeUndefined();
    fakes.on('accounts.reserveCredit', ({ proceed }) => proceed());
    expect(await tests.client().workflow.getHandle(workflowId).result()).toMatchObject({
      completed: 2,
    });
  });

  it('is a cancel that undoes it alone, once it has left: the others complete', async () => {
    const hanging = gate();
    const [one, other] = [aTransfer(), aTransfer()];
    const fakes = fakeParticipants({ 'accounts.reserveCredit': hanging.answer });
    const handle = await batches.start(fakes, [one, other]);
    await hanging.reached;
    const eject = () => temporal().eject(handle.workflowId, { gid: one.gid, actor });
    // While a local call hangs the batch takes nothing; the second one is the first.
    await eventually(async () => {
      await eject();
      return (await temporal().timeline(one.gid)) !== undefined;
    });
    await temporal().cancel(one.gid, { actor, note: null }, 'cancel');
    hanging.open();
    expect((await runs.newest(one).result()).outcome).toBe('compensated');
    expect(await handle.result()).toEqual({ completed: 1, compensated: 0, left: 1 });
    expect(statesOf(fakes, other, transferBranches)).toEqual(['confirmed', 'confirmed', 'acted']);
    // Nothing of it has gone on in the batch: else its decision there would race with the cancel.
    expect(fakes.sets.filter(({ activity }) => activity === 'accord.decide')).toEqual([
      { activity: 'accord.decide', size: 1 },
    ]);
    await eject(); // The batch has closed.
  });

  it('is left to the row where the batch does not know it, or never was', async () => {
    const hanging = gate();
    const fakes = fakeParticipants({ 'accounts.reserveCredit': hanging.answer });
    const handle = await batches.start(fakes, [aTransfer()]);
    await hanging.reached;
    const { gid } = aTransfer();
    await temporal().eject(handle.workflowId, { gid, actor });
    await temporal().eject(batchIdOf('transfer', 'never'), { gid, actor });
    expect(await temporal().timeline(gid, batchIdOf('transfer', 'never'))).toBeUndefined();
    expect(await temporal().pendingCalls(batchIdOf('transfer', 'never'))).toEqual([]);
    hanging.open();
    expect(await handle.result()).toMatchObject({ completed: 1 });
  });
});
