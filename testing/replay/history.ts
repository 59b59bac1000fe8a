/** A payload as Temporal's JSON has it: base64 of JSON. */
interface PayloadJson {
  readonly data?: string;
}
export interface PayloadsJson {
  readonly payloads?: readonly PayloadJson[];
}

/**
 * The parts of an event that the gate looks at, as `temporal workflow show --output json` and the recorder write them.
 */
export interface HistoryEvent {
  eventId: string;
  eventType: string;
  userMetadata?: { readonly summary?: PayloadJson };
  workflowExecutionStartedEventAttributes?: {
    workflowType: { name: string };
    /** Left out by servers before 1.21. */
    workflowId?: string;
    workflowRunTimeout?: string;
  };
  workflowTaskScheduledEventAttributes?: object;
  workflowTaskCompletedEventAttributes?: { sdkMetadata?: { coreUsedFlags?: readonly number[] } };
  activityTaskScheduledEventAttributes?: {
    activityId: string;
    activityType: { name: string };
    input?: PayloadsJson;
    scheduleToCloseTimeout?: string;
    startToCloseTimeout?: string;
  };
  activityTaskStartedEventAttributes?: { scheduledEventId: string; attempt: number };
  activityTaskFailedEventAttributes?: object;
  workflowTaskTimedOutEventAttributes?: object;
  timerStartedEventAttributes?: { timerId: string; startToFireTimeout: string };
  startChildWorkflowExecutionInitiatedEventAttributes?: {
    workflowId: string;
    workflowType: { name: string };
    input?: PayloadsJson;
  };
  upsertWorkflowSearchAttributesEventAttributes?: {
    searchAttributes?: { indexedFields?: Readonly<Record<string, PayloadJson>> };
  };
  markerRecordedEventAttributes?: {
    markerName: string;
    details?: Readonly<Record<string, PayloadsJson>>;
  };
  workflowExecutionCompletedEventAttributes?: { result?: PayloadsJson };
  workflowExecutionFailedEventAttributes?: {
    failure?: { message?: string; applicationFailureInfo?: { type?: string } };
  };
  workflowExecutionCanceledEventAttributes?: object;
  workflowExecutionContinuedAsNewEventAttributes?: {
    workflowType: { name: string };
    input?: PayloadsJson;
  };
}
export interface History {
  events: HistoryEvent[];
}

/** A history and what people call it: a file's name, or the id of a run. */
export interface NamedHistory {
  readonly name: string;
  readonly history: History;
}

/** @throws where the text is no history as the recorder, the Temporal CLI or its UI write it. */
export function parseHistory(text: string): History {
  const parsed: unknown = JSON.parse(text);
  if (!isHistory(parsed)) throw new Error('This is no history: it has no events.');
  return parsed;
}

const isHistory = (value: unknown): value is History =>
  typeof value === 'object' &&
  value !== null &&
  'events' in value &&
  Array.isArray(value.events) &&
  value.events.length > 0;

export const workflowTypeOf = ({ events }: History): string =>
  events[0]?.workflowExecutionStartedEventAttributes?.workflowType.name ?? '';

/** Nothing was decided in it yet, so there is nothing to replay: replaying it would wait for ever. */
export const isUntouched = ({ events }: History): boolean =>
  events.every((event) => event.workflowTaskCompletedEventAttributes === undefined);

/**
 * The SDK's own mark in the first task that was completed, with flag 1. Histories without it, hand-made or cleaned
 * ones, are compared so loosely that renamed activities and swapped steps pass.
 */
export const isOfARealWorker = ({ events }: History): boolean =>
  events
    .find((event) => event.workflowTaskCompletedEventAttributes)
    ?.workflowTaskCompletedEventAttributes?.sdkMetadata?.coreUsedFlags?.includes(1) ?? false;

const endings = new Set([
  'EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED',
  'EVENT_TYPE_WORKFLOW_EXECUTION_FAILED',
  'EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED',
  'EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW',
  'EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED',
  'EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT',
]);

export const isEnded = ({ events }: History): boolean =>
  endings.has(events.at(-1)?.eventType ?? '');

/** Whether the last workflow task is not completed: its commands are not in the history yet. */
export function hasTaskUnderWay({ events }: History): boolean {
  const lastOf = (is: (event: HistoryEvent) => boolean): number => events.findLastIndex(is);
  return (
    lastOf((event) => event.workflowTaskScheduledEventAttributes !== undefined) >
    lastOf((event) => event.workflowTaskCompletedEventAttributes !== undefined)
  );
}

export const valuesOf = (payloads: PayloadsJson | undefined): readonly unknown[] =>
  (payloads?.payloads ?? []).map(valueOf);

/** A payload without data is Temporal's word for `undefined`. */
export const valueOf = ({ data = '' }: PayloadJson): unknown =>
  data === '' ? undefined : JSON.parse(Buffer.from(data, 'base64').toString('utf8'));

/** `0s` is Temporal's word for "none". */
export const msOf = (duration: string | undefined): number | undefined => {
  const ms = Math.round(Number.parseFloat(duration ?? '0') * 1_000);
  return ms === 0 ? undefined : ms;
};
