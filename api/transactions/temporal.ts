import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  WorkflowUpdateStage,
  type Client,
  type WorkflowExecutionDescription,
  type WorkflowHandle,
} from '@temporalio/client';
import { ApplicationFailure, TypedSearchAttributes } from '@temporalio/common';

import { application } from '../../contracts/engine/application';
import {
  ejectItemUpdate,
  flowOfBatchId,
  isBatchId,
  itemTimelineQuery,
  type BatchInput,
  type EjectItem,
} from '../../contracts/engine/batches';
import { failureTypeOf, isFailureType } from '../../contracts/engine/failures';
import { partsOfGid, type Flow, type Gid, type Tenant } from '../../contracts/engine/ids';
import { searchAttributes } from '../../contracts/engine/search-attributes';
import { workflowTaskTimeout } from '../../contracts/engine/task-queues';
import { callWithin, sendUpdate } from '../../runtime/temporal-call';
import {
  cancelTransactionUpdate,
  parkTransactionUpdate,
  resolveTransactionUpdate,
  reviewTransactionUpdate,
  timelineQuery,
  type CancelTransaction,
  type ParkTransaction,
  type ResolveTransaction,
  type ReviewDecision,
  type StepView,
  type Timeline,
  type TransactionInput,
  type TransactionResult,
} from '../../contracts/engine/transaction';
import { dependencyUnavailable, Problem, type ProblemCode } from '../http/errors';

/** An activity that is being tried: what a workflow cannot see of itself. */
export interface PendingCall {
  /** `<participant>.<activity>`, as registered. */
  readonly activity: string;
  /** Number of the attempt, from 1. `null`: a batch makes several such calls, and nobody can tell whose is whose. */
  readonly attempt: number | null;
  readonly lastFailure: CallFailure | null;
}

/** How the last attempt failed. */
export interface CallFailure {
  /** The type from the list, or `unknown`. Every caller that may see the transaction may see it. */
  readonly type: string;
  /** Text of the error, from a driver or a server: for operators only. */
  readonly text: string | null;
}

/** The update that carries out what was approved bears this id. */
export const approvalUpdateId = (approval: string): string => `approval/${approval}`;

/** Every call to Temporal ends after this: the SDK itself knows no timeout. */
const callMs = 1_500;

/** For how long the decision on a cancel is waited for once it was accepted: usually a pivot answers it at once. */
const cancelAnswerMs = 300;

/**
 * Temporal as the API uses it. Every call answers within `callMs`: with its result, with Problem
 * `dependency_unavailable`, or, where an update may have arrived, with Problem `outcome_unknown`.
 *
 * @param queueOf where the workers of a flow listen; a test has its own.
 */
export function createTemporal(client: Client, queueOf: (flow: Flow) => string) {
  const bounded = <Result>(work: () => Promise<Result>): Promise<Result> =>
    callWithin(client, callMs, work);

  async function update(
    gid: Gid,
    send: (handle: WorkflowHandle) => Promise<unknown>,
  ): Promise<void> {
    try {
      await bounded(() => sendUpdate(() => send(client.workflow.getHandle(gid))));
    } catch (error) {
      throw problemOfUpdate(error);
    }
  }

  async function timelineOf(gid: Gid, owner: string = gid): Promise<Timeline | undefined> {
    const handle = client.workflow.getHandle(owner);
    const told = await ask(() =>
      bounded(() =>
        isBatchId(owner) ? handle.query(itemTimelineQuery, gid) : handle.query(timelineQuery),
      ),
    );
    return told ?? undefined;
  }

  /** A used workflow id is that of an earlier start, whose answer was lost. */
  async function startOnce(
    flow: Flow,
    options: ReturnType<typeof runOptions> | ReturnType<typeof batchOptions>,
  ): Promise<void> {
    try {
      await bounded(() =>
        client.workflow.start(application().workflowOf(flow), {
          ...options,
          ...onceUnderItsId,
          taskQueue: queueOf(flow),
        }),
      );
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return;
      throw dependencyUnavailable('temporal', error);
    }
  }

  return {
    /**
     * Starts the run of a row, under its gid. Safe to repeat, with or without an answer to the first time: a run that is
     * there, open or closed, counts as started.
     */
    start: (input: TransactionInput): Promise<void> => startOnce(input.flow, runOptions(input)),

    /**
     * Starts the workflow of a batch, under its id. Safe to repeat, as `start` is.
     *
     * @param inputs all that is still to be started under this id: Temporal takes one start of it.
     */
    startBatch(batchId: string, inputs: readonly TransactionInput[]): Promise<void> {
      const flow = flowOfBatchId(batchId);
      if (flow === undefined) throw new Error(`${batchId} is the id of no batch.`);
      return startOnce(flow, batchOptions(batchId, flow, inputs));
    },

    /**
     * Returns when the run has undone nothing yet but will, or when that is surely asked: the answer of a step that is
     * under way is waited for by the run, not by the caller.
     */
    cancel: (gid: Gid, request: CancelTransaction, updateId: string): Promise<void> =>
      update(gid, async (handle) => {
        const accepted = await handle.startUpdate(cancelTransactionUpdate, {
          args: [request],
          updateId,
          waitForStage: WorkflowUpdateStage.ACCEPTED,
        });
        await callWithin(client, cancelAnswerMs, () => accepted.result()).catch(unlessTooSlow);
      }),
    resolve: (gid: Gid, request: ResolveTransaction, updateId: string): Promise<void> =>
      update(gid, (handle) =>
        handle.executeUpdate(resolveTransactionUpdate, { args: [request], updateId }),
      ),
    /**
     * Whether an update `resolve` or `review` with this id has been taken, by this run or before it closed.
     * @throws Problem `outcome_unknown`: it is about to be.
     */
    async wasDecided(gid: Gid, updateId: string): Promise<boolean> {
      try {
        await update(gid, (handle) => handle.getUpdateHandle(updateId).result());
        return true;
      } catch (error) {
        // The run or the update is unknown: `problemOfUpdate` cannot tell which, and no caller needs the difference.
        if (!(error instanceof Problem) || error.code !== 'ask_again') throw error;
        // An earlier run of the transaction may have taken it: a long one goes on in a new run, which carries their names.
        const taken = (await timelineOf(gid))?.approvals ?? [];
        return taken.some((approval) => approvalUpdateId(approval) === updateId);
      }
    },
    park: (gid: Gid, request: ParkTransaction, updateId: string): Promise<void> =>
      update(gid, (handle) =>
        handle.executeUpdate(parkTransactionUpdate, { args: [request], updateId }),
      ),
    review: (gid: Gid, decision: ReviewDecision, updateId: string): Promise<void> =>
      update(gid, (handle) =>
        handle.executeUpdate(reviewTransactionUpdate, { args: [decision], updateId }),
      ),

    /**
     * Makes a transaction leave its batch, if the batch still carries it. Safe to repeat: the batch takes it once. Only
     * the row tells whether it has left, so the caller reads it again.
     */
    async eject(batch: string, request: EjectItem): Promise<void> {
      try {
        await update(batch, (handle) =>
          handle.executeUpdate(ejectItemUpdate, {
            args: [request],
            updateId: `eject/${request.gid}`,
          }),
        );
      } catch (error) {
        if (!(error instanceof Problem) || !rowTells.includes(error.code)) throw error;
      }
    },

    /**
     * The run's own explanation.
     *
     * @param owner workflow that is asked; left out: the one under the gid.
     * @returns undefined: Temporal knows no such run, or has forgotten it, or the batch does not carry the transaction.
     */
    timeline: timelineOf,

    /**
     * Calls that are being tried now; none for a closed run. A batch shows one of each activity: Temporal does not tell
     * for which transactions it is made.
     *
     * @param owner a gid, or the id of a batch.
     */
    async pendingCalls(owner: string): Promise<readonly PendingCall[]> {
      const about = await ask(() => bounded(() => client.workflow.getHandle(owner).describe()));
      const calls = (about?.raw.pendingActivities ?? []).map(pendingCallOf);
      return isBatchId(owner) ? oneOfEach(calls) : calls;
    },

    /**
     * The steps of a run that has closed, from the last event of its history: no worker is asked for them.
     * @returns undefined: it has not closed, did not end as a transaction does, or is forgotten.
     */
    async closedSteps(gid: Gid): Promise<readonly StepView[] | undefined> {
      try {
        const handle = client.workflow.getHandle<() => Promise<TransactionResult>>(gid);
        return (await bounded(() => handle.result())).steps;
      } catch (error) {
        if (error instanceof WorkflowNotFoundError || error instanceof WorkflowFailedError)
          return undefined;
        throw dependencyUnavailable('temporal', error);
      }
    },

    /** Answers, and knows every search attribute: a workflow that upserts an unknown one stalls for ever. */
    async check(): Promise<void> {
      const { customAttributes } = await bounded(() =>
        client.connection.operatorService.listSearchAttributes({
          namespace: client.options.namespace,
        }),
      );
      const missing = Object.values(searchAttributes).filter(
        ({ name }) => !(name in customAttributes),
      );
      if (missing.length > 0) {
        throw new Error(`Not registered: ${missing.map(({ name }) => name).join(', ')}.`);
      }
    },
  };
}
export type Temporal = ReturnType<typeof createTemporal>;

type PendingActivity = NonNullable<
  WorkflowExecutionDescription['raw']['pendingActivities']
>[number];

const pendingCallOf = ({ activityType, attempt, lastFailure }: PendingActivity): PendingCall => ({
  activity: activityType?.name ?? '',
  attempt: attempt ?? 1,
  lastFailure: lastFailure ? callFailureOf(lastFailure) : null,
});

/** Shows of several calls the one that has failed, if one has: it is what an operator looks for. */
function oneOfEach(calls: readonly PendingCall[]): readonly PendingCall[] {
  const shown = new Map<string, PendingCall>();
  for (const call of calls) {
    const other = shown.get(call.activity);
    const { lastFailure } = other?.lastFailure ? other : call;
    shown.set(call.activity, other ? { ...call, attempt: null, lastFailure } : call);
  }
  return [...shown.values()];
}

function callFailureOf({
  message,
  applicationFailureInfo,
}: NonNullable<PendingActivity['lastFailure']>): CallFailure {
  const type = applicationFailureInfo?.type;
  return { type: isFailureType(type) ? type : 'unknown', text: message ?? null };
}

const onceUnderItsId = {
  // A closed id is never run again, an open one is joined: the default policy would charge twice.
  workflowIdReusePolicy: 'REJECT_DUPLICATE',
  workflowIdConflictPolicy: 'USE_EXISTING',
  workflowTaskTimeout,
  // No run timeout: it would end the run without undo. The deadline is a timer in the workflow.
} as const;

function runOptions(input: TransactionInput) {
  const { gid, flow, tenant } = input;
  return {
    workflowId: gid,
    args: [input],
    typedSearchAttributes: attributesOf(flow, tenant),
    staticSummary: `${flow} ${partsOfGid(gid)?.businessId ?? gid}`,
  };
}

function batchOptions(workflowId: string, flow: Flow, inputs: readonly TransactionInput[]) {
  const [tenant, ...others] = new Set(inputs.map((input) => input.tenant));
  const batch: BatchInput = { batch: inputs };
  return {
    workflowId,
    args: [batch],
    typedSearchAttributes: attributesOf(flow, others.length === 0 ? tenant : undefined),
    staticSummary: `${inputs.length} of ${flow}`,
  };
}

const attributesOf = (flow: Flow, tenant: Tenant | undefined): TypedSearchAttributes =>
  new TypedSearchAttributes([
    { key: searchAttributes.flow, value: flow },
    ...(tenant === undefined ? [] : [{ key: searchAttributes.tenant, value: tenant }]),
    { key: searchAttributes.state, value: 'running' },
  ]);

/** A question changes nothing, so every failure of it means: ask later. */
async function ask<Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await question();
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw dependencyUnavailable('temporal', error);
  }
}

/** An update that was accepted is in the run's history: it is answered later, and that is enough. */
function unlessTooSlow(error: unknown): void {
  if (!(error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)) throw error;
}

const codesOfRefusals: Readonly<Record<string, ProblemCode>> = {
  PastPivot: 'past_pivot',
  AlreadyEnded: 'already_ended',
  NotParked: 'not_parked',
  NotStuck: 'state_changed',
  NotInReview: 'state_changed',
  StateChanged: 'state_changed',
  BadDecision: 'decision_not_offered',
  NotInBatch: 'ask_again',
};

/** Answers to an ejection after which the row tells what has become of the transaction. */
const rowTells: readonly ProblemCode[] = ['ask_again', 'outcome_unknown'];

/** The answer of the run to a decision that it refused. */
function sentenceOf(error: unknown): string | undefined {
  const failure = error instanceof Error ? error.cause : undefined;
  return failure instanceof ApplicationFailure ? failure.message : undefined;
}

function problemOfUpdate(error: unknown): Problem {
  const code = codesOfRefusals[failureTypeOf(error) ?? ''];
  // The run says itself what is parked, and what may be decided.
  const detail = code === 'decision_not_offered' ? sentenceOf(error) : undefined;
  if (code) return new Problem(code, { cause: error, ...(detail !== undefined && { detail }) });
  // The run has closed since its row was read, and its ending is about to be written.
  if (error instanceof WorkflowNotFoundError)
    return new Problem('ask_again', { retryAfterSeconds: 1 });
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) {
    return new Problem('outcome_unknown', {
      dependency: 'temporal',
      retryAfterSeconds: 1,
      cause: error,
    });
  }
  return dependencyUnavailable('temporal', error);
}
