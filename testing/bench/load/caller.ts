/** One transaction as its caller lives it: sent until it is accepted, then waited for until it has ended. */
import { z } from 'zod';

import { reasonOf, pause } from '../../../runtime/waiting';
import type { Answer, HttpClient } from '../http-client';
import type { Start } from './flows';

export interface Caller {
  /** Never throws. */
  play(start: Start): Promise<Played>;
}

export interface Played {
  /** `undefined`: it was never accepted, as far as the caller knows. */
  readonly gid: string | undefined;
  /** When the answer came that accepts it, where a caller asks for that alone; in the time of `performance.now()`. */
  readonly acceptedAt: number | undefined;
  /** In the time of `performance.now()`. */
  readonly endedAt: number;
  /** A state in which nothing more comes, or why the caller has given up. */
  readonly ending: string;
  /** Calls that had no answer, or one that asked to come again. */
  readonly retries: number;
}

/** States that a caller no longer waits in. */
const endings = new Set(['completed', 'compensated', 'parked']);
export const notAccepted = 'not accepted';
export const notEnded = 'not ended';

const waitSeconds = 30;
/** Callers come again for so long while nothing has accepted theirs; then they go elsewhere. */
const acceptedWithinMs = 60_000;
const endedWithinMs = 600_000;
const betweenMs = 1_000;
/** Too many requests, and overloads: asked again, it may be accepted. */
const comeAgain = new Set([409, 425, 429, 500, 502, 503, 504]);

const rowSchema = z.looseObject({ gid: z.string(), state: z.string().optional() });
type Row = z.infer<typeof rowSchema>;

interface Told {
  readonly row: Row | undefined;
  readonly retryAfterMs: number;
  /** What can never become right. */
  readonly refusal: string | undefined;
}

/**
 * @param answersAtOnce the start is answered as soon as it is accepted, and its ending asked for afterwards; else one
 * call waits for both.
 */
export function createCaller(
  http: HttpClient,
  {
    apiUrl,
    authorization,
    tenant,
    answersAtOnce,
    lane,
  }: {
    readonly apiUrl: string;
    readonly authorization: string;
    readonly tenant: string;
    readonly answersAtOnce: boolean;
    /** `single`: a workflow of its own for each. Left out: as the API has it. */
    readonly lane?: 'single';
  },
): Caller {
  const own = lane === undefined ? '' : `, lane=${lane}`;
  const waiting = { authorization, prefer: `wait=${waitSeconds}, until=ending${own}` };

  async function ask(send: () => Promise<Answer>): Promise<Told> {
    try {
      return toldBy(await send());
    } catch {
      return { row: undefined, retryAfterMs: betweenMs, refusal: undefined }; // What became of it is not known.
    }
  }

  return {
    async play({ path, body, reference }) {
      const began = performance.now();
      const headers = {
        ...(answersAtOnce ? { authorization } : waiting),
        'idempotency-key': `${tenant}-${reference}`,
      };
      let retries = 0;
      let told = await ask(() => http.call('POST', `${apiUrl}${path}`, { headers, body }));
      while (!told.row) {
        const isTooLate = performance.now() - began > acceptedWithinMs;
        if (told.refusal !== undefined || isTooLate) {
          const ending = told.refusal ?? notAccepted;
          return {
            ...{ gid: undefined, acceptedAt: undefined, ending, retries },
            endedAt: performance.now(),
          };
        }
        retries += 1;
        await pause(told.retryAfterMs);
        told = await ask(() => http.call('POST', `${apiUrl}${path}`, { headers, body }));
      }
      const acceptedAt = answersAtOnce ? performance.now() : undefined;
      const { gid } = told.row;
      let { state } = told.row;
      let mayAsk = answersAtOnce; // A call that has waited to no end was not let wait: the server has enough to do.
      while (!endings.has(state ?? '') && performance.now() - began < endedWithinMs) {
        if (!mayAsk) await pause(betweenMs);
        const askedAt = performance.now();
        const { row } = await ask(() =>
          http.call('GET', `${apiUrl}/v1/transactions/${gid}`, { headers: waiting }),
        );
        if (!row) retries += 1;
        state = row?.state ?? state;
        mayAsk = performance.now() - askedAt > betweenMs;
      }
      const ending = state !== undefined && endings.has(state) ? state : notEnded;
      return { gid, acceptedAt, ending, retries, endedAt: performance.now() };
    },
  };
}

function toldBy({ status, text, retryAfterMs = betweenMs }: Answer): Told {
  if (status === 200 || status === 202) {
    try {
      return { row: rowSchema.parse(JSON.parse(text)), retryAfterMs, refusal: undefined };
    } catch (error) {
      return { row: undefined, retryAfterMs, refusal: `unreadable answer: ${reasonOf(error)}` };
    }
  }
  const refusal = comeAgain.has(status) ? undefined : `${status} ${text.slice(0, 200)}`;
  return { row: undefined, retryAfterMs, refusal };
}
