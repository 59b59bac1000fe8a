import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { InjectedSinks, ReplayResult } from '@temporalio/worker';
import { Worker } from '@temporalio/worker';

import { bundleWorkflows } from '../../scripts/bundle-workflows';

/** A payload as Temporal's JSON has it: base64 of JSON. */
interface PayloadJson {
  readonly data?: string;
}
interface PayloadsJson {
  readonly payloads?: readonly PayloadJson[];
}

/** The parts of a history that the tests look at. */
export interface HistoryEvent {
  eventId: string;
  eventType: string;
  workflowExecutionStartedEventAttributes?: { workflowType: { name: string } };
  workflowTaskCompletedEventAttributes?: { sdkMetadata?: { coreUsedFlags?: readonly number[] } };
  activityTaskScheduledEventAttributes?: {
    activityId: string;
    activityType: { name: string };
    input?: PayloadsJson;
    scheduleToCloseTimeout?: string;
    startToCloseTimeout?: string;
  };
  timerStartedEventAttributes?: { timerId: string; startToFireTimeout: string };
  workflowExecutionCompletedEventAttributes?: { result?: PayloadsJson };
}
export interface Recording {
  readonly file: string;
  readonly history: { events: HistoryEvent[] };
}

const folder = join(__dirname, 'histories');

export const recordings: readonly Recording[] = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .sort()
  .map((file) => ({
    file,
    history: JSON.parse(readFileSync(join(folder, file), 'utf8')) as Recording['history'],
  })); // As the recorder wrote it.

export function aRecording(scenario: string): Recording {
  const found = recordings.find(({ file }) => file.endsWith(`-${scenario}.json`));
  if (!found) throw new Error(`No recording of ${scenario}.`);
  return { ...found, history: structuredClone(found.history) };
}

/** What the code asked for while it was replayed, or what a history says that it had asked for. */
export interface Asked {
  readonly activities: readonly unknown[];
  readonly timersMs: readonly number[];
  readonly results: readonly unknown[];
}

/** Replays one history on today's code. @returns why it does not fit, and what the code asked for meanwhile. */
export async function replay(
  { file, history }: Recording,
  codePath: string,
): Promise<{ readonly error: Error | undefined; readonly asked: Asked }> {
  const asked = { activities: [] as unknown[], timersMs: [] as number[], results: [] as unknown[] };
  const told: Record<string, (detail: string) => void> = {
    activity: (detail) => void asked.activities.push(JSON.parse(detail)),
    timer: (detail) => void asked.timersMs.push(Number(detail)),
    result: (detail) => void asked.results.push(JSON.parse(detail)),
  };
  const sinks: InjectedSinks<{ capture: { seen(kind: string, detail: string): void } }> = {
    capture: {
      seen: { fn: (_info, kind, detail) => told[kind]?.(detail), callDuringReplay: true },
    },
  };
  const replays = Worker.runReplayHistories({ workflowBundle: { codePath }, sinks }, [
    { workflowId: file, history },
  ]);
  const results: ReplayResult[] = [];
  for await (const result of replays) results.push(result);
  const [only] = results;
  if (!only) throw new Error(`${file} was not replayed.`);
  return { error: only.error, asked };
}

/** The bundle of production with one more interceptor, which tells what the code asks for. */
export const bundleForReplay = (): Promise<string> =>
  bundleWorkflows('workflows/index.ts', 'dist/replay-bundle.js', ['tests/replay/capture.ts']);

/** Activity types with their inputs and time limits, timer lengths and the result, as the history has them. */
export function askedIn({ history: { events } }: Recording): Asked {
  const activities = events.flatMap(({ activityTaskScheduledEventAttributes: asked }) =>
    asked
      ? [
          {
            type: asked.activityType.name,
            args: valuesOf(asked.input),
            scheduleToCloseMs: msOf(asked.scheduleToCloseTimeout),
            startToCloseMs: msOf(asked.startToCloseTimeout),
          },
        ]
      : [],
  );
  const timersMs = events.flatMap(({ timerStartedEventAttributes: timer }) =>
    timer ? [msOf(timer.startToFireTimeout) ?? 0] : [],
  );
  const results = events.flatMap(({ workflowExecutionCompletedEventAttributes: completed }) =>
    completed ? valuesOf(completed.result) : [],
  );
  return { activities, timersMs, results };
}

const valuesOf = (payloads: PayloadsJson | undefined): readonly unknown[] =>
  (payloads?.payloads ?? []).map(({ data = '' }): unknown =>
    JSON.parse(Buffer.from(data, 'base64').toString('utf8')),
  );

/** `0s` is Temporal's word for "none". */
const msOf = (duration: string | undefined): number | undefined => {
  const ms = Math.round(Number.parseFloat(duration ?? '0') * 1_000);
  return ms === 0 ? undefined : ms;
};
