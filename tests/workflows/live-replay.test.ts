import { describe, expect, it } from '@jest/globals';

import { timelineQuery } from '../../contracts/engine/transaction';
import type { TransactionResult } from '../../contracts/engine/transaction';
import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { replayRuns } from '../../testing/replay/runs';
import { eventually } from '../support/eventually';
import { anOrder, aTransfer } from './support/builders';
import type { FakeParticipants } from './support/fake-participants';
import { fails, fakeParticipants, isAway } from './support/fake-participants';
import { called } from './support/steering';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();

async function start(workflow: string, input: { readonly gid: string }, fakes: FakeParticipants) {
  tests.cast(input.gid, fakes);
  const { taskQueue } = tests;
  return tests.client().workflow.start<() => Promise<TransactionResult>>(workflow, {
    workflowId: input.gid,
    taskQueue,
    args: [input] as unknown as [], // Each workflow has an input of its own.
  });
}

describe('live runs', () => {
  it('are fetched and replayed, open, parked and closed alike, and a type that is gone is named', async () => {
    const later = { deadlineAt: Date.now() + 300_000 }; // It is open for as long as this test may take.
    const [open, parked, closed, gone] = [anOrder(later), anOrder(), aTransfer(), anOrder()];
    const away = fakeParticipants({ 'accounts.holdFunds': isAway });
    const broken = fakeParticipants({ 'inventory.confirmStock': fails('InvariantBroken') });
    const openRun = await start('orderSaga', open, away);
    const parkedRun = await start('orderSaga', parked, broken);
    const closedRun = await start('transfer', closed, fakeParticipants());
    const goneRun = await start('unsealedOrder', gone, fakeParticipants());
    await Promise.all([
      closedRun.result(),
      goneRun.result(),
      called(away, 'accounts.holdFunds', 2),
    ]);
    await eventually(async () => (await parkedRun.query(timelineQuery)).parked.length > 0);
    const said: string[] = [];
    const bundlePath = await bundleWorkflows('workflows/index.ts', 'dist/test-bundles/live.js');
    const runs = [open, parked, closed, gone].map(({ gid }) => gid);
    const replayed = await replayRuns({
      client: tests.client(),
      runs,
      bundlePath,
      say: (sentence) => said.push(sentence),
    });
    expect(replayed).toMatchObject({ replayed: 3, flows: { order: 2, transfer: 1 } });
    expect(replayed.failures).toMatchObject([{ gid: gone.gid }]);
    expect(said).toEqual([expect.stringContaining("today's code has no workflow of this type")]);
    await Promise.all([openRun.terminate(), parkedRun.terminate()]);
  });
});
