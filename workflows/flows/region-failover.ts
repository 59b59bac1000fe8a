import { failover as flow, switchOf } from '../../contracts/flows/failover';
import { runFlow } from '../kernel/flow';

/**
 * Another region becomes the active one: the old one is fenced, the new one has all that it can have, a new epoch is
 * burnt, the new region is promoted, and everybody is led to it. Until the epoch is burnt all of it can be taken back;
 * from then on it only goes forward, whoever runs it again.
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
