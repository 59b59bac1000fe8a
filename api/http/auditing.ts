import type { FastifyRequest } from 'fastify';
import { createHash } from 'node:crypto';

import { businessIdOf, gidOf, partsOfGid, type Tenant } from '../../contracts/engine/ids';
import { canonicalJson } from '../../contracts/engine/canonical-json';
import { Problem } from './errors';
import type { JsonValue } from './json-text';
import type { Principal } from './authentication';
import type { Now } from '../../runtime/server-clock';
import type { Api } from './route-rules';
import type { AuditStore } from '../stores/audit-store';

/** A larger body is kept as its digest: no decision is that long. */
const bodyCharactersMax = 4_096;

/**
 * Writes one row of audit for every call that steers, refused ones too, before its answer goes out. A call that took
 * effect and could not be written down is answered `outcome_unknown`: sent again, it is answered from the state it
 * finds, and written down then.
 */
export function auditSteering(api: Api, audit: AuditStore, now: Now): void {
  const audited = new WeakSet<FastifyRequest>();
  api.addHook('onSend', async (request, reply) => {
    const { principal } = request;
    if (request.routeOptions.config.rules?.kind !== 'steer' || !principal || audited.has(request))
      return;
    audited.add(request); // The answer to a failed write of audit comes through here, too.
    try {
      await audit.add({
        at: new Date(now()),
        tenant: principal.tenant,
        actor: principal.subject,
        operation: `${request.method} ${request.routeOptions.url ?? ''}`,
        gid: request.gidSteered ?? gidInPath(request, principal.tenant),
        request: requestOf(request, principal),
        outcome: request.problemCode
          ? `${reply.statusCode} ${request.problemCode}`
          : String(reply.statusCode),
      });
    } catch (cause) {
      if (reply.statusCode < 400)
        throw new Problem('outcome_unknown', { dependency: 'mysql', cause });
      request.log.error({ err: cause }, 'A refused call was not written to the audit.');
    }
  });
}

function requestOf(
  { bodyAsSent, idempotencyKey, params }: FastifyRequest,
  { people }: Principal,
): JsonValue {
  const text = canonicalJson(bodyAsSent);
  const digest = createHash('sha256').update(text).digest('hex');
  const id = typeof params === 'object' && params !== null && 'id' in params && params.id;
  return {
    ...(typeof id === 'string' && { id }),
    // Who else may have made this call than the actor that the row names.
    ...(people?.length !== 1 && { people }),
    key: idempotencyKey,
    sha256: digest,
    body: text.length > bodyCharactersMax ? null : bodyAsSent,
  };
}

function gidInPath({ params, routeOptions }: FastifyRequest, tenant: Tenant): string | null {
  if (typeof params !== 'object' || params === null) return null;
  const flow = routeOptions.config.rules?.flow;
  const named =
    flow && 'id' in params
      ? gidOf(flow, businessIdOf(tenant, String(params.id)))
      : 'gid' in params && params.gid;
  return typeof named === 'string' && partsOfGid(named) ? named : null;
}
