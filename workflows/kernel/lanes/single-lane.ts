import {
  AsyncLocalStorage,
  condition,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
  type ActivityOptions,
} from '@temporalio/workflow';

import type { LockActivities, LockRequest } from '../../../contracts/engine/locks';
import { searchAttributes } from '../../../contracts/engine/search-attributes';
import type { Keyed, SetActivity, Verdict } from '../../../contracts/engine/verdict';
import { acquireOptions, activityOptions, leaseOptions } from '../activity-options';
import { detailsOf } from '../details';
import type { ItemCall, Lane, StepContext } from './lane';
import { isNamed, verdictNameOf } from './lane';
import type { Run } from '../run';
import { currentStepOf } from '../run';

/** After this time the next undo begins beside a slow one: other money and stock must not wait for one participant. */
const undoPauseMs = 5_000;

type AnySetActivity = SetActivity<Keyed, unknown>;

/** A workflow for each transaction: every call is one remote activity with a set of one. */
export function createSingleLane(): Lane {
  return {
    calls: new AsyncLocalStorage<StepContext>(),
    send: sendAlone,
    locks: {
      acquire: (request, timeLeftMs) =>
        locksWith(acquireOptions(timeLeftMs, `take ${nameOf(request)}`)).acquireLock(request),
      renew: (request) => locksWith(leaseOptions(`keep ${nameOf(request)}`)).renewLock(request),
      release: (request) =>
        locksWith(leaseOptions(`give back ${nameOf(request)}`)).releaseLock(request),
    },
    pauseForUndo: (isDone) =>
      condition(isDone, undoPauseMs, { summary: 'until the next undo begins' }),
    show: createShow(),
  };
}

const locksWith = (options: ActivityOptions): LockActivities =>
  proxyActivities<LockActivities>(options);

const nameOf = ({ kind, id }: LockRequest): string => `the lock on ${kind} ${id}`;

async function sendAlone(call: ItemCall): Promise<Verdict<unknown>> {
  const options = activityOptions(call.budget, call.summary);
  const activity = proxyActivities<Record<string, AnySetActivity>>(options)[call.activity];
  if (!activity) throw new Error(`No activity ${call.activity}.`);
  const verdicts = await activity([call.request]);
  const name = verdictNameOf(call);
  const verdict = verdicts.find((candidate) => isNamed(name, candidate));
  // A plain error: the workflow task fails and waits for a repaired worker. A foreign verdict decides nothing.
  if (!verdict) throw new Error(`${call.activity} gave no verdict for ${call.request.key}.`);
  return verdict;
}

/** Upserts only changed values: every upsert is an event of the history. */
function createShow(): (run: Run) => void {
  let shown = '';
  return (run) => {
    const state = run.state;
    const step = currentStepOf(run);
    const reason = run.parked.values().next().value?.reason ?? run.reason?.code ?? null;
    setCurrentDetails(detailsOf(run));
    const now = [state, step, reason].join();
    if (now === shown) return;
    shown = now;
    upsertSearchAttributes([
      { key: searchAttributes.state, value: state },
      { key: searchAttributes.step, value: step },
      { key: searchAttributes.reason, value: reason },
    ]);
  };
}
