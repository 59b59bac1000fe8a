import { inventory } from '../../contracts/inventory';
import { implement } from '../implement';
import { confirmStock, releaseStock, reserveStock } from './stock-store';

/** Participant `inventory`, over the fence of its database. */
export const createInventory = implement(inventory, { reserveStock, releaseStock, confirmStock });
