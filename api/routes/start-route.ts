import type { TransactionInput } from '../../contracts/engine/transaction';
import { z } from 'zod';

import { isEnding, type EarlyStatus } from '../../contracts/engine/transaction';
import type { Principal } from '../http/authentication';
import { fingerprintOf } from '../http/idempotency';
import type { JsonValue } from '../http/json-text';
import { planOf, planSchema } from '../transactions/plan';
import { preferenceOf, type Preference } from '../http/preference';
import { callerGone, keyOf, principalOf, waitingHandlerMs, type Api } from '../http/route-rules';
import { endingSchema, linkOf, runViewOf, runViewSchema } from '../transactions/run-view';
import { flag } from '../http/schemas';
import type { Start, Started, Starts } from '../transactions/starts';
import type { RunRow } from '../stores/runs/rows';

/** What a validated body becomes. */
export interface PreparedStart {
  readonly input: TransactionInput;
  readonly reference: string;
  readonly screen?: Start['screen'];
}

/** The answer of a flow that tells something before its ending; of facts alone that never change. */
export interface EarlyAnswer {
  readonly schema: z.ZodType;
  readonly of: (run: RunRow, status: EarlyStatus) => object;
}

export interface StartRoute<
  Body extends z.ZodType,
  Params extends z.ZodType<Record<string, string>>,
> {
  readonly url: string;
  readonly summary: string;
  readonly params: Params;
  readonly body: Body;
  /** @throws Problem `unprocessable`: it fits its schema and cannot mean anything. */
  readonly prepare: (
    body: z.output<Body>,
    caller: Principal,
    params: z.output<Params>,
  ) => PreparedStart;
  readonly early?: EarlyAnswer;
}

export const noParams = z.strictObject({});

/** What all routes that start a transaction have in common: scope, key, dry run, wait and answer. */
export function startRoute<
  Body extends z.ZodType,
  Params extends z.ZodType<Record<string, string>>,
>(
  api: Api,
  { starts, secret }: { readonly starts: Starts; readonly secret: string },
  { url, summary, params, body, prepare, early }: StartRoute<Body, Params>,
): void {
  const answers = early ? [endingSchema, planSchema, early.schema] : [endingSchema, planSchema];
  api.post(url, {
    config: { rules: { kind: 'start', scope: 'tx:start' } },
    handlerTimeout: waitingHandlerMs,
    schema: {
      summary,
      params,
      body,
      querystring: z.strictObject({ dryRun: flag.default(false) }),
      response: { 200: z.union(answers), 202: runViewSchema },
    },
    handler: async (request, reply) => {
      // The schemas above have validated both: their types are lost in a generic route alone.
      const path = request.params as z.output<Params>;
      const caller = principalOf(request);
      const prepared = prepare(request.body as z.output<Body>, caller, path);
      if (request.query.dryRun) return planOf(prepared.input);
      const preference = preferenceOf(request.headers['prefer']);
      const started = await starts.start(
        startOf(prepared, {
          ...{ url, path, sent: request.bodyAsSent, key: keyOf(request) },
          ...{ caller, preference, secret },
        }),
        { ...preference, signal: callerGone(reply) },
      );
      const answer = answerOf(started, preference, early);
      return reply.code(answer.status).headers(answer.headers).send(answer.body);
    },
  });
}

interface Asked {
  readonly url: string;
  readonly path: Readonly<Record<string, string>>;
  /** The body before any default. */
  readonly sent: JsonValue;
  readonly key: string;
  readonly caller: Principal;
  readonly preference: Preference;
  readonly secret: string;
}

/** What a prepared start is accepted as, alone or as one of many: under one operation, so that its key is one. */
export const startOf = (
  prepared: PreparedStart,
  { url, path, sent, key, caller, preference, secret }: Asked,
): Start => ({
  ...prepared,
  operation: `POST ${url}`,
  idempotencyKey: key,
  fingerprint: fingerprintOf(path, sent, secret),
  requester: caller.people,
  lane: preference.lane,
});

/**
 * 200 with the early answer, or with the ending byte for byte; 202 with the row while it is open, parked included.
 */
export function answerOf(
  { run, isReplay }: Started,
  { until, applied }: Preference,
  early: EarlyAnswer | undefined,
) {
  const headers = {
    ...(isReplay && { 'idempotent-replayed': 'true' }),
    ...(applied !== undefined && { 'preference-applied': applied }),
  };
  if (early && run.early !== null && until === 'decided') {
    return { status: 200, headers, body: early.of(run, run.early) } as const;
  }
  if (isEnding(run.state) && run.ending) {
    return {
      status: 200,
      headers: { ...headers, 'content-type': 'application/json; charset=utf-8' },
      body: run.ending, // Bytes go out as they are; the schema describes them.
    } as const;
  }
  return {
    status: 202,
    headers: { ...headers, location: linkOf(run.gid), 'retry-after': '1' },
    body: runViewOf(run),
  } as const;
}
