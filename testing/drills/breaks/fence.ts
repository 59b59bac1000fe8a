/** Reports a fence without fencing. */
import type { FenceProof } from '../../../contracts/regions/regions';

export const fence = (): Promise<FenceProof> => Promise.resolve({ way: 'sql', ms: 0 });
