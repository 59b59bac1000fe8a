/** Who may do what in which table: each user the least that its process needs. */
export const read = 'SELECT';
const append = 'SELECT, INSERT';
const change = 'SELECT, INSERT, UPDATE';

/** Rights on one table; `undefined`: none. */
export type Rights = (table: string) => string | undefined;

/**
 * Rights of a transaction worker in the database of its participant. Tables that are not named here belong to the
 * business.
 */
export const workerRights: Rights = (table) => {
  switch (table) {
    case 'schemaversion':
    case 'outbox_leases':
      return undefined;
    case 'region_epoch': // Moved by a promotion alone, which is an administrator's.
    case 'cluster_state':
    case 'payment_transitions':
      return read;
    case 'fence': // A fresh row goes where a refusal is not recorded.
      return `${change}, DELETE`;
    case 'outbox':
    case 'ledger_entries':
    case 'payment_audit':
    case 'blocked_accounts': // A block is lifted by an administrator.
    case 'events':
      return append;
    case 'merchant_movements':
      return `${append}, UPDATE (settlement_id, settlement_page)`;
    case 'order_views': // The consumer's.
    case 'consumed':
    case 'dead_letters':
      return undefined;
    default:
      return change;
  }
};

/** In `accord` a worker decides and moves runs; keys and audit are the API's. */
export const accordWorkerRights: Rights = (table) => {
  switch (table) {
    case 'runs': // A scheduled settlement is accepted by the worker.
    case 'findings':
      return change;
    case 'fence':
    case 'outbox':
    case 'cluster_state':
      return workerRights(table);
    default:
      return undefined;
  }
};

export const relayRights: Rights = (table) => {
  switch (table) {
    case 'outbox':
      return 'SELECT, UPDATE (published_at), DELETE'; // What was published long ago is forgotten.
    case 'outbox_leases':
      return change; // The first relay adds the seats.
    case 'cluster_state': // It names the active region.
      return read;
    default:
      return undefined;
  }
};

export const consumerRights: Rights = (table) => {
  switch (table) {
    case 'order_views':
    case 'dead_letters':
      return change;
    case 'consumed':
      return append;
    default:
      return undefined;
  }
};

export const apiRights: Rights = (table) => {
  switch (table) {
    case 'runs':
    case 'heartbeats':
      return change;
    case 'api_keys': // Whose it is, who made it and what it may stays as it was made.
      return 'SELECT, INSERT, UPDATE (revoked_at, last_used_at)';
    case 'approvals': // What was asked, and by whom, stays as it was asked.
      return 'SELECT, INSERT, DELETE, UPDATE (state, decided_by, decided_people, decided_at, note, closed_at, open_digest)';
    case 'steering_calls':
      return 'SELECT, INSERT, DELETE, UPDATE (request, fields, claim, claimed_at, status, answer, expires_at)';
    case 'audit':
    case 'outbox':
      return append;
    case 'cluster_state': // It numbers switches; a failover worker alone moves the regions.
      return 'SELECT, UPDATE (sequence)';
    case 'watch_policies':
      return change;
    case 'fence':
    case 'regions':
    case 'cluster_heartbeats':
    case 'region_sights':
    case 'service_health':
    case 'watch_events':
      return read;
    default:
      return undefined;
  }
};

export const apiOrdersRights: Rights = (table) => (table === 'order_views' ? read : undefined);

/** What the API shows of accounts, and what it looks at before it accepts. */
export const apiAccountsRights: Rights = (table) => {
  switch (table) {
    case 'accounts':
    case 'ledger_entries':
    case 'payments':
    case 'refunds':
    case 'risk_assessments':
    case 'payment_reviews':
    case 'settlements':
    case 'settlement_positions':
    case 'merchant_movements':
      return read;
    default:
      return undefined;
  }
};

export const apiInventoryRights: Rights = (table) => (table === 'stock' ? read : undefined);

export const apiCouponsRights: Rights = (table) => (table === 'coupons' ? read : undefined);

/** What the checks compare, which the API shows to operators: names, states and sums, never what anybody wrote. */
export const apiBooksRights: Rights = (table) => {
  switch (table) {
    case 'fence':
      return 'SELECT (gid, branch, state, reserves, epoch, created_at, expires_at)';
    case 'outbox':
      return 'SELECT (id, event_id, gid, branch, op, aggregate_id, sequence, created_at, published_at)';
    case 'runs': // With the steps that persons have answered for.
      return 'SELECT (gid, state, by_hand, resolved_by_hand, ended_at)';
    case 'payments':
      return 'SELECT (payment_id, status, amount, captured, refunding, refunded, charging_back, charged_back, gid, branch)';
    case 'refunds':
      return 'SELECT (payment_id, kind, state, amount, gid, branch)';
    case 'orders':
      return 'SELECT (order_id, gid, branch, status, amount_minor, discount_minor)';
    case 'events':
      return 'SELECT (aggregate_id, version)';
    case 'order_views':
      return 'SELECT (order_id, version)';
    case 'schemaversion':
    case 'region_epoch':
    case 'cluster_state':
    case 'accounts':
    case 'account_sums':
    case 'ledger_entries':
    case 'holds':
    case 'credits':
    case 'merchant_movements':
    case 'settlements':
    case 'settlement_positions':
    case 'stock':
    case 'stock_sums':
    case 'reservations':
    case 'coupons':
    case 'coupon_sums':
    case 'coupon_reservations':
    case 'order_lines':
    case 'consumed':
      return read;
    default:
      return undefined;
  }
};

/** The failover worker coordinates its own runs, and is the one that moves the cluster's row. */
export const failoverRights: Rights = (table) => {
  switch (table) {
    case 'cluster_state':
    case 'regions':
    case 'cluster_heartbeats':
    case 'region_sights':
    case 'service_health':
      return change;
    case 'watch_policies': // A person's.
      return read;
    case 'outbox': // What the lost region's Kafka had is published again.
      return 'SELECT, INSERT, UPDATE (published_at)';
    case 'watch_events':
    case 'region_decisions': // Once, and for good.
    case 'approvals': // It asks, and never decides.
      return append;
    default:
      return accordWorkerRights(table);
  }
};

/** Rights of the user that proves that a region takes writes, from any vantage point: only this proof. */
export const watchRights: Rights = (table) => {
  switch (table) {
    case 'heartbeat':
      return change;
    case 'region_epoch':
      return read;
    default:
      return undefined;
  }
};

export const verifyRights: Rights = () => read;
