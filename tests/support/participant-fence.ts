import type { Delivery } from '../../activities/fence/delivery';
import { regionEpoch } from '../../activities/fence/epoch';
import { inertFaultPoints, type FaultPoints } from '../../runtime/faults/points';
import { createFence, inertFenceMetrics } from '../../activities/fence/fence';
import type { Fence } from '../../activities/fence/participant';
import type { SqlPool } from '../../activities/fence/sql-transaction';

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
  deadline: performance.now() + 60_000,
  issuedAt: Date.now(),
  traceparent: null,
});
