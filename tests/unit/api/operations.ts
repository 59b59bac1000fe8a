import { z } from 'zod';

import type { Realm } from '../../../api/http/realms';
import type { Api } from '../../../api/http/route-rules';

/** One operation of the API, as its own OpenAPI document tells it. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Template with `{gid}`. */
  readonly path: string;
  /** As its tag says. */
  readonly kind: string;
  /** `undefined`: open to everybody. */
  readonly scope: string | undefined;
  /** What a credential must be of; those that take both are asked as a tenant. */
  readonly realm: Realm;
  readonly needsKey: boolean;
}

const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        tags: z.array(z.string()).default([]),
        security: z.array(z.record(z.string(), z.array(z.string()))).default([]),
        parameters: z
          .array(z.object({ name: z.string(), required: z.boolean().default(false) }))
          .default([]),
      }),
    ),
  ),
});

/** All operations: a route that is forgotten in a test does not exist. */
export async function operationsOf(api: Api): Promise<readonly Operation[]> {
  const response = await api.inject({ url: '/openapi.json' });
  const { paths } = documentSchema.parse(response.json());
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { tags, security, parameters }]) => ({
      method: z.enum(['GET', 'POST', 'PUT', 'DELETE']).parse(method.toUpperCase()),
      path,
      kind: tags.join(),
      scope: security.flatMap(({ apiKey }) => apiKey ?? [])[0],
      realm:
        parameters.some(({ name }) => name === 'Accord-Cluster') &&
        !parameters.some(({ name }) => name === 'Accord-Tenant')
          ? 'cluster'
          : 'tenant',
      needsKey: parameters.some(({ name, required }) => name === 'Idempotency-Key' && required),
    })),
  );
}

export const titleOf = ({ method, path }: Operation): string => `${method} ${path}`;

/** A body that the operation's schema takes. */
export function aBodyFor({ path }: Operation): object | undefined {
  const note = 'The stock system is back.';
  const evidence = { kind: 'ticket', ref: 'OPS-1' };
  const money = { currency: 'EUR', minorUnits: 100 };
  switch (path.split('/').at(-1)) {
    case 'orders':
    case 'checkouts':
      return {
        customerId: 'C-1',
        lines: [{ sku: 'S-1', quantity: 1, unitPrice: money }],
        payment: { accountId: 'A-1', amount: money },
      };
    case 'transfers':
      return { from: 'A-1', to: 'A-2', amount: money };
    case 'payments':
      return { fromAccount: 'A-1', toAccount: 'A-2', amount: money };
    case 'refunds':
      return { kind: 'refund', reason: note };
    case 'approve':
    case 'reject':
      return { note };
    case 'failovers':
      return { from: 'a', kind: 'planned', reason: note };
    case 'abort':
    case 'rejoin':
      return { note };
    case 'review':
      return { decision: 'approve', note };
    case 'settlements':
      return { currency: 'EUR', day: '2026-01-01' };
    case 'resolve':
      return { step: 'releaseStock', decision: 'done', expect: { version: 1 }, evidence };
    case 'book':
      return { step: 'releaseStock', expect: { version: 1 }, evidence };
    case 'park':
    case 'retry':
      return path.includes('{gid}/retry') ? {} : { reason: note };
    case 'api-keys':
      return { owner: 'shop', scopes: ['tx:read'] };
    default:
      return undefined;
  }
}
