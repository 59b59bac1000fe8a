import { businessIdOf, flows, gidOf } from '../../contracts/engine/ids';
import type { Scene } from './scene';

/** SQL that is true of the gids of one tenant, whatever the flow; its values are `gidsOf`. */
export const ofTenant = (column: string): string =>
  flows.map(() => `${column} LIKE ?`).join(' OR ');

export const gidsOf = ({ tenant }: Scene): readonly string[] =>
  flows.map((flow) => gidOf(flow, businessIdOf(tenant, '%')));
