import { accounts } from '../participants';
import type { SettlementInput } from '../participants/settlements';
import { defineFlow } from '../engine/flow-definition';
import { pivot, repeated, retriable } from '../engine/steps';

/** A settlement: opened once for a tenant, currency and day, filled page by page, then closed. */
export const settlement = defineFlow<SettlementInput>()({
  name: 'settlement',
  workflow: 'settlement',
  lane: 'single', // There is one a day, and its pages may take several runs.
  steps: {
    openSettlement: pivot(accounts.openSettlement, { seal: accounts.sealBranch }),
    claim: repeated(accounts.claimSettlementPage),
    closeSettlement: retriable(accounts.closeSettlement),
  },
});
