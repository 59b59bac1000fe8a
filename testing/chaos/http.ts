/** One call of the API as a client makes it, and what the client may conclude from what came back. */
import { z } from 'zod';

/** Outcome for the caller: it was accepted, it surely was not, or it is unknown. */
export type Certainty = 'ok' | 'fail' | 'unknown';

export interface Reply {
  readonly certainty: Certainty;
  /** `undefined`: no answer came. */
  readonly status: number | undefined;
  /** Code of a problem, or of a connection's error. */
  readonly code: string | undefined;
  readonly body: Told;
}

const toldSchema = z.looseObject({
  gid: z.string().optional(),
  state: z.string().optional(),
  version: z.number().optional(),
  step: z.string().nullable().optional(),
  payment: z.looseObject({ status: z.string() }).optional(),
  early: z.string().nullable().optional(),
  code: z.string().optional(),
});
export type Told = z.infer<typeof toldSchema>;

export interface CallOptions {
  readonly key?: string;
  readonly body?: object;
  readonly waitSeconds?: number;
  /** A start that shares no workflow, so that its own can be looked for. */
  readonly isAlone?: boolean;
  readonly timeoutMs?: number;
}

export interface ApiClient {
  call(method: 'GET' | 'POST' | 'PUT', path: string, options?: CallOptions): Promise<Reply>;
  /** Calls by what came back: `202`, `ECONNREFUSED`, `timeout` … */
  readonly seen: ReadonlyMap<string, number>;
}

const answerWithinMs = 12_000;
/** Nothing of the request has left. */
const neverSent = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT', 'EHOSTUNREACH']);
/** Answers of 5xx and 4xx which say that nothing was accepted; every other 5xx leaves it open. */
const certainRefusals = new Set(['overloaded', 'stopping', 'starting', 'rate_limited']);
/** The request was cut short, or another call with the same key is under way. */
const undecided = new Set(['request_timeout', 'idempotency_in_progress', 'ask_again']);

/** @param headers that every call bears beside its own. */
export function createApiClient(
  apiUrl: string,
  authorization: string,
  headers: Readonly<Record<string, string>> = {},
): ApiClient {
  const seen = new Map<string, number>();
  const note = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  return {
    seen,
    async call(method, path, { key, body, waitSeconds, isAlone, timeoutMs = answerWithinMs } = {}) {
      try {
        const answer = await fetch(`${apiUrl}${path}`, {
          method,
          headers: {
            ...headers,
            authorization,
            ...(key !== undefined && { 'idempotency-key': key }),
            ...(body !== undefined && { 'content-type': 'application/json' }),
            ...preferring(waitSeconds, isAlone === true),
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
          signal: AbortSignal.timeout(timeoutMs),
        });
        const told = toldSchema.parse(JSON.parse(await answer.text()));
        note(String(answer.status));
        const certainty = certaintyOf(answer.status, told.code);
        return { certainty, status: answer.status, code: told.code, body: told };
      } catch (error) {
        const code = connectionErrorOf(error);
        note(code);
        const certainty = neverSent.has(code) ? 'fail' : 'unknown';
        return { certainty, status: undefined, code, body: {} };
      }
    },
  };
}

function certaintyOf(status: number, code: string | undefined): Certainty {
  if (status < 300) return 'ok';
  if (code !== undefined && certainRefusals.has(code)) return 'fail';
  if (code !== undefined && undecided.has(code)) return 'unknown';
  return status >= 500 ? 'unknown' : 'fail';
}

/** Whether the same call may have another answer a moment later. */
export const mayComeAgain = ({ certainty, code }: Reply): boolean =>
  certainty === 'unknown' ||
  (code !== undefined && (certainRefusals.has(code) || neverSent.has(code)));

/** fetch wraps what went wrong once or twice. */
function connectionErrorOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (error.name === 'TimeoutError') return 'timeout';
  const { cause } = error;
  if (cause instanceof AggregateError) return connectionErrorOf(cause.errors[0]);
  if (cause instanceof Error) return connectionErrorOf(cause);
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

function preferring(waitSeconds: number | undefined, isAlone: boolean): { prefer?: string } {
  const preferences = [
    ...(waitSeconds === undefined ? [] : [`wait=${waitSeconds}`]),
    ...(isAlone ? ['lane=single'] : []),
  ];
  return preferences.length === 0 ? {} : { prefer: preferences.join(', ') };
}
