/** Every place that has fault points, in whatever process: one menu, so that the same FAULTS may be given to all of them. */
import { application } from '../../contracts/engine/application';
import {
  faultPoints,
  inertFaultPoints,
  parseFaults,
  type DeliveryPoints,
  type FaultPlace,
  type FaultPoint,
} from './points';
import type { Logger } from '../logger';

/** Rows of `accord.runs` guard themselves: there is no fence row that could be entered. */
const withoutFence = ['accord.moveRun', 'accord.endRun'];
const locks = ['acquireLock', 'renewLock', 'releaseLock'];

/** No fence of SQL: each makes something so, and looks whether it is. */
const madeSo = 'regions.';

const pointsOf = (activity: string): readonly FaultPoint[] => {
  if (activity.startsWith(madeSo)) return ['before', 'beforeAck'];
  return faultPoints.filter((point) => point !== 'entered' || !withoutFence.includes(activity));
};

const delivery = (name: string, points: readonly FaultPoint[]): FaultPlace => ({
  name,
  points,
  isDelivery: true,
});

export const faultMenu = (): readonly FaultPlace[] => [
  ...[...application().operations.keys()].map((name) => delivery(name, pointsOf(name))),
  // `afterCommit`: Redis has answered, or is away.
  ...locks.map((name) => delivery(name, ['before', 'afterCommit', 'beforeAck'])),
  // Validated · claim of the key under way · row committed · run started, and the caller has no answer.
  delivery('api.start', ['before', 'begun', 'afterCommit', 'beforeAck']),
  // Read from the outbox · in Kafka, not yet marked · marked.
  delivery('relay.publish', ['before', 'beforeCommit', 'afterCommit']),
  // Read from Kafka · applied, its offset not yet committed · committed.
  delivery('consumer.order-view', ['before', 'beforeAck', 'afterCommit']),
  // Drained, and still there.
  { name: 'worker.shutdown', points: ['beforeAck'], isDelivery: false },
];

/** What a process is told to arm. */
export interface FaultsConfig {
  readonly text: string;
  readonly seed: number;
  readonly marks: string | undefined;
}

/** @throws an error that names the part of FAULTS that is not understood. */
export function checkFaults({ text, seed }: FaultsConfig): void {
  parseFaults(text, { seed, places: faultMenu() });
}

/** The fault points of this process, as they were checked; each that fires is one line of its log, written before it strikes. */
export function armFaults({ text, seed, marks }: FaultsConfig, logger: Logger): DeliveryPoints {
  if (text === '') return inertFaultPoints;
  logger.warn({ faults: text }, 'Faults are armed.');
  return parseFaults(text, {
    seed,
    places: faultMenu(),
    marks,
    onFired: (fired) => logger.warn(fired, 'Fault fired.'),
  });
}
