import type { SqlTransaction } from '../../../activities/fence/participant';
import { inSqlTransaction, type SqlPool } from '../../../activities/fence/sql-transaction';
import type { OrderViewChange } from './view';

export interface OrderViewStore {
  /**
   * Applies the changes whose event was not consumed before, in one SQL transaction with the note that it is now: a
   * crash in between does both or neither. Events of one order may come in any order; the highest version stands.
   *
   * @returns how many were new.
   */
  apply(changes: readonly OrderViewChange[]): Promise<number>;
}

/** Time limit of one call and its tries; the caller waits out an outage. */
const callMs = 8_000;

/** @param consumer the name that events are consumed under. */
export function createOrderViewStore({
  pool,
  consumer,
}: {
  readonly pool: SqlPool;
  readonly consumer: string;
}): OrderViewStore {
  return {
    apply(changes) {
      const budget = {
        signal: new AbortController().signal,
        deadline: performance.now() + callMs,
      };
      return inSqlTransaction(pool, budget, async (sql) => {
        const fresh = await notConsumed(sql, consumer, changes);
        if (fresh.length === 0) return 0;
        await markConsumed(sql, consumer, fresh);
        await upsertViews(sql, fresh);
        return fresh.length;
      });
    },
  };
}

/** Each event once, also where the set itself brings it twice. */
async function notConsumed(
  sql: SqlTransaction,
  consumer: string,
  changes: readonly OrderViewChange[],
): Promise<readonly OrderViewChange[]> {
  if (changes.length === 0) return [];
  const byEvent = new Map(changes.map((change) => [change.eventId, change]));
  const rows = await sql.select<{ readonly event_id: string }>(
    'SELECT event_id FROM consumed WHERE consumer = ? AND event_id IN (?)',
    [consumer, [...byEvent.keys()]],
  );
  for (const { event_id } of rows) byEvent.delete(event_id);
  return [...byEvent.values()];
}

/**
 * Plain INSERT: a second consumer that applies the same event at this moment (a rebalance that the first has not seen)
 * makes it fail with 1062, and the repeated call finds the row.
 */
async function markConsumed(
  sql: SqlTransaction,
  consumer: string,
  changes: readonly OrderViewChange[],
): Promise<void> {
  const eventIds = changes.map(({ eventId }) => eventId).sort();
  await sql.change('INSERT INTO consumed (consumer, event_id) VALUES ?', [
    eventIds.map((eventId) => [consumer, eventId]),
  ]);
}

/** Rows in key order, as locks want it. An order that comes twice is taken in turn by the server. */
async function upsertViews(
  sql: SqlTransaction,
  changes: readonly OrderViewChange[],
): Promise<void> {
  const rows = changes
    .toSorted((one, other) => (one.orderId < other.orderId ? -1 : 1))
    .map(({ orderId, tenant, status, version, asOf, facts }) => [
      orderId,
      tenant,
      status,
      version,
      asOf,
      facts?.customerId ?? null,
      facts?.amount.currency ?? null,
      facts?.amount.minorUnits ?? null,
      facts && JSON.stringify(facts.lines),
    ]);
  await sql.change(upsert, [rows]);
}

/** Status and time of the newest event; the facts of whichever brings them. The version last: MySQL assigns in turn. */
const upsert = `INSERT INTO order_views
    (order_id, tenant, status, version, as_of, customer_id, currency, amount_minor, \`lines\`) VALUES ? AS seen
  ON DUPLICATE KEY UPDATE
    status = IF(seen.version > order_views.version, seen.status, order_views.status),
    as_of = IF(seen.version > order_views.version, seen.as_of, order_views.as_of),
    customer_id = COALESCE(order_views.customer_id, seen.customer_id),
    currency = COALESCE(order_views.currency, seen.currency),
    amount_minor = COALESCE(order_views.amount_minor, seen.amount_minor),
    \`lines\` = COALESCE(order_views.\`lines\`, seen.\`lines\`),
    version = GREATEST(order_views.version, seen.version)`;
