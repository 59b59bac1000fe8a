import type { HistoryEvent } from '../../testing/replay/history';
import { localMarkerOf } from '../../testing/replay/calls';
import { valuesOf } from '../../testing/replay/history';
import type { Recording } from './corpus';
import { aRecording } from './corpus';

/** A recording as somebody might have altered it. */
export interface Alteration {
  readonly title: string;
  /** @returns what the gate must say; `undefined`: this recording has nothing of the kind. */
  readonly alter: (events: HistoryEvent[]) => string | undefined;
}

type Scheduled = NonNullable<HistoryEvent['activityTaskScheduledEventAttributes']>;

/** Every way in which a history that is altered must be refused; the last four pass a plain replay. */
export const alterations: readonly Alteration[] = [
  {
    title: 'an activity was renamed',
    alter(events) {
      const [first] = scheduled(events);
      if (!first) return undefined;
      const name = first.activityType.name;
      first.activityType = { name: 'accounts.renamed' };
      return `today's code calls ${name}`;
    },
  },
  {
    title: 'a local call was renamed',
    alter(events) {
      const first = firstLocal(events);
      const name = first && localMarkerOf(first)?.activity;
      if (!first || name === undefined) return undefined;
      alterMarker(first, { activity_type: 'accounts.renamed' });
      return `the recording calls accounts.renamed.*; today's code calls ${name}`;
    },
  },
  {
    title: 'the request of a local call was another one',
    alter(events) {
      const [first] = events.filter((event) => Array.isArray(localMarkerOf(event)?.result));
      const marker = first && localMarkerOf(first);
      if (!first || !Array.isArray(marker?.result)) return undefined;
      const [verdict] = marker.result as object[];
      alterDetail(first, 'result', [{ ...verdict, digest: 'planted' }]);
      return `the recording calls ${marker.activity}.* with requestDigest "planted"`;
    },
  },
  {
    title: 'two steps were swapped',
    alter(events) {
      const all = scheduled(events);
      const [one] = all;
      const other = all.find(({ activityType }) => activityType.name !== one?.activityType.name);
      if (!one || !other) return undefined;
      const names = [one.activityType.name, other.activityType.name] as const;
      [one.activityType, other.activityType] = [other.activityType, one.activityType];
      [one.input, other.input] = [other.input ?? {}, one.input ?? {}];
      return `the recording calls ${names[1]}.* first; today's code calls ${names[0]}`;
    },
  },
  {
    title: 'a step was removed',
    alter(events) {
      const step = events.find((event) => event.activityTaskScheduledEventAttributes);
      if (!step) return undefined;
      const { name } = step.activityTaskScheduledEventAttributes?.activityType ?? { name: '' };
      const isOfStep = (event: HistoryEvent): boolean =>
        event === step || JSON.stringify(event).includes(`"scheduledEventId":"${step.eventId}"`);
      const left = renumbered(events.filter((event) => !isOfStep(event)));
      events.splice(0, events.length, ...left);
      // If two steps are called at once, the second one takes the place of the first.
      return `(today's code calls ${name}|calls ${name} first with)`;
    },
  },
  {
    title: 'completed was turned into failed',
    alter(events) {
      const last = events.at(-1);
      if (!last?.workflowExecutionCompletedEventAttributes) return undefined;
      delete last.workflowExecutionCompletedEventAttributes;
      last.eventType = 'EVENT_TYPE_WORKFLOW_EXECUTION_FAILED';
      last.workflowExecutionFailedEventAttributes = { failure: { message: 'Altered.' } };
      return "the recording fails with .*; today's code ends";
    },
  },
  {
    title: 'its workflow type is gone',
    alter([started]) {
      if (!started?.workflowExecutionStartedEventAttributes) return undefined;
      started.workflowExecutionStartedEventAttributes.workflowType.name = 'orderSagaOld';
      return "today's code has no workflow of this type";
    },
  },
  {
    title: 'the flags of its worker were taken away',
    alter(events) {
      for (const event of events) delete event.workflowTaskCompletedEventAttributes?.sdkMetadata;
      return 'it has no flags of a worker';
    },
  },
  {
    title: 'the flags of its worker lack the one that matters',
    alter(events) {
      const task = events.find((event) => event.workflowTaskCompletedEventAttributes);
      const attributes = task?.workflowTaskCompletedEventAttributes;
      if (attributes) attributes.sdkMetadata = { coreUsedFlags: [2, 3] };
      return 'it has no flags of a worker';
    },
  },
  {
    title: 'an input was changed',
    alter(events) {
      const called = scheduled(events).find(({ input }) => valuesOf(input).length > 0);
      if (!called) return undefined;
      called.input = withValue([...valuesOf(called.input), { planted: true }]);
      return `the recording calls ${called.activityType.name}.* with args`;
    },
  },
  {
    title: 'a time limit was changed',
    alter(events) {
      const [first] = scheduled(events);
      if (!first) return undefined;
      first.startToCloseTimeout = '1.234s';
      return `the recording calls ${first.activityType.name}.* with startToCloseMs 1234`;
    },
  },
  {
    title: 'a timer was changed',
    alter(events) {
      const timer = events.find((event) => event.timerStartedEventAttributes);
      if (!timer?.timerStartedEventAttributes) return undefined;
      timer.timerStartedEventAttributes.startToFireTimeout = '7.001s';
      return 'the recording waits 7.001 s';
    },
  },
  {
    title: 'its result was changed',
    alter(events) {
      const completed = events.at(-1)?.workflowExecutionCompletedEventAttributes;
      if (!completed) return undefined;
      completed.result = withValue([{ outcome: 'planted' }]);
      return 'the recording ends planted';
    },
  },
];

/** Changes the data of a local call's marker. */
export function alterMarker(event: HistoryEvent, change: Readonly<Record<string, unknown>>): void {
  const [data] = valuesOf(event.markerRecordedEventAttributes?.details?.['data']);
  alterDetail(event, 'data', { ...(data as object), ...change });
}

function alterDetail(event: HistoryEvent, name: string, value: unknown): void {
  const marker = event.markerRecordedEventAttributes;
  if (marker) marker.details = { ...marker.details, [name]: withValue([value]) };
}

const firstLocal = (events: readonly HistoryEvent[]): HistoryEvent | undefined =>
  events.find((event) => localMarkerOf(event));

/** A copy of a recording that was altered, and what must be said about it. */
export interface Altered extends Recording {
  readonly title: string;
  readonly says: string;
}

export function altered(scenario: string, { title, alter }: Alteration): Altered | undefined {
  const recording = aRecording(scenario);
  const says = alter(recording.history.events);
  return says === undefined ? undefined : { ...recording, title, says };
}

const scheduled = (events: readonly HistoryEvent[]): readonly Scheduled[] =>
  events.flatMap(({ activityTaskScheduledEventAttributes: attributes }) => attributes ?? []);

/** Without a hole, so that it is not refused for that alone. */
function renumbered(events: readonly HistoryEvent[]): readonly HistoryEvent[] {
  const numbers = new Map(events.map(({ eventId }, index) => [eventId, String(index + 1)]));
  const text = JSON.stringify(events).replaceAll(
    /("\w*[eE]ventId":)"(\d+)"/g,
    (_all, name: string, id: string) => `${name}"${numbers.get(id) ?? id}"`,
  );
  return JSON.parse(text) as HistoryEvent[]; // As it was, with other numbers.
}

const withValue = (values: readonly unknown[]) => ({
  payloads: values.map((value) => ({
    metadata: { encoding: Buffer.from('json/plain').toString('base64') },
    data: Buffer.from(JSON.stringify(value)).toString('base64'),
  })),
});
