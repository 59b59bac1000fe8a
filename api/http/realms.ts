import type { Tenant } from '../../contracts/engine/ids';

/**
 * What a credential is of. `tenant`: a customer, whose business it starts and steers. `cluster`: the installation,
 * whose regions its operators move. Nothing that is of the one opens anything of the other.
 */
export const realms = ['tenant', 'cluster'] as const;
export type Realm = (typeof realms)[number];

/** What a call is about. */
export interface Place {
  readonly realm: Realm;
  /**
   * Name of the tenant, or of the cluster, which takes the place of the tenant in every row and id. So no tenant may
   * have the name of a cluster.
   */
  readonly tenant: Tenant;
}

/** Names of the tenants and clusters of a credential. */
export interface Places {
  readonly tenants: readonly Tenant[];
  readonly clusters: readonly string[];
}

/** What an API that serves `cluster` knows of them: its own cluster, and no tenant of that name. */
export const placesOf = ({ tenants, clusters }: Places, cluster: string): readonly Place[] => [
  ...tenants.filter((tenant) => tenant !== cluster).map((tenant) => placeOf('tenant', tenant)),
  ...clusters.filter((name) => name === cluster).map((name) => placeOf('cluster', name)),
];

export const placeOf = (realm: Realm, tenant: string): Place => ({ realm, tenant });

/** Why no tenant may have this name, as a sentence for the caller that names one. */
export const whyReserved = (cluster: string): string =>
  `${cluster} is a cluster, and no tenant may have its name.`;
