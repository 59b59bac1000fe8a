import { z } from 'zod';

import type { Cursors } from '../http/cursor';
import { principalOf, type Api } from '../http/route-rules';
import { anyJson, cursor, limit } from '../http/schemas';
import type { AuditStore, ChainedEntry } from '../stores/audit-store';

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');

const auditSchema = z
  .object({
    id: z.string(),
    at: z.iso.datetime(),
    actor: z.string(),
    operation: z.string(),
    gid: z.string().nullable(),
    request: anyJson,
    outcome: z.string(),
    /** Hash of the row before it in the chain. That row may belong to another tenant. */
    previousHash: hash,
    hash,
  })
  .meta({ id: 'AuditEntry' });

interface AuditRoutes {
  readonly audit: AuditStore;
  readonly cursors: Cursors;
}

/** What was steered, by whom, and with what outcome: of the tenant alone. */
export function auditRoutes(api: Api, { audit, cursors }: AuditRoutes): void {
  api.get('/v1/audit', {
    config: { rules: { kind: 'list', scope: 'ops:read', realm: 'any' } },
    schema: {
      summary: 'Steering calls, newest first, each with its place in the chain of hashes',
      querystring: z.strictObject({ limit, cursor: cursor.optional() }),
      response: {
        200: z.object({ items: z.array(auditSchema), nextCursor: z.string().nullable() }),
      },
    },
    handler: async (request) => {
      const { tenant } = principalOf(request);
      const { limit: size, cursor: from } = request.query;
      const boundTo = { list: 'audit', tenant };
      const before = from === undefined ? undefined : cursors.decode(from, boundTo).id;
      const entries = await audit.list(tenant, size + 1, before);
      const { page, nextCursor } = cursors.pageOf(entries, size, boundTo, ({ id }) => id);
      return { items: page.map(viewOf), nextCursor };
    },
  });
}

const viewOf = (entry: ChainedEntry) => ({
  id: entry.id,
  at: entry.at.toISOString(),
  actor: entry.actor,
  operation: entry.operation,
  gid: entry.gid,
  request: entry.request as z.infer<typeof auditSchema>['request'], // JSON all the same; zod's type of it is not readonly.
  outcome: entry.outcome,
  previousHash: entry.previousHash.toString('hex'),
  hash: entry.hash.toString('hex'),
});
