import { z } from 'zod';

import { partsOfGid } from '../../contracts/engine/ids';
import { minorUnitsMax } from '../../contracts/engine/money';
import { handStates } from '../../contracts/engine/resolutions';
import { earlyStatuses, runStates } from '../../contracts/engine/transaction';
import type { Cursors } from '../http/cursor';
import { Problem } from '../http/errors';
import type { JsonValue } from '../http/json-text';
import { preferenceOf } from '../http/preference';
import { callerGone, principalOf, waitingHandlerMs, type Api } from '../http/route-rules';
import { runViewOf, runViewSchema } from '../transactions/run-view';
import {
  cursor,
  flag,
  flowName,
  gidParams,
  knownCurrency,
  limit,
  listOf,
  reference,
} from '../http/schemas';
import type { Starts } from '../transactions/starts';
import { explain, explanationSchema } from '../transactions/explanation';
import type { RunFilter } from '../stores/runs/filter';
import type { RunsStore } from '../stores/runs-store';
import type { RunRow } from '../stores/runs/rows';
import type { Temporal } from '../transactions/temporal';

const word = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, dashes or underscores');
const amount = z.coerce.number().pipe(z.int().min(0).max(minorUnitsMax));
const milliseconds = z.coerce.number().pipe(z.int().min(0).max(31_536_000_000));

/** Filters that ask for more than the state, as they stand in a query string. */
export const selectionFields = {
  flow: flowName.optional(),
  reason: listOf(word).optional(),
  step: word.optional(),
  early: z.enum(earlyStatuses).optional(),
  reference: reference.optional(),
  lane: z.enum(['single', 'batch']).optional(),
  region: word.optional(),
  /** A misspelt one would find nothing, and look as if nothing were at risk. */
  currency: knownCurrency.optional(),
  minAtRisk: amount.optional(),
  acceptedAfter: z.iso.datetime().optional(),
  acceptedBefore: z.iso.datetime().optional(),
  olderThanMs: milliseconds.optional(),
};
const filterFields = {
  ...selectionFields,
  state: listOf(z.enum(runStates)).optional(),
  stuck: flag.optional(),
  resolvedByHand: listOf(z.enum(handStates)).optional(),
};
export type Filter = z.infer<z.ZodObject<typeof filterFields>>;

interface TransactionRoutes {
  readonly runs: RunsStore;
  readonly temporal: Temporal;
  readonly starts: Starts;
  readonly cursors: Cursors;
}

export function transactionRoutes(
  api: Api,
  { runs, temporal, starts, cursors }: TransactionRoutes,
): void {
  const find = async (tenant: string, gid: string): Promise<RunRow> => {
    const run = partsOfGid(gid) && (await runs.find(tenant, gid));
    if (!run) throw new Problem('not_found');
    return run;
  };

  api.get('/v1/transactions', {
    config: { rules: { kind: 'list', scope: 'tx:read', realm: 'any' } },
    schema: {
      summary: 'Transactions, newest first',
      querystring: z.strictObject({
        ...filterFields,
        limit,
        cursor: cursor.optional(),
        count: flag.default(false),
      }),
      response: {
        200: z.object({
          items: z.array(runViewSchema),
          nextCursor: z.string().nullable(),
          count: z.number().optional(),
        }),
      },
    },
    handler: async (request, reply) => {
      const { tenant } = principalOf(request);
      const { limit: size, cursor: from, count, ...fields } = request.query;
      const filter = runFilterOf(fields);
      const boundTo = cursorBinding(tenant, fields);
      const after = from === undefined ? undefined : cursors.decode(from, boundTo);
      const { rows, next: behind } = await runs.list(tenant, filter, size, after);
      const nextCursor = behind && cursors.encode(behind, boundTo);
      if (nextCursor !== null) {
        const next = new URLSearchParams(request.url.split('?')[1]);
        next.set('cursor', nextCursor);
        reply.header('link', `</v1/transactions?${next.toString()}>; rel="next"`);
      }
      return {
        items: rows.map((run) => runViewOf(run)),
        nextCursor,
        ...(count && { count: await runs.count(tenant, filter) }),
      };
    },
  });

  api.get('/v1/transactions/:gid', {
    config: { rules: { kind: 'read', scope: 'tx:read', realm: 'any' } },
    handlerTimeout: waitingHandlerMs,
    schema: {
      summary: 'One transaction; waits for its ending, or for being parked',
      params: gidParams,
      response: { 200: runViewSchema },
    },
    handler: async (request, reply) => {
      const { tenant } = principalOf(request);
      const { gid } = await find(tenant, request.params.gid);
      const { seconds, applied } = preferenceOf(request.headers['prefer']);
      if (applied !== undefined) reply.header('preference-applied', applied);
      const callerWait = { seconds, until: 'ending', signal: callerGone(reply) } as const;
      return runViewOf(await starts.settled(tenant, gid, callerWait));
    },
  });

  api.get('/v1/transactions/:gid/explain', {
    config: { rules: { kind: 'read', scope: 'tx:read', realm: 'any' } },
    schema: {
      summary: 'A transaction in business words: its steps, attempts and decisions',
      params: gidParams,
      response: { 200: explanationSchema },
    },
    handler: async (request) => {
      const { tenant, scopes } = principalOf(request);
      const reader = { readsTexts: scopes.has('ops:read') };
      return explain(await find(tenant, request.params.gid), temporal, reader);
    },
  });
}

export const runFilterOf = ({
  state,
  reason,
  resolvedByHand,
  acceptedAfter,
  acceptedBefore,
  ...same
}: Filter): RunFilter => ({
  ...same,
  states: state,
  reasons: reason,
  byHand: resolvedByHand,
  acceptedAfter: acceptedAfter === undefined ? undefined : new Date(acceptedAfter),
  acceptedBefore: acceptedBefore === undefined ? undefined : new Date(acceptedBefore),
});

/** What a cursor belongs to: another tenant, list or filter makes it invalid. */
export const cursorBinding = (tenant: string, filter: Filter): JsonValue => ({
  list: 'transactions',
  tenant,
  filter: JSON.stringify(Object.entries(filter).sort()),
});
