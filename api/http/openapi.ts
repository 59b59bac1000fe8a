import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { RouteOptions } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';

import { problems, type ProblemCode } from './errors';
import { completeDocument } from './openapi-document';
import type { Api, RouteKind, RouteRules } from './route-rules';

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
const headersOf = ({ kind, scope, realm = 'tenant', takesLines }: RouteRules, method: string) => {
  const takesKey = method === 'POST' && !takesLines && (kind === 'start' || kind === 'steer');
  return {
    type: 'object',
    ...(takesKey && { required: ['Idempotency-Key'] }),
    properties: {
      ...(scope !== null &&
        realm !== 'tenant' && {
          'Accord-Cluster': {
            type: 'string',
            description: 'The cluster; needed where the credential is also of tenants.',
          },
        }),
      ...(scope !== null &&
        realm !== 'cluster' && {
          'Accord-Tenant': {
            type: 'string',
            description:
              "Which of the credential's tenants; needed where it has several, or is also of a cluster.",
          },
        }),
      ...(takesKey && { 'Idempotency-Key': { type: 'string', minLength: 1, maxLength: 255 } }),
      ...(kind === 'start' && {
        Prefer: {
          type: 'string',
          description:
            '`wait=N`: seconds, at most 30. `until=ending`: of what tells a status before its ending, the ending. `lane=single`: a workflow of its own.',
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
  const json = responses['200'];
  const content = {
    ...(json !== undefined && { 'application/json': { schema: json } }),
    ...Object.fromEntries(texts),
  };
  return { ...responses, 200: { description: 'Default Response', content } };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** What the operations of a kind have in common. */
const kinds: Readonly<Record<RouteKind, string>> = {
  start:
    'Accepts a transaction, durably and once for each Idempotency-Key. Send it again with the same key until the answer is 200 or 202; `Prefer: wait=N` waits for the ending, `dryRun=true` answers the plan and writes nothing.',
  steer:
    'Changes something and stands in the audit, refused or not. Sent again with the same key it is answered from the state that it finds.',
  list: 'One page; `nextCursor` leads to the next one, and belongs to its tenant and filters.',
  read: "Reads one thing of the caller's tenant; what belongs to another tenant is not found.",
  probe: 'For machines that watch this process: neither limited nor shed.',
};

const ofLines =
  'Takes many starts, one a line, each with its own key, and answers each on a line, in their order, while further lines come in. A line that is refused leaves nothing behind, and the others go on. `Prefer: wait=N` waits for each ending.';

/** The viewer brings its scripts and styles, and sends requests to this server only. */
const viewerPolicy =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

/** Generates `/openapi.json` and `/docs` from the schemas of the routes, with the scope of each. */
export async function describeRoutes(api: Api): Promise<void> {
  api.addHook('onRoute', completeSchema);
  await api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Accord',
        version: '1',
        description:
          'Starts, shows, explains and steers transactions that span several systems. Each ends completed, compensated or parked for a person.',
        license: { name: 'UNLICENSED', identifier: 'LicenseRef-UNLICENSED' },
      },
      servers: [{ url: '/', description: 'The process that serves this document.' }],
      tags: Object.entries(kinds).map(([name, description]) => ({ name, description })),
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
    transformObject: (document) => completeDocument(jsonSchemaTransformObject(document)),
  });
  await api.register(swaggerUi, { routePrefix: '/docs', staticCSP: viewerPolicy });
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
  const needs = rules.scope === null ? 'Open to everybody.' : needsOf(rules.scope, rules.realm);
  route.schema.description ??= `${rules.takesLines ? ofLines : kinds[rules.kind]} ${needs}`;
  route.schema.tags = [rules.kind];
}

const needsOf = (scope: string, realm: RouteRules['realm'] = 'tenant'): string =>
  `Needs the scope \`${scope}\`${realm === 'any' ? '' : `, in a credential of a ${realm}`}.`;

const responsesOf = (responses: unknown): object => (isRecord(responses) ? responses : {});

const operationIdOf = ({ method, url }: RouteOptions): string =>
  `${String(method).toLowerCase()}${url.replace(/[^A-Za-z0-9]+([A-Za-z0-9]?)/g, (_, next: string) => next.toUpperCase())}`;
