import { regions, type FailoverInput } from './regions';
import { defineFlow } from '../engine/flow-definition';
import { compensable, pivot, retriable, withoutUndo } from '../engine/steps';

/** Request of every step of a switch. */
export const switchOf = ({ cluster, from, to, kind, epoch }: FailoverInput) => ({
  ...{ cluster, from, to, kind, epoch },
});

/**
 * A switch of the active region. It can be taken back until the epoch advances; from then on it only goes forward.
 * Its undos have full requests, because a region has no fence with the requests of the acts.
 */
export const failover = defineFlow<FailoverInput>()({
  name: 'failover',
  workflow: 'regionFailover',
  lane: 'single', // Operators start one at a time.
  steps: {
    beginSwitch: compensable(regions.beginSwitch, {
      undo: regions.abortSwitch,
      undoRequest: switchOf,
    }),
    closeRoutes: compensable(regions.closeRoutes, {
      undo: regions.reopenRoutes,
      undoRequest: switchOf,
    }),
    fenceRegion: compensable(regions.fenceRegion, {
      undo: regions.unfenceRegion,
      undoRequest: switchOf,
    }),
    drainRegion: compensable(regions.drainRegion, {
      undo: regions.resumeReplication,
      undoRequest: switchOf,
    }),
    measureLoss: withoutUndo(regions.measureLoss),
    advanceEpoch: withoutUndo(regions.advanceEpoch), // An epoch never goes back.
    // A server that does not answer cannot seal its promotion. So the seal is in the hub, on the epoch that it needs.
    promoteRegion: pivot(regions.promoteRegion, {
      seal: regions.sealSwitch,
      sealRequest: switchOf,
    }),
    promoteRedis: retriable(regions.promoteRedis),
    openRoutes: retriable(regions.openRoutes),
    republish: retriable(regions.republish),
    endSwitch: retriable(regions.endSwitch),
  },
});
