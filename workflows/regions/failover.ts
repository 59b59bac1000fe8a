import { failover as flow, switchOf } from '../../contracts/regions/failover';
import { runFlow } from '../kernel/flow';

/**
 * Makes another region active: fences the old region, drains the new one, advances the epoch, promotes the new region,
 * and leads all routes to it. Until the epoch advances, all of it can be undone. From then on it only goes forward, in
 * every execution.
 */
export const regionFailover = runFlow(flow, {
  async run(tx, failover) {
    const move = switchOf(failover);

    await tx.beginSwitch({ ...move, mayBeginAlone: failover.mayBeginAlone });
    await tx.closeRoutes(move);
    await tx.fenceRegion(move);
    await tx.drainRegion({ ...move, seconds: failover.dataSyncSeconds });
    await tx.measureLoss({ ...move, allowedMs: failover.lossAllowedMs });
    await tx.advanceEpoch(move);

    await tx.promoteRegion(move);

    await tx.promoteRedis(move);
    await tx.openRoutes(move);
    await tx.republish(move);
    await tx.endSwitch(move);
  },
});
