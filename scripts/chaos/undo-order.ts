/**
 * Whether each transaction was taken back in the reverse of the order in which it began, by what its workflow has asked
 * for: the rows of the participants do not tell in which order they came to be.
 */
import { z } from 'zod';

import { activityTypeOf, activityVerbs } from '../../contracts/participants';
import type { Verb } from '../../contracts/verdict';

/** A call that a workflow has asked for, in the order of its history. */
export interface Scheduled {
  /** `<participant>.<activity>`. */
  readonly activity: string;
  readonly key: string;
}

/** The part of a history that is looked at; what `fetchHistory` of the client answers has it. */
interface HistoryOfRun {
  readonly events?:
    | readonly {
        readonly activityTaskScheduledEventAttributes?:
          | {
              readonly activityType?: { readonly name?: string | null } | null;
              readonly input?: {
                readonly payloads?: readonly { readonly data?: Uint8Array | null }[] | null;
              } | null;
            }
          | null
          | undefined;
      }[]
    | null;
}

const keyedSchema = z.array(z.object({ key: z.string() }));

/** Calls without a step key, of locks and jobs, are left out. */
export function scheduledOf({ events }: HistoryOfRun): readonly Scheduled[] {
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: asked }) => {
    const activity = asked?.activityType?.name;
    const data = asked?.input?.payloads?.[0]?.data;
    if (!activity || !data) return [];
    const requests = keyedSchema.safeParse(JSON.parse(new TextDecoder().decode(data)));
    return requests.success ? requests.data.map(({ key }) => ({ activity, key })) : [];
  });
}

const verbs: ReadonlyMap<string, Verb> = new Map(
  Object.entries(activityVerbs).flatMap(([participant, ofParticipant]) =>
    Object.entries(ofParticipant).map(([name, verb]) => [activityTypeOf(participant, name), verb]),
  ),
);

/** @returns how it went wrong; `undefined`: it was not undone at all, or last first. */
export function disorderOf(scheduled: readonly Scheduled[]): string | undefined {
  const acted = firstsOf(scheduled, 'act');
  const undone = firstsOf(scheduled, 'undo').filter((key) => acted.includes(key));
  const wanted = acted.filter((key) => undone.includes(key)).reverse();
  if (undone.every((key, at) => key === wanted[at])) return undefined;
  return `was undone in the order ${undone.join(', ')}; last first is ${wanted.join(', ')}.`;
}

/** Each key once, in the order in which it was first asked for. */
const firstsOf = (scheduled: readonly Scheduled[], verb: Verb): readonly string[] => [
  ...new Set(
    scheduled.filter(({ activity }) => verbs.get(activity) === verb).map(({ key }) => key),
  ),
];
