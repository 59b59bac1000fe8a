/**
 * Starts switches and rejoins again whose run is gone while their row is open: no other run may move the regions until
 * they end.
 */
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';

import type { OpenMove, OpenMoves } from '../../activities/regions/switch/open-moves';
import type { WatchEvent, WatchStore } from '../../activities/regions/watch/store';
import { application } from '../../contracts/engine/application';
import { partsOfGid, type Gid } from '../../contracts/engine/ids';
import { searchAttributes } from '../../contracts/engine/search-attributes';
import { failoverTaskQueue, workflowTaskTimeout } from '../../contracts/engine/task-queues';
import { backoffMs } from '../../runtime/backoff';
import { callWithin } from '../../runtime/temporal-call';
import { repeat, type Repetition } from '../../runtime/repeat';

const everyMs = 2_000;
/** Every call to Temporal ends after this: the SDK itself knows no timeout. */
const callMs = 1_500;
/** Until a run that was started again is started once more; doubled with each further time that it did not last. */
const pauseMs = { first: 4_000, max: 60_000 } as const;

export interface LostRunsParts {
  readonly moves: OpenMoves;
  readonly client: Client;
  readonly store: Pick<WatchStore, 'note'>;
  /** Tells the log, and counts. */
  readonly onEvent: (event: WatchEvent) => void;
  /** Clock in milliseconds; only differences count. */
  readonly now?: () => number;
  readonly taskQueue?: string;
}

/** Safe beside the starter of the API, `reconcile` and other failover workers: Temporal has one open run of a gid. */
export function createLostRuns({
  moves,
  client,
  store,
  onEvent,
  now = () => performance.now(),
  taskQueue = failoverTaskQueue,
}: LostRunsParts) {
  const pauses = new Map<Gid, { readonly starts: number; readonly until: number }>();
  const bounded = <Result>(work: () => Promise<Result>): Promise<Result> =>
    callWithin(client, callMs, work);

  /** @returns the id of the run that is gone, `none` where there was none; `undefined`: it has an open one. */
  async function goneRunOf(gid: Gid): Promise<string | undefined> {
    try {
      const { closeTime, runId } = await bounded(() => client.workflow.getHandle(gid).describe());
      return closeTime ? runId : undefined;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'none';
      throw error;
    }
  }

  /** @returns false: another process has started it meanwhile. */
  async function start({ gid, flow, input }: OpenMove): Promise<boolean> {
    try {
      await bounded(() =>
        client.workflow.start(application().workflowOf(flow), {
          workflowId: gid,
          workflowIdReusePolicy: 'ALLOW_DUPLICATE', // Its row is open, so what has ended was not its ending.
          workflowIdConflictPolicy: 'FAIL',
          taskQueue,
          args: [input],
          workflowTaskTimeout,
          typedSearchAttributes: new TypedSearchAttributes([
            { key: searchAttributes.flow, value: flow },
            { key: searchAttributes.tenant, value: input.tenant },
            { key: searchAttributes.state, value: 'running' },
          ]),
          staticSummary: `${flow} ${partsOfGid(gid)?.businessId ?? gid}`,
        }),
      );
      return true;
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
      throw error;
    }
  }

  async function startAgain(move: OpenMove): Promise<boolean> {
    const { gid } = move;
    const pause = pauses.get(gid);
    if (pause && now() < pause.until) return false;
    const gone = await goneRunOf(gid);
    if (gone === undefined) {
      pauses.delete(gid); // It has outlived its pause.
      return false;
    }
    if (!(await moves.claim(gid)) || !(await start(move))) return false;
    const starts = (pause?.starts ?? 0) + 1;
    pauses.set(gid, { starts, until: now() + backoffMs(starts, pauseMs) });
    await tell(gid, gone);
    return true;
  }

  async function tell(gid: Gid, gone: string): Promise<void> {
    const event: WatchEvent = {
      ...{ id: `run_lost ${gid} ${gone}`, kind: 'page', code: 'run_lost' },
      detail: `${gid} was open without a run in Temporal. It has been started again.`,
    };
    if (await store.note(event)) onEvent(event);
  }

  /** One look at all of them. @returns those that were started again. */
  return async function look(): Promise<readonly Gid[]> {
    const open = await moves.list();
    const again: Gid[] = [];
    for (const move of open) if (move.isDue && (await startAgain(move))) again.push(move.gid);
    for (const gid of pauses.keys()) if (!open.some((move) => move.gid === gid)) pauses.delete(gid);
    return again;
  };
}

/** Looks for as long as the process runs. */
export function watchForLostRuns(
  parts: LostRunsParts,
  onFailure: (error: unknown) => void,
): Repetition {
  const look = createLostRuns(parts);
  return repeat(
    async () => {
      await look();
      return everyMs;
    },
    {
      onFailure: (error, failures) => {
        if (failures === 1) onFailure(error); // Once an outage.
      },
      onRecovery: () => undefined,
    },
  );
}
