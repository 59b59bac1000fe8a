import {
  AsyncLocalStorage,
  CancellationScope,
  condition,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';

import type { Keyed, SetActivity, Verdict } from '../../../contracts/engine/verdict';
import { batchItemsMax, setBytesMax, setRowsMax } from '../../../contracts/engine/verdict';
import type { RetryBudget } from '../activity-options';
import type { Clock } from '../clock';
import { activityOptions } from '../activity-options';
import type { ItemCall, Lane, StepContext } from './lane';
import { isNamed, verdictNameOf } from './lane';

interface Waiting {
  readonly call: ItemCall;
  readonly bytes: number;
  /** Number of the call in the workflow. Calls of one key are sent in this order. */
  readonly order: number;
  readonly resolve: (verdict: Verdict<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

/** A lane that carries many transactions in one workflow. */
export interface CoalescingLane extends Lane {
  /** Sends the calls of the items, a set at a time. It ends with its scope. */
  flush(): Promise<never>;
}

/**
 * Runs one flow per item as concurrent coroutines of one workflow. It sends their calls as one activity call for each
 * activity, like a data loader. Temporal checks a `condition` only when all microtasks have drained. By then every
 * coroutine has made its call, so the lane needs no timers and is deterministic.
 */
export function createCoalescingLane(clock: Clock): CoalescingLane {
  const queues = new Map<string, Waiting[]>();
  let asked = 0;
  return {
    calls: new AsyncLocalStorage<StepContext>(),
    owner: workflowInfo().workflowId,
    send: enqueue,
    locks: undefined, // The lane takes no locks: createOrder decides the items of one customer on the locked row.
    pauseForUndo: (isDone) => condition(isDone), // No timers: one for each item costs a fifth of the throughput.
    show: () => undefined, // The items have no workflow of their own to show: their row has the state.
    flush,
  };

  function enqueue(call: ItemCall): Promise<Verdict<unknown>> {
    return new Promise((resolve, reject) => {
      const name = `${call.activity} ${call.budget.kind}`;
      const queue = queues.get(name) ?? [];
      asked += 1;
      const bytes = new TextEncoder().encode(JSON.stringify(call.request)).length + 1; // And a comma.
      queue.push({ call, bytes, order: asked, resolve, reject });
      queues.set(name, queue);
    });
  }

  async function flush(): Promise<never> {
    for (;;) {
      await condition(() => queues.size > 0);
      const sent = takeSets(queues).map((set) =>
        CancellationScope.nonCancellable(() => sendSet(set, clock)),
      );
      if (queues.size > 0) await Promise.race(sent); // Calls beyond the bounds go with a later workflow task.
    }
  }
}

/**
 * Takes the calls that one workflow task may send. They are sorted, so the commands do not depend on the order of the
 * coroutines. More than 4 MiB of commands in one task would terminate the run without undo.
 */
function takeSets(queues: Map<string, Waiting[]>): readonly (readonly Waiting[])[] {
  const room = { bytes: taskBytesMax };
  const sets = [...queues.keys()].sort().map((name) => {
    const { set, rest } = split(queues.get(name) ?? [], room);
    if (rest.length > 0) queues.set(name, rest);
    else queues.delete(name);
    return set;
  });
  return sets.filter((set) => set.length > 0);
}

/** Maximum bytes of all sets of one workflow task, with the brackets of each set. */
const taskBytesMax = setBytesMax - 64;

/** One set of distinct keys within the bounds. A single item always goes, or a large one would wait for ever. */
function split(queue: readonly Waiting[], room: { bytes: number }) {
  const set: Waiting[] = [];
  const rest: Waiting[] = [];
  const keys = new Set<string>();
  let rows = 0;
  for (const waiting of [...queue].sort(byKey)) {
    const { key } = waiting.call.request;
    const rowsThen = rows + rowsOf(waiting.call);
    const isFull = set.length === batchItemsMax || (set.length > 0 && rowsThen > setRowsMax);
    const fits = waiting.bytes <= room.bytes || room.bytes === taskBytesMax;
    if (isFull || !fits || keys.has(key)) {
      rest.push(waiting);
      continue;
    }
    keys.add(key);
    rows = rowsThen;
    room.bytes -= waiting.bytes;
    set.push(waiting);
  }
  return { set, rest };
}

const byKey = (a: Waiting, b: Waiting): number => {
  if (a.call.request.key === b.call.request.key) return a.order - b.order;
  return a.call.request.key < b.call.request.key ? -1 : 1;
};

async function sendSet(set: readonly Waiting[], clock: Clock): Promise<void> {
  const [first] = set;
  if (!first) return;
  const { activity } = first.call;
  try {
    const options = activityOptions(budgetOf(first.call), `${set.length} items`);
    const send = proxyActivities<Record<string, SetActivity<Keyed, unknown>>>(options)[activity];
    if (!send) throw new Error(`No activity ${activity}.`);
    const verdicts = await send(set.map(({ call }) => call.request));
    if (verdicts.length !== set.length) {
      throw new Error(`${activity} gave ${verdicts.length} verdicts for ${set.length} requests.`);
    }
    for (const { answeredAt } of verdicts) clock.answered(answeredAt);
    // All verdicts are matched before any call resolves: a missing or foreign one must not leave half of the set
    // resolved.
    const answers = set.map(({ call }) => verdictOf(call, verdicts));
    set.forEach(({ resolve }, at) => {
      const answer = answers[at];
      if (answer) resolve(answer);
    });
  } catch (error) {
    for (const { reject } of set) reject(error);
  }
}

/** Time of one set of acts. The deadline of an item takes effect at its next call, and does not end other items. */
const setActMs = 10_000;

const budgetOf = ({ budget }: ItemCall): RetryBudget =>
  budget.kind === 'act' ? { kind: 'act', timeLeftMs: setActMs } : budget;

/** Bound of the business rows that a request may touch: its lines and one more, or three. */
const rowsOf = ({ request }: ItemCall): number =>
  'lines' in request && Array.isArray(request.lines) ? request.lines.length + 1 : 3;

/** Matched by name, never by position: one more `await` in a new build would give an item the answer of another. */
function verdictOf(call: ItemCall, verdicts: readonly Verdict<unknown>[]): Verdict<unknown> {
  const name = verdictNameOf(call);
  const verdict = verdicts.find((candidate) => isNamed(name, candidate));
  if (!verdict) throw new Error(`${call.activity} gave no verdict for ${call.request.key}.`);
  return verdict;
}
