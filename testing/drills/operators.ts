/** What people ask of the regions, over HTTP as they do: one asks, and where it takes two, another one approves. */
import { randomUUID } from 'node:crypto';

import { z } from 'zod';

import type { FailoverKind } from '../../contracts/regions/regions';
import { defaultWatchPolicy } from '../../contracts/regions/watch';
import { createApiClient, mayComeAgain, type ApiClient, type Reply } from '../chaos/http';
import { operatorToken } from '../environment/operators';
import { operatorsOf } from '../environment/profile-operators';
import { pause } from '../../runtime/waiting';

export interface Switch {
  readonly from: string;
  readonly to: string;
  readonly kind: FailoverKind;
  readonly reason: string;
  /** It may begin although no standby acknowledges. */
  readonly force?: boolean;
}

/** What became of a switch or a rejoin. */
export interface Ended {
  /** `completed`, `compensated`, or `parked`: a person decides. */
  readonly state: string;
  readonly summary: string;
  readonly steps: readonly EndedStep[];
}

const stepSchema = z.object({
  name: z.string(),
  state: z.string(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
  failure: z.string().nullable(),
  detail: z.string().nullable(),
});
export type EndedStep = z.infer<typeof stepSchema>;
const storySchema = z.object({
  state: z.string(),
  summary: z.string(),
  steps: z.array(stepSchema),
});

const listSchema = z.object({
  items: z.array(z.object({ gid: z.string(), acceptedAt: z.iso.datetime() })),
});

export type Operators = Awaited<ReturnType<typeof openOperators>>;

const profile = 'regions';
const cluster = 'main';
const endingStates = ['completed', 'compensated', 'parked'];
/** Interval of a page that a person watches: each look reads a history, on a machine that has a switch to make. */
const lookEveryMs = 250;
const endsWithinMs = 120_000;
const answeredWithinMs = 30_000;

/** @param apiUrl of the API of profile `regions`. */
export async function openOperators(apiUrl: string) {
  const as = async (subject: string): Promise<ApiClient> => {
    const claims = { subject, clusters: [cluster], scopes: ['ops', 'tx:read'], minutes: 600 };
    const token = await operatorToken(operatorsOf(profile), claims);
    return createApiClient(apiUrl, `Bearer ${token}`, { 'accord-cluster': cluster });
  };
  const [first, second] = await Promise.all([as('operator-1'), as('operator-2')]);

  /** Repeats a call of unknown outcome. @throws Error with the problem of the API. */
  async function asked(call: () => Promise<Reply>, what: string): Promise<Reply['body']> {
    const until = Date.now() + answeredWithinMs;
    for (;;) {
      const reply = await call();
      const { certainty, status, code, body } = reply;
      if (certainty === 'ok') return body;
      if (!mayComeAgain(reply) || Date.now() > until)
        throw new Error(
          `${what} was refused: ${status ?? ''} ${code ?? ''} ${JSON.stringify(body)}`,
        );
      await pause(lookEveryMs);
    }
  }

  async function untilEnded(gid: string): Promise<Ended> {
    const until = Date.now() + endsWithinMs;
    for (;;) {
      const reply = await first.call('GET', `/v1/transactions/${gid}/explain`);
      const story = storySchema.safeParse(reply.body);
      if (story.success && endingStates.includes(story.data.state)) return story.data;
      if (Date.now() > until)
        throw new Error(
          `${gid} has not ended: ${story.data?.summary ?? JSON.stringify(reply.body)}`,
        );
      await pause(lookEveryMs);
    }
  }

  /** Another person approves what was asked for. */
  async function approve(id: string): Promise<void> {
    const call = { key: `approve-${id}`, body: {} };
    await asked(() => second.call('POST', `/v1/approvals/${id}/approve`, call), 'The approval');
  }

  return {
    /** Asks for a switch, as one person, and has another one approve it where it takes two. @returns its gid. */
    async ask(wanted: Switch): Promise<string> {
      const key = `switch-${randomUUID()}`;
      const body = await asked(
        () => first.call('POST', '/v1/failovers', { key, body: wanted }),
        'The switch',
      );
      if (typeof body.gid === 'string') return body.gid;
      const waiting = z
        .object({ id: z.string(), links: z.object({ transaction: z.string() }) })
        .parse(body);
      await approve(waiting.id);
      return decodeURIComponent(waiting.links.transaction.split('/').at(-1) ?? '');
    },

    /** @returns the gid of the rejoin. */
    async askRejoin(region: string): Promise<string> {
      const key = `rejoin-${randomUUID()}`;
      const body = await asked(
        () => first.call('POST', `/v1/regions/${region}/rejoin`, { key, body: {} }),
        'The rejoin',
      );
      return z.object({ gid: z.string() }).parse(body).gid;
    },

    /** Lets the watch switch by itself, which two persons want, or ask. */
    async setAutoFailover(autoFailover: boolean): Promise<void> {
      const body = { ...defaultWatchPolicy, autoFailover };
      const key = `policy-${randomUUID()}`;
      const call = () => first.call('PUT', '/v1/regions/policy', { key, body });
      const { id } = await asked(call, 'The policy');
      if (typeof id === 'string') await approve(id);
    },

    /** @returns the gid of a switch that was accepted behind that time, by whomever; `undefined`: none was in time. */
    async untilAccepted(
      since: number,
      withinMs: number,
    ): Promise<{ readonly gid: string; readonly at: number } | undefined> {
      const until = Date.now() + withinMs;
      for (;;) {
        const reply = await first.call('GET', '/v1/failovers?limit=1');
        const newest = listSchema.safeParse(reply.body).data?.items[0];
        const at = newest ? Date.parse(newest.acceptedAt) : -Infinity;
        if (newest && at > since) return { gid: newest.gid, at };
        if (Date.now() > until) return undefined;
        await pause(lookEveryMs);
      }
    },

    untilEnded,
  };
}
