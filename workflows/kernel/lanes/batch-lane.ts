/**
 * The lane that carries many transactions of one flow in one workflow. Their calls go as sets, one for each activity,
 * like a data loader. Temporal checks a `condition` only when all microtasks have drained. By then every transaction
 * has made its call, so the lane needs no timers and is deterministic.
 */
import {
  ActivityFailure,
  AsyncLocalStorage,
  condition,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';

import type { Gid } from '../../../contracts/engine/ids';
import type { Keyed, SetActivity, Verdict } from '../../../contracts/engine/verdict';
import { activityOptions, type RetryBudget } from '../activity-options';
import type { Clock } from '../clock';
import { failedCall, isFinal } from '../step-failure';
import type { ItemCall, Lane, StepContext } from './lane';
import { afterLocal } from './lane';
import { createRounds } from './rounds';
import { bytesOf, takeSets, type Queue, type Waiting } from './sets';
import { createTaskRoom } from './task-room';
import { matched } from './verdicts';

export interface BatchLane {
  /**
   * The lane of one transaction.
   *
   * @param leave makes it leave the batch; it never resolves.
   * @param hasLeft from then on its lane sends nothing.
   */
  laneOf(leave: () => Promise<never>, hasLeft: () => boolean): Lane;
  /** Sends one call. */
  send(call: ItemCall): Promise<Verdict<unknown>>;
  /** Calls of this transaction that wait for their set are not sent any more. */
  forget(gid: Gid): void;
  /**
   * Sends the calls of the transactions, for as long as the workflow runs.
   * @throws an error of the lane itself, for which the workflow task fails: it is no answer to any transaction.
   */
  play(): Promise<never>;
}

/**
 * A remote set is tried so long as a whole, and then in halves: a call that fails for a reason of its own does not hold
 * up the others for ever, and an outage of some seconds leaves them together.
 */
const wholeSetMs = { min: 500, max: 5_000 } as const;

export function createBatchLane(clock: Clock): BatchLane {
  const queue: Queue = new Map();
  const calls = new AsyncLocalStorage<StepContext>();
  const room = createTaskRoom();
  const rounds = createRounds(clock, room);
  const { workflowId: owner } = workflowInfo();
  return {
    laneOf: (leave, hasLeft) => ({
      calls,
      owner,
      // A call that was under way is answered to it all the same: nothing may follow beside its own workflow.
      send: (call) => (hasLeft() ? never : send(call)),
      leave,
      locks: undefined,
      pauseForUndo: () => never, // A timer for each transaction costs a fifth of the throughput.
      show: () => undefined, // Its row has the state; the workflow shows the batch.
    }),
    send,
    forget(gid) {
      for (const [name, waiting] of queue) {
        const rest = waiting.filter(({ call }) => !call.request.key.startsWith(`${gid}/`));
        if (rest.length > 0) queue.set(name, rest);
        else queue.delete(name);
      }
    },
    play: () => Promise.race([rounds.play(), flush()]),
  };

  function send(call: ItemCall): Promise<Verdict<unknown>> {
    return new Promise((resolve, reject) => {
      const { activity, budget } = call;
      const name = `${activity} ${budget.kind}`;
      const waiting = queue.get(name) ?? [];
      waiting.push({ call, resolve, reject });
      queue.set(name, waiting);
    });
  }

  async function flush(): Promise<never> {
    const broken = { isSo: false, error: undefined as unknown };
    for (;;) {
      await condition(() => queue.size > 0 || broken.isSo);
      const sent = takeSets(queue).map((set) =>
        sendSet(set).catch((error: unknown) => Object.assign(broken, { isSo: true, error })),
      );
      if (queue.size > 0) await Promise.race(sent); // Calls beyond the bounds go with a later round.
      if (broken.isSo) throw broken.error;
    }
  }

  async function sendSet(set: readonly Waiting[]): Promise<void> {
    const [first] = set;
    if (!first) return;
    const { activity, budget, summary } = first.call;
    const answer = await rounds.ask({
      activity,
      requests: requestsOf(set),
      budget,
      summary: set.length === 1 ? summary : summaryOf(set),
    });
    if (answer.ok) {
      deliver(set, answer.verdicts);
      return;
    }
    if (!isFinal(answer.error)) return sendRemote(set, answer.error);
    if (set.length > 1) return inHalves(set, sendSet);
    first.reject(failedCall(first.call, answer.error));
  }

  /**
   * @param localError why the local call before it gave no verdict.
   * @param spentMs what earlier sets have taken. No clock is asked: behind the last local call of a task, live and replay
   *   differ about what has been answered meanwhile.
   */
  async function sendRemote(
    set: readonly Waiting[],
    localError: unknown,
    spentMs = 0,
  ): Promise<void> {
    const [first, another] = set;
    if (!first) return;
    const { activity, summary } = first.call;
    await room.enter(set.reduce((sum, { call }) => sum + bytesOf(call), 0));
    const budget = budgetOf(set, spentMs);
    const ms = wholeMsOf(set, spentMs);
    const options = another
      ? { ...activityOptions(budget, summaryOf(set)), scheduleToCloseTimeout: ms }
      : activityOptions(budget, summary);
    const remote = proxyActivities<Record<string, SetActivity<Keyed, unknown>>>(options)[activity];
    if (!remote) throw new Error(`No activity ${activity}.`);
    try {
      const verdicts = await remote(requestsOf(set));
      for (const { answeredAt } of verdicts) clock.answered(answeredAt);
      deliver(
        set,
        verdicts.map((verdict) => afterLocal(verdict, localError)),
      );
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      if (another) return inHalves(set, (half) => sendRemote(half, localError, spentMs + ms));
      first.reject(error);
    }
  }
}

/** An act has at least a moment: less is no time for any answer, and the next one would follow at once. */
function wholeMsOf(set: readonly Waiting[], spentMs: number): number {
  const left = Math.min(...set.map(timeLeftOf)) - spentMs;
  return Math.min(Math.max(left, wholeSetMs.min), wholeSetMs.max);
}

/** As long as the latest of them may act. */
function budgetOf(set: readonly Waiting[], spentMs: number): RetryBudget {
  const left = Math.max(...set.map(timeLeftOf)) - spentMs;
  return left === Infinity
    ? { kind: 'forever' }
    : { kind: 'act', timeLeftMs: Math.max(left, wholeSetMs.min) };
}

/** When the call was made; `Infinity`: it is tried for ever. */
const timeLeftOf = ({ call: { budget } }: Waiting): number =>
  budget.kind === 'act' ? budget.timeLeftMs : Infinity;

const never = new Promise<never>(() => undefined);

const requestsOf = (set: readonly Waiting[]): readonly Keyed[] =>
  set.map(({ call }) => call.request);

/** As that of one call, with the step of the first: nearly always all have the same. */
const summaryOf = (set: readonly Waiting[]): string => {
  const [step = ''] = set[0]?.call.summary.split(' · ') ?? [];
  return `${step} · ${set.length} transactions`;
};

async function inHalves(
  set: readonly Waiting[],
  send: (half: readonly Waiting[]) => Promise<void>,
): Promise<void> {
  const middle = Math.ceil(set.length / 2);
  await Promise.all([send(set.slice(0, middle)), send(set.slice(middle))]);
}

/** All verdicts are matched before any call resolves: a missing or foreign one must not leave half of the set resolved. */
function deliver(set: readonly Waiting[], verdicts: readonly Verdict<unknown>[]): void {
  const answers = matched(
    set.map(({ call }) => call),
    verdicts,
  );
  for (const [at, { resolve }] of set.entries()) {
    const answer = answers[at];
    if (answer) resolve(answer);
  }
}
