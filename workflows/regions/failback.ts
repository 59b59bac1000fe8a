import { failback as flow, rejoinOf } from '../../contracts/regions/failback';
import { runFlow } from '../kernel/flow';

/**
 * A lost region stands by again. Its own SQL transactions are kept as evidence. Then it becomes a copy of the active
 * region, follows it, and acknowledges its commits. It only goes forward: there is nothing to undo in such a region.
 */
export const regionFailback = runFlow(flow, {
  async run(tx, failback) {
    const rejoin = rejoinOf(failback);

    await tx.beginRejoin(rejoin);
    await tx.exportErrant(rejoin);
    await tx.rebuildRegion(rejoin);
    await tx.followActive(rejoin);
    await tx.acknowledge(rejoin);
  },
});
