import { settlement as flow } from '../../contracts/flows/settlement';
import { settlementPagesMax } from '../../contracts/participants/settlements';
import { runFlow } from '../kernel/flow';

/** A settlement: opened once for a tenant, currency and day, filled page by page, then closed. */
export const settlement = runFlow(flow, {
  async run(tx, { settlementId, tenant, currency, day, requestedBy, pageRows }) {
    await tx.openSettlement({ settlementId, tenant, currency, day, requestedBy });

    for (let page = 1; page <= settlementPagesMax; page += 1) {
      const answer = await tx.claim.at(page, { settlementId, page, rows: pageRows });
      // Also if an operator resolved the page by hand: its movements go to the next settlement.
      if (!answer || answer.claimed < pageRows) break;
    }

    await tx.closeSettlement({ settlementId });
  },
});
