import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { RouteOptions } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';

import { problems, type ProblemCode } from './errors';
import type { Api, RouteRules } from './route-rules';

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string().optional(),
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

/** Headers are read by us, not by a schema: they are described from the rules of the route. */
const headersOf = ({ kind, scope }: RouteRules, method: string) => {
  const takesKey = method === 'POST' && (kind === 'start' || kind === 'steer');
  return {
    type: 'object',
    ...(takesKey && { required: ['Idempotency-Key'] }),
    properties: {
      ...(scope !== null && {
        'Accord-Tenant': {
          type: 'string',
          description: "Which of the credential's tenants; needed where it has several.",
        },
      }),
      ...(takesKey && { 'Idempotency-Key': { type: 'string', minLength: 1, maxLength: 255 } }),
      ...(kind === 'start' && {
        Prefer: {
          type: 'string',
          description:
            '`wait=N`: seconds, at most 30. `until=ending`: of what tells a status before its ending, the ending.',
        },
      }),
    },
  };
};

/** Text beside the JSON of an answer, where a route has it; the zod schema is that of the JSON alone. */
function withMedia(responses: unknown, media: RouteRules['media'] = []): unknown {
  const others = media.filter((one) => one.startsWith('text/'));
  if (others.length === 0 || !isRecord(responses)) return responses;
  const texts = others.map((one) => [one, { schema: { type: 'string' } }] as const);
  const content = {
    'application/json': { schema: responses['200'] },
    ...Object.fromEntries(texts),
  };
  return { ...responses, 200: { description: 'Default Response', content } };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

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
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'acc_<keyId>_<secret>' },
          operator: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        },
      },
    },
    transform: (input) => {
      const { schema, url } = jsonSchemaTransform(input);
      const rules = input.route.config?.rules;
      if (!rules) return { schema: { ...schema, hide: true }, url };
      return {
        schema: {
          ...schema,
          headers: headersOf(rules, String(input.route.method)),
          response: withMedia(schema['response'], rules.media),
        },
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
  route.schema.security =
    rules.scope === null ? [] : [{ apiKey: [rules.scope] }, { operator: [rules.scope] }];
  route.schema.response = {
    '4xx': problemSchema,
    '5xx': problemSchema,
    ...responsesOf(route.schema.response),
  };
  route.schema.operationId = operationIdOf(route);
  route.schema.tags = [rules.kind];
}

const responsesOf = (responses: unknown): object => (isRecord(responses) ? responses : {});

const operationIdOf = ({ method, url }: RouteOptions): string =>
  `${String(method).toLowerCase()}${url.replace(/[^A-Za-z0-9]+([A-Za-z0-9]?)/g, (_, next: string) => next.toUpperCase())}`;
