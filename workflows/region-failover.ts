import type { FailoverInput } from '../contracts/regions';
import type { TransactionResult } from '../contracts/transaction';
import type { Carried } from './kernel/run';
import type { Story } from './kernel/story';
import { runTransaction } from './kernel/transaction';

/**
 * Another region becomes the active one: the old one is fenced, the new one has all that it can have, a new epoch is
 * burnt, the new region is promoted, and everybody is led to it. Until the epoch is burnt all of it can be taken back;
 * from then on it only goes forward, whoever tells it again.
 */
export const failoverStory: Story<FailoverInput> = {
  decision: {
    step: 'promoteRegion',
    // Nobody can seal a promotion in a server that does not answer. The epoch that it needs is the hub's.
    seal: ({ regions }, key, failover) => regions.sealSwitch({ key, ...moveOf(failover) }),
  },

  async tell(tx, failover) {
    const { regions } = tx.participants;
    const move = moveOf(failover);

    await tx.step('beginSwitch', {
      act: (key) => regions.beginSwitch({ key, ...move, mayBeginAlone: failover.mayBeginAlone }),
      undo: (key) => regions.abortSwitch({ key, ...move }),
    });
    await tx.step('closeRoutes', {
      act: (key) => regions.closeRoutes({ key, ...move }),
      undo: (key) => regions.reopenRoutes({ key, ...move }),
    });
    await tx.step('fenceRegion', {
      act: (key) => regions.fenceRegion({ key, ...move }),
      undo: (key) => regions.unfenceRegion({ key, ...move }),
    });
    await tx.step('drainRegion', {
      act: (key) => regions.drainRegion({ key, ...move, seconds: failover.dataSyncSeconds }),
      undo: (key) => regions.followAgain({ key, ...move }),
    });
    await tx.step('measureLoss', {
      act: (key) => regions.measureLoss({ key, ...move, allowedMs: failover.lossAllowedMs }),
      undo: () => Promise.resolve(), // It only looks.
    });
    await tx.step('burnEpoch', {
      act: (key) => regions.burnEpoch({ key, ...move }),
      undo: () => Promise.resolve(), // An epoch never goes back.
    });

    await tx.pivot('promoteRegion', (key) => regions.promoteRegion({ key, ...move }));

    await tx.finish('promoteRedis', (key) => regions.promoteRedis({ key, ...move }));
    await tx.finish('openRoutes', (key) => regions.openRoutes({ key, ...move }));
    await tx.finish('republish', (key) => regions.republish({ key, ...move }));
    await tx.finish('endSwitch', (key) => regions.endSwitch({ key, ...move }));
  },
};

const moveOf = ({ cluster, from, to, kind, epoch }: FailoverInput) => ({
  ...{ cluster, from, to, kind, epoch },
});

export async function regionFailover(
  failover: FailoverInput,
  carried?: Carried,
): Promise<TransactionResult> {
  return runTransaction(failover, failoverStory, carried);
}
