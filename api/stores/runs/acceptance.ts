/** How starts are accepted once: key, run and event are claimed in one SQL transaction, for one start or for a set. */
import { randomBytes } from 'node:crypto';

import { isBatchId } from '../../../contracts/engine/batches';
import type { Flow, Gid } from '../../../contracts/engine/ids';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import type { Fingerprint } from '../../http/idempotency';
import type { People } from '../../http/people';
import { Problem } from '../../http/errors';
import { inParallel } from '../../../runtime/in-parallel';
import { isSqlError, withoutDeadlock, type Database, type Statements } from '../database';
import { announce } from './events';
import {
  activeRegion,
  claimSwitchSlot,
  SwitchSlotRefused,
  type Refused,
  type SwitchSlot,
} from './hub';

/** A start as it is claimed: key, run and validated input are one row. */
export interface NewRun {
  readonly input: TransactionInput;
  /** The input as its row keeps it: JSON in UTF-8. */
  readonly inputJson: Buffer;
  readonly reference: string;
  /** Method and route template: the scope of the key, together with the tenant. */
  readonly operation: string;
  readonly idempotencyKey: string;
  readonly fingerprint: Fingerprint;
  /** All the people who may stand behind the credential that starts it. */
  readonly requester: People;
  readonly acceptedAt: Date;
  /** `single`: it goes into no batch of its set. */
  readonly lane?: 'single' | undefined;
  /** Only for a flow of operators, which moves regions itself. Left out: a customer's flow, refused during a switch. */
  readonly turn?: SwitchSlot | undefined;
}
/** What the key of a request is looked up by. */
export type KeyedRequest = Pick<NewRun, 'operation' | 'idempotencyKey' | 'fingerprint'> & {
  readonly input: Pick<TransactionInput, 'tenant'>;
};

/** What became of the first request with a key. */
export type EarlierClaim =
  /** The same request came before under this key. */
  | { readonly kind: 'attached'; readonly gid: Gid }
  /** Another request came before under this key. */
  | { readonly kind: 'reused'; readonly gid: Gid; readonly fields: Fingerprint['fields'] };

export interface AcceptedClaim {
  readonly kind: 'accepted';
  /** Id of the workflow that is to coordinate it: its gid, or a batch. */
  readonly owner: string;
  /** Its row bears this time as that of the first send; `null`: it is not to be sent at once. */
  readonly sentAt: Date | null;
}

export type Claim =
  | AcceptedClaim
  | EarlierClaim
  /** The reference was used under another key. */
  | { readonly kind: 'exists'; readonly gid: Gid }
  /** The first request with this key or reference is not committed yet. */
  | { readonly kind: 'inProgress' }
  | Refused;

/** What became of each start of a set, in its order: its claim, or why there is none. */
export type Outcomes = readonly PromiseSettledResult<Claim>[];

/**
 * How the rows are written. `isSent`: marked as sent, because who accepts them sends them at once. From then on a cancel
 * asks the run. A row without the mark can be cancelled by its row alone.
 */
export interface Acceptance {
  readonly isSent: boolean;
  /** Workflow ids of the batches that the set goes into, by flow. Left out, or not in it: a workflow for each row. */
  readonly batches?: ReadonlyMap<Flow, string>;
}

/** Starts that a set could not take go one by one, so many at once: one that waits for a lock holds up no other. */
const aloneAtOnce = 4;

/**
 * Claims key and reference by INSERT, never by SELECT first: two requests at once cannot both find nothing.
 * A claim that is not committed yet makes the INSERT wait, for `innodb_lock_wait_timeout` of the session.
 */
export async function acceptRun(
  database: Database,
  cluster: string,
  run: NewRun,
  acceptance: Acceptance,
): Promise<Claim> {
  try {
    const claim = await withoutDeadlock(() =>
      database.transaction((sql) => writeOne(sql, cluster, run, acceptance)),
    );
    if (claim.kind === 'accepted') return claim;
    return (await findClaim(database, run)) ?? claim; // What was taken in before is answered all the same.
  } catch (error) {
    if (error instanceof SwitchSlotRefused)
      return (await findClaim(database, run)) ?? error.refused;
    if (isSqlError(error, 'lockWait')) return { kind: 'inProgress' };
    if (isSqlError(error, 'duplicate')) return earlierClaim(database, run);
    throw error;
  }
}

/**
 * Accepts a set of starts of customers' flows in one SQL transaction, each as if it had come alone and after those before
 * it. What MySQL refuses of a set goes one by one, so a start fails only by itself. A lost connection, or a COMMIT without
 * an answer, is the same for all of them.
 *
 * The rows of a batch come by one COMMIT. Whoever repeats its start finds all of them, so what goes alone is in no batch.
 */
export async function acceptRuns(
  database: Database,
  cluster: string,
  runs: readonly NewRun[],
  acceptance: Acceptance,
): Promise<Outcomes> {
  const [run, ...more] = runs;
  if (run && more.length === 0)
    return Promise.allSettled([acceptRun(database, cluster, run, acceptance)]);
  const claims = await acceptTogether(database, cluster, runs, acceptance);
  const { isSent } = acceptance;
  const alone = (one: NewRun) => acceptRun(database, cluster, one, { isSent });
  return inParallel(runs, aloneAtOnce, async (one) => claims.get(one) ?? alone(one));
}

type Claims = ReadonlyMap<NewRun, Claim>;
const none: Claims = new Map();

/** @returns claims of those that could be answered together; the others must go alone. */
async function acceptTogether(
  database: Database,
  cluster: string,
  runs: readonly NewRun[],
  acceptance: Acceptance,
): Promise<Claims> {
  // A known key needs no INSERT: it would lock a row that its run is moving.
  const known = await findClaims(database, runs);
  const written = await writeTogether(
    database,
    cluster,
    withoutDoubles(runs.filter((run) => !known.has(run))),
    acceptance,
  );
  const left = runs.filter((run) => !known.has(run) && !written.has(run));
  return new Map([...known, ...written, ...(await findClaims(database, left))]);
}

/** The first of each key and of each reference, in the order in which all sets lock rows. */
function withoutDoubles(runs: readonly NewRun[]): readonly NewRun[] {
  const seen = new Set<string>();
  const isFirst = (run: NewRun): boolean => {
    const names = [keyOf(run), run.input.gid];
    if (names.some((name) => seen.has(name))) return false;
    for (const name of names) seen.add(name);
    return true;
  };
  return runs.filter(isFirst).sort((a, b) => (a.input.gid < b.input.gid ? -1 : 1));
}

/** @returns claims of the rows that this call has written; none where MySQL refuses one of them, or during a switch. */
async function writeTogether(
  database: Database,
  cluster: string,
  runs: readonly NewRun[],
  acceptance: Acceptance,
): Promise<Claims> {
  if (runs.length === 0) return none;
  try {
    return await database.transaction((sql) => writeSet(sql, cluster, runs, acceptance));
  } catch (error) {
    if (error instanceof Problem) throw error;
    return none;
  }
}

async function writeSet(
  sql: Statements,
  cluster: string,
  runs: readonly NewRun[],
  acceptance: Acceptance,
): Promise<Claims> {
  const hub = await activeRegion(sql, cluster);
  if (hub.state === 'failing-over') return none;
  const { at, epoch } = hub;
  const sentAt = acceptance.isSent ? at : null;
  const ownerOf = ownersIn(acceptance);
  const origin = { ...hub, sentAt, ownerOf, token: randomBytes(16) };
  await insertRuns(sql, runs, origin, 'ON DUPLICATE KEY UPDATE gid = runs.gid');
  const own = await ownOf(sql, runs, origin.token);
  if (own.length > 0) await announce(sql, ...own.map((run) => accepted(run, epoch)));
  return new Map(own.map((run) => [run, { kind: 'accepted', owner: ownerOf(run), sentAt }]));
}

type OwnerOf = (run: NewRun) => string;

const ownersIn =
  ({ batches }: Acceptance): OwnerOf =>
  ({ input, lane }) =>
    (lane === 'single' ? undefined : batches?.get(input.flow)) ?? input.gid;

/** The token decides, never the number of affected rows: its meaning depends on flags of the driver. */
async function ownOf(
  sql: Statements,
  runs: readonly NewRun[],
  token: Buffer,
): Promise<readonly NewRun[]> {
  const rows = await sql.select<{ readonly gid: Gid }>(
    'SELECT gid FROM runs FORCE INDEX (PRIMARY) WHERE gid IN (?) AND acceptance = ?',
    [runs.map(({ input }) => input.gid), token],
  );
  const own = new Set(rows.map(({ gid }) => gid));
  return runs.filter(({ input }) => own.has(input.gid));
}

/**
 * A refusal says why nothing was written. It is not thrown: an error costs the connection, and during a switch every
 * start is refused.
 */
async function writeOne(
  sql: Statements,
  cluster: string,
  run: NewRun,
  acceptance: Acceptance,
): Promise<Exclude<Claim, EarlierClaim>> {
  const hub = run.turn
    ? await claimSwitchSlot(sql, cluster, run.turn)
    : await activeRegion(sql, cluster);
  if (!run.turn && hub.state === 'failing-over') return { kind: 'switching' };
  const sentAt = acceptance.isSent ? hub.at : null;
  const ownerOf = ownersIn(acceptance);
  await insertRuns(sql, [run], { ...hub, sentAt, ownerOf, token: null });
  await announce(sql, accepted(run, hub.epoch));
  return { kind: 'accepted', owner: ownerOf(run), sentAt };
}

const accepted = ({ input }: NewRun, epoch: number) => {
  const { gid, tenant, flow } = input;
  return { gid, op: 'accepted', sequence: 1, epoch, data: { gid, tenant, flow } } as const;
};

/** What the rows of one SQL transaction have in common. */
interface RowOrigin {
  readonly region: string;
  readonly epoch: number;
  readonly sentAt: Date | null;
  readonly ownerOf: OwnerOf;
  /** `null` where the INSERT itself fails if the row is there. */
  readonly token: Buffer | null;
}

async function insertRuns(
  sql: Statements,
  runs: readonly NewRun[],
  origin: RowOrigin,
  ifThere = '',
): Promise<void> {
  await sql.change(
    `INSERT INTO runs (gid, tenant, flow, reference, operation, idempotency_key, fingerprint, field_digests, input,
       owner, lane, region, epoch, accepted_at, start_sent_at, deadline_at, at_risk, requester, acceptance)
     VALUES ? ${ifThere}`,
    [runs.map((run) => rowOf(run, origin))],
  );
}

const rowOf = (run: NewRun, { region, epoch, sentAt, ownerOf, token }: RowOrigin) => [
  run.input.gid,
  run.input.tenant,
  run.input.flow,
  run.reference,
  run.operation,
  run.idempotencyKey,
  run.fingerprint.digest,
  JSON.stringify(run.fingerprint.fields),
  run.inputJson,
  ownerOf(run),
  isBatchId(ownerOf(run)) ? 'batch' : 'single',
  region,
  epoch,
  run.acceptedAt,
  sentAt,
  new Date(run.input.deadlineAt),
  '[]',
  run.requester && JSON.stringify(run.requester),
  token,
];

/** Who was first: asked by key, because one key with two references is a reused key, not a used reference. */
const earlierClaim = async (database: Database, run: NewRun): Promise<Claim> =>
  (await findClaim(database, run)) ?? { kind: 'exists', gid: run.input.gid };

/** A committed row, as far as it says what its key was used for. */
interface ClaimRow {
  readonly gid: Gid;
  readonly fingerprint: Buffer;
  readonly fields: Fingerprint['fields'];
}

/** The claim of the first request with each key; `undefined`: none is committed. */
export async function findClaimsOfKeys(
  database: Database,
  requests: readonly KeyedRequest[],
): Promise<readonly (EarlierClaim | undefined)[]> {
  const rows = await database.select<ClaimRow & KeyColumns>(
    `SELECT ${claimColumns} FROM runs FORCE INDEX (one_key)
     WHERE (tenant, operation, idempotency_key) IN (?)`,
    [requests.map(columnsOfKey)],
  );
  const byKey = new Map(rows.map((row) => [textOfKey(row), row]));
  return requests.map((request) => {
    const row = byKey.get(keyOf(request));
    return row && claimOf(row, request.fingerprint);
  });
}

const columnsOfKey = ({ input, operation, idempotencyKey }: KeyedRequest) => [
  input.tenant,
  operation,
  idempotencyKey,
];

/** The claim of the first request with this key; `undefined`: none is committed. */
const findClaim = async (
  database: Database,
  request: KeyedRequest,
): Promise<EarlierClaim | undefined> => (await findClaimsOfKeys(database, [request]))[0];

const claimOf = ({ gid, ...row }: ClaimRow, { digest }: Fingerprint): EarlierClaim =>
  row.fingerprint.equals(digest)
    ? { kind: 'attached', gid }
    : { kind: 'reused', gid, fields: row.fields };

/** Claims of those whose key or reference stands in a committed row: what an INSERT of each would meet. */
async function findClaims(database: Database, runs: readonly NewRun[]): Promise<Claims> {
  if (runs.length === 0) return none;
  const rows = await database.select<ClaimRow & KeyColumns>(
    `SELECT ${claimColumns} FROM runs FORCE INDEX (one_key) WHERE (tenant, operation, idempotency_key) IN (?)
     UNION ALL
     SELECT ${claimColumns} FROM runs FORCE INDEX (PRIMARY) WHERE gid IN (?)`,
    [runs.map(columnsOfKey), runs.map(({ input }) => input.gid)],
  );
  const byKey = new Map(rows.map((row) => [textOfKey(row), row]));
  const gids = new Set(rows.map(({ gid }) => gid));
  return new Map(
    runs.flatMap((run): [NewRun, Claim][] => {
      const row = byKey.get(keyOf(run));
      if (row) return [[run, claimOf(row, run.fingerprint)]];
      return gids.has(run.input.gid) ? [[run, { kind: 'exists', gid: run.input.gid }]] : [];
    }),
  );
}

const claimColumns =
  'gid, fingerprint, field_digests AS fields, tenant, operation, idempotency_key AS idempotencyKey';

interface KeyColumns {
  readonly tenant: string;
  readonly operation: string;
  /** `null`: it has expired. */
  readonly idempotencyKey: string | null;
}

const keyOf = ({ input, operation, idempotencyKey }: KeyedRequest): string =>
  textOfKey({ tenant: input.tenant, operation, idempotencyKey });

/** No part of a key has a line break. */
const textOfKey = ({ tenant, operation, idempotencyKey }: KeyColumns): string =>
  `${tenant}\n${operation}\n${idempotencyKey ?? ''}`;
