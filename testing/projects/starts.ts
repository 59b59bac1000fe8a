/** What a project's `example.json` says: how one of its transactions is started, and how it goes otherwise. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

import { businessIdOf, gidOf } from '../../contracts/engine/ids';
import { pause } from '../../runtime/waiting';
import type { ProjectEnvironment } from './environment';

const exampleSchema = z.strictObject({
  flow: z.string(),
  tenant: z.string(),
  path: z.string(),
  /** The field that names a transaction. */
  reference: z.string(),
  /** The request of a start. `{n}` in a text becomes the number of the start, so that no two share a row. */
  body: z.record(z.string(), z.unknown()),
  /** What is otherwise in one that is refused. */
  refused: z.record(z.string(), z.unknown()),
  /** `<activity>:<point>` where the worker of the third run is killed. */
  killedAt: z.string(),
});
export type Example = Readonly<z.infer<typeof exampleSchema>>;

export const exampleOf = (folder: string): Example =>
  exampleSchema.parse(JSON.parse(readFileSync(join(folder, 'example.json'), 'utf8')));

/** The serial of a start, and what is otherwise in its body. */
export interface Started {
  readonly reference: string;
  readonly gid: string;
}

const scopes = 'tx:start,tx:read';
const retryMs = 250;
const endsWithinMs = 120_000;

/** @returns how transactions of the project are started over HTTP, and how each has ended. */
export async function openStarts(
  { application, accord, temporal }: ProjectEnvironment,
  { flow, tenant, path, reference: field, body }: Example,
) {
  const printed = await accord(
    ...['api-key', 'create', '--tenant', tenant, '--owner', 'example', '--by', 'example'],
    ...['--scopes', scopes],
  );
  const [credential = ''] = /acc_\S+/.exec(printed) ?? [];
  return {
    /** Repeated until it is known to be accepted. @throws where it is refused at the door. */
    async start(reference: string, n: number, otherwise: object = {}): Promise<Started> {
      const whole = JSON.stringify({ ...body, ...otherwise, [field]: reference });
      for (;;) {
        const answer = await fetch(`${application.apiUrl}${path}`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${credential}`,
            'content-type': 'application/json',
            'idempotency-key': reference,
          },
          body: whole.replaceAll('{n}', String(n)),
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
