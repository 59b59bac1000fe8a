import type { AccountsActivities } from '../../contracts/accounts';
import type { SettlementsActivities } from '../../contracts/settlements';
import type { Fence } from '../participant';
import { captureFunds, holdFunds, releaseFunds } from './accounts-store';
import { cancelCredit, confirmCredit, reserveCredit } from './credits';
import { confirmDebit, reserveDebit } from './debits';
import { claimSettlementPage, closeSettlement, openSettlement } from './settlements';

/** @param fence of the database `accounts`. */
export function createAccountsActivities({ fence }: { readonly fence: Fence }): AccountsActivities {
  return {
    holdFunds: (requests) => fence.act(holdFunds, requests),
    releaseFunds: (requests) => fence.undo(releaseFunds, requests),
    captureFunds: (requests) => fence.act(captureFunds, requests),
    reserveDebit: (requests) => fence.act(reserveDebit, requests),
    confirmDebit: (requests) => fence.confirm(confirmDebit, requests),
    reserveCredit: (requests) => fence.act(reserveCredit, requests),
    confirmCredit: (requests) => fence.confirm(confirmCredit, requests),
    cancelCredit: (requests) => fence.undo(cancelCredit, requests),
    sealBranch: (requests) => fence.seal('accounts.sealBranch', requests),
  };
}

/** @param fence of the database `accounts`. */
export function createSettlementsActivities({
  fence,
}: {
  readonly fence: Fence;
}): SettlementsActivities {
  return {
    openSettlement: (requests) => fence.act(openSettlement, requests),
    claimSettlementPage: (requests) => fence.act(claimSettlementPage, requests),
    closeSettlement: (requests) => fence.act(closeSettlement, requests),
  };
}
