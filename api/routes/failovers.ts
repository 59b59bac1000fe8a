import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';

import {
  businessIdOf,
  gidOf,
  partsOfBusinessId,
  partsOfGid,
  type Gid,
} from '../../contracts/engine/ids';
import { failoverKinds, type FailoverInput } from '../../contracts/regions/regions';
import { approvalLinkOf, approvalSchema, approvalViewOf } from '../approvals/view';
import type { Config } from '../config';
import type { Cursors } from '../http/cursor';
import { Problem } from '../http/errors';
import type { Failovers, RequestedBy } from '../regions/failovers';
import { fingerprintOf } from '../http/idempotency';
import { preferenceOf } from '../http/preference';
import { callerGone, keyOf, principalOf, waitingHandlerMs, type Api } from '../http/route-rules';
import { endingSchema, runViewOf, runViewSchema } from '../transactions/run-view';
import { cursor, idParams, limit, text } from '../http/schemas';
import { askerOf, breakGlassField, type SecondPerson } from '../approvals/second-person';
import type { Starts } from '../transactions/starts';
import type { Steering } from '../transactions/steering';
import type { RunsStore } from '../stores/runs-store';
import type { RunRow } from '../stores/runs/rows';
import { explain, explanationOfRow, explanationSchema } from '../transactions/explanation';
import type { Temporal } from '../transactions/temporal';
import { answerOf } from './start-route';
import { statusOf } from './steering';

const region = z
  .string()
  .regex(/^[a-z0-9-]{1,16}$/, 'must be 1 to 16 small letters, digits or dashes');
/** A day: a standby that is further behind is no standby. */
const lossMaxMs = 86_400_000;

const failoverBody = z
  .strictObject({
    from: region,
    /** Left out: the first standby. */
    to: region.optional(),
    kind: z.enum(failoverKinds),
    reason: text(500),
    /** Writes that may be lost, in milliseconds. */
    acceptLoss: z.int().min(0).max(lossMaxMs).default(0),
    /** It may begin although no standby acknowledges. */
    force: z.boolean().default(false),
    breakGlass: breakGlassField,
  })
  .meta({ id: 'NewFailover' });

const failoverSchema = runViewSchema
  .extend({
    /** Its number in the cluster. */
    failoverId: z.string(),
    from: z.string(),
    links: runViewSchema.shape.links.extend({ failover: z.string() }),
  })
  .meta({ id: 'Failover' });

const failoverExplanationSchema = failoverSchema
  .extend({
    /** The request; `null` once the switch has ended: the audit keeps it. */
    asked: z
      .object({
        to: z.string(),
        kind: z.enum(failoverKinds),
        reason: z.string(),
        acceptLoss: z.number(),
        force: z.boolean(),
      })
      .nullable(),
    source: explanationSchema.shape.source,
    summary: z.string(),
    steps: explanationSchema.shape.steps,
    parked: explanationSchema.shape.parked,
  })
  .meta({ id: 'FailoverExplanation' });

interface FailoverRoutes {
  readonly config: Pick<Config, 'secret'>;
  readonly failovers: Failovers;
  readonly secondPerson: SecondPerson;
  readonly steering: Pick<Steering, 'cancel'>;
  readonly starts: Pick<Starts, 'settled'>;
  readonly runs: Pick<RunsStore, 'find' | 'inputOf' | 'list'>;
  readonly temporal: Pick<Temporal, 'timeline' | 'pendingCalls' | 'closedSteps'>;
  readonly cursors: Cursors;
}

/** Switches of regions, of the caller's cluster. */
export function failoverRoutes(
  api: Api,
  { config, failovers, secondPerson, steering, starts, runs, temporal, cursors }: FailoverRoutes,
): void {
  api.post('/v1/failovers', {
    config: {
      // Audited, and never shed.
      rules: { kind: 'steer', scope: 'ops:failover', realm: 'cluster', keeps: false },
    },
    handlerTimeout: waitingHandlerMs,
    schema: {
      summary: 'Makes another region the active one; an unplanned switch wants two persons',
      body: failoverBody,
      response: { 200: endingSchema, 202: z.union([failoverSchema, approvalSchema]) },
    },
    handler: async (request, reply) => {
      const { breakGlass, ...asked } = request.body;
      const want = secondPerson.of(askerOf(request, breakGlass));
      const keyed = keyedOf(request, {}, config.secret);
      const { preference, callerWait } = callerWaitOf(request, reply);
      const answer = await failovers.request(asked, keyed, want, callerWait);
      if (answer.kind === 'waits') {
        const { approval } = answer;
        request.gidSteered = approval.gid;
        return reply
          .code(202)
          .header('location', approvalLinkOf(approval.id))
          .send(approvalViewOf(approval));
      }
      const { run } = answer.started;
      request.gidSteered = run.gid;
      const { status, headers, body } = answerOf(answer.started, preference, undefined);
      if (status === 200)
        return reply
          .code(200)
          .headers(headers)
          .send(body as never); // Bytes, as they are.
      const view = viewOf(run);
      return reply
        .code(202)
        .headers({ ...headers, location: view.links.failover })
        .send(view);
    },
  });

  api.get('/v1/failovers', {
    config: { rules: { kind: 'list', scope: 'ops:failover', realm: 'cluster' } },
    schema: {
      summary: 'Switches of regions, newest first',
      querystring: z.strictObject({ limit, cursor: cursor.optional() }),
      response: {
        200: z.object({ items: z.array(failoverSchema), nextCursor: z.string().nullable() }),
      },
    },
    handler: async (request) => {
      const { tenant } = principalOf(request);
      const { limit: size, cursor: from } = request.query;
      const boundTo = { list: 'failovers', tenant };
      const after = from === undefined ? undefined : cursors.decode(from, boundTo);
      const { rows, next } = await runs.list(tenant, { flow: 'failover' }, size, after);
      return { items: rows.map(viewOf), nextCursor: next && cursors.encode(next, boundTo) };
    },
  });

  api.get('/v1/failovers/:id', {
    config: { rules: { kind: 'read', scope: 'ops:failover', realm: 'cluster' } },
    handlerTimeout: waitingHandlerMs,
    schema: {
      summary: 'One switch, with its steps; waits for its ending, or for being parked',
      params: idParams,
      response: { 200: failoverExplanationSchema },
    },
    handler: async (request, reply) => {
      const { tenant, scopes } = principalOf(request);
      const gid = gidIn(request, request.params.id);
      if (!(await runs.find(tenant, gid))) throw new Problem('not_found');
      const { preference, callerWait } = callerWaitOf(request, reply);
      const { applied } = preference;
      if (applied !== undefined) reply.header('preference-applied', applied);
      const run = await starts.settled(tenant, gid, { ...callerWait, until: 'ending' });
      const [explanation, input] = await Promise.all([
        // While regions are switched something is away: the row is better than nothing.
        explain(run, temporal, { readsTexts: scopes.has('ops:read') }).catch((error: unknown) => {
          if (error instanceof Problem) return explanationOfRow(run);
          throw error;
        }),
        runs.inputOf(tenant, gid),
      ]);
      const { source, summary, steps, parked } = explanation;
      // The row belongs to this flow, and was validated when it was accepted.
      const asked = input ? askedOf(input as FailoverInput) : null;
      return { ...viewOf(run), asked, source, summary, steps, parked };
    },
  });

  api.post('/v1/failovers/:id/abort', {
    config: { rules: { kind: 'steer', scope: 'ops:failover', realm: 'cluster', flow: 'failover' } },
    schema: {
      summary: 'Takes a switch back, until its new epoch is advanced',
      params: idParams,
      body: z.strictObject({ note: text(500).optional() }).nullish(),
      response: { 200: failoverSchema, 202: failoverSchema },
    },
    handler: async (request, reply) => {
      const { tenant, subject, people } = principalOf(request);
      const gid = gidIn(request, request.params.id);
      const steer = { tenant, gid, subject, people };
      const run = await steering.cancel(steer, request.body?.note ?? null);
      return reply.code(statusOf(run)).send(viewOf(run));
    },
  });
}

/** What the key of a request is looked up by. */
export function keyedOf(
  request: FastifyRequest,
  params: Readonly<Record<string, string>>,
  secret: string,
): RequestedBy {
  return {
    input: { tenant: principalOf(request).tenant },
    requester: principalOf(request).people,
    operation: `${request.method} ${request.routeOptions.url ?? ''}`,
    idempotencyKey: keyOf(request),
    fingerprint: fingerprintOf(params, request.bodyAsSent, secret),
  };
}

export function callerWaitOf(request: FastifyRequest, reply: FastifyReply) {
  const preference = preferenceOf(request.headers['prefer']);
  const { seconds, until } = preference;
  return { preference, callerWait: { seconds, until, signal: callerGone(reply) } };
}

/** @throws Problem `not_found`: it cannot be the id of a switch. */
function gidIn(request: FastifyRequest, id: string): Gid {
  const gid = gidOf('failover', businessIdOf(principalOf(request).tenant, id));
  if (!partsOfGid(gid)) throw new Problem('not_found');
  return gid;
}

function viewOf(run: RunRow): z.infer<typeof failoverSchema> {
  const { links, ...view } = runViewOf(run);
  const failoverId = partsOfBusinessId(partsOfGid(run.gid)?.businessId ?? '')?.id ?? run.gid;
  const failover = `/v1/failovers/${failoverId}`;
  // It is accepted in the region that it leaves.
  return { ...view, failoverId, from: run.region, links: { ...links, failover } };
}

const askedOf = ({ to, kind, reason, lossAllowedMs, mayBeginAlone }: FailoverInput) => ({
  ...{ to, kind, reason },
  acceptLoss: lossAllowedMs,
  force: mayBeginAlone,
});
