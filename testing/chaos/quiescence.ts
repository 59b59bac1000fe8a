/** Waits until nothing is under way any more: no open transaction, no unpublished event, no view that lags. */
import { databases } from '../../runtime/databases/shop';
import { pause, reasonOf } from '../../runtime/waiting';
import type { IsolatedEnvironment } from '../environment/isolated-environment';
import type { ApiClient } from './http';

/** What is still under way, a sentence each; empty: quiet. */
export type Unrest = readonly string[];

const lookEveryMs = 300;
const shownMax = 5;

/**
 * Payments whose caller never heard that a person must look at them.
 * @param reviewer of another person than the one who started them.
 */
export async function finishReviews(
  isolated: IsolatedEnvironment,
  reviewer: ApiClient,
): Promise<void> {
  const waiting = await isolated.sql<{ reference: string }>(
    'accord',
    `SELECT reference FROM runs WHERE flow = 'payment' AND early_status = 'review' AND ended_at IS NULL`,
  );
  for (const { reference } of waiting) {
    await reviewer.call('POST', `/v1/payments/${reference}/review`, {
      key: `last-review-${reference}`,
      body: { decision: 'approve', note: 'The run is over.' },
    });
  }
}

export async function untilQuiet(
  isolated: IsolatedEnvironment,
  reviewer: ApiClient,
  withinMs: number,
): Promise<Unrest> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const unrest = await unrestOf(isolated, reviewer).catch((error: unknown) => [reasonOf(error)]);
    if (unrest.length === 0 || Date.now() > deadline) return unrest;
    await pause(lookEveryMs);
  }
}

async function unrestOf(isolated: IsolatedEnvironment, reviewer: ApiClient): Promise<Unrest> {
  await finishReviews(isolated, reviewer);
  const open = await isolated.sql<{ gid: string; state: string; step: string | null }>(
    'accord',
    `SELECT gid, state, step FROM runs WHERE ended_at IS NULL AND state <> 'parked'`,
  );
  const unpublished = await Promise.all(
    databases.map(async (database) => {
      const [{ n } = { n: '0' }] = await isolated.sql<{ n: string }>(
        database,
        'SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL',
      );
      return Number(n) === 0 ? [] : [`${n} events of ${database} are not published`];
    }),
  );
  const stale = await isolated.sql<{ order_id: string }>(
    'orders',
    `SELECT o.order_id FROM orders o LEFT JOIN order_views v
       ON v.order_id = o.order_id AND v.version = o.version AND v.status = o.status
       WHERE v.order_id IS NULL LIMIT ?`,
    [shownMax],
  );
  return [
    ...open
      .slice(0, shownMax)
      .map(({ gid, state, step }) => `${gid} is ${state} at ${step ?? '?'}`),
    ...(open.length > shownMax ? [`${open.length} transactions are open`] : []),
    ...unpublished.flat(),
    ...stale.map(({ order_id }) => `the view of ${order_id} lags`),
  ];
}
