import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { RouteOptions } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';

import { problems, type ProblemCode } from './errors';
import type { Api, RouteKind } from './route-rules';

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]), // Its keys, and it is not empty.
    retryable: z.boolean(),
    errors: z
      .array(z.object({ pointer: z.string(), code: z.string(), message: z.string() }))
      .optional(),
    gid: z.string().optional(),
    dependency: z.string().optional(),
  })
  .meta({ id: 'Problem' });

/** Headers are read by us, not by a schema: they are described from the kind of the route. */
const headersOf = (kind: RouteKind, method: string) => {
  const takesKey = method === 'POST' && (kind === 'start' || kind === 'steer');
  return {
    type: 'object',
    ...(takesKey && { required: ['Idempotency-Key'] }),
    properties: {
      ...(takesKey && { 'Idempotency-Key': { type: 'string', minLength: 1, maxLength: 255 } }),
      ...(kind === 'start' && {
        Prefer: { type: 'string', description: '`wait=N`: seconds, at most 30.' },
      }),
    },
  };
};

/** Generates `/openapi.json` and `/docs` from the schemas of the routes, with the scope of each. */
export async function describeRoutes(api: Api): Promise<void> {
  api.addHook('onRoute', completeSchema);
  await api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Accord',
        version: '1',
        description: 'Starts, shows, explains and steers distributed transactions.',
      },
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
    },
    transform: (input) => {
      const { schema, url } = jsonSchemaTransform(input);
      const rules = input.route.config?.rules;
      if (!rules) return { schema: { ...schema, hide: true }, url };
      return {
        schema: { ...schema, headers: headersOf(rules.kind, String(input.route.method)) },
        url,
      };
    },
    transformObject: jsonSchemaTransformObject,
  });
  await api.register(swaggerUi, { routePrefix: '/docs' });
  api.get(
    '/openapi.json',
    { config: { rules: { kind: 'probe', scope: null } }, schema: { hide: true } },
    () => api.swagger(),
  );
}

/** What every route of a kind has in common is said once, here. */
function completeSchema(route: RouteOptions): void {
  const rules = route.config?.rules;
  if (!rules || !route.schema) return;
  route.schema.security = rules.scope === null ? [] : [{ apiKey: [rules.scope] }];
  route.schema.response = {
    '4xx': problemSchema,
    '5xx': problemSchema,
    ...responsesOf(route.schema.response),
  };
  route.schema.operationId = operationIdOf(route);
  route.schema.tags = [rules.kind];
}

const responsesOf = (responses: unknown): object =>
  typeof responses === 'object' && responses !== null ? responses : {};

const operationIdOf = ({ method, url }: RouteOptions): string =>
  `${String(method).toLowerCase()}${url.replace(/[^A-Za-z0-9]+([A-Za-z0-9]?)/g, (_, next: string) => next.toUpperCase())}`;
