/** What Temporal says about workflows, by their ids. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';

import type { BatchInput } from '../../contracts/engine/batches';
import type { Gid } from '../../contracts/engine/ids';
import { searchAttributes } from '../../contracts/engine/search-attributes';

/** Questions at one time. */
const askedAtOnce = 20;

export interface Standing {
  readonly isRunning: boolean;
  /** The state that it shows; a batch shows none of its transactions. */
  readonly state: string | undefined;
}

/** `undefined`: there is no such run. */
export async function standingOf(temporal: Client, id: string): Promise<Standing | undefined> {
  const about = await unlessUnknown(() => temporal.workflow.getHandle(id).describe());
  return (
    about && {
      isRunning: about.status.name === 'RUNNING',
      state: about.typedSearchAttributes.get(searchAttributes.state),
    }
  );
}

/** The transactions that a batch was started with. `undefined`: there is no such run. */
export async function gidsOfBatch(
  temporal: Client,
  id: string,
): Promise<ReadonlySet<Gid> | undefined> {
  const { workflowService, options } = temporal;
  const answer = await unlessUnknown(() =>
    workflowService.getWorkflowExecutionHistory({
      namespace: options.namespace,
      execution: { workflowId: id },
      maximumPageSize: 1,
    }),
  );
  const [started] = answer?.history?.events ?? [];
  const [payload] = started?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  if (!payload) return undefined;
  const { batch } = options.loadedDataConverter.payloadConverter.fromPayload<BatchInput>(payload);
  return new Set(batch.map(({ gid }) => gid));
}

/** Asks once for each id. */
export async function askEach<Answer>(
  ids: Iterable<string>,
  ask: (id: string) => Promise<Answer>,
): Promise<ReadonlyMap<string, Answer>> {
  const distinct = [...new Set(ids)];
  const answers = new Map<string, Answer>();
  for (let at = 0; at < distinct.length; at += askedAtOnce)
    await Promise.all(
      distinct.slice(at, at + askedAtOnce).map(async (id) => void answers.set(id, await ask(id))),
    );
  return answers;
}

/** `NOT_FOUND` of gRPC. */
const notFound: number = 5;

async function unlessUnknown<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (error) {
    const isUnknown =
      error instanceof WorkflowNotFoundError ||
      (error instanceof Error && 'code' in error && error.code === notFound);
    if (isUnknown) return undefined;
    throw error;
  }
}
