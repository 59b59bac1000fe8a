import { condition, proxyLocalActivities, TemporalFailure } from '@temporalio/workflow';

import type { Keyed, SetActivity, Verdict } from '../../../contracts/engine/verdict';
import type { RetryBudget } from '../activity-options';
import { localOptions } from '../activity-options';
import type { Clock } from '../clock';
import type { TaskRoom } from './task-room';

/** One set for an activity of this worker. */
export interface LocalCall {
  /** `<participant>.<activity>`. */
  readonly activity: string;
  readonly requests: readonly Keyed[];
  readonly budget: RetryBudget;
  /** For the Temporal UI. */
  readonly summary: string;
}

/** The verdicts of a set, or why there are none. Without verdicts it is unknown whether the set took effect. */
export type LocalAnswer =
  | { readonly ok: true; readonly verdicts: readonly Verdict<unknown>[] }
  | { readonly ok: false; readonly error: unknown };

/** Local activities of one workflow, in rounds. */
export interface Rounds {
  /** Runs a set with the next round. It is tried once. */
  ask(call: LocalCall): Promise<LocalAnswer>;
  /** Plays the rounds. It ends with its scope. */
  play(): Promise<never>;
}

/**
 * Runs local activities in rounds: all sets that were asked for when a round begins are awaited before the first answer
 * is delivered, and the answers are delivered in the order of the calls. Live, local activities resolve one by one, as
 * they end; in replay they resolve all at once, in the order of their start. Without rounds the workflow would continue
 * in another order in replay.
 */
export function createRounds(clock: Clock, room: TaskRoom): Rounds {
  const waiting: { readonly call: LocalCall; readonly answer: (answer: LocalAnswer) => void }[] =
    [];
  return {
    ask: (call) => new Promise((answer) => waiting.push({ call, answer })),
    async play() {
      for (;;) {
        await condition(onceDrained(() => waiting.length > 0));
        const round = waiting.splice(0);
        const answers = await Promise.all(round.map(({ call }) => tryOnce(call)));
        // In replay an event of the next workflow task may come in the same activation: what it wakes goes on first.
        await condition(onceDrained(() => true));
        await room.enter(bytesOf(answers)); // Their markers travel together.
        for (const at of answers.flatMap(timesOf)) clock.answered(at);
        for (const [at, { answer }] of round.entries()) {
          const given = answers[at];
          if (given) answer(given);
        }
      }
    },
  };
}

/** A code unit is at most three bytes; verdicts are nearly all ASCII. */
const bytesOf = (answers: readonly LocalAnswer[]): number =>
  answers.reduce(
    (sum, answer) => sum + (answer.ok ? JSON.stringify(answer.verdicts).length : 0),
    0,
  );

/** A failed call bears no time: the remote call that follows has its own. */
const timesOf = (answer: LocalAnswer): readonly number[] =>
  answer.ok ? answer.verdicts.flatMap(({ answeredAt }) => answeredAt ?? []) : [];

/** Temporal asks a condition once at its start, and from then on when all microtasks have drained. */
function onceDrained(isMet: () => boolean): () => boolean {
  let asked = 0;
  return () => (asked += 1) > 1 && isMet();
}

async function tryOnce({ activity, requests, budget, summary }: LocalCall): Promise<LocalAnswer> {
  try {
    const send = proxyLocalActivities<Record<string, SetActivity<Keyed, unknown>>>(
      localOptions(budget, summary),
    )[activity];
    if (!send) throw new Error(`No activity ${activity}.`);
    return { ok: true, verdicts: await send(requests) };
  } catch (error) {
    // An activity that this worker does not have: its task waits for one that has it.
    if (!(error instanceof TemporalFailure)) throw error;
    return { ok: false, error };
  }
}
