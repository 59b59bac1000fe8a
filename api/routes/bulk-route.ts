import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { setMaxListeners } from 'node:events';
import { Readable } from 'node:stream';
import { z } from 'zod';

import type { Principal } from '../http/authentication';
import { withinDeadline } from '../http/deadline';
import { logProblem, Problem, problemBody, problemOf } from '../http/errors';
import { fieldErrorsOf, sentenceOf } from '../http/field-errors';
import type { LineGuard } from '../http/guards';
import { keyOfLine } from '../http/idempotency';
import { answersInOrder } from '../http/in-order';
import { parseJson, type JsonValue } from '../http/json-text';
import { linesMedia, linesOf, type Line } from '../http/lines';
import { preferenceOf, waitSecondsMax, type Preference } from '../http/preference';
import { callerGone, linesMs, principalOf, waitingHandlerMs, type Api } from '../http/route-rules';
import { bodyBytesMax } from '../http/size-limits';
import type { Starts } from '../transactions/starts';
import { endingSchema, runViewSchema } from '../transactions/run-view';
import { answerOf, noParams, startOf, type StartRoute } from './start-route';

const mebibyte = 1_048_576;
/** What one request may have. A line may be as long as the body of a start alone. */
const limits = { lineBytes: bodyBytesMax, lines: 10_000, bytes: 64 * mebibyte, ms: linesMs };
/** What one request may have under way: lines that have been read and whose answers its caller has not taken yet. */
const underWay = { items: 512, bytes: 4 * mebibyte };

interface BulkServices {
  readonly starts: Starts;
  readonly lines: LineGuard;
  readonly secret: string;
}

/** What all lines of one request have in common. */
interface Bulk {
  readonly caller: Principal;
  readonly preference: Preference;
  readonly signal: AbortSignal;
  readonly requestId: string;
  readonly log: FastifyBaseLogger;
}

/**
 * The route beside a start route that takes many of its starts, one a line, and answers each on a line, in their order.
 * Each line is guarded, accepted and answered as the request of a start alone, under the same key: a start that has come
 * by one of both routes is known to the other.
 */
export function bulkRoute<Body extends z.ZodType>(
  api: Api,
  { starts, lines, secret }: BulkServices,
  route: StartRoute<Body, typeof noParams>,
): void {
  const { url, summary, body, early } = route;
  const operation = `POST ${url}/bulk`;

  async function started({ value, key }: Envelope, bulk: Bulk) {
    const { caller, preference, signal } = bulk;
    const prepared = route.prepare(validated(body, value), caller, {});
    const start = startOf(prepared, {
      ...{ url, path: {}, sent: value, key, caller, preference, secret },
    });
    return starts.start(start, { ...preference, signal });
  }

  async function answer(line: Line, bulk: Bulk): Promise<string> {
    try {
      if ('problem' in line) throw line.problem;
      await lines.admit(bulk.caller.tenant, line.number === 1);
      const envelope = envelopeOf(parseJson(line.bytes));
      const answered = await withinDeadline(
        waitingHandlerMs,
        () => started(envelope, bulk),
        () => new Problem('outcome_unknown'),
      );
      const { status, body: answerBody } = answerOf(answered, bulk.preference, early);
      lines.count(operation, String(status));
      const text = Buffer.isBuffer(answerBody) ? answerBody.toString() : JSON.stringify(answerBody);
      return lineOf(line, status, text, answered.isReplay && { replayed: true });
    } catch (error) {
      return refusal(line, problemOf(error), bulk);
    }
  }

  function refusal(line: Line, problem: Problem, { log, requestId }: Bulk): string {
    lines.count(operation, problem.code);
    logProblem(log, problem);
    const { retryAfterSeconds } = problem.details;
    const text = JSON.stringify(problemBody(problem, requestId));
    return lineOf(
      line,
      problem.status,
      text,
      retryAfterSeconds !== undefined && { retryAfterSeconds },
    );
  }

  api.post(`${url}/bulk`, {
    config: {
      rules: {
        ...{ kind: 'start', scope: 'tx:start', takesLines: true },
        media: [linesMedia, 'application/problem+json'],
      },
    },
    handlerTimeout: linesMs + waitSecondsMax * 1_000,
    validatorCompiler: (given) =>
      given.httpPart === 'body'
        ? (value: unknown) => ({ value }) // Its lines are validated as they come.
        : validatorCompiler({ ...given, schema: given.schema as unknown as z.ZodType }),
    schema: {
      summary: `${summary}; many, one a line`,
      consumes: [linesMedia],
      querystring: noParams,
      body: z.strictObject({ idempotencyKey: z.string(), body }),
      response: {
        200: {
          description: 'A line for each line.',
          content: {
            [linesMedia]: {
              schema: answerSchema(early ? [early.schema] : []),
            },
          },
        },
      },
    },
    handler: async (request, reply) => {
      const sent = linesIn(request);
      const preference = preferenceOf(request.headers['prefer']);
      const signal = callerGone(reply);
      setMaxListeners(0, signal); // Each line under way listens.
      const bulk = {
        ...{ caller: principalOf(request), preference, signal },
        ...{ requestId: request.id, log: request.log },
      };
      const answers = answersInOrder(
        untilStopping(linesOf(sent, limits), lines),
        (line) => ('bytes' in line ? line.bytes.length : 0),
        (line) => answer(line, bulk),
        underWay,
        signal,
      );
      if (preference.applied !== undefined) reply.header('preference-applied', preference.applied);
      return reply.type(linesMedia).send(Readable.from(answers) as never); // The schema describes one line.
    },
  });
}

/** Lines whose answers may be anything that a start alone is answered with. */
const answerSchema = (early: readonly z.ZodType[]) =>
  z.object({
    line: z.int(),
    status: z.int(),
    /** The key was known: its transaction is answered. */
    replayed: z.literal(true).optional(),
    retryAfterSeconds: z.int().optional(),
    body: z.union([runViewSchema, endingSchema, ...early, z.looseObject({ code: z.string() })]),
  });

/** The body as its parser hands it on. A request without one has no media type either. */
function linesIn({ body }: FastifyRequest): Readable {
  if (body instanceof Readable) return body;
  throw new Problem('unsupported_media_type');
}

/** A process that stops answers one line more, and reads no further. */
async function* untilStopping(lines: AsyncIterable<Line>, { isStopping }: LineGuard) {
  for await (const line of lines) {
    yield line;
    if (isStopping()) return;
  }
}

interface Envelope {
  readonly key: string;
  readonly value: JsonValue;
}

/** Members beside the body are named without a slash: pointers lead into the body, as those of a start alone do. */
function envelopeOf(line: JsonValue): Envelope {
  if (!isObject(line)) throw invalid([], 'A line is an object of idempotencyKey and body.');
  const { idempotencyKey, body = null, ...others } = line;
  const errors = Object.keys(others).map((pointer) => ({
    ...{ pointer, code: 'unrecognized_keys', message: 'is not a field of this line' },
  }));
  if (errors.length > 0) throw invalid(errors);
  return { key: keyOfLine(idempotencyKey), value: body };
}

const isObject = (value: JsonValue): value is Readonly<Record<string, JsonValue>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function validated<Body extends z.ZodType>(schema: Body, value: JsonValue): z.output<Body> {
  const checked = validatorCompiler({ schema, method: '', url: '' })(value) as Checked<Body>;
  if (!checked.error) return checked.value as z.output<Body>;
  throw invalid(fieldErrorsOf(checked.error, true));
}
interface Checked<Body extends z.ZodType> {
  readonly error?: Parameters<typeof fieldErrorsOf>[0];
  readonly value?: z.output<Body>;
}

const invalid = (errors: ReturnType<typeof fieldErrorsOf>, detail = sentenceOf(errors)): Problem =>
  new Problem('invalid_request', { errors, detail });

/** @param body JSON, which goes out as it is: the bytes of an ending never change. */
const lineOf = ({ number }: Line, status: number, body: string, more: object | false): string =>
  `${JSON.stringify({ line: number, status, ...(more || {}) }).slice(0, -1)},"body":${body}}\n`;
