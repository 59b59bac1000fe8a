import { inventory } from '../../contracts/participants/inventory';
import { implement } from '../fence/implement';
import { confirmStock, releaseStock, reserveStock } from './stock-store';

/** Participant `inventory`, over the fence of its database. */
export const createInventory = implement(inventory, { reserveStock, releaseStock, confirmStock });
