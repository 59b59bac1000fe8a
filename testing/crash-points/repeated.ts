/** What a history tells of calls that failed, and of calls that came again. */
import { localMarkerOf, type LocalMarker } from '../replay/calls';
import type { History } from '../replay/history';

/** Activities that were called after the first call had failed for good, in the order of the history. */
export function calledBehindFailure({ events }: History): readonly string[] {
  const failedAt = events.findIndex((event) => event.activityTaskFailedEventAttributes);
  return failedAt < 0 ? [] : events.slice(failedAt + 1).flatMap((event) => calledIn(event) ?? []);
}

/**
 * Whether a call of the activity was repeated: as another attempt, as a remote call after a local one without an answer,
 * or with its workflow task, which died with its worker.
 */
export function wasRepeated({ events }: History, activity: string): boolean {
  const calls = events.filter((event) => calledIn(event) === activity);
  const ids = new Set(calls.map(({ eventId }) => eventId));
  return events.some((event) => {
    const started = event.activityTaskStartedEventAttributes;
    const isAnotherAttempt =
      started !== undefined && ids.has(started.scheduledEventId) && started.attempt > 1;
    const marker = localMarkerOf(event);
    const isUnanswered = marker?.activity === activity && isFailed(marker);
    const isTaskLost = event.workflowTaskTimedOutEventAttributes !== undefined;
    return isAnotherAttempt || isUnanswered || isTaskLost;
  });
}

const calledIn = (event: History['events'][number]): string | undefined =>
  event.activityTaskScheduledEventAttributes?.activityType.name ?? localMarkerOf(event)?.activity;

const isFailed = (marker: LocalMarker | undefined): boolean =>
  marker !== undefined && marker.result === undefined;
