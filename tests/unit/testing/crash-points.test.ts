import { describe, expect, it } from '@jest/globals';

import { faultMenu } from '../../../runtime/faults/menu';
import { parseFaults } from '../../../runtime/faults/points';
import {
  crashPointsOf,
  faultsOf,
  isStop,
  plantedActs,
  pointsOf,
  recordedActivities,
  textOf,
  ways,
} from '../../../testing/crash-points/cases';

const rehearsed = new Map([
  ['inventory.reserveStock', ['accounts.sealBranch', 'inventory.releaseStock', 'accord.endRun']],
  ['accounts.captureFunds', ['accounts.sealBranch', 'accounts.releaseFunds', 'accord.endRun']],
]);

describe('the crash points of a flow', () => {
  it.each(ways)('are every point of every activity that the recorded %s calls', (way) => {
    const activities = recordedActivities(way);
    expect(activities.length).toBeGreaterThan(4);
    const forward = crashPointsOf(way, new Map()).filter(
      ({ planted, crash }) => planted === null && !isStop(crash),
    );
    const points = activities.flatMap(pointsOf);
    expect(forward).toHaveLength(points.length * 2);
    expect(new Set(forward.map(textOf)).size).toBe(forward.length);
  });

  it('are also those of what was called to undo it, after each act that can fail', () => {
    expect(plantedActs('order')).toEqual([
      'inventory.reserveStock',
      'accounts.holdFunds',
      'orders.createOrder',
      'accounts.captureFunds',
    ]);
    const undone = crashPointsOf('order', rehearsed).filter(
      ({ planted, crash }) => planted !== null && crash === 'kill',
    );
    // The ending is the same after each: it is played after the last one alone.
    expect(undone).toHaveLength(6 + 6 + 6 + 6 + 5);
  });

  it('have a zombie at each point of each act that has an undo', () => {
    const zombies = crashPointsOf('order', rehearsed, { crashes: ['zombie'] });
    expect(zombies).toHaveLength(3 * 6);
    expect(zombies[0]).toMatchObject({
      activity: 'inventory.reserveStock',
      planted: 'accounts.holdFunds',
    });
  });

  it('have a stall around each commit of each call that is local', () => {
    const stalls = crashPointsOf('order', rehearsed, { crashes: ['stall'] });
    const fenced = recordedActivities('order').filter((name) =>
      pointsOf(name).includes('beforeCommit'),
    );
    expect(stalls).toHaveLength(fenced.length * 2);
    expect(stalls.every(({ planted }) => planted === null)).toBe(true);
  });

  it('can all be armed', () => {
    const texts = crashPointsOf('order', rehearsed).flatMap((point, at) => {
      const { crash, planted, remote } = faultsOf(point, `K${at}`);
      return [crash, ...planted, ...(remote === null ? [] : [remote])];
    });
    expect(() => parseFaults(texts.join(';'), { seed: 1, places: faultMenu() })).not.toThrow();
  });
});
