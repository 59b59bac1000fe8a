import { AsyncLocalStorage } from 'node:async_hooks';

import type { Context } from '@temporalio/activity';

import type { Delivery } from '../../activities/fence/delivery';

/** A local attempt has 1.5 s, and its answer does not travel. */
const localCommitReserveMs = 200;

const deliveries = new AsyncLocalStorage<Delivery>();

/** The delivery that is being served; stores ask for it, so that no activity has to hand it on. */
export function currentDelivery(): Delivery {
  const delivery = deliveries.getStore();
  if (!delivery) throw new Error('There is a delivery only while an activity runs.');
  return delivery;
}

/** Runs an attempt with its delivery: how old it is, and how much time is left on the monotonic clock. */
export const withDelivery = <Result>(
  context: Context,
  attempt: () => Promise<Result>,
): Promise<Result> =>
  deliveries.run(
    {
      issuedAt: context.info.currentAttemptScheduledTimestampMs,
      deadline: performance.now() + context.info.startToCloseTimeoutMs,
      signal: abandonedSignal(context),
      ...(context.info.isLocal && { commitReserveMs: localCommitReserveMs }),
      traceparent: null,
    },
    attempt,
  );

/**
 * The signal aborts when the answer is no longer awaited. A cancel does not abort it. The workflow waits for a short
 * SQL transaction, because a known outcome is worth more than a quick one.
 */
function abandonedSignal(context: Context): AbortSignal {
  const abandoned = new AbortController();
  const { cancellationSignal } = context;
  cancellationSignal.addEventListener('abort', () => {
    const details = context.cancellationDetails;
    if (details?.timedOut || details?.notFound) abandoned.abort(cancellationSignal.reason);
  });
  return abandoned.signal;
}
