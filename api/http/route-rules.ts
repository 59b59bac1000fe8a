import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RawServerDefault,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Flow, Gid } from '../../contracts/engine/ids';
import type { Principal } from './authentication';
import { Problem, type ProblemCode } from './errors';
import type { JsonValue } from './json-text';
import type { LimitClass } from './limits';
import type { Realm } from './realms';
import type { Scope } from './scopes';

/**
 * What a route is, which decides how it is treated:
 * `start` accepts a transaction: key required, may wait, shed first. `steer` changes something: key required (POST),
 * audited, never shed. `list` is shed after starts. `read`. `probe`: for machines, limited
 * by address alone and never shed.
 */
export type RouteKind = 'start' | 'steer' | 'list' | 'read' | 'probe';

export interface RouteRules {
  readonly kind: RouteKind;
  /** `null`: open to everybody. */
  readonly scope: Scope | null;
  /** What a credential must be of; left out: a tenant. */
  readonly realm?: Realm | 'any';
  /** A probe that queries nothing, so it is not limited: a supervisor that gets no answer ends the process. */
  readonly isFree?: true;
  /** Its body is many lines, each a start with a key of its own. Only for `start`. */
  readonly takesLines?: true;
  /** What it can answer with; left out: JSON alone. */
  readonly media?: readonly string[];
  /** `false`: a repeated key is answered from what the call made, not with the stored answer. Only for `steer`. */
  readonly keeps?: false;
  /** The flow whose reference is the `:id` of its path, for the audit. */
  readonly flow?: Flow;
}

export const limitClassOf: Readonly<Record<RouteKind, LimitClass | null>> = {
  start: 'starts',
  steer: 'operations',
  list: 'reads',
  read: 'reads',
  probe: null,
};

declare module 'fastify' {
  interface FastifyContextConfig {
    rules?: RouteRules;
  }
  interface FastifyRequest {
    principal: Principal | null;
    /** The body before any default: what a fingerprint is made of. */
    bodyAsSent: JsonValue;
    idempotencyKey: string | null;
    /** The transaction that it steers, where its path does not name it. */
    gidSteered: Gid | null;
    /** Code of the problem that it was answered with. */
    problemCode: ProblemCode | null;
  }
}

/** The server as routes see it: schemas are zod's. */
export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** The caller of a route that has a scope. */
export function principalOf(request: FastifyRequest): Principal {
  if (!request.principal) throw new Problem('unauthenticated');
  return request.principal;
}

/** The key of a route that needs one. */
export function keyOf(request: FastifyRequest): string {
  if (request.idempotencyKey === null) throw new Problem('idempotency_key_missing');
  return request.idempotencyKey;
}

/** Aborted when the caller has hung up. `request.signal` is no such thing: it is aborted once a body has been read. */
export function callerGone({ raw }: Pick<FastifyReply, 'raw'>): AbortSignal {
  const gone = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** A handler's time, by kind: a start or a read may wait for an ending, everything else is done in two seconds. */
export const handlerMs = 5_000;
export const waitingHandlerMs = 35_000;
/** A body of lines is read for so long. The edge closes a request that arrives more slowly than in 300 s. */
export const linesMs = 240_000;
