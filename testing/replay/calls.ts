/** Calls of activities in a history: local ones, which leave a marker, and remote ones. */
import { z } from 'zod';

import { valueOf, valuesOf, type History, type HistoryEvent } from './history';
import { stepKeyOf } from '../../contracts/engine/ids';

/** One call, as the workflow has asked for it. */
export interface HistoryCall {
  /** `<participant>.<activity>`. */
  readonly activity: string;
  /** Step keys of its items; none of a call without items, such as that of a lock or a job. */
  readonly keys: readonly string[];
  readonly isLocal: boolean;
  /** What the Temporal UI shows of the call: its step and transaction. */
  readonly summary: unknown;
  /** Verdicts of the set; `undefined`: it had no answer, or is remote. */
  readonly verdicts: readonly unknown[] | undefined;
}

/** A marker of a local activity, in the form of the SDK's core. */
export interface LocalMarker {
  /** Number of the local activity in its run, in the order of the calls. */
  readonly seq: number;
  readonly activity: string;
  /** What the Temporal UI shows of the call. */
  readonly summary: unknown;
  /** What the activity returned; `undefined`: it failed. */
  readonly result: unknown;
}

const dataSchema = z.object({ seq: z.number(), activity_type: z.string() });

export function localMarkerOf(event: HistoryEvent): LocalMarker | undefined {
  const { markerRecordedEventAttributes: marker } = event;
  if (marker?.markerName !== 'core_local_activity') return undefined;
  const [data] = valuesOf(marker.details?.['data']);
  const { seq, activity_type: activity } = dataSchema.parse(data);
  const [result] = valuesOf(marker.details?.['result']);
  return { seq, activity, summary: valueOf(event.userMetadata?.summary ?? {}), result };
}

/** Local activities in the order of their calls. Their markers stand in the order in which they ended. */
export const localMarkersOf = ({ events }: History): readonly LocalMarker[] =>
  events.flatMap((event) => localMarkerOf(event) ?? []).sort((one, other) => one.seq - other.seq);

/**
 * Calls in the order in which the workflow asked for them. A local call that failed has no verdicts: its keys are those
 * of the remote call that repeats it.
 */
export function callsIn(history: History): readonly HistoryCall[] {
  const remote = history.events.flatMap((event) => remoteCallOf(event) ?? []);
  const repeats = [...remote];
  const local = localMarkersOf(history).map(({ activity, summary, result }): HistoryCall => {
    if (Array.isArray(result))
      return { activity, keys: keysOfVerdicts(result), isLocal: true, verdicts: result, summary };
    const at = repeats.findIndex((call) => call.activity === activity && call.summary === summary);
    const [repeat] = at < 0 ? [] : repeats.splice(at, 1);
    return { activity, keys: repeat?.keys ?? [], isLocal: true, verdicts: undefined, summary };
  });
  return [...local, ...remote];
}

const keyedSchema = z.array(z.object({ key: z.string() }));
const namedSchema = z.object({ gid: z.string(), branch: z.string() });

function remoteCallOf(event: HistoryEvent): HistoryCall | undefined {
  const { activityTaskScheduledEventAttributes: asked } = event;
  if (!asked) return undefined;
  const requests = keyedSchema.safeParse(valuesOf(asked.input)[0]);
  return {
    activity: asked.activityType.name,
    keys: requests.success ? requests.data.map(({ key }) => key) : [],
    isLocal: false,
    verdicts: undefined,
    summary: valueOf(event.userMetadata?.summary ?? {}),
  };
}

const keysOfVerdicts = (verdicts: readonly unknown[]): readonly string[] =>
  verdicts.flatMap((verdict) => {
    const named = namedSchema.safeParse(verdict);
    return named.success ? [stepKeyOf(named.data.gid, named.data.branch)] : [];
  });
