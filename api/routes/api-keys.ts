import { z } from 'zod';

import { newKey, type Authentication } from '../authentication';
import { Problem } from '../errors';
import { principalOf, type Api } from '../route-rules';
import { expandScopes, isScope, scopes } from '../scopes';
import { idParams, text } from '../schemas';
import type { ApiKey, KeysStore } from '../stores/keys-store';

const time = z.iso.datetime();
const keySchema = z
  .object({
    id: z.string(),
    owner: z.string(),
    scopes: z.array(z.string()),
    createdAt: time,
    expiresAt: time.nullable(),
    revokedAt: time.nullable(),
    lastUsedAt: time.nullable(),
  })
  .meta({ id: 'ApiKey' });

const newKeyBody = z
  .strictObject({
    owner: text(128),
    scopes: z
      .array(z.enum([...scopes, 'ops']))
      .min(1)
      .max(scopes.length + 1),
    expiresAt: time.optional(),
  })
  .meta({ id: 'NewApiKey' });

interface ApiKeyRoutes {
  readonly keys: KeysStore;
  readonly authentication: Authentication;
}

/** Keys of the caller's own tenant. */
export function apiKeyRoutes(api: Api, { keys, authentication }: ApiKeyRoutes): void {
  api.post('/v1/api-keys', {
    config: { rules: { kind: 'steer', scope: 'admin:keys' } },
    schema: {
      summary: 'Makes a key; its secret is in this answer and never again',
      body: newKeyBody,
      response: { 201: keySchema.extend({ credential: z.string() }).meta({ id: 'NewCredential' }) },
    },
    handler: async (request, reply) => {
      const granted = expandScopes(request.body.scopes);
      // A key that can make keys could otherwise give itself whatever it lacks.
      if (!granted.every((scope) => principalOf(request).scopes.has(scope))) {
        throw new Problem('scope_missing', {
          detail: 'A key gives only scopes that it has itself.',
        });
      }
      if (granted.includes('admin:keys')) throw new Problem('second_person_required');
      const { key, credential } = newKey({
        tenant: principalOf(request).tenant,
        owner: request.body.owner,
        scopes: granted,
        createdAt: new Date(),
        expiresAt: request.body.expiresAt === undefined ? null : new Date(request.body.expiresAt),
      });
      await keys.add(key);
      const made = viewOf({ ...key, revokedAt: null, lastUsedAt: null });
      return reply.code(201).send({ ...made, credential });
    },
  });

  api.get('/v1/api-keys', {
    config: { rules: { kind: 'list', scope: 'admin:keys' } },
    schema: {
      summary: 'Keys of the tenant',
      response: { 200: z.object({ items: z.array(keySchema) }) },
    },
    handler: async (request) => {
      const own = await keys.list(principalOf(request).tenant);
      return { items: own.map(viewOf) };
    },
  });

  api.delete('/v1/api-keys/:id', {
    config: { rules: { kind: 'steer', scope: 'admin:keys' } },
    schema: {
      summary: 'Revokes a key; other processes take it for five more seconds at most',
      params: idParams,
      response: { 204: z.null() },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      if (!(await keys.revoke(principalOf(request).tenant, id))) throw new Problem('not_found');
      authentication.forget(id);
      return reply.code(204).send(null);
    },
  });
}

const viewOf = (key: ApiKey): z.infer<typeof keySchema> => ({
  id: key.keyId,
  owner: key.owner,
  scopes: key.scopes.filter(isScope),
  createdAt: key.createdAt.toISOString(),
  expiresAt: key.expiresAt?.toISOString() ?? null,
  revokedAt: key.revokedAt?.toISOString() ?? null,
  lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
});
