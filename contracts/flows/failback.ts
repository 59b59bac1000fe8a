import { regions, type FailbackInput } from '../participants/regions';
import { defineFlow, pivot, retriable } from '../engine/steps';

/** What every step of a rejoin is told. */
export const rejoinOf = ({ cluster, region, active, epoch }: FailbackInput) => ({
  ...{ cluster, region, active, epoch },
});

/** A rejoin. Only forward: there is nothing to take back from a region that is of no use. */
export const failback = defineFlow<FailbackInput>()({
  name: 'failback',
  workflow: 'regionFailback',
  steps: {
    beginRejoin: pivot(regions.beginRejoin, { seal: regions.sealRejoin, sealRequest: rejoinOf }),
    exportErrant: retriable(regions.exportErrant),
    rebuildRegion: retriable(regions.rebuildRegion),
    followActive: retriable(regions.followActive),
    acknowledge: retriable(regions.acknowledge),
  },
});
