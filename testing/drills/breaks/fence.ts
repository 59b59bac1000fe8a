/** Tells of a fence that nobody has put up. */
import type { FenceProof } from '../../../contracts/participants/regions';

export const fence = (): Promise<FenceProof> => Promise.resolve({ way: 'sql', ms: 0 });
