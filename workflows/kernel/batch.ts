import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  setHandler,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow';

import {
  ejectItemUpdate,
  itemTimelineQuery,
  type BatchInput,
  type BatchResult,
  type EjectItem,
} from '../../contracts/engine/batches';
import { stepKeyOf, type Gid } from '../../contracts/engine/ids';
import { accord, rowBranch, type LeaveBatch, type LeftBatch } from '../../contracts/engine/runs';
import type { TransactionInput } from '../../contracts/engine/transaction';
import { createClock, type Clock } from './clock';
import { coordinate } from './coordinator';
import type { ExecutableFlow } from './executable-flow';
import { createKernel } from './kernel';
import { createBatchLane, type BatchLane } from './lanes/batch-lane';
import type { ItemCall } from './lanes/lane';
import { createRun, timelineOf, type Run } from './run';
import { startTransaction } from './starting';

/**
 * Runs many transactions of one flow in this workflow. Each comes to its ending here, or leaves: then a workflow under
 * its own gid runs the same flow with the same input, and the fence answers every call that was made. No failure of one
 * reaches another. A cancel in Temporal is ignored: a batch is no transaction.
 *
 * @throws an error of the lane, for which the workflow task fails and waits for a repaired worker; InvariantBroken, when
 *   all have ended, if one of them has another ending already.
 */
export async function runBatch<Input extends TransactionInput>(
  { batch }: BatchInput<Input>,
  flowOf: (input: Input) => ExecutableFlow,
): Promise<BatchResult> {
  const clock = createClock();
  const lane = createBatchLane(clock);
  const items = new Map(
    batch.map((input) => [input.gid, createItem(input, flowOf(input), clock, lane)] as const),
  );
  answerMessages(items, clock);
  return CancellationScope.nonCancellable(async () => {
    await Promise.race([lane.play(), Promise.all([...items.values()].map((item) => item.play()))]);
    await condition(allHandlersFinished);
    const defect = [...items.values()].find((item) => item.defect)?.defect;
    if (defect) throw defect; // All others have ended by now. *Failed* in Temporal means a defect.
    return resultOf([...items.values()]);
  });
}

type Outcome = keyof BatchResult;

/** One transaction of a batch. */
interface Item {
  readonly run: Run;
  /** `undefined`: it is under way. */
  outcome: Outcome | undefined;
  /** The failure of an ended transaction: another ending stands. `undefined`: none. */
  defect: TemporalFailure | undefined;
  /** Makes it leave, unless it has ended. */
  leave(): void;
  /** Returns when it has ended, or its own workflow is started. */
  play(): Promise<void>;
}

function createItem(
  input: TransactionInput,
  flow: ExecutableFlow,
  clock: Clock,
  lane: BatchLane,
): Item {
  const run = createRun(input, { clock, wasReset: false });
  let leave: () => void = () => undefined;
  let isLeaving = false;
  const leaving = new Promise<'left'>((resolve) => {
    leave = () => {
      isLeaving = true;
      resolve('left');
    };
  });
  const item: Item = { run, outcome: undefined, defect: undefined, leave: () => leave(), play };
  return item;

  async function play(): Promise<void> {
    const itsLane = lane.laneOf(
      () => {
        leave();
        return new Promise<never>(() => undefined);
      },
      () => isLeaving,
    );
    // A plain error of its own code leaves, too: its own workflow waits for the repaired build.
    const ended = coordinate(createKernel(run, itsLane, flow), flow).then(
      ({ outcome }) => outcome,
      (error: unknown) => ({ error }),
    );
    const outcome = await Promise.race([ended, leaving]);
    if (typeof outcome === 'string' && outcome !== 'left') {
      item.outcome = outcome;
      return;
    }
    const goesOn = await goOnAlone();
    const error = typeof outcome === 'string' ? undefined : outcome.error;
    if (!goesOn && error instanceof TemporalFailure) item.defect = error; // Nobody would meet it again.
    item.outcome = 'left';
  }

  /**
   * The owner changes before the start: a start that is lost is repeated by the starter.
   * @returns false: the transaction has ended, so there is nothing to start.
   */
  async function goOnAlone(): Promise<boolean> {
    const { gid } = input;
    lane.forget(gid);
    const verdict = await lane.send(leavingCall(run));
    if (!verdict.ok) throw new Error(`${gid} could not leave: ${verdict.detail}`);
    const { isToBeStarted } = verdict.result as LeftBatch; // The implementation of the operation has this type.
    if (isToBeStarted) await startTransaction(workflowInfo().workflowType, gid, input);
    return isToBeStarted;
  }
}

function leavingCall({ input, epoch }: Run): ItemCall {
  const request: LeaveBatch = {
    key: stepKeyOf(input.gid, rowBranch),
    minEpoch: epoch,
    owner: workflowInfo().workflowId,
  };
  return {
    activity: accord.leaveBatch.type,
    verb: 'act',
    request,
    budget: { kind: 'forever' },
    summary: `leave the batch · ${input.gid}`,
  };
}

function answerMessages(items: ReadonlyMap<Gid, Item>, clock: Clock): void {
  setHandler(itemTimelineQuery, (gid) => {
    const item = items.get(gid);
    return item && item.outcome !== 'left' ? timelineOf(item.run) : null;
  });
  setHandler(
    ejectItemUpdate,
    async ({ gid }) => {
      clock.messaged();
      const item = items.get(gid);
      item?.leave();
      await condition(() => item?.outcome !== undefined);
      return { hasLeft: item?.outcome === 'left' };
    },
    {
      validator: ({ gid }: EjectItem) => {
        if (items.has(gid)) return;
        throw ApplicationFailure.nonRetryable(`${gid} is not in this batch.`, 'NotInBatch');
      },
    },
  );
}

function resultOf(items: readonly Item[]): BatchResult {
  const count = (outcome: Outcome) => items.filter((item) => item.outcome === outcome).length;
  return {
    completed: count('completed'),
    compensated: count('compensated'),
    left: count('left'),
  };
}
