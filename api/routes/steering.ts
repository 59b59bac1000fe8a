import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';

import { partsOfGid } from '../../contracts/engine/ids';
import { isEnding } from '../../contracts/engine/transaction';
import type { Bookings } from '../transactions/bookings';
import { approvalLinkOf, approvalSchema, approvalViewOf } from '../approvals/view';
import type { Cursors } from '../http/cursor';
import { Problem, type ProblemCode } from '../http/errors';
import { keyOf, principalOf, type Api } from '../http/route-rules';
import { runViewOf, runViewSchema } from '../transactions/run-view';
import { cursor, gidParams, text } from '../http/schemas';
import {
  askerOf,
  breakGlassField,
  type SecondPerson,
  type WantSecondPerson,
} from '../approvals/second-person';
import type { Decide, Steer, Steering } from '../transactions/steering';
import type { ApprovalRow } from '../stores/approvals-store';
import { positionOf } from '../stores/runs/lists';
import type { RunsStore } from '../stores/runs-store';
import type { RunRow } from '../stores/runs/rows';
import { cursorBinding, selectionFields, runFilterOf } from './transactions';

const stepName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must be the name of a step');
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
    breakGlass: breakGlassField,
  })
  .meta({ id: 'Resolve' });

const bookBody = z
  .strictObject({ step: stepName, expect: expectation, evidence, breakGlass: breakGlassField })
  .meta({ id: 'Book' });

const retryBody = z.strictObject({
  step: stepName.optional(),
  expect: expectation.optional(),
  breakGlass: breakGlassField,
});

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

type AskedDecision = Omit<Decide, 'tenant' | 'subject' | 'people'> & {
  readonly breakGlass?: z.output<typeof breakGlassField>;
};

interface SteeringRoutes {
  readonly steering: Steering;
  readonly bookings: Bookings;
  readonly secondPerson: SecondPerson;
  readonly runs: RunsStore;
  readonly cursors: Cursors;
}

export function steeringRoutes(
  api: Api,
  { steering, bookings, secondPerson, runs, cursors }: SteeringRoutes,
): void {
  const responses = { 200: runViewSchema, 202: runViewSchema };
  /** 202: the run has taken it, or another person has to approve it first. */
  const decided = { 200: runViewSchema, 202: z.union([runViewSchema, approvalSchema]) };

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
    config: { rules: { kind: 'steer', scope: 'ops:resolve', realm: 'any' } },
    schema: {
      summary: 'Tries the step again that a transaction is parked at',
      params: gidParams,
      body: retryBody.nullish(),
      response: decided,
    },
    handler: async (request, reply) => {
      const { step, expect, breakGlass } = request.body ?? {};
      return decide(request, reply, {
        gid: request.params.gid,
        decision: 'retry',
        step,
        version: expect?.version,
        evidence: null,
        breakGlass,
      });
    },
  });

  api.post('/v1/transactions/:gid/resolve', {
    config: { rules: { kind: 'steer', scope: 'ops:resolve', realm: 'any' } },
    schema: {
      summary: 'Decides a parked step by hand: it has been done, or will not be',
      params: gidParams,
      body: resolveBody,
      response: decided,
    },
    handler: async (request, reply) => {
      const { expect, ...decision } = request.body;
      const { gid } = request.params;
      return decide(request, reply, { gid, version: expect.version, ...decision });
    },
  });

  api.post('/v1/transactions/:gid/book', {
    config: { rules: { kind: 'steer', scope: 'ops:resolve', realm: 'any' } },
    schema: {
      summary: 'Says that what a skipped step of an ended transaction has left is in the books',
      params: gidParams,
      body: bookBody,
      response: decided,
    },
    handler: async (request, reply) => {
      const { expect, breakGlass, step, evidence: proof } = request.body;
      const want = secondPerson.of(askerOf(request, breakGlass));
      const asked = { step, version: expect.version, evidence: proof };
      const answer = await bookings.book(
        { ...steerOf(request, request.params.gid), ...asked },
        want,
      );
      if (answer.kind === 'booked') return reply.code(200).send(runViewOf(answer.run));
      return waits(reply, answer.approval);
    },
  });

  api.post('/v1/transactions/:gid/park', {
    config: { rules: { kind: 'steer', scope: 'ops:resolve', realm: 'any' } },
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
    config: { rules: { kind: 'steer', scope: 'ops:resolve', realm: 'any' } },
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
      const parked = runFilterOf({ ...filter, state: ['parked'] });
      const { rows, next } = await runs.list(tenant, parked, limit, after);
      const { done, skipped } = await retryAll(rows, (gid) => steerOf(request, gid));
      const last = rows[done - 1];
      const cut = last ? positionOf(last) : (after ?? null);
      const behind = done < rows.length ? cut : next;
      return {
        retried: done - skipped.length,
        skipped,
        nextCursor: behind && cursors.encode(behind, boundTo),
      };
    },
  });

  async function decide(
    request: FastifyRequest,
    reply: FastifyReply,
    { gid, breakGlass, ...decision }: AskedDecision,
  ) {
    const want = secondPerson.of(askerOf(request, breakGlass));
    const answer = await steering.decide({ ...steerOf(request, gid), ...decision }, want);
    if (answer.kind === 'taken')
      return reply.code(statusOf(answer.run)).send(runViewOf(answer.run));
    return waits(reply, answer.approval);
  }

  function waits(reply: FastifyReply, approval: ApprovalRow) {
    return reply
      .code(202)
      .header('location', approvalLinkOf(approval.id))
      .send(approvalViewOf(approval));
  }

  /** Retries a page in order, until the time is over. @returns how many were asked, and which of them refused. */
  async function retryAll(page: readonly RunRow[], steer: (gid: string) => Steer) {
    const endAt = performance.now() + bulkMs;
    const skipped: { gid: string; code: ProblemCode }[] = [];
    let done = 0;
    while (done < page.length && performance.now() < endAt) {
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
      const { version } = run;
      const retry = { decision: 'retry', step: undefined, version, evidence: null } as const;
      await steering.decide({ ...steer, ...retry }, refuseForOne);
      return undefined;
    } catch (error) {
      if (error instanceof Problem) return error.code;
      throw error;
    }
  }
}

/** Many at once are nothing that a second person could look at. */
const refuseForOne: WantSecondPerson = () => Promise.reject(new Problem('second_person_required'));

/** 200: it has ended, nothing is under way. 202: taken, the row will show it. */
export const statusOf = ({ state }: RunRow): 200 | 202 => (isEnding(state) ? 200 : 202);

function steerOf(request: FastifyRequest, gid: string): Steer {
  keyOf(request);
  if (!partsOfGid(gid)) throw new Problem('not_found');
  const { tenant, subject, people } = principalOf(request);
  return { tenant, gid, subject, people };
}
