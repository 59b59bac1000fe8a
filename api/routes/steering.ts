import type { FastifyRequest } from 'fastify';
import { z } from 'zod';

import { partsOfGid } from '../../contracts/ids';
import { isEnding } from '../../contracts/transaction';
import type { Cursors } from '../cursor';
import { Problem, type ProblemCode } from '../errors';
import { keyOf, principalOf, type Api } from '../route-rules';
import { runViewOf, runViewSchema } from '../run-view';
import { cursor, gidParams, text } from '../schemas';
import type { Steer, Steering } from '../steering';
import type { RunRow, RunsStore } from '../stores/runs-store';
import { cursorBinding, selectionFields, nextCursorOf, runFilterOf } from './transactions';

const stepName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/);
const expectation = z.strictObject({ version: z.int().min(1) });
const note = text(500);
const evidence = z.strictObject({
  kind: text(32),
  ref: text(128),
  note: note.nullable().default(null),
});

const resolveBody = z
  .strictObject({
    step: stepName,
    decision: z.enum(['done', 'skip']),
    expect: expectation,
    evidence,
  })
  .meta({ id: 'Resolve' });

/** Parked transactions that one call retries, and how many of them at once. */
const bulkMax = 100;
const retriesAtOnce = 10;
/** A bulk retry begins no further ones after this: the rest is the next page. */
const bulkMs = 3_000;

const bulkBody = z
  .strictObject({
    filter: z.strictObject(selectionFields).default({}),
    reason: note,
    limit: z.int().min(1).max(bulkMax).default(bulkMax),
    cursor: cursor.optional(),
  })
  .meta({ id: 'BulkRetry' });

interface SteeringRoutes {
  readonly steering: Steering;
  readonly runs: RunsStore;
  readonly cursors: Cursors;
}

export function steeringRoutes(api: Api, { steering, runs, cursors }: SteeringRoutes): void {
  const responses = { 200: runViewSchema, 202: runViewSchema };

  api.post('/v1/transactions/:gid/cancel', {
    config: { rules: { kind: 'steer', scope: 'tx:cancel' } },
    schema: {
      summary: 'Undoes a transaction before its point of no return',
      params: gidParams,
      body: z.strictObject({ note: note.optional() }).nullish(),
      response: responses,
    },
    handler: async (request, reply) => {
      const run = await steering.cancel(
        steerOf(request, request.params.gid),
        request.body?.note ?? null,
      );
      return reply.code(statusOf(run)).send(runViewOf(run));
    },
  });

  api.post('/v1/transactions/:gid/retry', {
    config: { rules: { kind: 'steer', scope: 'ops:resolve' } },
    schema: {
      summary: 'Tries the step again that a transaction is parked at',
      params: gidParams,
      body: z.strictObject({ step: stepName.optional(), expect: expectation.optional() }).nullish(),
      response: responses,
    },
    handler: async (request, reply) => {
      const run = await steering.decide({
        ...steerOf(request, request.params.gid),
        decision: 'retry',
        step: request.body?.step,
        version: request.body?.expect?.version,
        evidence: null,
      });
      return reply.code(statusOf(run)).send(runViewOf(run));
    },
  });

  api.post('/v1/transactions/:gid/resolve', {
    config: { rules: { kind: 'steer', scope: 'ops:resolve' } },
    schema: {
      summary: 'Decides a parked step by hand: it has been done, or will not be',
      params: gidParams,
      body: resolveBody,
      response: responses,
    },
    handler: async (request, reply) => {
      const { step, decision, expect, evidence: proof } = request.body;
      const run = await steering.decide({
        ...steerOf(request, request.params.gid),
        step,
        decision,
        version: expect.version,
        evidence: proof,
      });
      return reply.code(statusOf(run)).send(runViewOf(run));
    },
  });

  api.post('/v1/transactions/:gid/park', {
    config: { rules: { kind: 'steer', scope: 'ops:resolve' } },
    schema: {
      summary: 'Parks a stuck transaction, so that its step can be decided by hand',
      params: gidParams,
      body: z.strictObject({ step: stepName.optional(), reason: note }),
      response: responses,
    },
    handler: async (request, reply) => {
      const { step, reason } = request.body;
      const run = await steering.park(steerOf(request, request.params.gid), step, reason);
      return reply.code(statusOf(run)).send(runViewOf(run));
    },
  });

  api.post('/v1/transactions/retry', {
    config: { rules: { kind: 'steer', scope: 'ops:resolve' } },
    schema: {
      summary: 'Retries parked transactions by filter, oldest pages last',
      body: bulkBody,
      response: {
        200: z.object({
          retried: z.number(),
          skipped: z.array(z.object({ gid: z.string(), code: z.string() })),
          nextCursor: z.string().nullable(),
        }),
      },
    },
    handler: async (request) => {
      const { tenant } = principalOf(request);
      const { filter, limit, cursor: from } = request.body;
      const boundTo = cursorBinding(tenant, { ...filter, state: ['parked'] });
      const after = from === undefined ? undefined : cursors.decode(from, boundTo);
      const parked = await runs.list(
        tenant,
        runFilterOf({ ...filter, state: ['parked'] }),
        limit + 1,
        after,
      );
      const page = parked.slice(0, limit);
      const { done, skipped } = await retryAll(page, (gid) => steerOf(request, gid));
      const isMore = parked.length > done;
      return {
        retried: done - skipped.length,
        skipped,
        nextCursor: isMore ? nextCursorOf(cursors, page.slice(0, done), boundTo) : null,
      };
    },
  });

  /** Retries a page in order, until the time is over. @returns how many were asked, and which of them refused. */
  async function retryAll(page: readonly RunRow[], steer: (gid: string) => Steer) {
    const endAt = Date.now() + bulkMs;
    const skipped: { gid: string; code: ProblemCode }[] = [];
    let done = 0;
    while (done < page.length && Date.now() < endAt) {
      const some = page.slice(done, done + retriesAtOnce);
      const codes = await Promise.all(some.map((run) => retryOne(run, steer(run.gid))));
      if (done === 0 && codes.every((code) => code === 'dependency_unavailable')) {
        throw new Problem('dependency_unavailable', {
          dependency: 'temporal',
          retryAfterSeconds: 1,
        });
      }
      some.forEach(({ gid }, at) => {
        const code = codes[at];
        if (code) skipped.push({ gid, code });
      });
      done += some.length;
    }
    return { done, skipped };
  }

  async function retryOne(run: RunRow, steer: Steer): Promise<ProblemCode | undefined> {
    try {
      await steering.decide({
        ...steer,
        decision: 'retry',
        step: undefined,
        version: run.version,
        evidence: null,
      });
      return undefined;
    } catch (error) {
      if (error instanceof Problem) return error.code;
      throw error;
    }
  }
}

/** 200: it has ended, nothing is under way. 202: taken, the row will show it. */
const statusOf = ({ state }: RunRow): 200 | 202 => (isEnding(state) ? 200 : 202);

function steerOf(request: FastifyRequest, gid: string): Steer {
  keyOf(request);
  if (!partsOfGid(gid)) throw new Problem('not_found');
  const { tenant, subject } = principalOf(request);
  return { tenant, gid, subject };
}
