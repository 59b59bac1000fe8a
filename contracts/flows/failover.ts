import { regions, type FailoverInput } from '../participants/regions';
import { compensable, defineFlow, pivot, retriable, withoutUndo } from '../engine/steps';

/** What every step of a switch is told. */
export const switchOf = ({ cluster, from, to, kind, epoch }: FailoverInput) => ({
  ...{ cluster, from, to, kind, epoch },
});

/**
 * A switch of the active region. Until the epoch is burnt all of it can be taken back; from then on it only goes forward.
 * Its undos say what they take back: a region has no fence that would know it.
 */
export const failover = defineFlow<FailoverInput>()({
  name: 'failover',
  workflow: 'regionFailover',
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
    // Nobody can seal a promotion in a server that does not answer: the epoch that it needs is the hub's.
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
