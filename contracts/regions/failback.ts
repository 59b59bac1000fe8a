import { regions, type FailbackInput } from './regions';
import { defineFlow } from '../engine/flow-definition';
import { pivot, retriable } from '../engine/steps';

/** Request of every step of a rejoin. */
export const rejoinOf = ({ cluster, region, active, epoch }: FailbackInput) => ({
  ...{ cluster, region, active, epoch },
});

/** A rejoin. It only goes forward: in a region that does not stand by, there is nothing to take back. */
export const failback = defineFlow<FailbackInput>()({
  name: 'failback',
  workflow: 'regionFailback',
  lane: 'single', // Operators start one at a time.
  steps: {
    beginRejoin: pivot(regions.beginRejoin, { seal: regions.sealRejoin, sealRequest: rejoinOf }),
    exportErrant: retriable(regions.exportErrant),
    rebuildRegion: retriable(regions.rebuildRegion),
    followActive: retriable(regions.followActive),
    acknowledge: retriable(regions.acknowledge),
  },
});
