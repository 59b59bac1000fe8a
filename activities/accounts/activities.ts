import type { AccountsActivities } from '../../contracts/accounts';
import type { Fence } from '../participant';
import { captureFunds, holdFunds, releaseFunds } from './accounts-store';

/** @param fence of the database `accounts`. */
export function createAccountsActivities({ fence }: { readonly fence: Fence }): AccountsActivities {
  return {
    holdFunds: (requests) => fence.act(holdFunds, requests),
    releaseFunds: (requests) => fence.undo(releaseFunds, requests),
    captureFunds: (requests) => fence.act(captureFunds, requests),
    sealBranch: (requests) => fence.seal('accounts.sealBranch', requests),
  };
}
