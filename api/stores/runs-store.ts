import type { Gid, Tenant } from '../../contracts/engine/ids';
import type { Booking } from '../../contracts/engine/resolutions';
import type { Position } from '../http/cursor';
import type { Database } from './database';
import {
  acceptRun,
  acceptRuns,
  findClaimsOfKeys,
  type Acceptance,
  type KeyedRequest,
  type NewRun,
} from './runs/acceptance';
import { attention } from './runs/attention';
import { bookRun, cancelUnsent } from './runs/by-hand';
import type { RunFilter } from './runs/filter';
import { countRuns, listRuns } from './runs/lists';
import { together } from './together';
import { findInput, findRuns, glance, type RunKey, type RunRow } from './runs/rows';
import {
  backlog,
  claimOwner,
  claimSending,
  confirmEnded,
  confirmStarts,
  dueOwners,
  giveBackSending,
  giveBackUnsent,
  type SentStart,
} from './runs/sending';

/**
 * Rows of `accord.runs` as the API claims, reads and starts them; workflows move them through `RunsActivities`. What each
 * promises stands beside it, in `runs/`.
 *
 * @param cluster whose region and epoch a new row bears.
 */
export function createRunsStore(database: Database, cluster: string) {
  const findRow = together((keys: readonly RunKey[]) => findRuns(database, keys));
  const claimOf = together((requests: readonly KeyedRequest[]) =>
    findClaimsOfKeys(database, requests),
  );
  return {
    accept: (run: NewRun) => acceptRun(database, cluster, run, { isSent: false }),
    acceptSet: (runs: readonly NewRun[], acceptance: Acceptance) =>
      acceptRuns(database, cluster, runs, acceptance),
    findClaim: (request: KeyedRequest) => claimOf(request),

    find: (tenant: Tenant, gid: Gid) => findRow({ tenant, gid }),
    inputOf: (tenant: Tenant, gid: Gid) => findInput(database, tenant, gid),
    list: (tenant: Tenant, filter: RunFilter, limit: number, after?: Position) =>
      listRuns(database, tenant, filter, limit, after),
    count: (tenant: Tenant, filter: RunFilter) => countRuns(database, tenant, filter),
    glance: (gids: readonly Gid[]) => glance(database, gids),

    claimSending: (gid: Gid, sentAt: Date | null) => claimSending(database, gid, sentAt),
    giveBackSending: (gids: readonly Gid[], sentAt: Date) =>
      giveBackSending(database, gids, sentAt),
    giveBackUnsent: (starts: readonly SentStart[]) => giveBackUnsent(database, starts),
    confirmStarts: (gids: readonly Gid[]) => confirmStarts(database, gids),
    dueOwners: (limit: number) => dueOwners(database, limit),
    claimOwner: (owner: string) => claimOwner(database, owner),
    confirmEnded: (limit: number) => confirmEnded(database, limit),
    backlog: (max: number) => backlog(database, max),

    cancelUnsent: (gid: Gid, tenant: Tenant, endedAt: Date, ending: object) =>
      cancelUnsent(database, cluster, { gid, tenant }, endedAt, ending),
    book: (run: RunRow, step: string, booking: Booking) =>
      bookRun(database, cluster, run, step, booking),
    attention: () => attention(database),
  };
}
export type RunsStore = ReturnType<typeof createRunsStore>;
