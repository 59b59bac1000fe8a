import type { InventoryActivities } from '../../contracts/inventory';
import type { Fence } from '../participant';
import { confirmStock, releaseStock, reserveStock } from './stock-store';

/** The activities of `inventory`, over the fence of its database. */
export function createInventoryActivities({
  fence,
}: {
  readonly fence: Fence;
}): InventoryActivities {
  return {
    reserveStock: (requests) => fence.act(reserveStock, requests),
    releaseStock: (requests) => fence.undo(releaseStock, requests),
    confirmStock: (requests) => fence.confirm(confirmStock, requests),
  };
}
