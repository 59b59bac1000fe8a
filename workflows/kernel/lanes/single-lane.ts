import {
  AsyncLocalStorage,
  CancellationScope,
  CancelledFailure,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow';

import type { LockActivities, LockRequest } from '../../../contracts/engine/locks';
import { accord } from '../../../contracts/engine/runs';
import { searchAttributes } from '../../../contracts/engine/search-attributes';
import type { Keyed, SetActivity, Verdict } from '../../../contracts/engine/verdict';
import { acquireOptions, activityOptions, leaseOptions } from '../activity-options';
import { waitFor, type Clock } from '../clock';
import { detailsOf } from '../details';
import type { ItemCall, Lane, StepContext } from './lane';
import { afterLocal } from './lane';
import type { Run } from '../run';
import { currentStepOf } from '../run';
import { failedCall, isFinal } from '../step-failure';
import { createRounds, type Rounds } from './rounds';
import { createTaskRoom } from './task-room';
import { matched } from './verdicts';

/** After this time the next undo begins beside a slow one: other money and stock must not wait for one participant. */
const undoPauseMs = 5_000;

type AnySetActivity = SetActivity<Keyed, unknown>;

export interface SingleLaneOptions {
  readonly clock: Clock;
  /** `false`: every call is remote. */
  readonly isLocalFirst: boolean;
}

/**
 * A workflow for each transaction: every call is one activity with a set of one. A call is local first, and remote under
 * the same key and content if the local one gave no verdict.
 */
export function createSingleLane({ clock, isLocalFirst }: SingleLaneOptions): Lane {
  const rounds = createRounds(clock, createTaskRoom());
  const shown = createShow();
  if (isLocalFirst) void CancellationScope.nonCancellable(() => rounds.play());
  return {
    calls: new AsyncLocalStorage<StepContext>(),
    owner: workflowInfo().workflowId,
    send: isLocalFirst ? (call) => sendLocalFirst(call, rounds, sendRemote) : sendRemote,
    locks: {
      acquire: (request, timeLeftMs) => {
        shown.stands();
        return locksWith(acquireOptions(timeLeftMs, `take ${nameOf(request)}`)).acquireLock(
          request,
        );
      },
      renew: (request) => locksWith(leaseOptions(`keep ${nameOf(request)}`)).renewLock(request),
      release: (request) =>
        locksWith(leaseOptions(`give back ${nameOf(request)}`)).releaseLock(request),
    },
    async pauseForUndo(isDone) {
      shown.stands();
      const summary = 'until the next undo begins';
      await waitFor(clock, isDone, { ms: undoPauseMs, summary });
    },
    leave: undefined,
    show: (run) => shown.changed(run),
  };

  /** Somebody may look at the run meanwhile. */
  async function sendRemote(call: ItemCall): Promise<Verdict<unknown>> {
    shown.stands();
    const verdict = await callRemote(call);
    clock.answered(verdict.answeredAt);
    return verdict;
  }
}

const locksWith = (options: ActivityOptions): LockActivities =>
  proxyActivities<LockActivities>(options);

const nameOf = ({ kind, id }: LockRequest): string => `the lock on ${kind} ${id}`;

async function sendLocalFirst(
  call: ItemCall,
  rounds: Rounds,
  sendRemote: Lane['send'],
): Promise<Verdict<unknown>> {
  const { activity, request, budget, summary } = call;
  demandUncancelled();
  if (isRemoteByNature(call)) return sendRemote(call);
  const answer = await rounds.ask({ activity, requests: [request], budget, summary });
  if (answer.ok) return verdictIn(call, answer.verdicts);
  if (isFinal(answer.error)) throw failedCall(call, answer.error);
  return afterLocal(await sendRemote(call), answer.error);
}

/**
 * A worker that stalls between two local calls goes on in a workflow task that is over, until it hears of it. What it
 * calls is fenced, but a row has no fence. No remote call leaves such a task, so these moves are remote; any other one
 * does not leave a parked or an undoing row.
 */
const isRemoteByNature = ({ activity, request }: ItemCall): boolean =>
  activity === accord.moveRun.type &&
  'to' in request &&
  (request.to !== 'running' || 'resumes' in request);

/** As Temporal does it with an activity: in a cancelled scope nothing is sent. */
function demandUncancelled(): void {
  if (CancellationScope.current().consideredCancelled)
    throw new CancelledFailure('The call was cancelled before it was sent.');
}

async function callRemote(call: ItemCall): Promise<Verdict<unknown>> {
  const options = activityOptions(call.budget, call.summary);
  const activity = proxyActivities<Record<string, AnySetActivity>>(options)[call.activity];
  if (!activity) throw new Error(`No activity ${call.activity}.`);
  return verdictIn(call, await activity([call.request]));
}

function verdictIn(call: ItemCall, verdicts: readonly Verdict<unknown>[]): Verdict<unknown> {
  const [verdict] = matched([call], verdicts);
  if (!verdict) throw new Error(`${call.activity} gave no verdict for ${call.request.key}.`);
  return verdict;
}

interface Shown {
  /** Shows state and reason at once if they have changed: these are seldom news. */
  changed(run: Run): void;
  /** Shows the step, too. A local call is over before anybody could look. */
  stands(): void;
}

/** Upserts only changed values: every upsert is an event of the history, and a write of Temporal. */
function createShow(): Shown {
  let latest: Run | undefined;
  return {
    changed(run) {
      latest = run;
      setCurrentDetails(detailsOf(run));
      if (isNews(standingOf(run))) upsertSearchAttributes([...standingOf(run), stepOf(run)]);
    },
    stands() {
      if (latest && isNews([stepOf(latest)])) upsertSearchAttributes([stepOf(latest)]);
    },
  };
}

interface Pair {
  readonly key: (typeof searchAttributes)[keyof typeof searchAttributes];
  readonly value: string | null;
}

const standingOf = (run: Run): readonly Pair[] => [
  { key: searchAttributes.state, value: run.state },
  {
    key: searchAttributes.reason,
    value: run.parked.values().next().value?.reason ?? run.reason?.code ?? null,
  },
];

const stepOf = (run: Run): Pair => ({
  key: searchAttributes.step,
  value: currentStepOf(run),
});

/** A start, or the run before, has shown values already. */
function isNews(pairs: readonly Pair[]): boolean {
  const { typedSearchAttributes } = workflowInfo();
  return pairs.some(({ key, value }) => (typedSearchAttributes.get(key) ?? null) !== value);
}
