import { join } from 'node:path';

import { askRouter } from '../../../activities/regions/router-client';
import { routeNames, type RouteName } from '../../../activities/regions/router-protocol';
import { checkout } from '../config';
import { within } from '../../../runtime/waiting';
import { portOf, type Context, type Server } from './server';

/** The port where clients meet a route. */
export const routePort = (route: RouteName): string => `route-${route}`;

const program = join(checkout, 'workers', 'router', 'main.ts');

/** Every line between clients and regions, and between the regions. What does not pass it cannot be cut. */
export const router: Server = {
  name: 'router',
  title: 'Router',
  portNames: ['router', ...routeNames.map(routePort)],
  readyWithinMs: 30_000,
  program: 'Node.js, which runs this',
  isInCompose: false,
  given: () => undefined,
  addressOf: (context) => `127.0.0.1:${portOf(context, 'router')}`,
  findOnPath: () =>
    Promise.resolve({
      file: process.execPath,
      args: ['--import', 'tsx', program],
      version: `Node.js ${process.versions.node}`,
    }),
  fetch: () => Promise.reject(new Error('it is part of this checkout')),
  prepare: () => Promise.resolve(),
  launch: (context) => ({
    args: ['--control', String(portOf(context, 'router')), '--state', stateFile(context)],
    env: { ROUTES: JSON.stringify(routesOf(context)) },
  }),
  check: async (address) => {
    await within(5_000, 'The router', askRouter(address, { show: true }));
  },
};

const stateFile = ({ folder }: Context): string => join(folder, 'router.json');

/**
 * Where each route leads at first: to region a, and along the links to the region that their name begins with. Only what
 * clients use is understood; links speak TLS, or what is no request.
 */
function routesOf(context: Context): Readonly<Record<string, { port: number; target: string }>> {
  const at = (name: string): string => `127.0.0.1:${portOf(context, name)}`;
  const targets: Readonly<Record<RouteName, string>> = {
    mysql: `mysql://${at('mysql-a')}`,
    redis: `redis://${at('redis-a')}`,
    'kafka-a': `kafka://${at('kafka-a')}`,
    'kafka-b': `kafka://${at('kafka-b')}`,
    'hub-mysql-a': `tcp://${at('mysql-a')}`,
    'hub-mysql-b': `tcp://${at('mysql-b')}`,
    'hub-redis-a': `tcp://${at('redis-a')}`,
    'hub-redis-b': `tcp://${at('redis-b')}`,
    'mysql-a-to-b': `tcp://${at('mysql-a')}`,
    'mysql-b-to-a': `tcp://${at('mysql-b')}`,
    'redis-a-to-b': `tcp://${at('redis-a')}`,
    'redis-b-to-a': `tcp://${at('redis-b')}`,
  };
  return Object.fromEntries(
    routeNames.map((name) => [
      name,
      { port: portOf(context, routePort(name)), target: targets[name] },
    ]),
  );
}
