import type { FastifyRequest } from 'fastify';
import { z } from 'zod';

import type { Approvals } from '../approvals/approvals';
import { approvalSchema, approvalViewOf } from '../approvals/view';
import type { Cursors } from '../http/cursor';
import { principalOf, type Api } from '../http/route-rules';
import { cursor, idParams, limit, listOf, text } from '../http/schemas';
import { approvalStates, type ApprovalsStore } from '../stores/approvals-store';

const states = listOf(z.enum(approvalStates)).default([...approvalStates]);
const verdictBody = z.strictObject({ note: text(500).optional() }).nullish();

interface ApprovalRoutes {
  readonly approvals: Approvals;
  readonly store: Pick<ApprovalsStore, 'list'>;
  readonly cursors: Cursors;
}

/** What waits for a second person, and that person's word. */
export function approvalRoutes(api: Api, { approvals, store, cursors }: ApprovalRoutes): void {
  api.get('/v1/approvals', {
    config: { rules: { kind: 'list', scope: 'ops:approve', realm: 'any' } },
    schema: {
      summary: 'What was asked of a second person, newest first; of the last month',
      querystring: z.strictObject({ state: states, limit, cursor: cursor.optional() }),
      response: {
        200: z.object({ items: z.array(approvalSchema), nextCursor: z.string().nullable() }),
      },
    },
    handler: async (request) => {
      const { tenant } = principalOf(request);
      const { state, limit: size, cursor: from } = request.query;
      const boundTo = { list: 'approvals', tenant, state: state.toSorted() };
      const before = from === undefined ? undefined : cursors.decode(from, boundTo).id;
      const rows = await store.list(tenant, state, size + 1, before);
      const { page, nextCursor } = cursors.pageOf(rows, size, boundTo, ({ id }) => id);
      return { items: page.map(approvalViewOf), nextCursor };
    },
  });

  api.get('/v1/approvals/:id', {
    config: { rules: { kind: 'read', scope: 'ops:approve', realm: 'any' } },
    schema: {
      summary: 'What was asked of a second person',
      params: idParams,
      response: { 200: approvalSchema },
    },
    handler: async (request) =>
      approvalViewOf(await approvals.find(principalOf(request), request.params.id)),
  });

  api.post('/v1/approvals/:id/approve', {
    config: { rules: { kind: 'steer', scope: 'ops:approve', realm: 'any' } },
    schema: {
      summary:
        'Approves, as another person than the one who asked, who could have asked as well; then it is done, once',
      params: idParams,
      body: verdictBody,
      response: { 200: approvalSchema },
    },
    handler: async (request) => {
      const { id, person } = await known(request, request.params.id);
      return approvalViewOf(await approvals.approve(person, id, request.body?.note ?? null));
    },
  });

  api.post('/v1/approvals/:id/reject', {
    config: { rules: { kind: 'steer', scope: 'ops:approve', realm: 'any' } },
    schema: {
      summary: 'Rejects; the one who asked may take it back so, too',
      params: idParams,
      body: verdictBody,
      response: { 200: approvalSchema },
    },
    handler: async (request) => {
      const { id, person } = await known(request, request.params.id);
      return approvalViewOf(await approvals.reject(person, id, request.body?.note ?? null));
    },
  });

  /** Says in the audit which transaction it is about, however the call ends. */
  async function known(request: FastifyRequest, id: string) {
    const person = principalOf(request);
    const { gid } = await approvals.find(person, id);
    request.gidSteered = gid;
    return { id, person };
  }
}
