/** All places with fault points, of all processes. With one list, all processes may get the same FAULTS. */
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

/** Operations without a fence row: rows of `accord.runs` guard themselves. */
const withoutFence = ['accord.moveRun', 'accord.endRun', 'accord.leaveBatch'];
const locks = ['acquireLock', 'renewLock', 'releaseLock'];

/** Operations without a SQL fence: each brings about a state and verifies it. */
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
  // `afterCommit`: Redis has answered, or does not answer.
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

/** Faults that a process arms. */
export interface FaultsConfig {
  readonly text: string;
  readonly seed: number;
  readonly marks: string | undefined;
}

/** @throws an error that names the part of FAULTS that cannot be parsed. */
export function checkFaults({ text, seed }: FaultsConfig): void {
  parseFaults(text, { seed, places: faultMenu() });
}

/**
 * The fault points of this process, already checked. Each fault that fires writes one line to the log before its
 * effect.
 */
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
