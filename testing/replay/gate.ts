import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';

import type { InjectedSinks } from '@temporalio/worker';
import { Worker } from '@temporalio/worker';

import {
  recordedCommandsOf,
  commandsRecorded,
  type AskedCommand,
  type Commands,
} from './recorded-commands';
import {
  hasTaskUnderWay,
  isOfARealWorker,
  isUntouched,
  msOf,
  workflowTypeOf,
  type History,
  type NamedHistory,
} from './history';
import { describeDifference } from './diff';

/** What the gate says about one history. */
export interface Verdict<Named extends NamedHistory = NamedHistory> {
  readonly of: Named;
  readonly workflowType: string;
  /** `untouched`: no workflow task of it was ever completed, so there is nothing that code could contradict. */
  readonly kind: 'replayed' | 'untouched' | 'refused';
  /** Why it is refused, a sentence that begins with its name; empty where it is not. */
  readonly sentence: string;
}

export interface GateOptions {
  /** The bundle that production loads, `dist/workflow-bundle.js`. */
  readonly bundlePath: string;
  /** For one history. */
  readonly withinMs?: number;
}

/** A long history on a busy machine takes seconds. */
const replayMs = 30_000;

/**
 * Replays histories one after another on the workflow code of a bundle, and compares what the code asks for with what is
 * recorded: activities with inputs and times, timers, children, the result. One verdict a history, in their order.
 */
export async function* replayHistories<Named extends NamedHistory>(
  histories: Iterable<Named> | AsyncIterable<Named>,
  { bundlePath, withinMs = replayMs }: GateOptions,
): AsyncGenerator<Verdict<Named>> {
  const code = withListener(readFileSync(bundlePath, 'utf8'));
  let replayer = openReplayer(code);
  try {
    for await (const named of histories) {
      const judged = await judge(replayer, named, withinMs);
      if (judged.isStuck) replayer = openReplayer(code); // The old one waits for what never comes.
      const { name, history } = named;
      const sentence = judged.why === undefined ? '' : `${name}: ${judged.why}.`;
      yield { of: named, workflowType: workflowTypeOf(history), kind: judged.kind, sentence };
    }
  } finally {
    await replayer.close();
  }
}

/** What today's code asks for in one history, and the SDK's own refusal: for what may change on purpose. */
export async function whatIsAsked(
  history: History,
  { bundlePath, withinMs = replayMs }: GateOptions,
): Promise<Outcome> {
  const replayer = openReplayer(withListener(readFileSync(bundlePath, 'utf8')));
  try {
    const outcome = await replayer.replay(history, withinMs);
    if (outcome === undefined) throw new Error(`It was not replayed within ${withinMs / 1_000} s.`);
    return outcome;
  } finally {
    await replayer.close();
  }
}

interface Judgement {
  readonly kind: Verdict['kind'];
  readonly why?: string;
  readonly isStuck?: true;
}

async function judge(
  replayer: Replayer,
  { history }: NamedHistory,
  withinMs: number,
): Promise<Judgement> {
  if (workflowTypeOf(history) === '') return refused('it does not begin with the start of a run');
  if (isUntouched(history)) return { kind: 'untouched' };
  if (!isOfARealWorker(history)) {
    return refused(
      'it has no flags of a worker (coreUsedFlags with 1), without which replay compares next to nothing',
    );
  }
  const outcome = await replayer.replay(history, withinMs);
  if (outcome === undefined) {
    return { ...refused(`it was not replayed within ${withinMs / 1_000} s`), isStuck: true };
  }
  const moved = describeDifference({
    recorded: commandsRecorded(history),
    asked: outcome.asked,
    mayAskMore: hasTaskUnderWay(history),
    refusal: outcome.error?.message,
  });
  return moved === undefined ? { kind: 'replayed' } : refused(moved);
}

const refused = (why: string): Judgement => ({ kind: 'refused', why });

interface Outcome {
  readonly error: Error | undefined;
  readonly asked: readonly AskedCommand[];
}

interface Replayer {
  /** @returns `undefined` where the time is over. */
  replay(history: History, withinMs: number): Promise<Outcome | undefined>;
  close(): Promise<void>;
}

/**
 * What the code sends in one workflow task. Answers of local activities come in activations of their own.
 */
interface TaskCommands {
  /** Number of events before the task. */
  readonly historyLength: number;
  readonly commands: Commands[number][];
}

/** One worker for many histories: to start one costs more than to replay. */
function openReplayer(code: string): Replayer {
  let tasks: TaskCommands[] = [];
  const sinks: InjectedSinks<{ replay: { asked(commands: Commands): void } }> = {
    replay: {
      asked: {
        fn: ({ historyLength }, commands) => {
          const task = tasks.at(-1);
          if (task?.historyLength === historyLength) task.commands.push(...commands);
          else tasks.push({ historyLength, commands: [...commands] });
        },
        callDuringReplay: true,
      },
    },
  };
  const inbox = new Readable({ objectMode: true, read: () => undefined });
  const results = Worker.runReplayHistories({ workflowBundle: { code }, sinks }, inbox);
  let isStuck = false;
  return { replay, close };

  async function replay(history: History, withinMs: number): ReturnType<Replayer['replay']> {
    tasks = [];
    const { workflowRunTimeout, workflowId = 'replayed' } =
      history.events[0]?.workflowExecutionStartedEventAttributes ?? {};
    const runMs = msOf(workflowRunTimeout);
    inbox.push({ workflowId, history }); // A run names itself in its calls.
    const answer = await Promise.race([results.next(), tooLate(withinMs)]);
    if (answer === undefined) {
      isStuck = true;
      return undefined;
    }
    if (answer.done === true) throw new Error('The worker that replays has ended.');
    const asked = tasks.flatMap(({ commands }) => recordedCommandsOf(commands, runMs));
    return { error: answer.value.error, asked };
  }

  async function close(): Promise<void> {
    inbox.push(null);
    if (!isStuck) await results.return?.(); // A worker that is stuck never says that it has ended.
  }
}

const tooLate = (ms: number): Promise<undefined> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(undefined), ms).unref();
  });

/** Before the source map, which the SDK takes for the end of the code. */
function withListener(bundle: string): string {
  const end = bundle.lastIndexOf('//# sourceMappingURL=data:');
  if (end === -1) throw new Error('This is no bundle of workflow code: it has no source map.');
  return `${bundle.slice(0, end)}${listener}\n${bundle.slice(end)}`;
}

/**
 * Put behind the bundle of production, which stays as it is: an interceptor that hears what workflow code sends. A sink
 * call as `proxySinks` makes it, which cannot be imported here: the bundle's modules are its own.
 */
const listener = `;(() => {
  const own = __TEMPORAL__.importInterceptors;
  const internals = [{
    concludeActivation(input, next) {
      const { commands } = next(input);
      const activator = globalThis.__TEMPORAL_ACTIVATOR__;
      const args = [globalThis.structuredClone ? structuredClone(commands) : commands];
      activator.sinkCalls.push({ ifaceName: 'replay', fnName: 'asked', args, workflowInfo: activator.info });
      return { commands };
    },
  }];
  __TEMPORAL__.importInterceptors = () => [...own(), { interceptors: () => ({ internals }) }];
})();`;
