import type { FastifyReply, FastifyRequest } from 'fastify';
import { createHash } from 'node:crypto';

import { Problem } from '../http/errors';
import { differingFields, fingerprintOf, type Fingerprint } from '../http/idempotency';
import { principalOf, type Api } from '../http/route-rules';
import type { SteeringCallsStore } from '../stores/steering-calls-store';

/**
 * Makes a steering call with a key act once: sent again, it is answered as it was the first time, byte for byte, for a
 * day. A refusal is not kept: what was refused may be right later. Routes with a key of their own (`keeps: false`) are
 * left to it.
 *
 * Is to be registered behind the audit: an answer that could not be written down is not kept either.
 */
export function answerSteeringOnce(
  api: Api,
  { calls, secret }: { readonly calls: SteeringCallsStore; readonly secret: string },
): void {
  const claims = new WeakMap<FastifyRequest, { readonly digest: Buffer; readonly claim: Buffer }>();

  api.addHook('preHandler', async (request, reply) => {
    const { idempotencyKey } = request;
    const rules = request.routeOptions.config.rules;
    if (rules?.kind !== 'steer' || rules.keeps === false || idempotencyKey === null) return;
    const print = fingerprintOf(paramsOf(request), request.bodyAsSent, secret);
    const digest = digestOf(request, idempotencyKey);
    const found = await calls.claim(digest, print);
    if (found.kind === 'claimed') claims.set(request, { digest, claim: found.claim });
    else return answerAgain(reply, found, print);
  });

  api.addHook('onSend', async (request, reply, payload) => {
    const held = claims.get(request);
    if (!held) return;
    claims.delete(request);
    const { digest, claim } = held;
    if (reply.statusCode < 400 && typeof payload === 'string')
      await calls
        .keep(digest, claim, { status: reply.statusCode, answer: payload })
        .catch((cause: unknown) => {
          throw new Problem('outcome_unknown', { dependency: 'mysql', cause }); // It took effect.
        });
    else
      await calls.giveBack(digest, claim).catch((error: unknown) => {
        request.log.warn({ err: error }, 'A refused call keeps its key for half a minute.');
      });
  });
}

type Found = Exclude<
  Awaited<ReturnType<SteeringCallsStore['claim']>>,
  { readonly kind: 'claimed' }
>;

function answerAgain(reply: FastifyReply, found: Found, { fields }: Fingerprint): FastifyReply {
  switch (found.kind) {
    case 'answered':
      return reply
        .code(found.answer.status)
        .header('idempotent-replayed', 'true')
        .type('application/json; charset=utf-8')
        .serializer((text: string) => text)
        .send(found.answer.answer);
    case 'underWay':
      throw new Problem('idempotency_in_progress', { retryAfterSeconds: 1 });
    case 'differs':
      throw new Problem('idempotency_key_reused', {
        errors: differingFields(found.fields, fields),
      });
  }
}

function digestOf(request: FastifyRequest, key: string): Buffer {
  const { realm, tenant, subject } = principalOf(request);
  const operation = `${request.method} ${request.routeOptions.url ?? ''}`;
  return createHash('sha256').update([realm, tenant, subject, operation, key].join('\0')).digest();
}

const paramsOf = ({ params }: FastifyRequest): Readonly<Record<string, string>> =>
  // Parameters of the path are texts.
  typeof params === 'object' && params !== null ? (params as Record<string, string>) : {};
