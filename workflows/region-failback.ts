import type { FailbackInput } from '../contracts/regions';
import type { TransactionResult } from '../contracts/transaction';
import type { Carried } from './kernel/run';
import type { Story } from './kernel/story';
import { runTransaction } from './kernel/transaction';

/**
 * A region that was lost stands by again: what it alone has is kept as evidence, then it becomes a copy of the active
 * one, follows it, and acknowledges to it. Only forward: there is nothing to take back from a region that is of no use.
 */
export const failbackStory: Story<FailbackInput> = {
  decision: {
    step: 'beginRejoin',
    seal: ({ regions }, key, failback) => regions.sealRejoin({ key, ...rejoinOf(failback) }),
  },

  async tell(tx, failback) {
    const { regions } = tx.participants;
    const rejoin = rejoinOf(failback);

    await tx.pivot('beginRejoin', (key) => regions.beginRejoin({ key, ...rejoin }));
    await tx.finish('exportErrant', (key) => regions.exportErrant({ key, ...rejoin }));
    await tx.finish('rebuildRegion', (key) => regions.rebuildRegion({ key, ...rejoin }));
    await tx.finish('followActive', (key) => regions.followActive({ key, ...rejoin }));
    await tx.finish('acknowledge', (key) => regions.acknowledge({ key, ...rejoin }));
  },
};

const rejoinOf = ({ cluster, region, active, epoch }: FailbackInput) => ({
  ...{ cluster, region, active, epoch },
});

export async function regionFailback(
  failback: FailbackInput,
  carried?: Carried,
): Promise<TransactionResult> {
  return runTransaction(failback, failbackStory, carried);
}
