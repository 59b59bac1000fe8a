/** How the servers of the profile `regions` are reached: straight, and along the routes that can be cut. */
import type { RouteName } from '../../activities/regions/router-protocol';
import { regions, type Region } from '../stack/profile';
import { routePort, router } from '../stack/servers/router';
import { contextOf } from '../stack/stack';

/** What an operator of a region uses. */
export interface RegionAddresses {
  readonly region: Region;
  /** Address for the administrator, from the hub, by a route that can be cut. */
  readonly mysqlUrl: string;
  readonly redisUrl: string;
  readonly brokers: readonly string[];
  /** Direct addresses of its MySQL and Redis, past the router: a client may know them. */
  readonly straight: { readonly mysqlUrl: string; readonly redisUrl: string };
  /** Address of the process that can kill and start its MySQL. */
  readonly agent: string;
  /** Where the other region pulls from it. */
  readonly links: { readonly mysql: number; readonly redis: number };
}

export interface ClusterAddresses {
  /** The router's control. */
  readonly router: string;
  /** Address of the active region's MySQL, for the administrator. */
  readonly mysqlUrl: string;
  readonly regions: Readonly<Record<Region, RegionAddresses>>;
}

/** @throws where the profile was never up. */
export function clusterAddresses(): ClusterAddresses {
  const context = contextOf('regions');
  const { ports, passwords } = context;
  const portOf = (name: string): number => {
    const port = ports[name];
    if (port === undefined)
      throw new Error('No regions: bring them up with npm run stack -- up --profile regions.');
    return port;
  };
  const route = (name: RouteName): number => portOf(routePort(name));
  const mysql = (port: number): string => `mysql://root:${passwords.mysql}@127.0.0.1:${port}`;
  const redis = (port: number): string => `redis://:${passwords.redis}@127.0.0.1:${port}`;
  const addressesOf = (region: Region): RegionAddresses => {
    const other = regions.find((name) => name !== region) ?? region;
    return {
      region,
      mysqlUrl: mysql(route(`hub-mysql-${region}`)),
      redisUrl: redis(route(`hub-redis-${region}`)),
      brokers: [`127.0.0.1:${route(`kafka-${region}`)}`],
      straight: {
        mysqlUrl: mysql(portOf(`mysql-${region}`)),
        redisUrl: redis(portOf(`redis-${region}`)),
      },
      agent: `127.0.0.1:${portOf(`agent-${region}`)}`,
      links: {
        mysql: route(linkOf('mysql', region, other)),
        redis: route(linkOf('redis', region, other)),
      },
    };
  };
  return {
    router: router.addressOf(context),
    mysqlUrl: mysql(route('mysql')),
    regions: { a: addressesOf('a'), b: addressesOf('b') },
  };
}

const linkOf = (server: 'mysql' | 'redis', from: Region, to: Region): RouteName =>
  from === 'a' && to === 'b' ? `${server}-a-to-b` : `${server}-b-to-a`;
