import type { ConcludeActivationInput } from '@temporalio/workflow';
import { z } from 'zod';

import { partsOfStepKey } from '../../contracts/engine/ids';
import { requestDigest } from '../../runtime/request-digest';
import { localMarkersOf, type LocalMarker } from './calls';
import type { History, HistoryEvent } from './history';
import { msOf, valueOf, valuesOf } from './history';

/** What workflow code sends to Temporal. */
export type Commands = ConcludeActivationInput['commands'];
type Command = Commands[number];

/**
 * One thing that workflow code asks for. Replay itself compares no more than kinds, types and order: neither inputs nor
 * times nor results, so all of these are compared here as well.
 */
export interface RecordedCommand {
  readonly kind:
    | 'activity'
    | 'local'
    | 'timer'
    | 'child'
    | 'shown'
    | 'change'
    | 'result'
    | 'failure'
    | 'cancelled'
    | 'continued';
  /** Type of the activity or workflow, id of the change, type of the failure. */
  readonly name: string;
  /** The step of the business that it belongs to, where it belongs to one. */
  readonly step: string | undefined;
  readonly content: unknown;
}

/**
 * What the code had asked for when the run was live, in the order of its events. Local activities come first, in the
 * order of their calls: their markers stand in the order in which they ended.
 */
export function commandsRecorded(history: History): readonly RecordedCommand[] {
  const [started] = history.events;
  const runMs = msOf(started?.workflowExecutionStartedEventAttributes?.workflowRunTimeout);
  return [
    ...localMarkersOf(history).map(({ result, ...call }) => localAsk(call, digestsIn(result))),
    ...history.events.flatMap((event) => askOfEvent(event, runMs) ?? []),
  ];
}

/** @param digests of its requests; a marker holds no input. `undefined`: the local activity failed. */
const localAsk = (
  { activity, summary }: Pick<LocalMarker, 'activity' | 'summary'>,
  digests: string | undefined,
): RecordedCommand => ({
  kind: 'local',
  name: activity,
  step: stepOf(summary, []),
  content: digests === undefined ? undefined : { requestDigest: digests },
});

/** The items of a set have no order. */
const textOf = (digests: readonly string[]): string => [...digests].sort().join();

const digestedSchema = z.array(z.object({ digest: z.string() }));

function digestsIn(verdicts: unknown): string | undefined {
  const digested = digestedSchema.safeParse(verdicts);
  return digested.success ? textOf(digested.data.map(({ digest }) => digest)) : undefined;
}

function askOfEvent(event: HistoryEvent, runMs: number | undefined): RecordedCommand | undefined {
  const {
    activityTaskScheduledEventAttributes: activity,
    timerStartedEventAttributes: timer,
    startChildWorkflowExecutionInitiatedEventAttributes: child,
    upsertWorkflowSearchAttributesEventAttributes: shown,
    markerRecordedEventAttributes: marker,
    workflowExecutionCompletedEventAttributes: completed,
    workflowExecutionFailedEventAttributes: failed,
    workflowExecutionCanceledEventAttributes: cancelled,
    workflowExecutionContinuedAsNewEventAttributes: continued,
  } = event;
  if (activity) {
    return activityAsk({
      type: activity.activityType.name,
      args: valuesOf(activity.input),
      scheduleToCloseMs: msOf(activity.scheduleToCloseTimeout),
      startToCloseMs: msOf(activity.startToCloseTimeout),
      summary: valueOf(event.userMetadata?.summary ?? {}),
      runMs,
    });
  }
  if (timer) return ask('timer', '', msOf(timer.startToFireTimeout) ?? 0);
  if (child) {
    return ask('child', child.workflowType.name, {
      id: child.workflowId,
      args: valuesOf(child.input),
    });
  }
  if (shown) {
    const fields = Object.entries(shown.searchAttributes?.indexedFields ?? {}).filter(isOfCode);
    return fields.length > 0 ? shownAsk(fields) : undefined;
  }
  if (marker?.markerName === 'core_patch') {
    return ask('change', idOfChange(valuesOf(marker.details?.['patch-data'])), null);
  }
  if (completed) return ask('result', '', valuesOf(completed.result));
  if (failed) {
    const { failure } = failed;
    return ask('failure', failure?.applicationFailureInfo?.type ?? '', failure?.message ?? '');
  }
  if (cancelled) return ask('cancelled', '', null);
  if (continued) return ask('continued', continued.workflowType.name, valuesOf(continued.input));
  return undefined;
}

export interface AskedCommand extends RecordedCommand {
  /** Taken back in the same workflow task: it comes to the server only if a heartbeat of the task came between. */
  readonly isWithdrawn: boolean;
}

/** What the code of today asks for in one workflow task. @param runMs the time of the whole run, as its history has it. */
export function recordedCommandsOf(
  commands: Commands,
  runMs: number | undefined,
): readonly AskedCommand[] {
  const withdrawn = withdrawnAtOnce(commands);
  return commands.flatMap((command) => {
    const asked = askOfCommand(command, runMs);
    return asked ? { ...asked, isWithdrawn: withdrawn.has(command) } : [];
  });
}

function askOfCommand(command: Command, runMs: number | undefined): RecordedCommand | undefined {
  const {
    scheduleActivity: activity,
    startTimer: timer,
    startChildWorkflowExecution: child,
    upsertWorkflowSearchAttributes: shown,
    setPatchMarker: change,
    completeWorkflowExecution: completed,
    failWorkflowExecution: failed,
    cancelWorkflowExecution: cancelled,
    continueAsNewWorkflowExecution: continued,
    scheduleLocalActivity: local,
  } = command;
  if (local) {
    const [requests] = valuesSent(local.arguments);
    const summary = valueSent(command.userMetadata?.summary);
    const digests = Array.isArray(requests) ? textOf(requests.map(requestDigest)) : undefined;
    return localAsk({ activity: local.activityType ?? '', summary }, digests);
  }
  if (activity) {
    return activityAsk({
      type: activity.activityType ?? '',
      args: valuesSent(activity.arguments),
      scheduleToCloseMs: msSent(activity.scheduleToCloseTimeout),
      startToCloseMs: msSent(activity.startToCloseTimeout),
      summary: valueSent(command.userMetadata?.summary),
      runMs,
    });
  }
  if (timer) return ask('timer', '', msSent(timer.startToFireTimeout) ?? 0);
  if (child) {
    const args = valuesSent(child.input);
    return ask('child', child.workflowType ?? '', { id: child.workflowId, args });
  }
  if (shown) {
    const fields = Object.entries(shown.searchAttributes?.indexedFields ?? {});
    return shownAsk(fields.map(([name, payload]) => [name, asJson(payload)]));
  }
  if (change) return ask('change', change.patchId ?? '', null);
  if (completed) {
    return ask('result', '', completed.result ? [valueSent(completed.result)] : []);
  }
  if (failed) {
    const { failure } = failed;
    return ask('failure', failure?.applicationFailureInfo?.type ?? '', failure?.message ?? '');
  }
  if (cancelled) return ask('cancelled', '', null);
  if (continued) {
    return ask('continued', continued.workflowType ?? '', valuesSent(continued.arguments));
  }
  return undefined;
}

/** What is asked for and taken back in the same workflow task. */
function withdrawnAtOnce(commands: Commands): ReadonlySet<Command> {
  const timers = new Set(commands.map(({ cancelTimer }) => cancelTimer?.seq));
  const activities = new Set(commands.map(({ requestCancelActivity: asked }) => asked?.seq));
  return new Set(
    commands.filter(
      ({ startTimer, scheduleActivity }) =>
        (startTimer && timers.has(startTimer.seq)) ??
        (scheduleActivity && activities.has(scheduleActivity.seq)),
    ),
  );
}

interface AskedActivity {
  readonly type: string;
  readonly args: readonly unknown[];
  readonly scheduleToCloseMs: number | undefined;
  readonly startToCloseMs: number | undefined;
  readonly summary: unknown;
  readonly runMs: number | undefined;
}

/** The server shortens an attempt to the time for all of them, and both to the time of the run, before it writes the event. */
function activityAsk({
  type,
  args,
  summary,
  runMs = Infinity,
  ...times
}: AskedActivity): RecordedCommand {
  const scheduleToCloseMs = Math.min(times.scheduleToCloseMs ?? Infinity, runMs);
  const startToCloseMs = Math.min(times.startToCloseMs ?? Infinity, scheduleToCloseMs);
  return {
    kind: 'activity',
    name: type,
    step: stepOf(summary, args),
    content: {
      args,
      scheduleToCloseMs: finite(scheduleToCloseMs),
      startToCloseMs: finite(startToCloseMs),
    },
  };
}

const finite = (ms: number): number | null => (Number.isFinite(ms) ? ms : null);

/** A step's call says its name in its summary, `<step> · <gid>`; the branch of its key may be another step's. */
function stepOf(summary: unknown, args: readonly unknown[]): string | undefined {
  if (typeof summary === 'string') return summary.split(' · ')[0];
  const key: unknown = [args[0]].flat().flatMap(keyIn)[0];
  return typeof key === 'string' ? partsOfStepKey(key)?.branch : undefined;
}

const keyIn = (request: unknown): unknown =>
  typeof request === 'object' && request !== null && 'key' in request ? request.key : [];

/** Beside each change the SDK writes an event that the code has not asked for. */
const isOfCode = ([name]: readonly [string, unknown]): boolean => name !== 'TemporalChangeVersion';

function shownAsk(
  fields: readonly (readonly [name: string, payload: { data?: string }])[],
): RecordedCommand {
  const shown = fields
    .map(([name, payload]) => [name, valueOf(payload) ?? null] as const)
    .sort(([one], [other]) => one.localeCompare(other));
  return ask('shown', '', Object.fromEntries(shown));
}

function idOfChange([data]: readonly unknown[]): string {
  const isNamed = typeof data === 'object' && data !== null && 'id' in data;
  return isNamed ? String(data.id) : '';
}

const ask = (kind: RecordedCommand['kind'], name: string, content: unknown): RecordedCommand => ({
  kind,
  name,
  step: undefined,
  content,
});

interface SentPayload {
  readonly data?: Uint8Array | null;
}

const asJson = (payload: SentPayload | null | undefined): { data?: string } =>
  payload?.data ? { data: Buffer.from(payload.data).toString('base64') } : {};

const valueSent = (payload: SentPayload | null | undefined): unknown => valueOf(asJson(payload));

/** Spread first: an array of the sandbox would make another one of its own kind, which equals none of ours. */
const valuesSent = (payloads: readonly SentPayload[] | null | undefined): readonly unknown[] =>
  [...(payloads ?? [])].map(valueSent);

interface SentDuration {
  readonly seconds?: { readonly low: number; readonly high: number } | null;
  readonly nanos?: number | null;
}

/** The duration in milliseconds, as `msOf` reads it from a history. */
function msSent(duration: SentDuration | null | undefined): number | undefined {
  const { low = 0, high = 0 } = duration?.seconds ?? {};
  const ms = Math.round((high * 2 ** 32 + (low >>> 0)) * 1_000 + (duration?.nanos ?? 0) / 1e6);
  return ms === 0 ? undefined : ms;
}
