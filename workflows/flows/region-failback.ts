import { failback as flow, rejoinOf } from '../../contracts/flows/failback';
import { runFlow } from '../kernel/flow';

/**
 * A region that was lost stands by again: what it alone has is kept as evidence, then it becomes a copy of the active
 * one, follows it, and acknowledges to it. Only forward: there is nothing to take back from a region that is of no use.
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
