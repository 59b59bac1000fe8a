import { settlementPagesMax } from '../contracts/settlements';
import type { SettlementInput } from '../contracts/settlements';
import type { TransactionResult } from '../contracts/transaction';
import type { Carried } from './kernel/run';
import type { Story } from './kernel/story';
import { runTransaction } from './kernel/transaction';

/** A settlement: opened once for a tenant, currency and day, filled page by page, then closed. */
const settlementStory: Story<SettlementInput> = {
  decision: {
    step: 'openSettlement',
    seal: ({ accounts }, key) => accounts.sealBranch({ key }),
  },

  async tell(tx, { settlementId, tenant, currency, day, requestedBy, pageRows }) {
    const { accounts } = tx.participants;

    await tx.pivot('openSettlement', (key) =>
      accounts.openSettlement({ key, settlementId, tenant, currency, day, requestedBy }),
    );

    for (let page = 1; page <= settlementPagesMax; page += 1) {
      const answer = await tx.finish(`claim-${page}`, (key) =>
        accounts.claimSettlementPage({ key, settlementId, page, rows: pageRows }),
      );
      // Also where an operator settled the page: what it would have claimed goes to the next settlement.
      if (!answer || answer.claimed < pageRows) break;
    }

    await tx.finish('closeSettlement', (key) => accounts.closeSettlement({ key, settlementId }));
  },
};

export async function settlement(
  input: SettlementInput,
  carried?: Carried,
): Promise<TransactionResult> {
  return runTransaction(input, settlementStory, carried);
}
