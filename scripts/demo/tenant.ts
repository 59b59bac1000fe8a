import { flowNames } from '../../contracts/flows';
import { businessIdOf, gidOf } from '../../contracts/engine/ids';
import type { Scene } from './scene';

/** SQL that is true of the gids of one tenant, whatever the flow; its values are `gidsOf`. */
export const ofTenant = (column: string): string =>
  flowNames.map(() => `${column} LIKE ?`).join(' OR ');

export const gidsOf = ({ tenant }: Scene): readonly string[] =>
  flowNames.map((flow) => gidOf(flow, businessIdOf(tenant, '%')));
