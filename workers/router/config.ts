import { z } from 'zod';

import { routeNames } from '../../activities/regions/router-protocol';
import { ConfigurationError, type Environment } from '../../runtime/environment';

/** What a route is started with; `target` with the protocol that it speaks: `mysql://host:port`. */
const routesSchema = z.record(
  z.enum(routeNames),
  z.object({ port: z.number(), target: z.string() }),
);
export type Routes = z.infer<typeof routesSchema>;

/**
 * Where each route leads at first, from the JSON of `ROUTES`.
 *
 * @throws ConfigurationError where it is missing, no JSON, or lacks a route.
 */
export function loadRoutes(environment: Environment = process.env): Routes {
  const text = environment['ROUTES'] ?? '';
  try {
    return routesSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConfigurationError(
      'ROUTES is the JSON of all routes: {"<route>": {"port": <number>, "target": "<protocol>://<host>:<port>"}}.',
      { cause },
    );
  }
}
