/**
 * Crash points, enumerated and never sampled: what a flow calls is read from its recorded history, what it calls to
 * undo from a rehearsal, so a new step adds its cases by itself.
 */
import { shop } from '../../contracts/shop';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Flow } from '../../contracts/engine/ids';
import { activityTypeOf } from '../../contracts/engine/definition';
import { faultMenu } from '../../runtime/faults/menu';
import type { FaultPoint } from '../../runtime/faults/points';
import { callsIn } from '../replay/calls';
import { parseHistory } from '../replay/history';
import { checkout } from '../stack/config';
import { plantedFaults } from './planted';

/** A flow, and the scenario of its recording that goes straight through. */
const recordings = {
  order: { flow: 'order', scenario: 'order-completed' },
  'order-coupon': { flow: 'order', scenario: 'order-coupon-completed' },
  checkout: { flow: 'checkout', scenario: 'checkout-completed' },
  transfer: { flow: 'transfer', scenario: 'transfer-completed' },
  payment: { flow: 'payment', scenario: 'payment-completed' },
  refund: { flow: 'refund', scenario: 'refund-completed' },
  settlement: { flow: 'settlement', scenario: 'settlement-completed' },
} as const satisfies Readonly<Record<string, { readonly flow: Flow; readonly scenario: string }>>;

export type Way = keyof typeof recordings;
export const ways = Object.keys(recordings) as Way[]; // The keys of the constant above.
export const flowOf = (way: Way): Flow => recordings[way].flow;

/**
 * `kill`: SIGKILL of the worker while the delivery is at the point. `throw-retryable`: the attempt fails there.
 * `zombie`: the worker is stopped there until the undo has finished elsewhere, then goes on. `stall`: the worker is
 * stopped there until another one has taken the workflow task over and ended the transaction, then goes on.
 */
export const crashes = ['kill', 'throw-retryable', 'zombie', 'stall'] as const;
export type Crash = (typeof crashes)[number];

/** Crashes whose worker is stopped, and goes on. */
export const isStop = (crash: Crash): boolean => crash === 'zombie' || crash === 'stall';

export interface CrashPoint {
  readonly way: Way;
  /** An act that is made to fail for good, so that the flow is undone; `null`: it goes forward. */
  readonly planted: string | null;
  readonly activity: string;
  readonly point: FaultPoint;
  readonly crash: Crash;
}

export const textOf = ({ way, planted, activity, point, crash }: CrashPoint): string =>
  `${way}${planted === null ? '' : `, ${planted} fails`}: ${crash} at ${activity}:${point}`;

/** What the recorded flow calls, in its order, each once. */
export function recordedActivities(way: Way): readonly string[] {
  const folder = join(checkout, 'tests', 'replay', 'histories');
  const wanted = new RegExp(`^[\\d.]+-${recordings[way].scenario}\\.json$`);
  const newest = readdirSync(folder)
    .filter((file) => wanted.test(file))
    .sort()
    .at(-1);
  if (newest === undefined) throw new Error(`${recordings[way].scenario} is not recorded.`);
  const history = parseHistory(readFileSync(join(folder, newest), 'utf8'));
  return [...new Set(callsIn(history).map(({ activity }) => activity))];
}

/** Acts whose failure undoes the flow: those of steps with an undo, and the one that decides it. */
export function plantedActs(way: Way): readonly string[] {
  const undoable = shop.stepsOfFlow(flowOf(way)).filter(({ kind }) => kind !== 'retriable');
  const acts = new Set(undoable.map(({ participant, act }) => activityTypeOf(participant, act)));
  return recordedActivities(way).filter((name) => acts.has(name));
}

export function pointsOf(activity: string): readonly FaultPoint[] {
  const place = faultMenu().find(({ name }) => name === activity);
  if (!place) throw new Error(`${activity} has no fault points.`);
  return place.points;
}

/** What it asks of the fence; a lock asks nothing. */
export const verbOf = (activity: string): string | undefined => shop.operations.get(activity)?.verb;

/** Which of them are played; left out: all. */
export interface Only {
  /** Where they crash, by activity type. */
  readonly activities?: readonly string[];
  readonly points?: readonly FaultPoint[];
  readonly crashes?: readonly Crash[];
}

/**
 * @param called what is called after this act was made to fail, by act: of a rehearsal.
 */
export function crashPointsOf(
  way: Way,
  called: ReadonlyMap<string, readonly string[]>,
  only: Only = {},
): readonly CrashPoint[] {
  const at = (planted: string | null, activity: string): readonly CrashPoint[] =>
    pointsOf(activity).flatMap((point) =>
      (['kill', 'throw-retryable'] as const).map((crash) => ({
        way,
        planted,
        activity,
        point,
        crash,
      })),
    );
  const planted = plantedActs(way);
  const points = [
    ...recordedActivities(way).flatMap((activity) => at(null, activity)),
    ...planted.flatMap((act, k) =>
      (called.get(act) ?? [])
        // What every undone run calls besides, once: behind the last act.
        .filter((name) => isUndoing(name) || k === planted.length - 1)
        .flatMap((activity) => at(act, activity)),
    ),
    ...zombiesOf(way),
    ...stallsOf(way),
  ];
  return points.filter(
    ({ activity, point, crash }) =>
      (only.activities?.includes(activity) ?? true) &&
      (only.points?.includes(point) ?? true) &&
      (only.crashes?.includes(crash) ?? true),
  );
}

const isUndoing = (activity: string): boolean => ['undo', 'seal'].includes(verbOf(activity) ?? '');

/** Each act that has an undo, held while the next one fails and all is undone. */
function zombiesOf(way: Way): readonly CrashPoint[] {
  return plantedActs(way).flatMap((activity, k, acts) => {
    const planted = acts[k + 1];
    if (planted === undefined) return []; // The act that decides is sealed, never undone.
    return pointsOf(activity).map((point) => ({ way, planted, activity, point, crash: 'zombie' }));
  });
}

/** Where a stalled call matters: about to commit, and behind it, where its answer is not on its way yet. */
const stallPoints: ReadonlySet<FaultPoint> = new Set<FaultPoint>(['beforeCommit', 'afterCommit']);

/** Each local call of a transaction that is completed: the coordinator that wakes up is the second one. */
function stallsOf(way: Way): readonly CrashPoint[] {
  return recordedActivities(way).flatMap((activity) =>
    pointsOf(activity)
      .filter((point) => stallPoints.has(point) && activity.includes('.')) // Locks are taken by remote calls.
      .map((point) => ({ way, planted: null, activity, point, crash: 'stall' as const })),
  );
}

/** How long a delivery waits at its point. The worker is killed or stopped before. */
const stopMs = 2_500;

/** What is armed for one transaction. */
export interface Faults {
  readonly crash: string;
  readonly planted: readonly string[];
  /** Fails the local attempt of a zombie: only a remote one goes on elsewhere while its worker is stopped. */
  readonly remote: string | null;
}

/** The faults of the transaction of this reference. */
export function faultsOf(
  { planted, activity, point, crash }: CrashPoint,
  reference: string,
): Faults {
  const delay = `delay=${stopMs}`;
  const kind = { kill: 'hang', 'throw-retryable': crash, zombie: delay, stall: delay }[crash];
  return {
    crash: `${activity}:${point}:${kind}:of=${reference}`,
    planted: planted === null ? [] : plantedFaults(planted, reference),
    remote: crash === 'zombie' ? `${activity}:before:throw-retryable:of=${reference}` : null,
  };
}
