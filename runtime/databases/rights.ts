/**
 * Who may do what in which table: each user the least that its process needs. Here stand the tables that every database
 * has, and those of `accord`; what is not named is a table of the business, whose rights the application declares.
 */
export const read = 'SELECT';
export const append = 'SELECT, INSERT';
export const change = 'SELECT, INSERT, UPDATE';

/** Rights on one table of a database; `undefined`: none. */
export type Rights = (table: string, database: string) => string | undefined;

/** Rights on the business tables of one participant. */
export interface BusinessRights {
  /** Rights of a transaction worker. */
  readonly worker: (table: string) => string | undefined;
  /** Rights of the user that compares them, whose findings the API shows to operators. */
  readonly checks: (table: string) => string | undefined;
}

/** Rights of a participant that declares none. */
export const defaultRights: BusinessRights = {
  worker: () => `${change}, DELETE`,
  checks: () => read,
};

/** Rights of a transaction worker in the database of its participant. */
export const workerRights =
  (business: BusinessRights['worker']): Rights =>
  (table) => {
    switch (table) {
      case 'schemaversion':
      case 'outbox_leases':
        return undefined;
      case 'region_epoch': // Moved by a promotion alone, which is an administrator's.
        return read;
      case 'fence': // A fresh row goes where a refusal is not recorded.
        return `${change}, DELETE`;
      case 'outbox':
        return append;
      case 'books_position':
        return change;
      default:
        return business(table);
    }
  };

/** In `accord` a worker decides and moves runs; keys and audit are the API's. */
export const accordWorkerRights: Rights = (table) => {
  switch (table) {
    case 'runs': // A scheduled settlement is accepted by the worker.
    case 'findings':
      return change;
    case 'fence':
      return `${change}, DELETE`;
    case 'outbox':
      return append;
    case 'cluster_state':
      return read;
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

/** What the checks compare: names, states and sums, never what anybody wrote. @param businessOf by database. */
export const checkRights =
  (businessOf: (database: string) => BusinessRights['checks']): Rights =>
  (table, database) => {
    switch (table) {
      case 'fence':
        return 'SELECT (gid, branch, state, reserves, epoch, created_at, expires_at)';
      case 'outbox':
        return 'SELECT (id, event_id, gid, branch, op, aggregate_id, sequence, created_at, published_at)';
      case 'schemaversion':
      case 'region_epoch':
      case 'cluster_state':
        return read;
      case 'runs': // With the steps that persons have answered for.
        if (database === 'accord')
          return 'SELECT (gid, state, by_hand, resolved_by_hand, ended_at)';
        return businessOf(database)(table);
      case 'outbox_leases':
      case 'books_position':
        return undefined;
      default:
        return database === 'accord' ? undefined : businessOf(database)(table);
    }
  };

/** The failover worker coordinates its own runs, and is the one that moves the cluster's row. */
export const failoverRights: Rights = (table, database) => {
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
      return accordWorkerRights(table, database);
  }
};
