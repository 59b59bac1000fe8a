import { beforeAll, describe, expect, it } from '@jest/globals';

import { build } from '../../testing/environment/build';
import { textOf } from '../../testing/crash-points/cases';
import { playCrashPoints } from '../../testing/crash-points/run';
import { testStack } from '../support/stack';

/** All points, flows, failures and zombies: npm run crash-points. */
describe('the crash points of the order saga', () => {
  beforeAll(() => build(), 120_000);

  it('end it right wherever a worker is killed around a commit, forward and undone, and the books are sound', async () => {
    const { played, books, kills } = await playCrashPoints({
      stack: await testStack(),
      lane: 'single',
      ways: ['order'],
      only: { points: ['beforeCommit', 'afterCommit', 'beforeAck'], crashes: ['kill'] },
      workers: 2,
      say: () => undefined,
    });
    const wrong = played.filter(({ outcome }) => outcome !== 'proven');
    expect(wrong.map(({ point, detail }) => `${textOf(point)}: ${detail}`)).toEqual([]);
    expect(books.violations).toEqual([]);
    expect(books.asked).toBeGreaterThan(0);
    // Each of ten activities forward at its points, and the undo behind each of four acts.
    expect(played.filter(({ point }) => point.planted === null)).toHaveLength(28);
    expect(played.length).toBeGreaterThan(28 + 4);
    expect(kills).toBeGreaterThan(0);
  }, 900_000);

  it('are waited for behind the commit that ends the run, where nothing else goes on', async () => {
    const { played, kills } = await playCrashPoints({
      stack: await testStack(),
      lane: 'single',
      ways: ['order'],
      only: { activities: ['accord.endRun'], points: ['beforeAck'], crashes: ['kill'] },
      workers: 2,
      say: () => undefined,
    });
    expect(played.map(({ outcome, state }) => `${outcome}: ${state}`)).toEqual([
      'proven: completed',
      'proven: compensated',
    ]);
    expect(kills).toBeGreaterThan(0);
  }, 300_000);

  it('are taken over where a worker is stopped in a local call around its commit, and what it does later has no effect', async () => {
    const { played, books } = await playCrashPoints({
      stack: await testStack(),
      lane: 'single',
      ways: ['order'],
      only: { activities: ['accounts.holdFunds'], crashes: ['stall'] },
      workers: 2,
      say: () => undefined,
    });
    expect(played.map(({ outcome, state }) => `${outcome}: ${state}`)).toEqual([
      'proven: completed',
      'proven: completed',
    ]);
    expect(books.violations).toEqual([]);
  }, 300_000);
});
