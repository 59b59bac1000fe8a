import type { Registry } from 'prom-client';
import { Counter, Histogram } from 'prom-client';

import type { FenceMetrics } from '../../activities/fence/fence';
import type { LockObserver } from '../../activities/locks/activities';
import { partsOfGid, type Gid } from '../../contracts/engine/ids';
import type { HandResolution } from '../../contracts/engine/transaction';
import type { Logger } from '../../runtime/logger';

export interface TransactionMetrics {
  readonly fence: FenceMetrics;
  readonly locks: LockObserver;
  /** Counts an attempt of an activity from its start; the answer is told when it has ended. */
  attempt(activity: string, way: 'local' | 'remote'): (outcome: 'ok' | 'failed') => void;
  /** An attempt failed whose step has been failing for longer than the alarm. */
  stuck(activity: string): void;
  /** A transaction has ended with a step that a person has answered for. */
  resolvedByHand(gid: Gid, resolution: HandResolution): void;
}

export function createTransactionMetrics(registry: Registry, logger: Logger): TransactionMetrics {
  const registers = [registry];
  const verdicts = new Counter({
    name: 'accord_fence_verdicts_total',
    help: 'Deliveries by what the fence saw; `fenced` and `broken` raise an alarm.',
    labelNames: ['activity', 'fence'],
    registers,
  });
  const sqlRetries = new Counter({
    name: 'accord_sql_retries_total',
    help: 'SQL transactions that were tried again, by the error number of MySQL.',
    labelNames: ['activity', 'errno'],
    registers,
  });
  const staleEpochs = new Counter({
    name: 'accord_stale_epochs_total',
    help: 'Deliveries that were refused because the epoch that they carry is not that of the database.',
    labelNames: ['activity'],
    registers,
  });
  const lockFallbacks = new Counter({
    name: 'accord_lock_fallback_total',
    help: 'Lock calls that Redis did not answer: the transaction went on without isolation.',
    labelNames: ['operation'],
    registers,
  });
  const stuck = new Counter({
    name: 'accord_stuck_attempts_total',
    help: 'Failed attempts of steps that have been failing for longer than the stuck alarm.',
    labelNames: ['activity'],
    registers,
  });
  const resolvedByHand = new Counter({
    name: 'accord_steps_resolved_by_hand_total',
    help: 'Steps of ended transactions that a person has answered for: `skip` is at risk until it is booked.',
    labelNames: ['flow', 'decision'],
    registers,
  });
  const attempts = new Histogram({
    name: 'accord_activity_attempt_seconds',
    help: 'Attempts of activities by outcome, as local or remote activities.',
    labelNames: ['activity', 'way', 'outcome'],
    buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10],
    registers,
  });
  return {
    fence: {
      verdict(activity, { gid, branch, fence }) {
        verdicts.inc({ activity, fence });
        if (fence === 'fenced' || fence === 'broken') {
          logger.warn({ activity, fence, gid, branch }, 'The fence refused a delivery.');
        }
      },
      sqlRetry: (activity, errno) => sqlRetries.inc({ activity, errno: String(errno) }),
      staleEpoch: (activity) => staleEpochs.inc({ activity }),
    },
    locks: {
      unavailable: (operation) => lockFallbacks.inc({ operation }),
      outageBegan: (error) =>
        logger.warn({ err: error }, 'Redis is away: transactions go on without isolation.'),
      outageEnded: () => logger.info('Redis is back: locks are taken again.'),
    },
    attempt(activity, way) {
      const started = attempts.startTimer({ activity, way });
      return (outcome) => void started({ outcome });
    },
    stuck: (activity) => stuck.inc({ activity }),
    resolvedByHand(gid, { step, decision, by }) {
      resolvedByHand.inc({ flow: partsOfGid(gid)?.flow ?? '', decision });
      logger.warn({ gid, step, decision, by }, 'A transaction has ended in part by hand.');
    },
  };
}
