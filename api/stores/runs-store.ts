import { topics } from '../../contracts/events';
import { eventIdOf, type Flow, type Gid, type Tenant } from '../../contracts/ids';
import { moneyAtRisk, type AmountAtRisk } from '../../contracts/money';
import {
  handStateOf,
  unbookedAmounts,
  type Booking,
  type KeptResolution,
} from '../../contracts/resolutions';
import { rowBranch } from '../../contracts/runs';
import type { EarlyStatus, RunState, TransactionInput } from '../../contracts/transaction';
import { dependencyUnavailable } from '../errors';
import type { Fingerprint } from '../idempotency';
import type { People } from '../people';
import type { Position } from '../cursor';
import { openMoveOf } from './cluster-store';
import {
  countRuns,
  isOlder,
  readRunPage,
  type Condition,
  type RunFilter,
  type RunPage,
} from './run-lists';
import {
  isSqlError,
  withoutDeadlock,
  type Database,
  type SqlValue,
  type Statements,
} from './database';

/** The row of a transaction as callers may see it. */
export interface RunRow {
  readonly gid: Gid;
  readonly tenant: Tenant;
  readonly flow: Flow;
  readonly state: RunState;
  readonly step: string | null;
  readonly reason: string | null;
  readonly pivotPassed: boolean;
  readonly lane: 'single' | 'batch';
  readonly region: string;
  readonly epoch: number;
  readonly version: number;
  readonly acceptedAt: Date;
  readonly deadlineAt: Date;
  /** For how long its step has been failing; `null`: it has not, or not for long. */
  readonly stuckSinceMs: number | null;
  readonly endedAt: Date | null;
  readonly startSentAt: Date | null;
  readonly startConfirmedAt: Date | null;
  readonly atRisk: readonly AmountAtRisk[];
  /** What was told before the ending; written once. */
  readonly early: EarlyStatus | null;
  /** What persons have answered for, once it has ended; `null`: nothing. */
  readonly resolvedByHand: readonly KeptResolution[] | null;
  /** Everybody who may stand behind the credential that started it; none where a machine did. */
  readonly requester: People;
  /** The answer, byte for byte; not read for lists. */
  readonly ending: Buffer | null;
}

/** A start as it is claimed: key, run and validated input are one row. */
export interface NewRun {
  readonly input: TransactionInput;
  readonly reference: string;
  /** Method and route template: the scope of the key, together with the tenant. */
  readonly operation: string;
  readonly idempotencyKey: string;
  readonly fingerprint: Fingerprint;
  /** Everybody who may stand behind the credential that starts it. */
  readonly requester: People;
  readonly acceptedAt: Date;
  /** Of an operator's flow, which moves regions itself; left out: it is business, taken in while none is switched. */
  readonly turn?: Turn | undefined;
}
/** What the key of a request is looked up by. */
export type KeyedRequest = Pick<NewRun, 'operation' | 'idempotencyKey' | 'fingerprint'> & {
  readonly input: Pick<TransactionInput, 'tenant'>;
};

/** The cluster as a start of an operator's flow was prepared for it. Its number is the next one. */
export interface Turn {
  readonly sequence: number;
  readonly epoch: number;
}

/** What became of the first request with a key. */
export type EarlierClaim =
  /** The same request came before under this key. */
  | { readonly kind: 'attached'; readonly gid: Gid }
  /** Another request came before under this key. */
  | { readonly kind: 'reused'; readonly gid: Gid; readonly fields: Fingerprint['fields'] };

export type Claim =
  | { readonly kind: 'accepted' }
  | EarlierClaim
  /** The reference was used under another key. */
  | { readonly kind: 'exists'; readonly gid: Gid }
  /** The first request with this key or reference is not committed yet. */
  | { readonly kind: 'inProgress' }
  | Refused;

/** The cluster's row says no; nothing is written. */
type Refused =
  /** A region is being switched: no business is taken in. */
  | { readonly kind: 'switching' }
  /** Another one moves the regions. */
  | { readonly kind: 'held'; readonly gid: Gid | null }
  /** The cluster has moved since this was prepared. */
  | { readonly kind: 'moved' };

/** What a waiting caller looks at. */
export interface RunGlance {
  readonly gid: Gid;
  readonly state: RunState;
  readonly early: EarlyStatus | null;
}

/** A start that somebody has to send again. `sentAt` is what the claim of it compares with. */
export interface UnconfirmedStart {
  readonly gid: Gid;
  readonly input: TransactionInput;
  readonly sentAt: Date | null;
}

/** A start that was sent is given this long to be confirmed by the process that sent it. */
const confirmWithinSeconds = 10;
/** A start that was not sent at all: longer than the way from COMMIT to the first send takes. */
const sendWithinSeconds = 1;
const glanceColumns = 'gid, state, early_status AS early';
const listColumns = `gid, tenant, flow, state, step, reason, pivot_passed AS pivotPassed, lane, region, epoch, version,
  accepted_at AS acceptedAt, deadline_at AS deadlineAt, ended_at AS endedAt,
  TIMESTAMPDIFF(MICROSECOND, stuck_since, UTC_TIMESTAMP(3)) DIV 1000 AS stuckSinceMs,
  start_sent_at AS startSentAt, start_confirmed_at AS startConfirmedAt, at_risk AS atRisk,
  early_status AS early, requester, resolved_by_hand AS resolvedByHand`;

/**
 * Rows of `accord.runs` as the API claims, reads and starts them; workflows move them through `RunsActivities`.
 *
 * @param cluster whose region and epoch a new row bears.
 */
export function createRunsStore(database: Database, cluster: string) {
  return {
    accept: (run: NewRun): Promise<Claim> => accept(database, cluster, run),

    /** The claim of the first request with this key; `undefined`: none is committed. */
    findClaim: (request: KeyedRequest): Promise<EarlierClaim | undefined> =>
      findClaim(database, request),

    async find(tenant: Tenant, gid: Gid): Promise<RunRow | undefined> {
      const [row] = await database.select<RawRow>(
        `SELECT ${listColumns}, ending FROM runs WHERE gid = ? AND tenant = ?`,
        [gid, tenant],
      );
      return row && runOf(row);
    },

    /** What it was accepted with, as long as it has not ended. */
    async inputOf(tenant: Tenant, gid: Gid): Promise<TransactionInput | undefined> {
      const [row] = await database.select<{ readonly input: Buffer | null }>(
        'SELECT input FROM runs WHERE gid = ? AND tenant = ?',
        [gid, tenant],
      );
      return row?.input ? inputOf(row.input) : undefined;
    },

    /** One page, newest first, from behind `after`; the tenant's own rows alone. */
    async list(
      tenant: Tenant,
      filter: RunFilter,
      limit: number,
      after?: Position,
    ): Promise<RunPage<RunRow>> {
      const list = { tenant, filter, conditions: conditionsOf(tenant, filter), after };
      const columns = `${listColumns}, NULL AS ending`;
      const { rows, next } = await database.session((sql) =>
        readRunPage<RawRow>(sql, list, columns, limit),
      );
      return { rows: rows.map(runOf), next };
    },

    /** How many rows fit, of the newest `looksMax`. */
    count: (tenant: Tenant, filter: RunFilter): Promise<number> =>
      database.session((sql) =>
        countRuns(sql, { tenant, filter, conditions: conditionsOf(tenant, filter) }),
      ),

    glance: (gids: readonly Gid[]): Promise<readonly RunGlance[]> =>
      database.select<RunGlance>(`SELECT ${glanceColumns} FROM runs WHERE gid IN (?)`, [gids]),

    /**
     * Claims the sending of a start: of several processes that saw the same `sentAt`, one wins.
     * @returns false: somebody else sends it, it is confirmed, or it was cancelled.
     */
    async claimSending(gid: Gid, sentAt: Date | null): Promise<boolean> {
      const changed = await database.change(
        `UPDATE runs SET start_sent_at = UTC_TIMESTAMP(3)
         WHERE gid = ? AND start_sent_at <=> ? AND start_confirmed_at IS NULL AND ended_at IS NULL`,
        [gid, sentAt],
      );
      return changed === 1;
    },

    /** The send that was claimed went nowhere: the row is due again, for whoever comes first. */
    async giveBackSending(gid: Gid, sentAt: Date): Promise<void> {
      await database.change(
        'UPDATE runs SET start_sent_at = ? WHERE gid = ? AND start_confirmed_at IS NULL',
        [sentAt, gid],
      );
    },

    /** The run exists in Temporal. Its input stays until it has ended: who finds the run gone tells it again. Safe to repeat. */
    async confirmStart(gid: Gid): Promise<void> {
      await database.change(
        `UPDATE runs SET version = version + (state = 'accepted'), state = IF(state = 'accepted', 'running', state),
           start_confirmed_at = UTC_TIMESTAMP(3)
         WHERE gid = ? AND start_confirmed_at IS NULL`,
        [gid],
      );
    },

    /** Starts that nobody has confirmed in time, oldest first. */
    unconfirmedStarts: (limit: number): Promise<readonly UnconfirmedStart[]> =>
      unconfirmedStarts(database, limit),

    /** Runs that ended before their start was confirmed: nothing is owed, and nothing may be started again. */
    async confirmEnded(limit: number): Promise<void> {
      const ended = await database.select<{ readonly gid: Gid }>(
        `SELECT gid FROM runs FORCE INDEX (unconfirmed_ended)
           WHERE start_confirmed_at IS NULL AND ended_at IS NOT NULL LIMIT ?`,
        [limit],
      );
      if (ended.length === 0) return;
      // By primary key and in its order, as everybody else: a walk along the index of unconfirmed starts would lock what
      // confirmations of starts change, in the other order.
      await withoutDeadlock(() =>
        database.change(
          `UPDATE runs FORCE INDEX (PRIMARY) SET start_confirmed_at = UTC_TIMESTAMP(3), input = NULL
           WHERE gid IN (?) AND start_confirmed_at IS NULL AND ended_at IS NOT NULL ORDER BY gid`,
          [ended.map(({ gid }) => gid)],
        ),
      );
    },

    /** Starts that Temporal has not confirmed, up to `max`. */
    backlog: (max: number): Promise<number> =>
      countOf(
        database,
        'SELECT 1 FROM runs FORCE INDEX (unconfirmed) WHERE start_confirmed_at IS NULL LIMIT ?',
        [max],
      ),

    /**
     * Cancels a run that was never sent, by compare-and-set: nothing has run, so nothing is undone.
     * @returns false: it has been sent meanwhile, and must be asked itself.
     */
    cancelUnsent: (gid: Gid, tenant: Tenant, endedAt: Date, ending: object): Promise<boolean> =>
      database.transaction(async (sql) => {
        const changed = await sql.change(
          `UPDATE runs SET state = 'compensated', reason = 'cancelled', version = version + 1, input = NULL,
             ending = ?, ended_at = ?, start_confirmed_at = UTC_TIMESTAMP(3),
             early_status = IF(flow = 'payment', 'declined', early_status)
           WHERE gid = ? AND tenant = ? AND state = 'accepted' AND start_sent_at IS NULL`,
          [Buffer.from(JSON.stringify(ending)), endedAt, gid, tenant],
        );
        if (changed === 0) return false;
        const { epoch } = await activeRegion(sql, cluster);
        await announce(sql, {
          gid,
          op: 'compensated',
          sequence: 2,
          epoch,
          data: { ...ending, tenant },
        }); // It was version 1.
        return true;
      }),

    /** Writes down that what a skipped step has left is booked. @returns false: the row has moved. */
    book: (run: RunRow, step: string, booking: Booking): Promise<boolean> =>
      database.transaction((sql) => book(sql, cluster, run, { step, booking })),

    /** What waits for persons, of all tenants, for the health page. `unbooked`: endings that left something to book. */
    async attention(): Promise<{
      readonly parked: number;
      readonly stuck: number;
      readonly unbooked: number;
    }> {
      const [parked, stuck, unbooked] = await Promise.all([
        countOf(database, attentionTo("state = 'parked'"), []),
        // An ending clears the mark, so only these states can bear it.
        countOf(
          database,
          attentionTo(
            `state IN ('accepted', 'running', 'undoing', 'parked') AND stuck_since > '1970-01-01'`,
          ),
          [],
        ),
        countOf(database, "SELECT 1 FROM runs WHERE by_hand = 'open' LIMIT 1000", []),
      ]);
      return { parked, stuck, unbooked };
    },
  };
}
export type RunsStore = ReturnType<typeof createRunsStore>;

type RawRow = Omit<RunRow, 'pivotPassed'> & { readonly pivotPassed: 0 | 1 };

const runOf = (row: RawRow): RunRow => ({ ...row, pivotPassed: row.pivotPassed === 1 });

/**
 * Claims key and reference by INSERT, never by SELECT first: two requests at once cannot both find nothing.
 * A claim that is not committed yet makes the INSERT wait, for `innodb_lock_wait_timeout` of the session.
 */
async function accept(database: Database, cluster: string, run: NewRun): Promise<Claim> {
  try {
    const refused = await withoutDeadlock(() =>
      database.transaction(async (sql): Promise<Refused | undefined> => {
        const hub = run.turn
          ? await takeTurn(sql, cluster, run.turn)
          : await activeRegion(sql, cluster);
        // Returned, not thrown: an error costs the connection, and during a switch everybody is refused.
        if (!run.turn && hub.state === 'failing-over') return { kind: 'switching' };
        const { region, epoch } = hub;
        await insertRun(sql, run, region, epoch);
        await announce(sql, {
          gid: run.input.gid,
          op: 'accepted',
          sequence: 1,
          epoch,
          data: { gid: run.input.gid, tenant: run.input.tenant, flow: run.input.flow },
        });
        return undefined;
      }),
    );
    if (!refused) return { kind: 'accepted' };
    return (await findClaim(database, run)) ?? refused; // What was taken in before is answered all the same.
  } catch (error) {
    if (error instanceof TurnRefused) return (await findClaim(database, run)) ?? error.refused;
    if (isSqlError(error, 'lockWait')) return { kind: 'inProgress' };
    if (isSqlError(error, 'duplicate')) return earlierClaim(database, run);
    throw error;
  }
}

async function insertRun(
  sql: Statements,
  run: NewRun,
  region: string,
  epoch: number,
): Promise<void> {
  const { gid, tenant, flow, deadlineAt } = run.input;
  await sql.change(
    `INSERT INTO runs (gid, tenant, flow, reference, operation, idempotency_key, fingerprint, field_digests, input,
       owner, region, epoch, accepted_at, deadline_at, at_risk, requester)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', ?)`,
    [
      gid,
      tenant,
      flow,
      run.reference,
      run.operation,
      run.idempotencyKey,
      run.fingerprint.digest,
      JSON.stringify(run.fingerprint.fields),
      Buffer.from(JSON.stringify(run.input)),
      gid,
      region,
      epoch,
      run.acceptedAt,
      new Date(deadlineAt),
      run.requester && JSON.stringify(run.requester),
    ],
  );
}

/** Who was first: asked by key, because one key with two references is a reused key, not a used reference. */
const earlierClaim = async (database: Database, run: NewRun): Promise<Claim> =>
  (await findClaim(database, run)) ?? { kind: 'exists', gid: run.input.gid };

async function findClaim(
  database: Database,
  { input, operation, idempotencyKey, fingerprint }: KeyedRequest,
): Promise<EarlierClaim | undefined> {
  const [byKey] = await database.select<{
    readonly gid: Gid;
    readonly fingerprint: Buffer;
    readonly fields: Fingerprint['fields'];
  }>(
    `SELECT gid, fingerprint, field_digests AS fields FROM runs
     WHERE tenant = ? AND operation = ? AND idempotency_key = ?`,
    [input.tenant, operation, idempotencyKey],
  );
  if (!byKey) return undefined;
  return byKey.fingerprint.equals(fingerprint.digest)
    ? { kind: 'attached', gid: byKey.gid }
    : { kind: 'reused', gid: byKey.gid, fields: byKey.fields };
}

/** Rolls back what has been numbered. */
class TurnRefused extends Error {
  constructor(readonly refused: Refused) {
    super(refused.kind);
  }
}

/**
 * Takes the next number of a cluster that is as it was prepared for, and that nobody moves.
 * @throws TurnRefused
 */
async function takeTurn(
  sql: Statements,
  cluster: string,
  { sequence, epoch }: Turn,
): Promise<HubRow> {
  // Locks the row whether it fits or not: of two at once, the later one sees what has become of the earlier one.
  const taken = await sql.change(
    'UPDATE cluster_state SET sequence = sequence + 1 WHERE cluster = ? AND sequence = ? AND epoch = ?',
    [cluster, sequence, epoch],
  );
  const hub = await activeRegion(sql, cluster);
  const open = await openMoveOf(sql, cluster);
  if (open !== undefined || hub.state === 'failing-over') {
    throw new TurnRefused({ kind: 'held', gid: hub.holder ?? open ?? null });
  }
  if (taken === 0) throw new TurnRefused({ kind: 'moved' });
  return hub;
}

interface HubRow {
  readonly region: string;
  readonly epoch: number;
  readonly state: 'steady' | 'failing-over' | 'degraded';
  readonly holder: Gid | null;
}

/** Region and epoch that a write carries, locked against a promotion until it is committed. */
async function activeRegion(sql: Statements, cluster: string): Promise<HubRow> {
  const [hub] = await sql.select<HubRow>(
    'SELECT region, epoch, state, holder_gid AS holder FROM cluster_state WHERE cluster = ? FOR SHARE',
    [cluster],
  );
  if (!hub)
    throw dependencyUnavailable('mysql', new Error(`No row of cluster_state for ${cluster}.`));
  return hub;
}

/** By compare-and-set of the version, with its event. */
async function book(
  sql: Statements,
  cluster: string,
  { gid, tenant, flow, state, version, resolvedByHand }: RunRow,
  { step, booking }: { readonly step: string; readonly booking: Booking },
): Promise<boolean> {
  const kept = (resolvedByHand ?? []).map((one) =>
    one.step === step ? { ...one, booked: booking } : one,
  );
  const atRisk = unbookedAmounts(kept);
  const { currency, minor } = moneyAtRisk(atRisk);
  const changed = await sql.change(
    `UPDATE runs SET resolved_by_hand = ?, by_hand = ?, at_risk = ?, at_risk_currency = ?, at_risk_minor = ?,
       version = version + 1
     WHERE gid = ? AND tenant = ? AND version = ? AND by_hand = 'open'`,
    [
      JSON.stringify(kept),
      handStateOf(kept),
      JSON.stringify(atRisk),
      currency,
      minor,
      gid,
      tenant,
      version,
    ],
  );
  if (changed === 0) return false;
  const { epoch } = await activeRegion(sql, cluster);
  const data = { gid, tenant, flow, state, step, booked: booking, atRisk };
  await announce(sql, { gid, op: 'booked', sequence: version + 1, epoch, data });
  return true;
}

interface TransactionEvent {
  readonly gid: Gid;
  /** What happened to the transaction, past tense; the event is `transaction.<op>`. */
  readonly op: string;
  /** The row's version: events of a transaction are in the order of its versions. */
  readonly sequence: number;
  readonly epoch: number;
  readonly data: object;
}

/** Writes an event of the transaction, in the SQL transaction of what it tells. */
async function announce(sql: Statements, event: TransactionEvent): Promise<void> {
  await sql.change(
    `INSERT INTO outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      eventIdOf(event.gid, rowBranch, event.op, event.sequence),
      event.gid,
      rowBranch,
      event.op,
      topics.transactions,
      `transaction.${event.op}`,
      event.gid,
      event.sequence,
      JSON.stringify(event.data),
      event.epoch,
    ],
  );
}

async function unconfirmedStarts(
  database: Database,
  limit: number,
): Promise<readonly UnconfirmedStart[]> {
  const rows = await database.select<{
    readonly gid: Gid;
    readonly input: Buffer;
    readonly sentAt: Date | null;
  }>(
    `SELECT gid, input, start_sent_at AS sentAt FROM runs FORCE INDEX (unconfirmed)
     WHERE start_confirmed_at IS NULL AND ended_at IS NULL AND input IS NOT NULL AND lane = 'single'
       AND (start_sent_at < UTC_TIMESTAMP(3) - INTERVAL ${confirmWithinSeconds} SECOND
         OR (start_sent_at IS NULL AND accepted_at < UTC_TIMESTAMP(3) - INTERVAL ${sendWithinSeconds} SECOND))
     ORDER BY start_confirmed_at, start_sent_at LIMIT ?`,
    [limit],
  );
  return rows.map(({ gid, input, sentAt }) => ({ gid, sentAt, input: inputOf(input) }));
}

/** Written by `insertRun`, so it is what was validated there. */
const inputOf = (input: Buffer): TransactionInput =>
  JSON.parse(input.toString('utf8')) as TransactionInput;

const attentionTo = (condition: string): string =>
  `SELECT 1 FROM runs FORCE INDEX (attention) WHERE ${condition} LIMIT 1000`;

async function countOf(
  database: Database,
  sql: string,
  values: readonly SqlValue[],
): Promise<number> {
  const [row] = await database.select<{ readonly n: number }>(
    `SELECT COUNT(*) AS n FROM (${sql}) AS counted`,
    values,
  );
  return row?.n ?? 0;
}

function conditionsOf(tenant: Tenant, filter: RunFilter): readonly Condition[] {
  const conditions: Condition[] = [['tenant = ?', [tenant]]];
  const add = (sql: string, value: SqlValue | undefined): void => {
    if (value !== undefined) conditions.push([sql, [value]]);
  };
  add('flow = ?', filter.flow);
  add('state IN (?)', filter.states);
  add('reason IN (?)', filter.reasons);
  add('step = ?', filter.step);
  add('early_status = ?', filter.early);
  add('reference = ?', filter.reference);
  add('by_hand IN (?)', filter.byHand);
  add('lane = ?', filter.lane);
  add('region = ?', filter.region);
  add('at_risk_currency = ?', filter.currency);
  add('at_risk_minor >= ?', filter.minAtRisk);
  add('accepted_at >= ?', filter.acceptedAfter);
  add('accepted_at < ?', filter.acceptedBefore);
  add(isOlder, filter.olderThanMs);
  if (filter.stuck !== undefined) {
    conditions.push([filter.stuck ? 'stuck_since IS NOT NULL' : 'stuck_since IS NULL', []]);
  }
  return conditions;
}
