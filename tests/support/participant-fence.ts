import type { Delivery } from '../../activities/delivery';
import { regionEpoch } from '../../activities/epoch';
import { inertFaultPoints, type FaultPoints } from '../../processes/fault-points';
import { createFence, inertFenceMetrics } from '../../activities/fence';
import type { Fence } from '../../activities/participant';
import type { SqlPool } from '../../activities/sql-transaction';

/** The fence of a participant's database in epoch 1; every call is a delivery of its own, as if just scheduled. */
export function participantFence(
  pool: SqlPool,
  { faults = inertFaultPoints }: { readonly faults?: FaultPoints } = {},
): Fence {
  return createFence({
    pool,
    epochRow: regionEpoch,
    epochs: { carried: () => Promise.resolve(1), forget: () => undefined },
    faults,
    delivery: aDelivery,
    metrics: inertFenceMetrics,
  });
}

export const aDelivery = (): Delivery => ({
  signal: new AbortController().signal,
  deadline: performance.now() + 10_000,
  issuedAt: Date.now(),
  traceparent: null,
});
