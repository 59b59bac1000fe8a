/** Transactions that a project gives to be tried: how they are started over HTTP, and how each has ended. */
import { businessIdOf, gidOf, type Flow, type Tenant } from '../../contracts/engine/ids';
import { pause } from '../../runtime/waiting';
import { authorizationOf } from '../environment/credentials';
import type { ProjectEnvironment } from './environment';

/** A start of a flow. Its transactions must complete, however many run at once. */
export interface Sample {
  readonly flow: Flow;
  readonly tenant: Tenant;
  /** The route that starts it: the `path` of its `flowStart`. */
  readonly path: string;
  /**
   * Body of a request that starts one.
   *
   * @param reference names the transaction, as the route's `reference` finds it in the body.
   * @param n number of the start, from 1 on. Many run at once: rows that are named by it are shared by none of them.
   */
  readonly body: (reference: string, n: number) => object;
}

export interface Started {
  readonly reference: string;
  readonly gid: string;
}

const retryMs = 250;
/** A busy machine is no reason to compensate: a run that passes its deadline would say nothing about the crash. */
const deadlineMs = 1_800_000;
const endsWithinMs = 600_000;

/** @returns how transactions of a sample are started, and how each has ended. */
export async function openStarts(
  { application, urls, temporal }: Pick<ProjectEnvironment, 'application' | 'urls' | 'temporal'>,
  { flow, tenant, path, body }: Sample,
) {
  const authorization = await authorizationOf(urls['API_DATABASE_URL'] ?? '', {
    ...{ tenant, owner: 'samples', scopes: ['tx:start', 'tx:read'] },
  });
  return {
    authorization,
    /** Repeated until it is known to be accepted. @throws where it is refused at the door. */
    async start(reference: string, n: number, otherwise: object = {}): Promise<Started> {
      for (;;) {
        const answer = await fetch(`${application.apiUrl}${path}`, {
          method: 'POST',
          headers: {
            authorization,
            'content-type': 'application/json',
            'idempotency-key': reference,
            prefer: 'lane=single', // Its own history is read.
          },
          body: JSON.stringify({ ...body(reference, n), deadlineMs, ...otherwise }),
        }).catch(() => undefined);
        if (answer?.ok) return { reference, gid: gidOf(flow, businessIdOf(tenant, reference)) };
        const isPassing = answer === undefined || answer.status === 429 || answer.status >= 500;
        if (!isPassing) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
        await pause(retryMs);
      }
    },
    /** Waits for the ending. @returns `completed` or `compensated`; `open`: it has not ended in time. */
    async ending({ gid }: Started): Promise<string> {
      const until = Date.now() + endsWithinMs;
      while (Date.now() < until) {
        // Accepted, and not yet begun; or it runs.
        const run = await temporal.workflow
          .getHandle(gid)
          .describe()
          .catch(() => undefined);
        if (run?.status.name === 'COMPLETED') {
          const result = (await temporal.workflow.getHandle(gid).result()) as { outcome: string };
          return result.outcome;
        }
        await pause(retryMs);
      }
      return 'open';
    },
  };
}
export type Starts = Awaited<ReturnType<typeof openStarts>>;
